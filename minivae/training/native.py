"""An epoch on the Numba backend: its steps follow each other in compiled code, with no Python between kernels.

``train`` of kernels/numba_cpu.py makes the update of :func:`minivae.training.step.training_step` with the same kernels
in the same order, so that the bits are the same too. Here is what it is told of a model: where each layer's W and b
stand in the vector of parameters, and which columns have which likelihood.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from minivae.backend import Array, permutation
from minivae.model.likelihoods import Bernoulli, Categorical, Gaussian, Likelihood, Mixed
from minivae.model.network import has_holes
from minivae.model.vae import VAE
from minivae.training.optimizers import SGD, Adagrad, Adam
from minivae.training.recipe import Recipe
from minivae.training.step import host_steps

WORTH_COMPILING = 2000  # updates: whoever makes fewer shall not wait for the compiler, or for its cache on disk
WORK_OF_A_CALL = 2**31  # parameters times examples, about a tenth of a second: so long does Ctrl-C wait
LARGEST_BATCH = 4096  # of more numbers np.mean does not add all in one piece
METHODS = (SGD, Adagrad, Adam)  # by their numbers in kernels/numba_cpu.py, and so are these:
ACTIVATIONS = ("identity", "relu", "tanh", "sigmoid", "softplus", "leaky_relu")
KINDS = (Bernoulli, Categorical, Gaussian)


def why_step_by_step(vae: VAE, x: Any, recipe: Recipe) -> str | None:
    """What these steps have that compiled code does not, as a noun; None if nothing."""
    known = Recipe(recipe.batch_size, recipe.seed, recipe.l1, recipe.l2, recipe.binarize)
    if not isinstance(x, np.ndarray):
        return "data that stay on disk"
    if recipe.n_shards > 1:
        return "workers or shards"
    if replace(recipe, schedule=known.schedule, group=known.group, shards=None) != known:
        return "corruption"
    if type(vae.optimizer) not in METHODS:
        return "an optimizer of your own"
    if any(type(part) not in KINDS for part, *_ in parts_of(vae)):
        return f"the likelihood {vae.likelihood.name!r}, or one of its parts"
    if vae.missing != "zero" or has_holes(x):
        return "data with holes"
    return "a batch of more than 4,096" if min(recipe.batch_size, len(x)) > LARGEST_BATCH else None


def parts_of(vae: VAE) -> list[tuple[Likelihood, slice, slice | None]]:
    """The likelihood of each range of columns, and its place among the learned variances."""
    if type(vae.likelihood) is Mixed:
        return list(vae.likelihood._slices())
    shape = vae.likelihood.logvar_shape(vae.input_dim)
    return [(vae.likelihood, slice(0, vae.input_dim), slice(0, shape[0]) if shape else None)]


class NativeSteps:
    """All updates of an epoch; ``x`` (N, D) is scaled. The first ``WORTH_COMPILING`` updates go step by step."""

    def __init__(self, vae: VAE, x: Array, recipe: Recipe):
        self.vae, self.x, self.recipe = vae, x, recipe
        self.size, self.updates, self.worth = min(recipe.batch_size, len(x)), 0, WORTH_COMPILING

    def __call__(self) -> np.ndarray:
        """Train on every example once; returns the sums of recon_nll, kl and penalty, (3,), in nats."""
        vae, recipe, n = self.vae, self.recipe, len(self.x)
        steps = -(-n // self.size)
        self.updates += steps
        if self.updates <= self.worth:
            return host_steps(vae, self.x, recipe)
        order, rate = permutation(recipe.seed, vae.epoch, n), recipe.factor(vae.epoch) * vae.optimizer.learning_rate
        (nll, kl), penalties = np.empty((2, n), vae.dtype), np.zeros((steps, 2))
        at_once = 1 + WORK_OF_A_CALL // (self.size * len(vae.store.vector))
        for begin in range(0, steps, at_once):  # Ctrl-C comes between two calls, and so does another thread
            end = min(steps, begin + at_once)
            with vae.lock:
                self.train(begin, end, order, rate, (nll, kl, penalties))
        sizes = np.diff([*range(0, n, self.size), n])
        penalty = recipe.l1 * penalties[:, 0] + 0.5 * recipe.l2 * penalties[:, 1]
        sums = sizes * np.array([self.means(nll), self.means(kl), penalty])
        return np.add.accumulate(sums, axis=1)[:, -1]  # one after the other, as step by step

    def train(self, begin: int, end: int, order: np.ndarray, rate: float, losses: tuple[np.ndarray, ...]) -> None:
        """The updates ``begin`` to ``end`` of the epoch."""
        vae, recipe, real = self.vae, self.recipe, np.dtype(self.vae.dtype).type
        state = vae.optimizer.state_of(vae)
        numbers = numbers_of(vae, rate, range(state.t + 1, state.t + 1 + end - begin)).astype(real)
        first, *others = state.arrays.values()
        vae.kernels.train(
            (begin, end, self.size, vae.step),
            (recipe.binarize == "stochastic", np.uint64(recipe.seed & 0xFFFFFFFF), np.uint64(recipe.seed >> 32)),
            self.x,
            order,
            model_of(vae),
            (vae.store.vector, vae.store.gradient, first, others[0] if others else first),
            (real(recipe.l1), real(recipe.l2), vae.store.n_weights),
            METHODS.index(type(vae.optimizer)),
            numbers,
            vae.workspace.rows("x", self.size, vae.input_dim).reshape(-1),
            losses,
        )
        vae.step += end - begin
        state.t += end - begin

    def means(self, values: np.ndarray) -> np.ndarray:
        """The mean of each minibatch, summed in float64: (N,) -> (steps,)."""
        whole = len(values) // self.size * self.size
        means = values[:whole].reshape(-1, self.size).mean(axis=1, dtype="float64")
        rest = values[whole:]
        return np.append(means, rest.mean(dtype="float64")) if len(rest) else means


def numbers_of(vae: VAE, rate: float, steps: range) -> np.ndarray:
    """What the optimizer's kernel needs of each step, (steps, 5); the last is the smallest normal number."""
    optimizer = vae.optimizer
    numbers = np.zeros((len(steps), 5))
    if isinstance(optimizer, Adam):
        of = vae.kernels.adam_numbers
        numbers[:, :4] = [of(t, rate, *optimizer.betas, optimizer.epsilon) for t in steps]
    else:
        numbers[:, :2] = rate, optimizer.momentum if isinstance(optimizer, SGD) else optimizer.epsilon
    numbers[:, 4] = np.finfo(vae.dtype).tiny
    return numbers


