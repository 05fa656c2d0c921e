"""What ``minivae train`` can be told, and what it decides where it is told nothing."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minivae.datasets import Dataset
from minivae.errors import GreyDataWarning
from minivae.scaling import SCALINGS, Scaling
from minivae.training import Recipe, check_training_data
from minivae.vae import VAE
from minivae.validation import check_int

UPDATES = 3000  # what the default number of epochs aims at

Say = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """Everything that ``minivae train`` can be told; the names are those of its options."""

    data: str = "digits"
    backend: str | None = None
    likelihood: str = "auto"
    hidden: tuple[int, ...] = (400,)
    latent: int = 20
    beta: float = 1.0
    activation: str = "relu"
    init: str = "torch"
    output_bias: str = "init"
    binarize: str = "none"
    scale: str = "auto"
    epochs: int | None = None
    batch_size: int = 128
    optimizer: str = "adam"
    lr: float = 1e-3
    l1: float = 0.0
    l2: float = 0.0
    seed: int = 0
    dtype: str = "float32"
    out: str | None = None
    overwrite: bool = False


def value_range(data: Dataset) -> tuple[float, float]:
    """The smallest and the largest value in both parts of a data set."""
    return float(min(data.train.min(), data.test.min())), float(max(data.train.max(), data.test.max()))


def choose_likelihood(name: str, data: Dataset, say: Say) -> str:
    """The likelihood itself; "auto" is Bernoulli if every value lies in [0, 1], else Gaussian, and says which."""
    low, high = value_range(data)
    if low >= 0 and high == 255 and name in ("auto", "gaussian"):
        say("note        values from 0 to 255 look like pixels: divided by 255 they suit --likelihood bernoulli")
    if name != "auto":
        return name
    if low >= 0 and high <= 1:
        say("likelihood  bernoulli (auto: every value lies in [0, 1])")
        return "bernoulli"
    say(f"likelihood  gaussian (auto: values from {low:g} to {high:g}, not all in [0, 1])")
    return "gaussian"


def choose_scaling(kind: str, likelihood: str, data: Dataset, say: Say) -> Scaling:
    """The scaling fitted to the training data; "auto" standardises for a Gaussian unless all lies in [0, 1]."""
    if kind == "auto":
        low, high = value_range(data)
        kind = "standard" if likelihood == "gaussian" and not (low >= 0 and high <= 1) else "none"
    if kind not in SCALINGS:
        raise ValueError(f"scale must be one of auto, {', '.join(SCALINGS)}, got {kind!r}")
    if kind != "none":
        say(f"scaling     {kind}, fitted to the training data; losses are in the scaled units (--scale none: raw)")
    return Scaling.of(kind, data.train)


def default_epochs(n: int, batch_size: int) -> int:
    """About ``UPDATES`` updates, but at least 10 epochs, and at most 200: few data would be learnt by heart."""
    return min(200, max(10, math.ceil(UPDATES * batch_size / n)))


def build_model(settings: Settings, likelihood: str, width: int) -> VAE:
    """The untrained model that the settings describe."""
    return VAE(
        input_dim=width,
        hidden_dims=settings.hidden,
        latent_dim=settings.latent,
        activation=settings.activation,
        likelihood=likelihood,
        beta=settings.beta,
        init=settings.init,
        backend=settings.backend,
        dtype=settings.dtype,
        seed=settings.seed,
    )


def prepare_model(vae: VAE, x: np.ndarray, test: np.ndarray, settings: Settings, say: Say) -> None:
    """Check the data and the numbers before anything is written; the output bias, where it is asked for."""
    recipe = Recipe(settings.batch_size, settings.seed, settings.l1, settings.l2, settings.binarize)
    check_int(1 if settings.epochs is None else settings.epochs, "epochs", 1, 2**32 - 1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", GreyDataWarning)
        x, _ = (check_training_data(vae, part, recipe) for part in (x, test))
    for warning in caught:
        say(f"note        {warning.message}")
    if settings.output_bias == "data":
        vae.set_output_bias(x)
