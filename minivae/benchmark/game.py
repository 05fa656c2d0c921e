"""A step of the GAN of lesson 19 on its ring, by a backend or by PyTorch eager, whose gradients are compared first."""

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
    train = torch_step() if name == "torch eager" else our_step(name)

    def run(n: int) -> tuple[float, float]:
        losses = [train() for _ in range(n)]
        return float(losses[0]), float(losses[-1])

    return run


def our_step(backend: str) -> Callable[[], float]:
    """The step that ``GAN.fit`` makes."""
    gan = GAN(2, backend=backend)
    gan.optimizer = Adam(RATE, BETAS)
    x = gan.kernels.asarray(ring(), gan.dtype)
    return lambda: step(gan, x, BATCH)[0]


def torch_step() -> Callable[[], Any]:
    """The same as one writes it in PyTorch, with its fused Adam; no step waits for its loss."""
    import torch

    gan, x = GAN(2, backend="numpy"), torch.from_numpy(ring().astype(np.float32))
    D, G, of_discriminator, of_generator = torch_game(gan)
    adams = [torch.optim.Adam(net.parameters(), lr=RATE, betas=BETAS, fused=True) for net in (D, G)]

    def train() -> torch.Tensor:
        batch, noise = x[torch.randint(len(x), (BATCH,))], torch.randn(BATCH, 2)
        z = torch.randn(2, BATCH, gan.latent_dim)
        loss = of_discriminator(batch, z[0], noise)
        for adam, value in zip(adams, (loss, None), strict=True):
            adam.zero_grad(set_to_none=True)
            (of_generator(batch, z[1]) if value is None else value).backward()
            adam.step()
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


def gradients(name: str) -> list[np.ndarray]:
    """The gradient of each network, in float64, of one batch: the discriminator's, then the generator's."""
    rng, is_torch = np.random.default_rng(1), name == "torch eager"
    gan = GAN(2, dtype="float64", backend="numpy" if is_torch else name)
    batch: list[Any] = [ring(BATCH), *rng.standard_normal((2, BATCH, gan.latent_dim)), rng.standard_normal((BATCH, 2))]
    if is_torch:
        return torch_gradients(gan, batch)
    x, z, others, noise = (gan.kernels.asarray(array, "float64") for array in batch)
    gan.discriminator_pass(x, z, noise)
    gan.generator_pass(x, others)
    parts = [[g for layer in net.layers for g in (layer.dW, layer.db)] for net in (gan.discriminator, gan.generator)]
    return [np.concatenate([gan.kernels.to_numpy(g).ravel() for g in part]) for part in parts]


def torch_gradients(gan: GAN, batch: list[np.ndarray]) -> list[np.ndarray]:
    """The same by autograd."""
    import torch

    D, G, of_discriminator, of_generator = torch_game(gan)
    x, z, others, noise = map(torch.from_numpy, batch)
    losses = ((D, of_discriminator(x, z, noise)), (G, of_generator(x, others)))
    parts = [torch.autograd.grad(loss, [*net.parameters()]) for net, loss in losses]
    return [np.concatenate([g.numpy().T.ravel() for g in part]) for part in parts]


def mismatch(name: str) -> str | None:
    """A sentence if a contender computes other gradients than the NumPy backend in float64, or None."""
    error = max(map(relative_error, gradients(name), gradients("numpy")))
    return None if error <= TOLERANCE else f"the gradients of a GAN by {name} are wrong: relative error {error:.1e}"
