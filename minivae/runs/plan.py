"""What ``minivae train`` decides where it is told nothing, and what it builds from its settings."""

from __future__ import annotations

import math
import os
import reprlib
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from minivae.backend import load, permutation
from minivae.training.corruption import CORRUPTIONS, Corruption, check_corruption
from minivae.datasets import LOADERS, Dataset
from minivae.training.early_stopping import EarlyStopping
from minivae.errors import DataError, GreyDataWarning
from minivae.training.examples import check_examples
from minivae.training.optimizers import OPTIMIZERS, Optimizer
from minivae.training.recipe import Recipe
from minivae.model.scaling import SCALINGS, WHITE, Scaling
from minivae.training.schedules import Cosine, Schedule, StepList
from minivae.runs.settings import Settings
from minivae.model.vae import VAE
from minivae.validation import check_choice, check_int

UPDATES = 3000  # what the default number of epochs aims at
SHOWN_COLUMNS = 3  # in a message
SCHEDULES = ("constant", "steps", "cosine")

Say = Callable[[str], None]


def decide(settings: Settings, data: Dataset, say: Say) -> Settings:
    """The same settings with nothing left open."""
    likelihood = choose_likelihood(settings.likelihood, settings.scale, data, say)
    if likelihood == "gaussian" and data.image_shape is None:  # pixels are often constant
        say_what_is_constant(data, say)
    check_int(1 if settings.epochs is None else settings.epochs, "epochs", 1, 2**32 - 1)
    check_int(settings.batch_size, "batch_size", 1)
    return replace(
        settings,
        data=settings.data if settings.data in LOADERS else os.path.abspath(settings.data),
        backend=load(settings.backend).name,
        likelihood=likelihood,
        scale=choose_scaling(settings.scale, likelihood, data, say),
        epochs=settings.epochs or default_epochs(len(data.train), settings.batch_size),
    )


def choose_likelihood(name: str, scale: str, data: Dataset, say: Say) -> str:
    """The likelihood itself; "auto" is Bernoulli if every value lies in [0, 1], else Gaussian, and says which."""
    low, high = data.value_range
    if scale == "pixels":
        low, high = low / WHITE, high / WHITE
    elif low >= 0 and high == WHITE and name in ("auto", "gaussian"):
        say("note        values from 0 to 255 look like pixels: --scale pixels divides them by 255")
    if name != "auto":
        return name
    if low >= 0 and high <= 1:
        say("likelihood  bernoulli (auto: every value lies in [0, 1])")
        return "bernoulli"
    say(f"likelihood  gaussian (auto: values from {low:g} to {high:g}, not all in [0, 1])")
    return "gaussian"


def say_what_is_constant(data: Dataset, say: Say) -> None:
    """Say which columns never vary: nothing is to be learnt from them, and a variance of their own only shrinks."""
    constant = np.flatnonzero(data.train.min(axis=0) == data.train.max(axis=0))
    if not len(constant) or len(data.train) == 1:
        return
    names = ", ".join(reprlib.repr(data.columns[k]) if data.columns else str(k) for k in constant[:SHOWN_COLUMNS])
    names += ", ..." * (len(constant) > SHOWN_COLUMNS)
    counted = "" if data.columns else ", counted from 0,"
    same, them = "the same value in all training rows: remove", "it" if len(constant) == 1 else "them"
    which = f"column {names}{counted} has" if them == "it" else f"{len(constant)} columns ({names}){counted} have"
    say(f"note        {which} {same} {them}")


def choose_scaling(kind: str, likelihood: str, data: Dataset, say: Say) -> str:
    """The kind of scaling; "auto" standardises for a Gaussian unless every value lies in [0, 1]."""
    if kind == "auto":
        low, high = data.value_range
        kind = "standard" if likelihood == "gaussian" and not (low >= 0 and high <= 1) else "none"
    if check_choice(kind, "scale", SCALINGS) != "none":
        say(f"scaling     {kind}, part of the model: data, samples and densities are in the units of the file")
    return kind


def default_epochs(n: int, batch_size: int) -> int:
    """About ``UPDATES`` updates, but at least 10 epochs, and at most 200: few data would be learnt by heart."""
    return min(200, max(10, math.ceil(UPDATES * batch_size / n)))


def set_validation_aside(settings: Settings, data: Dataset, say: Say) -> tuple[Dataset, np.ndarray]:
    """The data to train with, and the rows, (M, D), whose loss is looked at after each epoch.

    Those are the test set; but where early stopping chooses by that loss, a tenth of the training examples instead,
    so that the test set has no say in what it will measure.
    """
    if settings.patience is None:
        say("validation  the test set, to look at; choose nothing by it (with --patience it has examples of its own)")
        return data, data.test
    n = len(data.train)
    if n < 2:
        raise DataError("early stopping needs 2 training examples: one to train on, one to look at")
    order, n_aside = permutation(seed=0, epoch=1, n=n), max(1, n // 10)
    aside, kept = np.sort(order[:n_aside]), np.sort(order[n_aside:])
    say(f"validation  {n_aside} of the training examples, for early stopping: the test set has no say in it")
    labels = None if data.train_labels is None else data.train_labels[kept]
    return replace(data, train=data.train[kept], train_labels=labels), data.train[aside]


def build_model(settings: Settings, data: Dataset) -> VAE:
    """The untrained model that the settings describe, with its optimizer."""
    vae = VAE(
        input_dim=data.train.shape[1],
        hidden_dims=settings.hidden,
        latent_dim=settings.latent,
        activation=settings.activation,
        likelihood=settings.likelihood,
        beta=settings.beta,
        init=settings.init,
        backend=settings.backend,
        dtype=settings.dtype,
        seed=settings.seed,
        scaling=Scaling.of(settings.scale, data.train),
    )
    optimizer: type[Optimizer] = OPTIMIZERS[settings.optimizer]
    vae.optimizer = optimizer(settings.lr)
    if settings.output_bias == "data":
        vae.set_output_bias(data.train)
    return vae


def build_recipe(settings: Settings) -> Recipe:
    """The settings of the training loop."""
    return Recipe(
        settings.batch_size, settings.seed, settings.l1, settings.l2, settings.binarize, build_corruption(settings)
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
    """The learning-rate schedule that the settings describe."""
    kind = check_choice(settings.schedule, "schedule", SCHEDULES)
    if kind != "steps" and (settings.milestones or settings.factor != Settings.factor):
        raise ValueError(f"--milestones and --factor belong to --schedule steps, not to {kind}")
    if kind == "steps":
        return StepList(settings.milestones, settings.factor)
    return Schedule() if settings.epochs is None or kind == "constant" else Cosine(settings.epochs)


def build_early_stopping(settings: Settings) -> EarlyStopping | None:
    """Early stopping, where a patience is given."""
    return None if settings.patience is None else EarlyStopping(settings.patience)


def check_data(vae: VAE, data: Dataset, settings: Settings, say: Say) -> None:
    """Check data and numbers before anything is written; say, instead of warning, if pixels are grey."""
    recipe = build_recipe(settings)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", GreyDataWarning)
        for part in (data.train, data.test):
            check_examples(vae, part, recipe)
    for warning in caught:
        say(f"note        {warning.message}")
