"""``fit``: the training loop, its history, and the lines or the bar that show how it goes (lesson 10)."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from minivae.backend import Array, permutation
from minivae.errors import TrainingDiverged
from minivae.optimizers import Adam, Optimizer
from minivae.terms import LossTerms
from minivae.vae import VAE
from minivae.validation import check_choice, check_float, check_int, check_seed

BINARIZE = ("none", "stochastic", "threshold")

Callback = Callable[[VAE, int, dict[str, float]], Any]
History = dict[str, list[float]]


def fit(
    vae: VAE,
    x: Any,
    *,
    epochs: int = 10,
    batch_size: int = 128,
    optimizer: Optimizer | None = None,
    validation: Any = None,
    seed: int = 0,
    l1: float = 0.0,
    l2: float = 0.0,
    binarize: str = "none",
    callbacks: Iterable[Callback] = (),
    progress: bool = True,
) -> History:
    """Train a VAE by minibatch gradient descent.

    Minimises the mean over the examples of ``recon_nll + beta * kl`` plus the penalty
    ``l1 * sum |W| + l2/2 * sum W^2`` over all weights (not biases). The order of the examples is a function of
    (seed, epoch) and their noise one of (seed, step, example), so that a run can be repeated.

    Parameters
    ----------
    vae : VAE
        Trained in place. A second call goes on from where the model is: steps, epochs and (unless another is
        given) the optimizer with its state.
    x : array-like of shape (N, D)
    epochs : int, default 10
    batch_size : int, default 128
        The last batch of an epoch holds what is left.
    optimizer : SGD or Adam, optional
        Default: the one of the last call, or ``Adam(1e-3)``.
    validation : array-like of shape (M, D), optional
        Its loss is computed after each epoch.
    seed : int, default 0
        Of the shuffling, the noise and the binarisation.
    l1, l2 : float, default 0
    binarize : {"none", "stochastic", "threshold"}
        What becomes of values between 0 and 1: kept; drawn anew in each step with the value as probability (a
        validation set: once); or 1 from 0.5 on.
    callbacks : iterable of callables
        Each is called after an epoch as ``callback(vae, epoch, metrics)``; training ends if one returns True.
    progress : bool, default True
        Show how it goes on standard error: a bar on a terminal, about twenty plain lines elsewhere.

    Returns
    -------
    history : dict of str -> list of float
        One value per epoch: "epoch", "loss", "recon_nll", "kl", "elbo", "penalty", and with ``validation`` also
        "val_loss", "val_recon_nll", "val_kl", "val_elbo". Nats per example; "loss" is without the penalty.

    Raises
    ------
    DataError, TypeError, ValueError
        Before anything is changed, if an argument makes no sense.
    TrainingDiverged
        If the loss is no longer finite. The model keeps the parameters that the last finished epoch left.
    """
    epochs = check_int(epochs, "epochs", 0)
    batch_size = check_int(batch_size, "batch_size", 1)
    seed = check_seed(seed)
    penalties = {"l1": check_float(l1, "l1"), "l2": check_float(l2, "l2")}
    check_choice(binarize, "binarize", BINARIZE)
    callbacks = list(callbacks)
    x = check_training_data(vae, x, binarize)
    if validation is not None:
        validation = binarized(vae, check_training_data(vae, validation, binarize), binarize, seed)
    vae.optimizer = optimizer or vae.optimizer or Adam()

    history: History = {name: [] for name in columns(validation is not None)}
    device_x = vae.kernels.asarray(x, vae.dtype)
    for epoch in with_progress(range(vae.epoch + 1, vae.epoch + epochs + 1), history, progress):
        metrics = {"epoch": epoch, **run_epoch(vae, device_x, batch_size, seed, penalties, binarize)}
        if validation is not None:
            metrics |= {f"val_{name}": value for name, value in vae.loss(validation)._asdict().items()}
        for name, value in metrics.items():
            history[name].append(value)
        answers = [callback(vae, epoch, metrics) for callback in callbacks]
        if any(answer is True for answer in answers):
            break
    return history


def columns(validation: bool) -> list[str]:
    """The names in a history."""
    names = ["epoch", *LossTerms._fields, "penalty"]
    return names + [f"val_{name}" for name in LossTerms._fields] if validation else names


def run_epoch(
    vae: VAE, x: Array, batch_size: int, seed: int, penalties: dict[str, float], binarize: str
) -> dict[str, float]:
    """Train on every example once; the means over the epoch, in nats per example."""
    before = vae.store.vector.copy()
    sums = np.zeros(3)  # recon_nll, kl, penalty
    with np.errstate(all="ignore"):  # an overflow shows in the loss, where the message can say what to do
        for number, rows in enumerate(minibatches(len(x), batch_size, seed, vae.epoch)):
            terms, penalty = training_step(vae, x, rows, seed, penalties, binarize)
            if not math.isfinite(terms.loss + penalty):
                vae.store.vector[:] = before
                raise TrainingDiverged(describe_divergence(vae, terms, number + 1))
            sums += len(rows) * np.array((terms.recon_nll, terms.kl, penalty))
    vae.epoch += 1
    recon_nll, kl, penalty = (float(value) for value in sums / len(x))
    return LossTerms.of(recon_nll, kl, vae.beta)._asdict() | {"penalty": penalty}


def minibatches(n: int, batch_size: int, seed: int, epoch: int) -> Iterator[np.ndarray]:
    """The rows of each minibatch of an epoch, in an order that is a function of (seed, epoch)."""
    order = permutation(seed, epoch, n)
    for start in range(0, n, batch_size):
        yield order[start : start + batch_size]


def training_step(
    vae: VAE, x: Array, rows: np.ndarray, seed: int, penalties: dict[str, float], binarize: str
) -> tuple[LossTerms, float]:
    """Gather, draw noise, forwards, backwards, update. Returns the terms before the update, and the penalty."""
    k, store = vae.kernels, vae.store
    batch = k.take_rows(x, rows, out=vae.workspace.rows("x", len(rows), vae.input_dim))
    if binarize == "stochastic":
        k.binarize(batch, seed, vae.step, rows, out=batch)
    terms = vae.forward_backward(batch, vae.noise(rows, seed))
    penalty = 0.0
    if any(penalties.values()):
        weights = slice(0, store.n_weights)
        penalty = k.add_penalty(store.vector[weights], store.gradient[weights], **penalties)
    if math.isfinite(terms.loss + penalty):
        vae.optimizer.step(vae)
    return terms, penalty


def check_training_data(vae: VAE, x: Any, binarize: str) -> np.ndarray:
    """``x`` (N, D) as the model takes it, thresholded where that is asked for."""
    if binarize == "none":
        return vae.check(x)
    if vae.likelihood.name != "bernoulli":
        raise ValueError(f"binarize={binarize!r} needs likelihood='bernoulli', this model has {vae.likelihood.name!r}")
    x = vae.check(x, grey_is_fine=True)
    return (x >= 0.5).astype(vae.dtype) if binarize == "threshold" else x


def binarized(vae: VAE, x: np.ndarray, binarize: str, seed: int) -> np.ndarray:
    """A validation set (M, D) with its pixels drawn once, so that epochs can be compared."""
    if binarize != "stochastic":
        return x
    from minivae import backend

    return backend.load("numpy").binarize(x, seed, 0, np.arange(len(x)), out=np.empty_like(x))


def describe_divergence(vae: VAE, terms: LossTerms, batch: int) -> str:
    """What happened, and what to try."""
    rate = getattr(vae.optimizer, "learning_rate", float("nan"))
    return (
        f"the loss became {terms.loss} in epoch {vae.epoch + 1}, batch {batch} "
        f"(reconstruction {terms.recon_nll:g}, KL {terms.kl:g}): try a smaller learning rate (now {rate:g}), "
        "data scaled to about unit size, or dtype='float64'"
    )


def with_progress(epochs: range, history: History, progress: bool) -> Iterator[int]:
    """The epochs, with a bar on a terminal or some lines elsewhere, on standard error."""
    if not progress or sys.stderr is None:
        yield from epochs
        return
    if not sys.stderr.isatty():
        every = max(1, len(epochs) // 20)
        for epoch in epochs:
            yield epoch
            if epoch % every == 0 or epoch == epochs[-1]:
                print(f"epoch {epoch}/{epochs[-1]}  {summary(history)}", file=sys.stderr, flush=True)
        return
    from tqdm import tqdm

    with tqdm(epochs, unit="epoch", ascii=True, dynamic_ncols=True) as bar:
        for epoch in bar:
            yield epoch
            bar.set_postfix_str(summary(history))


def summary(history: History) -> str:
    """The last epoch in one line."""
    last = {name: values[-1] for name, values in history.items()}
    text = f"loss {last['loss']:.3f} = reconstruction {last['recon_nll']:.3f} + KL {last['kl']:.3f}"
    return text + (f", validation {last['val_loss']:.3f}" if "val_loss" in last else "")
