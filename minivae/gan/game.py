"""The two moves of the game: the losses of both players and all gradients (lesson 19).

    z (B, K) -> generator -> fake (B, D);   fake or x (B, D) -> discriminator -> logits (B, 1)

Arrays come in checked, on the device of the kernels: whoever holds data calls :class:`minivae.GAN`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minivae.backend import Array, Backend, Stream, load
from minivae.gan import losses
from minivae.gan.networks import FeedForward
from minivae.model.workspace import pieces
from minivae.validation import check_int, check_seed


class Game:
    """Two networks, and what each asks of the other; ``config`` is that of :class:`minivae.GAN`, checked."""

    def __init__(self, config: dict[str, Any], kernels: Backend):
        self.config, self.kernels = config, kernels
        self.data_dim, self.latent_dim, self.dtype = config["data_dim"], config["latent_dim"], config["dtype"]
        self.loss, self.penalty, self.seed = config["loss"], config["penalty"], config["seed"]
        self.gamma, self.penalty_noise = config["gamma"], config["penalty_noise"]
        self.optimizer: Any = None
        down, up = widths(config)
        self.generator = FeedForward("generator", up, config["activation"], config["output"], kernels, self.dtype)
        self.discriminator = FeedForward("discriminator", down, config["activation"], "identity", kernels, self.dtype)
        self.networks = {"generator": self.generator, "discriminator": self.discriminator}
        self.generator.store.initialise("torch", self.seed)
        self.discriminator.store.initialise("torch", self.seed, first=len(self.generator.store.arrays))
        self.parameters = {**self.generator.store.arrays, **self.discriminator.store.arrays}
        self.gradients = {**self.generator.store.gradients, **self.discriminator.store.gradients}

    @property
    def step(self) -> int:
        """Steps trained so far."""
        return self.generator.step

    def discriminator_pass(self, x: Array, z: Array, noise: Array | None = None) -> tuple[float, float]:
        """The discriminator's loss and penalty, and the gradients of their sum; the generator stays as it is.

        ``x`` (B, D) is real, ``z`` (B, K) and ``noise`` (B, D; for "approximate-r1" only) are from N(0, I).
        """
        D, penalty = self.discriminator, 0.0
        fake, _ = self.generator.forward(z)
        real_logits, real_cache = D.forward(x)
        fake_logits, fake_cache = D.forward(fake)
        loss, dreal, dfake = losses.of_discriminator(self.kernels, self.loss, real_logits, fake_logits)

        D.store.gradient[:] = 0
        if self.penalty == "approximate-r1":
            penalty, dlogits = losses.approximate_r1(D, x, real_logits, noise, self.gamma, self.penalty_noise)
            dreal = dreal + dlogits  # the logits of real examples are in both terms
        if self.penalty in ("r1", "r1-r2"):
            penalty += losses.r1(D, x, real_cache, self.gamma)
        if self.penalty == "r1-r2":
            penalty += losses.r1(D, fake, fake_cache, self.gamma)
        D.backward(dreal, real_cache)  # each pass through D has a cache of its own, and their gradients add
        D.backward(dfake, fake_cache)
        return loss, penalty

    def generator_pass(self, x: Array, z: Array) -> float:
        """The generator's loss, and its gradients; the discriminator stays as it is. Arguments as above."""
        D, G = self.discriminator, self.generator
        fake, fake_cache = G.forward(z)
        fake_logits, logits_cache = D.forward(fake)
        real_logits = D.forward(x)[0] if self.loss == "relativistic" else fake_logits
        loss, dlogits = losses.of_generator(self.kernels, self.loss, real_logits, fake_logits)

        dfake = D.input_gradient(dlogits, logits_cache)  # all that the generator ever learns of the data
        G.store.gradient[:] = 0
        G.backward(dfake, fake_cache)
        return loss

    def sample_scaled(self, n: int, seed: int = 0) -> np.ndarray:
        """``n`` new examples (n, D) as the generator makes them, a function of the seed (stream 4)."""
        n, seed = check_int(n, "n", 1), check_seed(seed)
        z = np.empty((n, self.latent_dim), self.dtype)
        load("numpy").standard_normal(seed, Stream.PRIOR, 0, np.arange(n), out=z)
        return self.through(self.generator, z)

    def through(self, network: FeedForward, x: np.ndarray) -> np.ndarray:
        """A forward pass of NumPy arrays, a few rows at a time."""
        parts = (network.forward(self.kernels.asarray(x[rows], self.dtype))[0] for rows in pieces(len(x)))
        return np.concatenate([self.kernels.to_numpy(part) for part in parts])


def widths(config: dict[str, Any]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The widths of the discriminator, and of the generator."""
    hidden = tuple(config["hidden_dims"])
    return (config["data_dim"], *hidden, 1), (config["latent_dim"], *reversed(hidden), config["data_dim"])
