"""One update of a model: gather a minibatch, draw its noise, there and back, step (lesson 10)."""

from __future__ import annotations

import math

import numpy as np

from minivae.backend import Array, permutation
from minivae.errors import TrainingDiverged
from minivae.model.network import LossTerms
from minivae.model.vae import VAE
from minivae.training.examples import Rows, binarize, take_rows
from minivae.training.recipe import Recipe
from minivae.training.runaway import largest_logvar
from minivae.workers.tree import shard, shards_of, sum_by_tree


def minibatches(n: int, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """The rows of each minibatch of an epoch, in an order that is a function of (seed, epoch)."""
    order = permutation(seed, epoch, n)
    return [order[start : start + batch_size] for start in range(0, n, batch_size)]


def training_step(vae: VAE, x: Rows, rows: np.ndarray, recipe: Recipe, weight: float = 1.0) -> tuple[LossTerms, float]:
    """Gather, draw noise, there and back with ``weight`` times beta, update. Returns terms before it, and penalty."""
    store = vae.store
    with vae.lock:  # another thread may look at the model between two steps, not within one
        terms = gradient_of_batch(vae, x, rows, recipe, weight)
        penalty = 0.0
        if recipe.l1 or recipe.l2:
            weights = slice(0, store.n_weights)
            penalty = vae.kernels.add_penalty(
                store.vector[weights], store.gradient[weights], l1=recipe.l1, l2=recipe.l2
            )
        check_finite(vae, terms, "the loss", terms.loss + penalty, last_batch(vae, len(rows), recipe))
        vae.optimizer.step(vae, recipe.factor(vae.epoch))
    return terms, penalty


def host_steps(vae: VAE, x: Rows, recipe: Recipe) -> np.ndarray:
    """Train on every example once; returns the sums of penalty, recon_nll, kl and loss over them, (4,), in nats."""
    sums, batches = np.zeros(4), minibatches(len(x), recipe.batch_size, recipe.seed, vae.epoch)
    for i, rows in enumerate(batches):
        terms, penalty = training_step(vae, x, rows, recipe, recipe.weight(vae.epoch + i / len(batches)))
        sums += len(rows) * np.array((penalty, terms.recon_nll, terms.kl, terms.loss))
    return sums


def gradient_of_batch(vae: VAE, x: Rows, rows: np.ndarray, recipe: Recipe, weight: float) -> LossTerms:
    """The loss of a minibatch, and its gradient into ``vae.store``, by all workers of ``recipe.group``.

    The loss is a sum over B examples, each divided by B, so that shards of any sizes add up (lesson 18). Products of
    another shape have other last bits, and so has another order of a sum: fixed shards and a tree fix both.
    """
    n, n_shards, group, sums = len(rows), recipe.n_shards, recipe.group, np.zeros((recipe.n_shards, 3))

    def gradient_of(i: int) -> Array:
        mine = rows[shard(n, n_shards, i)]
        if not len(mine):  # fewer examples than shards
            return np.zeros(vae.store.gradient.shape, vae.dtype)
        batch, target = noisy_minibatch(vae, x, mine, vae.step, recipe)
        terms = vae.forward_backward(batch, vae.noise(mine, recipe.seed), target, n, weight)
        sums[i] = len(mine) * terms.recon_nll, len(mine) * terms.kl, len(mine) * terms.loss
        return vae.kernels.to_numpy(vae.store.gradient)

    if n_shards == 1:  # nothing to add: as if there were no workers at all
        batch, target = noisy_minibatch(vae, x, rows, vae.step, recipe)
        return vae.forward_backward(batch, vae.noise(rows, recipe.seed), target, n, weight)
    gradient = group.sum(gradient_of) if recipe.shards is None else sum_by_tree(group, n_shards, gradient_of)
    vae.store.gradient[...] = vae.kernels.asarray(gradient, vae.dtype)
    of_all = group.gather(lambda rank: sums[shards_of(rank, group.size, n_shards)])
    return vae.loss_terms(*map(float, of_all.reshape(n_shards, 3).sum(axis=0) / n))


def noisy_minibatch(vae: VAE, x: Rows, rows: Array, step: int | Array, recipe: Recipe) -> tuple[Array, Array]:
    """What goes into the encoder and what shall come out of the decoder, both (B, D); ``step`` decides the noise.

    A condition beside them stays as it is.
    """
    k, data = vae.kernels, slice(vae.input_dim)
    target = take_rows(vae, x, rows)
    if recipe.binarize == "stochastic":
        binarize(k, target[:, data], recipe.seed, step, rows, target[:, data])
    if recipe.corruption is None:
        return target, target
    noisy = vae.workspace.rows("noisy x", len(rows), vae.row_dim)
    if vae.condition_dim:
        noisy[:, vae.input_dim :] = target[:, vae.input_dim :]
    recipe.corruption.apply(k, target[:, data], recipe.seed, step, rows, out=noisy[:, data])
    return noisy, target if recipe.corruption.denoise else noisy


def last_batch(vae: VAE, n: int, recipe: Recipe) -> Array:
    """The examples of an epoch's last minibatch, (B, D), or of its last shard, which are still in their buffer."""
    size = n % recipe.batch_size or min(n, recipe.batch_size)
    of_shard = shard(size, recipe.n_shards, recipe.n_shards - 1)  # never empty; the last rank's, others see older rows
    return vae.workspace.rows("x", of_shard.stop - of_shard.start, vae.row_dim)


def check_state(vae: VAE, terms: LossTerms, batch: Array) -> None:
    """:func:`check_finite` of the parameters and of what the optimizer remembers: they may overflow before the loss."""
    state = vae.optimizer.state_of(vae).arrays
    for name, array in {"parameters": vae.store.vector, **{f"optimizer's {n}": a for n, a in state.items()}}.items():
        check_finite(vae, terms, f"the largest of the {name}", float(abs(array).max()), batch)


def check_finite(vae: VAE, terms: LossTerms, what: str, value: float, batch: Array) -> None:
    """Raise TrainingDiverged, with what happened and what to try, unless ``value`` is finite."""
    if not math.isfinite(value):
        rate = getattr(vae.optimizer, "learning_rate", math.nan)
        cures = ["data scaled to about unit size"] + ["float64"] * (vae.dtype == "float32")
        if vae.step:  # before the first one its size is not to blame
            cures.insert(0, f"a smaller learning rate (now {rate:g})")
        raise TrainingDiverged(
            f"{what} became {value} in epoch {vae.epoch + 1}, after {vae.step} updates "
            f"(reconstruction {terms.recon_nll:g}, KL {terms.kl:g}, the encoder's largest logvar "
            f"{largest_logvar(vae, batch):g}): try {', or '.join(cures)}"
        )
