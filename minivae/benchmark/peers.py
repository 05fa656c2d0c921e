"""The same training step in PyTorch and in JAX, as those who know them would write it.

As fast as plain code gets: the two heads are one product; PyTorch's Adam is the fused one, and torch.compile sees
noise, model and loss in one graph; JAX keeps data and state on its device, donates the state, and takes its batches
from there, one by one ("jit") or a whole epoch in one call ("scan"). No step waits for its loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from minivae.benchmark.problem import BETAS, EPSILON, LEARNING_RATE, Layers, Problem, Run

if TYPE_CHECKING:
    import torch

SAMPLES, ROWS = 500, 16  # of importance sampling: draws for each example, and examples at once


# ---------------------------------------------------------------------------------------------------------
# PyTorch


def torch_model(layers: Layers, draws: int = 1) -> torch.nn.Module:
    """The VAE as a module: ``model(x, eps)`` is the loss; without ``eps`` it draws its noise.

    Parameters
    ----------
    layers : mapping of str to (W, b)
        The starting parameters, as :meth:`Problem.layers` gives them.
    draws : int, default 1
        With more the loss is minus the importance weighted bound.
    """
    import torch
    from torch.nn import functional

    def linear(name: str) -> torch.nn.Linear:
        W, b = layers[name]
        layer = torch.nn.Linear(*W.shape)
        layer.load_state_dict({"weight": torch.from_numpy(W.T.copy()), "bias": torch.from_numpy(b)})
        return layer

    class VAE(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.heads = linear("encoder"), linear("heads")
            self.decoder, self.output = linear("decoder"), linear("output")

        def forward(self, x: torch.Tensor, eps: torch.Tensor | None = None) -> torch.Tensor:
            if draws > 1:
                return -self.bound(x, eps).mean()
            mu, logvar = self.heads(functional.relu(self.encoder(x))).chunk(2, dim=1)
            eps = torch.randn_like(mu) if eps is None else eps
            z = mu + torch.exp(0.5 * logvar) * eps
            logits = self.output(functional.relu(self.decoder(z)))
            recon_nll = functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
            kl = 0.5 * torch.sum(mu * mu + logvar.exp() - 1 - logvar)
            return (recon_nll + kl) / len(x)

        def bound(self, x: torch.Tensor, eps: torch.Tensor | None = None) -> torch.Tensor:
            x = x[:, None]
            mu, logvar = self.heads(functional.relu(self.encoder(x))).chunk(2, dim=2)
            eps = torch.randn(len(x), draws, mu.shape[2]) if eps is None else eps
            z = mu + torch.exp(0.5 * logvar) * eps
            logits = self.output(functional.relu(self.decoder(z)))
            nll = functional.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none").sum(dim=2)
            log_w = 0.5 * (eps * eps + logvar - z * z).sum(dim=2) - nll
            return torch.logsumexp(log_w, dim=1) - math.log(draws)

    return VAE()


def torch_run(problem: Problem, compiled: bool) -> Run:
    """Training steps in PyTorch: eager, or through torch.compile."""
    import torch

    torch.manual_seed(0)
    size, batches, step = problem.batch_size, problem.batches, 0
    model, data = torch_model(problem.layers(), problem.draws), torch.from_numpy(problem.data())
    adam = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, betas=BETAS, eps=EPSILON, fused=True)
    train = torch_step(torch.compile(model, fullgraph=True, dynamic=False) if compiled else model, adam)

    def run(n: int) -> tuple[float, float]:
        nonlocal step
        starts = [i % batches * size for i in range(step, step + n)]
        losses = [train(data[start : start + size]) for start in starts]
        step += n
        return float(losses[0]), float(losses[-1])

    return run


def torch_importance(problem: Problem, n: int) -> Callable[[], torch.Tensor]:
    """log p(x) of the first n examples, by SAMPLES draws of the encoder, (n,), in nats."""
    import torch

    model: Any = torch_model(problem.layers(), SAMPLES)
    x = torch.from_numpy(problem.data()[:n])

    def log_px() -> torch.Tensor:
        with torch.no_grad():
            return torch.cat([model.bound(rows) for rows in x.split(ROWS)])

    return log_px


def torch_step(loss_of: Callable[..., torch.Tensor], adam: torch.optim.Optimizer) -> Callable[..., torch.Tensor]:
    """A training step as one writes it; it returns the loss, on the device."""

    def train(x: torch.Tensor) -> torch.Tensor:
        adam.zero_grad(set_to_none=True)
        loss = loss_of(x)
        loss.backward()
        adam.step()
        return loss.detach()

    return train


# ---------------------------------------------------------------------------------------------------------
# JAX


def jax_loss(layers: Any, x: Any, eps: Any) -> Any:
    """The loss of a batch.

    Parameters
    ----------
    layers : mapping of str to (W, b)
        As :meth:`Problem.layers` gives them.
    x, eps : arrays of shape (B, D) and (B, K), or (B, S, K): then it is minus the importance weighted bound
    """
    import jax
    import jax.numpy as jnp

    def affine(name: str, x: Any) -> Any:
        W, b = layers[name]
        return x @ W + b

    mu, logvar = jnp.split(affine("heads", jax.nn.relu(affine("encoder", x))), 2, axis=1)
    if eps.ndim == 3:
        x, mu, logvar = x[:, None], mu[:, None], logvar[:, None]
    z = mu + jnp.exp(0.5 * logvar) * eps
    logits = affine("output", jax.nn.relu(affine("decoder", z)))
    if eps.ndim == 3:
        nll = jnp.sum(jax.nn.softplus(logits) - x * logits, axis=2)
        log_w = 0.5 * jnp.sum(eps * eps + logvar - z * z, axis=2) - nll
        return math.log(eps.shape[1]) - jax.nn.logsumexp(log_w, axis=1).mean()
    recon_nll = jnp.sum(jax.nn.softplus(logits) - x * logits)
    kl = 0.5 * jnp.sum(mu * mu + jnp.exp(logvar) - 1 - logvar)
    return (recon_nll + kl) / len(x)


def jax_step(state: Any, x: Any, draws: int = 1) -> tuple[Any, Any]:
    """One training step, for jit or scan: (parameters, Adam's m and v, step, key) and a batch -> (state, loss)."""
    import jax
    import jax.numpy as jnp

    layers, m, v, t, key = state
    key, now = jax.random.split(key)
    eps = jax.random.normal(now, (len(x), *((draws,) if draws > 1 else ()), layers["decoder"][0].shape[0]))
    loss, gradient = jax.value_and_grad(jax_loss)(layers, x, eps)

    (beta1, beta2), t = BETAS, t + 1
    m = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, m, gradient)
    v = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, v, gradient)
    root = jnp.sqrt(1 - beta2**t)
    size = LEARNING_RATE * root / (1 - beta1**t)
    layers = jax.tree.map(lambda w, m, v: w - size * m / (jnp.sqrt(v) + root * EPSILON), layers, m, v)
    return (layers, m, v, t, key), loss


