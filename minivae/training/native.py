"""An epoch on the Numba backend: its steps follow each other in compiled code, with no Python between kernels.

``train`` of kernels/numba_cpu.py makes the update of :func:`minivae.training.step.training_step` with the same kernels
in the same order, so that the bits are the same too. Here is what it is told of a model: where each layer's W and b
stand in the vector of parameters, and which columns have which likelihood.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from minivae.backend import Array, permutation
from minivae.model.likelihoods import Bernoulli, Categorical, Gaussian, Likelihood, Mixed
from minivae.model.network import has_holes
from minivae.model.vae import VAE
from minivae.system.progress import said_if_slow
from minivae.training.optimizers import SGD, Adagrad, Adam
from minivae.training.recipe import Recipe
from minivae.training.step import host_steps

WORTH_COMPILING = 2000  # updates, those of before included: whoever makes fewer shall not wait for the compiler
WORK_OF_A_CALL = 2**31  # about a tenth of a second, so long does Ctrl-C wait: of parameters times examples, and ...
WORK_OF_AN_EXAMPLE = 2**15  # ... what else an example costs, by which small models are not cheaper
LARGEST_BATCH = 4096  # of more numbers np.mean does not add all in one piece
METHODS = (SGD, Adagrad, Adam)  # in the order of their numbers in kernels/numba_cpu.py, as the two below
ACTIVATIONS = ("identity", "relu", "tanh", "sigmoid", "softplus", "leaky_relu")
KINDS = (Bernoulli, Categorical, Gaussian)
POLICY = (
    f"numba compiles one as a whole where {WORTH_COMPILING:,} updates or more are planned; step by step, with the same "
    "bits, go rows on disk, workers or shards, several draws, free bits, a schedule of beta, corruption, conditions, "
    "missing values, Poisson and log-normal columns, models, optimizers and likelihoods of your own, and batches "
    f"beyond {LARGEST_BATCH:,}"
)


def why_step_by_step(vae: VAE, x: Any, recipe: Recipe) -> str | None:
    """What this training has and compiled code has not; None if nothing."""
    known = Recipe(recipe.batch_size, recipe.seed, recipe.l1, recipe.l2, recipe.binarize, schedule=recipe.schedule)
    reasons = {
        "rows on disk": not isinstance(x, np.ndarray),
        "workers or shards": recipe.n_shards > 1,
        "an objective of several draws, or free bits": not vae.has_one_draw or bool(vae.free_bits),
        "a corruption or a schedule of beta": replace(recipe, group=known.group, shards=None) != known,
        "a model of your own": type(vae) is not VAE,
        "an optimizer of your own": type(vae.optimizer) not in METHODS,
        f"the likelihood {vae.likelihood!r}": any(type(part) not in KINDS for part, *_ in parts_of(vae)),
        "a condition": vae.condition_dim > 0,
        "values that are missing": vae.missing != "zero" or has_holes(x),
        f"a batch beyond {LARGEST_BATCH:,}": min(recipe.batch_size, len(x)) > LARGEST_BATCH,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


@cache
def tell(reason: str) -> None:
    """Say once why a training is slower than others."""
    note = "note: with %s, training goes step by step through Python; otherwise an epoch is compiled as a whole"
    logging.getLogger("minivae").info(note, reason)


def parts_of(vae: VAE) -> list[tuple[Likelihood, slice, slice | None]]:
    """The likelihood of each range of columns, and its place among the learned variances."""
    if type(vae.likelihood) is Mixed:
        return list(vae.likelihood._slices())
    shape = vae.likelihood.logvar_shape(vae.input_dim)
    return [(vae.likelihood, slice(0, vae.input_dim), slice(0, shape[0]) if shape else None)]


def is_worth_compiling(vae: VAE, n: int, recipe: Recipe, epochs: int) -> bool:
    """Whether a training on ``n`` examples is a long one."""
    return vae.step + epochs * -(-n // recipe.batch_size) >= WORTH_COMPILING


class NativeSteps:
    """All updates of an epoch; ``x`` (N, D) is scaled."""

    def __init__(self, vae: VAE, x: Array, recipe: Recipe):
        self.vae, self.x, self.recipe, self.size = vae, x, recipe, min(recipe.batch_size, len(x))

    def compile(self, progress: bool) -> None:
        """Seconds, once for each precision; then it is read from the cache on disk. No step is made."""
        with said_if_slow("compiling an epoch as a whole", progress), self.vae.lock, self.vae.kernels.session():
            self.train(0, 0, permutation(0, 0, 1), 0.0, self.losses(0))

    def losses(self, steps: int) -> tuple[np.ndarray, ...]:
        """Where the losses of every example are put, and the two penalties of every step."""
        return np.empty(len(self.x), self.vae.dtype), np.empty(len(self.x), self.vae.dtype), np.zeros((steps, 2))

    def __call__(self) -> np.ndarray:
        """Train on every example once; returns the sums of penalty, recon_nll and kl, (3,), in nats."""
        vae, recipe, size, n = self.vae, self.recipe, self.size, len(self.x)
        steps = -(-n // size)
        reason = why_step_by_step(vae, self.x, recipe)  # a callback may have changed model or data since the last epoch
        if reason is not None:
            tell(reason)
            return host_steps(vae, self.x, recipe)
        order, rate = permutation(recipe.seed, vae.epoch, n), recipe.factor(vae.epoch) * vae.optimizer.learning_rate
        losses = self.losses(steps)
        at_once = 1 + WORK_OF_A_CALL // (size * (WORK_OF_AN_EXAMPLE + len(vae.store.vector)))
        for begin in range(0, steps, at_once):  # Ctrl-C comes between two calls, and so does another thread
            with vae.lock:
                self.train(begin, min(steps, begin + at_once), order, rate, losses)
        nll, kl, (absolute, squared) = *(means(values, size) for values in losses[:2]), losses[2].T
        sums = np.diff([*range(0, n, size), n]) * (recipe.l1 * absolute + 0.5 * recipe.l2 * squared, nll, kl)
        return np.add.accumulate(sums, axis=1)[:, -1]  # one after the other, as step by step

    def train(self, begin: int, end: int, order: np.ndarray, rate: float, losses: tuple[np.ndarray, ...]) -> None:
        """The updates ``begin`` to ``end`` of the epoch."""
        vae, recipe, real = self.vae, self.recipe, np.dtype(self.vae.dtype).type
        state, model = vae.optimizer.state_of(vae), model_of(vae)
        width = 8 * vae.latent_dim + 2 + vae.input_dim + model[5]
        memory = [state.arrays[name] for name in vae.optimizer.state_names]
        vae.kernels.train(
            np.dtype(real),
            model[2][:, 0],
            METHODS.index(type(vae.optimizer)),
            numbers_of(vae, rate, range(state.t + 1, state.t + 1 + end - begin)).astype(real),
            (begin, end, self.size, vae.step),
            (recipe.binarize == "stochastic", np.uint64(recipe.seed & 0xFFFFFFFF), np.uint64(recipe.seed >> 32)),
            self.x,
            order,
            model,
            (vae.store.vector, vae.store.gradient, memory[0], memory[-1]),
            (real(recipe.l1), real(recipe.l2), vae.store.n_weights),
            vae.workspace.rows("x", self.size, vae.input_dim).reshape(-1),
            vae.workspace.rows("native", self.size, width).reshape(-1),
            losses,
        )
        vae.step += end - begin
        state.t += end - begin


def means(values: np.ndarray, size: int) -> np.ndarray:
    """The mean of each minibatch, summed in float64: (N,) -> (steps,)."""
    whole = len(values) // size * size
    rest = [values[whole:].mean(dtype="float64")] if whole < len(values) else []
    return np.append(values[:whole].reshape(-1, size).mean(axis=1, dtype="float64"), rest)


def numbers_of(vae: VAE, rate: float, steps: range) -> np.ndarray:
    """What the optimizer's kernel needs of each step, (steps, 5); the last is the smallest normal number."""
    optimizer, smallest = vae.optimizer, np.finfo(vae.dtype).tiny
    if isinstance(optimizer, Adam):
        beta1, beta2 = optimizer.betas
        adam = vae.kernels.adam_numbers
        return np.array([(*adam(t, rate, beta1, beta2, optimizer.epsilon), smallest) for t in steps]).reshape(-1, 5)
    setting = optimizer.momentum if isinstance(optimizer, SGD) else optimizer.epsilon
    return np.tile(np.array((rate, setting, 0, 0, smallest)), (len(steps), 1))


