"""A step of the GAN of lesson 19 on its ring, by a backend or by PyTorch eager."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minivae.benchmark.problem import Run
from minivae.gan.fitting import step
from minivae.gan.gan import GAN
from minivae.gan.networks import FeedForward
from minivae.gradcheck import relative_error
from minivae.training.optimizers import Adam

PREFIX = "gan "  # of a contender's name
BATCH, RATE, BETAS, TOLERANCE = 256, 1e-3, (0.0, 0.99), 1e-9


def ring(n: int = 20_000) -> np.ndarray:
    """Points (n, 2) of eight Gaussians on a circle."""
    rng = np.random.default_rng(0)
    angle = 2 * np.pi * rng.integers(8, size=n) / 8
    return 2 * np.stack((np.cos(angle), np.sin(angle)), axis=1) + 0.05 * rng.standard_normal((n, 2))


def make(name: str) -> Run:
    """Steps of a backend, or of "torch eager"; each returns the discriminator's loss."""
    gan = GAN(2, backend="numpy" if name == "torch eager" else name)
    gan.optimizer = Adam(RATE, BETAS)
    x = gan.kernels.asarray(ring(), gan.dtype)
    train = torch_step(gan, x) if name == "torch eager" else lambda: step(gan, x, BATCH)[0]

    def run(n: int) -> tuple[float, float]:
        losses = [train() for _ in range(n)]
        return float(losses[0]), float(losses[-1])

    return run


def torch_step(gan: GAN, data: np.ndarray) -> Callable[[], Any]:
    """The step as one writes it in PyTorch, with its fused Adam; no step waits for its loss."""
    import torch

    x = torch.from_numpy(data)
    D, G, of_discriminator, of_generator = torch_game(gan)
    adams = [torch.optim.Adam(net.parameters(), lr=RATE, betas=BETAS, fused=True) for net in (D, G)]

    def train() -> torch.Tensor:
        batch, noise = x[torch.randint(len(x), (BATCH,))], torch.randn(BATCH, 2)
        z = torch.randn(2, BATCH, gan.latent_dim)
        loss = of_discriminator(batch, z[0], noise)
        adams[0].zero_grad(set_to_none=True)
        loss.backward()
        adams[0].step()
        adams[1].zero_grad(set_to_none=True)
        of_generator(batch, z[1]).backward()
        adams[1].step()
        return loss.detach()

    return train


def torch_game(gan: GAN) -> tuple[Any, Any, Callable[..., Any], Callable[..., Any]]:
    """Both networks of a GAN with its parameters, and the losses that they descend, for autograd."""
    import torch
    from torch.nn import functional

    def module(network: FeedForward) -> torch.nn.Module:
        layers: list[torch.nn.Module] = []
        for layer in network.layers:
            linear = torch.nn.Linear(*layer.W.shape)
            linear.weight.data, linear.bias.data = torch.tensor(layer.W.T), torch.tensor(layer.b)
            layers += [linear, torch.nn.LeakyReLU(0.2)]
        return torch.nn.Sequential(*layers[:-1])

    D, G = module(gan.discriminator), module(gan.generator)

    def of_discriminator(x: torch.Tensor, z: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            fake = G(z)
        real = D(x)
        slope = (real - D(x + gan.penalty_noise * noise)) / gan.penalty_noise
        return functional.softplus(D(fake) - real).mean() + gan.gamma / 2 * (slope * slope).mean()

    def of_generator(x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        D.requires_grad_(False)
        loss = functional.softplus(D(x) - D(G(z))).mean()
        D.requires_grad_(True)
        return loss

    return D, G, of_discriminator, of_generator


def mismatch() -> str | None:
    """A sentence if autograd finds other gradients in float64 than the NumPy backend, or None."""
    import torch

    gan, rng = GAN(2, dtype="float64", backend="numpy"), np.random.default_rng(1)
    x, noise, (z, others) = ring(BATCH), rng.standard_normal((BATCH, 2)), rng.standard_normal((2, BATCH, 8))
    gan.discriminator_pass(x, z, noise)
    gan.generator_pass(x, others)
    D, G, of_discriminator, of_generator = torch_game(gan)
    batch = {name: torch.from_numpy(array) for name, array in (("x", x), ("z", z), ("noise", noise))}
    losses = ((D, of_discriminator(**batch)), (G, of_generator(batch["x"], torch.from_numpy(others))))
    for (name, network), (module, loss) in zip(reversed(gan.networks.items()), losses, strict=True):
        ours = [g.ravel() for layer in network.layers for g in (layer.dW, layer.db)]
        theirs = [g.numpy().T.ravel() for g in torch.autograd.grad(loss, [*module.parameters()])]
        error = relative_error(np.concatenate(theirs), np.concatenate(ours))
        if not error <= TOLERANCE:
            return f"autograd finds another gradient of a GAN's {name}: relative error {error:.1e}"
    return None