def jax_start(problem: Problem) -> tuple[Any, Any]:
    """The state before the first step, and the data (batches, B, D), on the processor."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_platforms", "cpu")
    layers = jax.tree.map(jnp.array, problem.layers())
    zeros = [jax.tree.map(jnp.zeros_like, layers) for _ in "mv"]
    data = jnp.asarray(problem.data().reshape(problem.batches, problem.batch_size, problem.input_dim))
    return (layers, *zeros, jnp.int32(0), jax.random.key(0)), data


def jax_run(problem: Problem, scan: bool) -> Run:
    """Training steps in JAX, each a call of one compiled function; with ``scan`` each epoch is one.

    With ``scan`` the steps that are asked for are whole epochs.
    """
    import jax

    train = partial(jax_step, draws=problem.draws)
    state, data = jax_start(problem)
    data = data if scan else data.reshape(-1, problem.input_dim)

    def step(state: Any, rows: Any) -> tuple[Any, Any]:
        start = state[3] % problem.batches * problem.batch_size
        return train(state, jax.lax.dynamic_slice_in_dim(rows, start, problem.batch_size))

    def epoch(state: Any, batches: Any) -> tuple[Any, Any]:
        return jax.lax.scan(train, state, batches)

    compiled = jax.jit(epoch if scan else step, donate_argnums=0)

    def run(n: int) -> tuple[float, float]:
        nonlocal state
        losses = []
        for _ in range(n // problem.batches if scan else n):
            state, loss = compiled(state, data)
            losses.append(loss)
        jax.block_until_ready(state)
        return float(losses[0].ravel()[0]), float(losses[-1].ravel()[-1])

    return run