def model_of(vae: VAE) -> tuple[Any, ...]:
    """Encoder and decoder as tables of their layers, and the likelihood as one of its parts."""
    vector, width = vae.store.vector, 0

    def place(array: Array | None) -> int:
        return 0 if array is None else (array.ctypes.data - vector.ctypes.data) // vector.itemsize

    def table(layers: Any) -> np.ndarray:
        nonlocal width
        rows = []
        for layer in layers:
            sizes = (layer.in_dim, layer.width, ACTIVATIONS.index(layer.activation))
            wants_dx = layer is not vae.encoder.layers[0]
            rows.append([*sizes, wants_dx, place(layer.W), place(layer.b), width, width + layer.width])
            width += layer.width + layer.in_dim
        return np.array(rows)

    encoder, decoder = table(vae.encoder.layers), table(vae.decoder.layers)
    parts, starts, fixed = [], list[int](), []
    for part, columns, where in parts_of(vae):
        groups = part._sizes(columns.stop - columns.start) if isinstance(part, Categorical) else ()
        own = where or slice(0, 0)
        at = place(vae.logvar) + own.start
        parts.append([KINDS.index(type(part)), columns.start, columns.stop, at, own.stop - own.start, len(starts)])
        parts[-1].append(len(groups) + 1)
        starts += np.cumsum((0, *groups)).tolist()
        fixed.append(part._fixed_logvar()[0] if isinstance(part, Gaussian) and where is None else 0.0)
    volume = vae.log_volume() if vae.likelihood.is_density else 0.0
    real = np.dtype(vae.dtype).type
    plain = (np.array(parts), np.array(starts), np.array(fixed, vae.dtype))
    return encoder, decoder, *plain, width, float(vae.beta), real(volume)
