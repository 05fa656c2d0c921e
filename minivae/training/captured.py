"""An epoch on a GPU: one training step is captured as a CUDA graph, and replayed. Not yet run on a GPU.

The examples, their order, and every number that changes from step to step are in the device's memory: the step, which
decides the noise; Adam's t; the learning rate; the weight of the KL; the place in the order. So one graph serves every
step of a run, and nothing is copied back before the end of an epoch.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from minivae.backend import Array, Stream
from minivae.model.likelihoods import LIKELIHOODS
from minivae.model.vae import VAE
from minivae.training.corruption import CORRUPTIONS
from minivae.training.optimizers import OPTIMIZERS, State
from minivae.training.recipe import Recipe
from minivae.training.step import noisy_minibatch


def can_be_captured(vae: VAE, recipe: Recipe) -> bool:
    """False for workers, and a user's own optimizer, corruption or likelihood: they may need the host in every step."""
    ours = {*OPTIMIZERS.values(), *CORRUPTIONS.values(), *LIKELIHOODS.values(), type(None)}
    return recipe.n_shards == 1 and {type(vae.optimizer), type(recipe.corruption), type(vae.likelihood)} <= ours


class CapturedSteps:
    """All updates of an epoch on a backend that has a ``graph``; ``x`` (N, D) is on the device."""

    def __init__(self, vae: VAE, x: Array, recipe: Recipe):
        k = vae.kernels
        self.vae, self.x, self.recipe = vae, x, recipe
        self.size = min(recipe.batch_size, len(x))
        self.order, self.rows = k.zeros(len(x), "uint32"), k.zeros(self.size, "uint32")
        self.counts = k.zeros(3, "uint32")  # the model's step, the optimizer's t, the place in the order
        self.rate, self.sums = k.zeros(1, "float64"), k.zeros(3, "float64")
        self.upstream: dict[int, tuple[Array, Array]] = {}  # d loss / d recon_nll and d loss / d kl, by batch size
        self.graphs: dict[int, Any] = {}
        self.state: State | None = None
        self.settings: Any = None
        self.stream = k.graph.stream()

    def __call__(self) -> np.ndarray:
        """Train on every example once; returns the sums of penalty, recon_nll and kl, (3,), in nats."""
        vae, n = self.vae, len(self.x)
        steps = -(-n // self.size)
        with vae.lock, vae.kernels.graph.on_stream(self.stream):
            self.begin()
            for i in range(steps):
                size = min(self.size, n - i * self.size)
                if self.recipe.beta_schedule is not None:  # the graph reads it, as it does all numbers that change
                    self.upstream[size][1][...] = self.recipe.weight(vae.epoch + i / steps) * vae.beta / size
                self.step(size)
        vae.step += steps
        vae.optimizer.state_of(vae).t += steps
        return np.roll(vae.kernels.to_numpy(self.sums), 1)

    def begin(self) -> None:
        """Copy the numbers of this epoch to the device."""
        vae, k, recipe = self.vae, self.vae.kernels, self.recipe
        state = vae.optimizer.state_of(vae)
        settings = {**vae.optimizer.config(), "learning_rate": None}, repr(recipe.corruption), repr(vae.likelihood)
        if state is not self.state or settings != self.settings:  # the graphs hold these arrays and numbers
            self.state, self.settings, self.graphs = state, settings, {}
        self.order[...] = k.graph.permutation(recipe.seed, vae.epoch, len(self.x))
        self.counts[...] = k.asarray(np.array([vae.step, state.t + 1, 0]), "uint32")
        self.rate[...] = recipe.factor(vae.epoch) * vae.optimizer.learning_rate
        self.sums[...] = 0
        for n in {self.size, len(self.x) % self.size or self.size}:
            if n not in self.upstream:
                self.upstream[n] = k.zeros(n, vae.dtype), k.zeros(n, vae.dtype)
            drecon_nll, dkl = self.upstream[n]
            drecon_nll[...], dkl[...] = 1 / n, vae.beta / n

    def step(self, n: int) -> None:
        """One update with the next ``n`` examples: kernel by kernel the first time, then as a graph."""
        if n in self.graphs:
            self.graphs[n].replay()
            return
        launches = partial(self.launches, n)
        launches()  # compiles, and lets cuBLAS and CuPy set up what is forbidden while a graph is recorded
        self.graphs[n] = self.vae.kernels.graph.Graph(launches, self.stream, kept=self.vae.workspace.arrays())

    def launches(self, n: int) -> None:
        """The update of :func:`minivae.training.step.training_step`, with its numbers on the device."""
        vae, k, recipe, step = self.vae, self.vae.kernels, self.recipe, self.counts[0:1]
        rows = k.graph.next_rows(self.order, self.counts, out=self.rows[:n])
        batch, target = noisy_minibatch(vae, self.x, rows, step, recipe)
        eps = vae.workspace.rows("eps", n, vae.latent_dim)
        k.standard_normal(recipe.seed, Stream.EPS, step, rows, out=eps)
        recon_nll, kl = vae.terms_and_gradients(batch, eps, target, *self.upstream[n])
        penalty = None
        if recipe.l1 or recipe.l2:
            weights = slice(0, vae.store.n_weights)
            vector, gradient = vae.store.vector[weights], vae.store.gradient[weights]
            penalty = k.graph.add_penalty(vector, gradient, l1=recipe.l1, l2=recipe.l2)
        arrays = vae.optimizer.state_of(vae).arrays
        vae.optimizer.update(vae, State(arrays, self.counts[1:2]), self.rate)
        k.graph.count_step(recon_nll, kl, penalty, self.counts, self.sums)
