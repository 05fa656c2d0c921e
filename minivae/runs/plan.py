"""A run planned once: what is decided where nothing is said, and all that training needs, built and checked.

``decide`` fills the settings in, ``make_plan`` builds from them; what they decide is logged.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minivae.backend import load
from minivae.checkpoint import Model
from minivae.columns.table import Columns
from minivae.datasets import LOADERS, Dataset
from minivae.datasets.split import held_out
from minivae.errors import DataError
from minivae.gan import fitting
from minivae.gan.gan import GAN
from minivae.model.likelihoods import Mixed
from minivae.model.scaling import SCALINGS, Scaling
from minivae.model.vae import VAE
from minivae.runs.classes import check_learnt, class_names, with_classes
from minivae.runs.settings import Settings
from minivae.training.corruption import CORRUPTIONS, Corruption, check_corruption
from minivae.training.early_stopping import EarlyStopping
from minivae.training.examples import Rows, as_trained, held_out_rows, training_rows
from minivae.training.loop import fit_prepared
from minivae.training.optimizers import OPTIMIZERS, Adam
from minivae.training.recipe import Callback, Recipe
from minivae.training.schedules import Cosine, LinearBeta, Schedule, StepList
from minivae.training.warmup import warm_up
from minivae.validation import check_choice, check_int
from minivae.workers.group import Alone, Group

UPDATES = 3000  # what the default number of epochs aims at
MOST_EPOCHS, EPOCHS_OF_KINDS = 200, 400
RATE_OF_KINDS = 5e-3  # Adam moves a log variance by about the rate in each step, and each column has one to learn
SCHEDULES = ("constant", "steps", "cosine")

log = logging.getLogger("minivae")


@dataclass(frozen=True)
class Plan:
    """A model and what it is trained with, checked and scaled.

    Attributes
    ----------
    model : VAE or GAN
        Untrained, or as a checkpoint has it; with its optimizer.
    recipe : Recipe
    early_stopping : EarlyStopping or None
    train : array of shape (N, D) or RowsOnDisk
        As :mod:`minivae.training.examples` prepares it; so are the next two.
    validation, test : ndarray of shape (M, D)
        Those whose loss is computed after each epoch, or with which samples of a GAN are compared: the test set
        itself, unless early stopping chooses by it.
    shown : Dataset
        What pictures show, in its own units: binarised where the model was trained so, without the rows set aside.
    """

    model: Any
    recipe: Recipe
    early_stopping: EarlyStopping | None
    train: Rows
    validation: np.ndarray
    test: np.ndarray
    shown: Dataset

    def warm_up(self, progress: bool) -> None:
        """Compile what training needs."""
        (fitting.warm_up if isinstance(self.model, GAN) else warm_up)(self.model, progress=progress)

    def fit(self, more: int, callbacks: Sequence[Callback], progress: bool) -> None:
        """Train for so many epochs, or steps of a GAN."""
        if isinstance(self.model, GAN):
            fitting.fit(self.model, self.train, more, self.recipe.batch_size, self.test, progress, callbacks)
        else:
            rest = (self.validation, self.early_stopping, callbacks, progress)
            fit_prepared(self.model, self.train, self.recipe, more, *rest)


def make_plan(
    settings: Settings,
    data: Dataset,
    model: Model | None = None,
    early_stopping: EarlyStopping | None = None,
    group: Group | None = None,
) -> Plan:
    """Build and check all that a training needs; nothing is written.

    Parameters
    ----------
    settings : Settings
        As :func:`decide` returns them.
    data : Dataset
    model, early_stopping : VAE or GAN, and EarlyStopping, optional
        To go on with: those of a checkpoint.
    group : Group, optional
        The workers that share each minibatch.

    Raises
    ------
    DataError, TypeError, ValueError
        For data and settings that make no training.
    """
    if settings.model == "gan":
        gan = model if isinstance(model, GAN) else build_gan(settings, data)
        scaled, test = (gan.scaling.check(x, gan.dtype, gan.data_dim) for x in (data.train, data.test))
        return Plan(gan, Recipe(settings.batch_size), None, scaled, test, test, data)
    classes = class_names(data) if settings.conditional else ()
    data, aside = set_validation_aside(settings, data)
    if classes and aside is not None:
        check_learnt(data, aside.test_labels, "those that --patience sets aside alone: leave out it, or --patience")
    if not isinstance(model, VAE):
        model, early_stopping = build_model(settings, data, classes), build_early_stopping(settings)
    vae, recipe = model, build_recipe(settings, group or Alone())
    recipe.check_fits(vae)

    def rows(x: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        return with_classes(vae, x, labels, data.label_names, data.name)

    train = training_rows(vae, rows(data.train, data.train_labels), recipe)
    test = held_out_rows(vae, rows(data.test, data.test_labels), recipe)
    validation = test if aside is None else held_out_rows(vae, rows(aside.test, aside.test_labels), recipe)
    shown = data if recipe.binarize == "none" else replace(data, test=vae.scaling.invert(test[:, : vae.input_dim]))
    if recipe.binarize != "none" and not data.image_shape:  # no picture of images shows training examples
        binarised = as_trained(vae, rows(data.train, data.train_labels), recipe)
        shown = replace(shown, train=binarised[:, : vae.input_dim])
    return Plan(vae, recipe, early_stopping, train, validation, test, shown)


# -- what is decided -----------------------------------------------------------------------------------------


def decide(settings: Settings, data: Dataset) -> Settings:
    """The same settings with nothing left open."""
    is_gan = settings.model == "gan"  # whose data are scaled as a Gaussian's
    likelihood = "gaussian" if is_gan else choose_likelihood(settings, data)
    check_int(1 if settings.epochs is None else settings.epochs, "epochs", 1, 2**32 - 1)
    check_int(1 if settings.steps is None else settings.steps, "steps", 1, 2**32 - 1)
    check_int(settings.batch_size, "batch_size", 1)
    return replace(
        settings,
        data=settings.data if settings.data in LOADERS else os.path.abspath(settings.data),
        backend=load(settings.backend).name,
        likelihood=settings.likelihood if is_gan else likelihood,
        scale=choose_scaling(settings.scale, likelihood, data),
        **choose_pace(settings, likelihood, len(data.train)),
    )


def choose_likelihood(settings: Settings, data: Dataset) -> str:
    """The likelihood itself; "auto" is Bernoulli for exact 0/1, or what becomes so, and for images in [0, 1].

    Else Gaussian: a table of real numbers that somebody has scaled to [0, 1] holds no probabilities. A table with
    categories or holes, or whose kinds were asked for, is "mixed": each column has a likelihood of its own.
    """
    name, scale = settings.likelihood, settings.scale
    if data.schema is not None and not data.schema.is_plain and name == "auto":
        log.info("likelihood  mixed (auto: each column by its kind)")
        return "mixed"
    low, high = data.value_range
    is_image, fits = data.image_shape is not None, low >= 0 and high <= 1
    if scale == "pixels":
        fits = low >= 0 and high <= data.white
    if name != "auto":
        return name
    if fits and (is_image or data.is_binary or settings.binarize != "none"):
        what = "every value is 0 or 1" if data.is_binary else "every value lies in [0, 1]"
        log.info("likelihood  bernoulli (auto: %s)", what)
        return "bernoulli"
    log.info("likelihood  gaussian (auto: values from %g to %g, %s)", low, high, "not all 0 or 1")
    return "gaussian"


def choose_scaling(kind: str, likelihood: str, data: Dataset) -> str:
    """The kind of scaling; "auto" standardises for a Gaussian, but for images that lie in [0, 1] already."""
    if kind == "auto":
        low, high = data.value_range
        is_scaled_image = data.image_shape is not None and low >= 0 and high <= 1
        kind = "standard" if likelihood in ("gaussian", "mixed") and not is_scaled_image else "none"
    if check_choice(kind, "scale", SCALINGS) != "none":
        log.info("scaling     %s, part of the model: data, samples and densities are in the units of the file", kind)
    return kind


def choose_pace(settings: Settings, likelihood: str, n: int) -> dict[str, Any]:
    """The learning rate, its schedule and the epochs; columns of kinds take larger steps, then smaller, and longer."""
    rate, schedule, most = settings.rate, "constant" if settings.schedule == "auto" else settings.schedule, MOST_EPOCHS
    if likelihood == "mixed" and settings.optimizer == "adam" and (settings.lr, settings.schedule) == (None, "auto"):
        rate, schedule, most = RATE_OF_KINDS, "cosine", EPOCHS_OF_KINDS
        log.info("rate        %g, down to 0 by half a cosine wave (auto: each column has a variance to learn)", rate)
    is_gan = settings.model == "gan"
    epochs = None if is_gan else settings.epochs or default_epochs(n, settings.batch_size, most)
    return {"lr": rate, "schedule": schedule, "epochs": epochs}


def default_epochs(n: int, batch_size: int, most: int = MOST_EPOCHS) -> int:
    """About ``UPDATES`` updates, but at least 10 epochs, and at most ``most``: few data would be learnt by heart."""
    return min(most, max(10, math.ceil(UPDATES * batch_size / n)))


def set_validation_aside(settings: Settings, data: Dataset) -> tuple[Dataset, Dataset | None]:
    """The data to train with, and in a test set a tenth of them, where early stopping chooses by their loss.

    None: no choice is made, so that the test set can be looked at after each epoch.
    """
    if settings.patience is None:
        log.info(
            "validation  the test set, to look at; choose nothing by it (with --patience it has examples of its own)"
        )
        return data, None
    n = len(data.train)
    if n < 2:
        raise DataError("early stopping needs 2 training examples: one to train on, one to look at")
    aside = held_out(data.train, max(1, n // 10), epoch=1)
    kept = np.setdiff1d(np.arange(n), aside)
    log.info("validation  %d of the training examples, for early stopping: the test set has no say in it", len(aside))
    labels, labels_aside = (None if data.train_labels is None else data.train_labels[rows] for rows in (kept, aside))
    looked_at = replace(data, test=data.train[aside], test_labels=labels_aside)
    return replace(data, train=data.train[kept], train_labels=labels), looked_at


# -- what is built -------------------------------------------------------------------------------------------


def build_model(settings: Settings, data: Dataset, classes: tuple[str, ...] = ()) -> VAE:
    """The untrained model that the settings describe, with its optimizer; only training rows decide its scaling."""
    mixed = Mixed(data.schema.parts) if settings.likelihood == "mixed" and data.schema is not None else None
    vae = VAE(
        input_dim=data.train.shape[1],
        hidden_dims=settings.hidden,
        latent_dim=settings.latent,
        activation=settings.activation,
        likelihood=mixed or settings.likelihood,
        beta=settings.beta,
        free_bits=settings.free_bits,
        objective=settings.objective,
        draws=settings.draws,
        init=settings.init,
        backend=settings.backend,
        dtype=settings.dtype,
        seed=settings.seed,
        scaling=Scaling.of(settings.scale, data.train, data.white, mixed),
        condition_dim=len(classes),
    )
    vae.classes, vae.columns = classes, data.schema
    if data.schema is None and len(set(data.columns)) == data.train.shape[1]:  # a data set by name
        vae.columns = Columns.plain(data.columns, data.train)
    vae.optimizer = OPTIMIZERS[settings.optimizer](settings.rate)
    if settings.output_bias == "data":
        vae.set_output_bias(data.train)
    return vae


def build_gan(settings: Settings, data: Dataset) -> GAN:
    """The untrained GAN that the settings describe, with its optimizer; it stays in [0, 1] where its data do."""
    scaling = Scaling.of(settings.scale, data.train, data.white)
    u = scaling.apply(data.train)
    said = {name: getattr(settings, name) for name in ("loss", "penalty", "seed", "activation", "backend", "dtype")}
    output = "sigmoid" if u.min() >= 0 and u.max() <= 1 else "identity"
    gan = GAN(data.train.shape[1], settings.hidden, settings.latent, **said, output=output, scaling=scaling)
    is_adam = settings.optimizer == "adam"  # without momentum, as GAN.fit has it
    gan.optimizer = Adam(settings.rate, (0.0, 0.99)) if is_adam else OPTIMIZERS[settings.optimizer](settings.rate)
    return gan


def build_recipe(settings: Settings, group: Group) -> Recipe:
    """The settings of each step."""
    return Recipe(
        batch_size=settings.batch_size,
        seed=settings.seed,
        l1=settings.l1,
        l2=settings.l2,
        binarize=settings.binarize,
        corruption=build_corruption(settings),
        schedule=build_schedule(settings),
        group=group,
        shards=settings.shards,
        beta_schedule=build_warm_up(settings),
    )


def build_corruption(settings: Settings) -> Corruption | None:
    """The noise on the examples; where they are standardised, pepper and salt are three standard deviations off."""
    kind = check_choice(settings.corruption, "corruption", ("none", *CORRUPTIONS))
    denoise = check_choice(settings.corruption_target, "corruption_target", ("clean", "noisy")) == "clean"
    if kind == "none":
        if (settings.corruption_level, denoise) != (Settings.corruption_level, True):
            raise ValueError("--corruption-level and --corruption-target belong to a --corruption other than none")
        return None
    extremes = (-3.0, 3.0) if kind == "salt-and-pepper" and settings.scale == "standard" else ()
    corruption = CORRUPTIONS[kind](settings.corruption_level, *extremes, denoise=denoise)
    return check_corruption(corruption, settings.likelihood)


def build_schedule(settings: Settings) -> Schedule:
    """The factor on the learning rate, epoch by epoch."""
    kind = check_choice(settings.schedule, "schedule", SCHEDULES)
    if kind != "steps" and (settings.milestones or settings.factor != Settings.factor):
        raise ValueError(f"--milestones and --factor belong to --schedule steps, not to {kind}")
    if kind == "steps":
        return StepList(settings.milestones, settings.factor)
    return Schedule() if settings.epochs is None or kind == "constant" else Cosine(settings.epochs)


def build_warm_up(settings: Settings) -> LinearBeta | None:
    """The factor on beta, step by step."""
    warm_up, epochs = check_int(settings.beta_warm_up, "beta_warm_up", 0), settings.epochs or 0
    if warm_up > epochs:
        least = f"give --epochs {warm_up} or more, or a shorter warm-up"
        raise ValueError(f"--beta-warm-up {warm_up} ends after the training of {epochs} epochs: {least}")
    return LinearBeta(warm_up) if warm_up else None


def build_early_stopping(settings: Settings) -> EarlyStopping | None:
    """Early stopping, where a patience is given."""
    return None if settings.patience is None else EarlyStopping(settings.patience)
