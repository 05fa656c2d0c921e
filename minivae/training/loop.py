"""``fit``: the training loop, its history, and the lines or the bar that show how it goes (lesson 10)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np

from minivae.model.bounds import check_objective
from minivae.model.network import LossTerms, mean
from minivae.model.vae import VAE
from minivae.system.progress import History, epochs_shown, summary
from minivae.training.captured import CapturedSteps, can_be_captured
from minivae.training.corruption import Corruption, check_corruption
from minivae.training.early_stopping import EarlyStopping
from minivae.training.examples import Rows, RowsOnDisk, held_out_rows, on_device, training_rows, with_fixed_noise
from minivae.training.native import NativeSteps, is_worth_compiling, tell, why_step_by_step
from minivae.training.optimizers import Adam, Optimizer
from minivae.training.recipe import (
    Callback,
    Recipe,
    check_callbacks,
    check_early_stopping,
    check_optimizer,
    check_schedule,
)
from minivae.training.runaway import Watch
from minivae.training.step import check_finite, check_state, host_steps, last_batch
from minivae.training.warmup import warm_up
from minivae.validation import check_int
from minivae.workers.group import Alone, Group, check_same, digest, one_blas_thread

ROWS_LOOKED_AT = 1000  # about so many examples tell what their mean would cost

Steps = Callable[[], np.ndarray]


def fit(
    vae: VAE,
    x: Any,
    epochs: int = 10,
    batch_size: int = 128,
    optimizer: Optimizer | None = None,
    validation: Any = None,
    seed: int = 0,
    l1: float = 0.0,
    l2: float = 0.0,
    binarize: str = "none",
    corruption: Corruption | None = None,
    schedule: Callable[[int], float] | None = None,
    early_stopping: EarlyStopping | None = None,
    callbacks: Iterable[Callback] = (),
    progress: bool = True,
    group: Group | None = None,
    shards: int | None = None,
    beta_schedule: Callable[[float], float] | None = None,
    condition: Any = None,
) -> History:
    """Train a VAE by minibatch gradient descent.

    Minimises the mean over the examples of ``recon_nll + beta * kl``, or of what else the model's objective is, plus
    the penalty ``l1 * sum |W| + l2/2 * sum W^2`` over all weights (not biases). The order of the examples is a function
    of (seed, epoch) and their noise one of (seed, step, example, draw), so that a run can be repeated.

    Parameters
    ----------
    vae : VAE
        Trained in place. A second call goes on from where the model is: steps, epochs and (unless another is
        given) the optimizer with its state.
    x : array-like of shape (N, D)
        Of an array that is mapped from a file, such as ``np.load(file, mmap_mode="r")``, only minibatches are
        brought into memory, and some bytes for the place of each row in an epoch.
    epochs : int, default 10
    batch_size : int, default 128
        The last batch of an epoch holds what is left.
    optimizer : Adam, Adagrad or SGD, optional
        Default: the one of the last call, or ``Adam(1e-3)``.
    validation : array-like of shape (M, D), optional
        Its loss is computed after each epoch; with ``early_stopping`` from the same noise each time, and several draws
        of it where examples are few, so that an epoch is not chosen for its luck. Of a conditional model, the pair of
        both: ``validation=(x, condition)``.
    seed : int, default 0
        Of the shuffling, the noise, the binarisation and the corruption.
    l1, l2 : float, default 0
    binarize : {"none", "stochastic", "threshold"}
        What becomes of values between 0 and 1: kept; drawn anew in each step with the value as probability (a
        validation set: once); or 1 from 0.5 on.
    corruption : GaussianNoise, Masking or SaltAndPepper, optional
        Noise that is put on each minibatch, for denoising or augmentation (lesson 16). A validation set stays clean.
    schedule : StepList or Cosine, optional
        A factor on the learning rate, epoch by epoch: a callable of the number of epochs done.
    early_stopping : EarlyStopping, optional
        Ends training when the validation loss has stopped falling, and puts the best parameters back.
    callbacks : iterable of callables
        Each is called after an epoch as ``callback(vae, epoch, metrics)``; training ends if one returns True. Those
        with a method ``at_end(vae)`` have it called once training has ended.
    progress : bool, default True
        Show how it goes on standard error: a bar on a terminal, about twenty plain lines elsewhere.
    group : Mpi or Pretend, optional
        The workers that share each minibatch (lesson 18). Each calls ``fit`` with the same arguments, and ends with the
        same model and history. Callbacks are called on each, and rank 0's answer decides.
    shards : int, optional
        Into how many shards a minibatch is cut, with one BLAS thread each: then every number of workers that divides it
        trains the same model to the last bit. Default: one shard for each worker, whose results differ in rounding.
    beta_schedule : LinearBeta or CyclicBeta, optional
        A factor on the model's beta in each step: a callable of the epochs done, such as 2.25 (lesson 22). A warning
        says if training ends before a warm-up does. Early stopping looks at epochs that end with the full weight, and a
        warning says if there are none.
    condition : array-like of shape (N, C), for a conditional model
        What is known of each example (lesson 22). Noise and binarisation leave it as it is.

    Returns
    -------
    history : dict of str -> list of float
        One value per epoch: "epoch", "learning_rate", "beta", "loss", "recon_nll", "kl", "elbo", "penalty", and with
        ``validation`` also "val_loss", "val_recon_nll", "val_kl", "val_elbo". Nats per example; "loss" is without
        the penalty. "beta" is that of the epoch's last step; losses have the model's own, so that they can be compared.

    Raises
    ------
    DataError, TypeError, ValueError
        Before anything is changed, if an argument makes no sense.
    MinivaeError
        On all workers, if one cannot read its rows or its callback fails. Other errors end all of them.
    TrainingDiverged
        If the loss, the parameters or the optimizer's state are no longer finite. Then, and after Ctrl-C or an error
        in a callback, the model is as the last finished epoch left it.

    Warns
    -----
    RunawayVarianceWarning, PoorFitWarning
        If a log variance has run away; if the loss ends far above what the mean of the data would cost.
    """
    epochs = check_int(epochs, "epochs", 0, 2**32 - 1)
    check_objective(vae.objective, vae.draws, vae.beta, vae.free_bits, vae.backend)  # which may have been changed
    corruption = check_corruption(corruption, vae.likelihood.name)
    workers = group or Alone()
    schedule = check_schedule(schedule)
    recipe = Recipe(batch_size, seed, l1, l2, binarize, corruption, schedule, workers, shards, beta_schedule)
    recipe.check_fits(vae)
    last, end = vae.epoch + epochs, getattr(beta_schedule, "epochs", 0)
    if last < end:
        warnings.warn(f"the KL's warm-up ends after epoch {end}, and training before: train on", stacklevel=2)
    at_the_ends = (recipe.weight(epoch - 1e-9) for epoch in range(vae.epoch + 1, last + 1))
    if early_stopping is not None and epochs and not any(weight >= 1 for weight in at_the_ends):
        warnings.warn("early stopping looks at epochs of full beta alone, and beta_schedule has none", stacklevel=2)
    optimizer, callbacks = check_optimizer(optimizer), check_callbacks(callbacks)
    check_early_stopping(early_stopping, validation)
    with workers.together():
        train = training_rows(vae, x, recipe, condition)
        if validation is not None:
            parts = validation if vae.condition_dim and isinstance(validation, tuple | list) else ()
            is_pair = len(parts) == 2 and np.ndim(parts[0]) == 2  # and not two rows
            held_out, given = parts if is_pair else (validation, None)
            validation = held_out_rows(vae, held_out, recipe, given)
        vae.optimizer = optimizer or vae.optimizer or Adam()
        return fit_prepared(vae, train, recipe, epochs, validation, early_stopping, callbacks, progress)


def fit_prepared(
    vae: VAE,
    train: Rows,
    recipe: Recipe,
    epochs: int,
    validation: np.ndarray | None,
    early_stopping: EarlyStopping | None,
    callbacks: Sequence[Callback],
    progress: bool,
) -> History:
    """:func:`fit` of a model that has its optimizer, on what :mod:`minivae.training.examples` has prepared."""
    validate, group = None, recipe.group
    check_same(group, partial(start_of, vae, train, recipe, epochs), "parameters, data or settings")
    if early_stopping is not None:
        early_stopping.watch(vae)
        callbacks = [early_stopping, *callbacks]
    if validation is not None:
        x, eps = (validation, None) if early_stopping is None else with_fixed_noise(vae, validation, recipe)
        validate = partial(vae.loss_of_scaled, x, eps, group)
    history: History = {name: [] for name in columns(validation is not None)}
    train = on_device(vae, train)
    warm_up(vae, progress=progress)
    steps, watch = steps_of_an_epoch(vae, train, recipe, epochs), Watch(vae)
    if isinstance(steps, NativeSteps):
        steps.compile(progress and group.rank == 0)
    numbers, line = (
        range(vae.epoch + 1, vae.epoch + epochs + 1),
        partial(summary, is_sum=vae.objective == "elbo" and not vae.free_bits),
    )
    shown = epochs_shown(numbers, history, progress and group.rank == 0, summarise=line)
    for epoch in shown:
        with undone_if_cut_short(vae, early_stopping), one_blas_thread() if recipe.n_shards > 1 else nullcontext():
            metrics = {"epoch": epoch, **run_epoch(vae, train, validate, recipe, steps)}
            for name, value in metrics.items():
                history[name].append(value)
            answers = group.agree(lambda: [callback(vae, epoch, metrics) for callback in callbacks])  # noqa: B023
        watch.look(last_batch(vae, len(train), recipe))
        if group.decide(any(isinstance(answer, bool | np.bool_) and answer for answer in answers)):
            break
    if history["loss"]:
        watch.look_back(train[:: max(1, len(train) // ROWS_LOOKED_AT)], history["loss"][-1])
    # The early stopping last: the others see the model as training left it.
    group.agree(lambda: [callback.at_end(vae) for callback in reversed(callbacks) if hasattr(callback, "at_end")])
    return history


def start_of(vae: VAE, x: Rows, recipe: Recipe, epochs: int) -> bytes:
    """A hash of what all workers must start with: model, optimizer, some of the examples, settings."""
    arrays = [vae.store.vector, *vae.optimizer.state_of(vae).arrays.values(), x[:: max(1, len(x) // ROWS_LOOKED_AT)]]
    told = [vae.step, vae.epoch, len(x), epochs, vae.optimizer, recipe.batch_size, recipe.seed, recipe.l1, recipe.l2]
    told += [vae.config, recipe.binarize, recipe.corruption, recipe.shards]
    coming = range(min(epochs, ROWS_LOOKED_AT) if recipe.group.size > 1 else 0)  # of schedules: any function may be one
    told += [(recipe.factor(vae.epoch + epoch), recipe.weight(vae.epoch + epoch)) for epoch in coming]
    return digest(*map(vae.kernels.to_numpy, arrays), *told)


def columns(validation: bool) -> list[str]:
    """The names in a history."""
    names = ["epoch", "learning_rate", "beta", *LossTerms._fields, "penalty"]
    return names + [f"val_{name}" for name in LossTerms._fields] if validation else names


@contextmanager
def undone_if_cut_short(vae: VAE, early_stopping: EarlyStopping | None) -> Iterator[None]:
    """Put everything back to where it was, if the epoch inside fails or is interrupted, wherever that happens."""
    seen = vars(early_stopping).copy() if early_stopping is not None else {}
    state, before = vae.optimizer.state_of(vae).copy(), (vae.step, vae.epoch, vae.store.vector.copy())
    try:
        yield
    except BaseException:  # divergence, Ctrl-C, a full disk under a callback, no memory
        vae.optimizer.set_state(vae, state)
        vae.step, vae.epoch, vae.store.vector[:] = before
        if early_stopping is not None:
            vars(early_stopping).update(seen)
        raise


def run_epoch(
    vae: VAE, x: Rows, validate: Callable[[], LossTerms] | None, recipe: Recipe, steps: Steps
) -> dict[str, float]:
    """Train on every example once, then validate."""
    rate = recipe.factor(vae.epoch) * getattr(vae.optimizer, "learning_rate", math.nan)
    beta = vae.beta * recipe.weight(vae.epoch + 1 - 1 / math.ceil(len(x) / recipe.batch_size))  # of its last step
    with np.errstate(all="ignore"):  # an overflow shows in the loss, where the message can say what to do
        metrics = {"learning_rate": rate, "beta": beta, **train_epoch(vae, x, recipe, steps)}
        if validate is not None:
            terms = validate()
            check_finite(vae, terms, "the validation loss", terms.loss, last_batch(vae, len(x), recipe))
            metrics |= {f"val_{name}": value for name, value in terms._asdict().items()}
    vae.epoch += 1
    return metrics


def train_epoch(vae: VAE, x: Rows, recipe: Recipe, steps: Steps) -> dict[str, float]:
    """All updates of an epoch; returns the means over it, in nats per example."""
    with vae.kernels.session():
        penalty, *means = map(float, steps() / len(x))
        terms = vae.loss_terms(*means)
        last = last_batch(vae, len(x), recipe)
        check_finite(vae, terms, "the loss", terms.loss + penalty, last)

        # The loss of a step is that before its update, so that no loss has seen the last update yet.
        def of_last(rank: int) -> np.ndarray:
            return np.array(vae.loss_terms(*map(mean, vae.terms(last, vae.noise(np.arange(len(last)))))))

        with vae.lock:  # the last rank has the last shard
            after = LossTerms(*map(float, recipe.group.gather(of_last)[-1]))
        check_finite(vae, after, "the loss", after.loss, last)
        check_state(vae, after, last)
    return terms._asdict() | {"penalty": penalty}


def steps_of_an_epoch(vae: VAE, x: Rows, recipe: Recipe, epochs: int) -> Steps:
    """A function that makes all updates of the next epoch, of so many, and returns the sums of its losses."""
    if vae.kernels.graph is not None and not isinstance(x, RowsOnDisk) and can_be_captured(vae, recipe):
        return CapturedSteps(vae, x, recipe)
    if vae.kernels.train is not None:
        reason = why_step_by_step(vae, x, recipe)
        if reason is not None:
            tell(reason)
        elif is_worth_compiling(vae, len(x), recipe, epochs):
            return NativeSteps(vae, x, recipe)
    return partial(host_steps, vae, x, recipe)
