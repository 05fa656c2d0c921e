"""What ``minivae train`` can be told, and what it decides where it is told nothing."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minivae.errors import GreyDataWarning
from minivae.optimizers import Optimizer
from minivae.scaling import SCALINGS, Scaling
from minivae.training import fit
from minivae.vae import VAE

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


def choose_likelihood(name: str, x: np.ndarray, say: Say) -> str:
    """The likelihood itself; "auto" is Bernoulli if every value lies in [0, 1], else Gaussian, and says which."""
    if name != "auto":
        return name
    if x.min() >= 0 and x.max() <= 1:
        say("likelihood  bernoulli (auto: every value lies in [0, 1])")
        return "bernoulli"
    say(f"likelihood  gaussian (auto: values from {x.min():g} to {x.max():g}, not all in [0, 1])")
    return "gaussian"


def choose_scaling(kind: str, likelihood: str, x: np.ndarray, say: Say) -> Scaling:
    """The scaling fitted to the training data; "auto" standardises for a Gaussian unless all lies in [0, 1]."""
    if kind == "auto":
        in_unit_interval = bool(x.min() >= 0 and x.max() <= 1)
        kind = "standard" if likelihood == "gaussian" and not in_unit_interval else "none"
    if kind not in SCALINGS:
        raise ValueError(f"scale must be one of auto, {', '.join(SCALINGS)}, got {kind!r}")
    if kind != "none":
        say(f"scaling     {kind}, fitted to the training data; losses are in the scaled units (--scale none: raw)")
    return Scaling.of(kind, x)


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


def prepare_model(
    vae: VAE, x: np.ndarray, test: np.ndarray, optimizer: Optimizer, settings: Settings, say: Say
) -> None:
    """Check the data and the numbers before anything is written; the output bias, where it is asked for."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", GreyDataWarning)
        for part in (x, test):
            vae.check(part, grey_is_fine=settings.binarize != "none")
    for warning in caught:
        say(f"note        {warning.message}")
    # No epochs: only the arguments are checked.
    checked = {name: getattr(settings, name) for name in ("batch_size", "seed", "l1", "l2", "binarize")}
    fit(vae, x, epochs=0, optimizer=optimizer, **checked)
    if settings.epochs is not None and settings.epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {settings.epochs}")
    if settings.output_bias == "data":
        vae.set_output_bias(x)