def model_of(vae: VAE) -> tuple[Any, ...]:
    """Encoder and decoder as tables of their layers, and the likelihood as one of its parts; see numba_cpu.py."""
    vector, width = vae.store.vector, 0

    def place(array: Array) -> int:
        return (array.ctypes.data - vector.ctypes.data) // vector.itemsize

    layers = []
    for layer in (*vae.encoder.layers, *vae.decoder.layers):
        sizes, wants_dx = (layer.in_dim, layer.width), layer is not vae.encoder.layers[0]
        layers.append([*sizes, ACTIVATIONS.index(layer.activation), wants_dx, place(layer.W), place(layer.b), width])
        width += max(sizes)
    parts, starts, fixed = [], list[int](), []
    for part, columns, own in parts_of(vae):
        groups = part._sizes(columns.stop - columns.start) if isinstance(part, Categorical) else ()
        learned = (place(vae.logvar) + own.start, own.stop - own.start) if own else (0, 0)
        parts.append([KINDS.index(type(part)), columns.start, columns.stop, *learned, len(starts), len(groups) + 1])
        starts += np.cumsum((0, *groups)).tolist()
        fixed.append(part._fixed_logvar()[0] if isinstance(part, Gaussian) and not own else 0.0)
    volume = np.array(vae.log_volume() if vae.likelihood.is_density else 0.0, vae.dtype)[()]
    table, n, likelihood = np.array(layers), len(vae.encoder.layers), (np.array(parts), np.array(starts))
    return table[:n], table[n:], *likelihood, np.array(fixed, vae.dtype), width, float(vae.beta), volume
