"""minivae: a variational autoencoder derived by hand, with no autograd.

    from minivae import VAE, fit, Adam, datasets
    data = datasets.load("digits")
    vae = VAE(input_dim=64, hidden_dims=(200,), latent_dim=10)
    history = fit(vae, data.train, epochs=50, validation=data.test)

Names are loaded when first used, so that ``import minivae`` costs no NumPy.
"""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from minivae.version import __version__

if TYPE_CHECKING:
    from minivae import backend, checkpoint, datasets, evaluation, gradcheck
    from minivae.errors import (
        BackendError,
        CheckpointError,
        DataError,
        GreyDataWarning,
        MinivaeError,
        RunawayVarianceWarning,
        TrainingDiverged,
    )
    from minivae.estimator import VariationalAutoencoder
    from minivae.evaluation import log_likelihood
    from minivae.gan.gan import GAN
    from minivae.model.likelihoods import Bernoulli, Categorical, Gaussian
    from minivae.model.network import LossTerms
    from minivae.model.scaling import Scaling
    from minivae.model.vae import VAE
    from minivae.training.corruption import GaussianNoise, Masking, SaltAndPepper
    from minivae.training.early_stopping import EarlyStopping
    from minivae.training.loop import fit
    from minivae.training.optimizers import SGD, Adagrad, Adam
    from minivae.training.schedules import Cosine, StepList
    from minivae.training.warmup import warm_up

_HOME_OF = {
    "VAE": "model.vae",
    "GAN": "gan.gan",
    "LossTerms": "model.network",
    "fit": "training.loop",
    "warm_up": "training.warmup",
    "Adam": "training.optimizers",
    "Adagrad": "training.optimizers",
    "SGD": "training.optimizers",
    "StepList": "training.schedules",
    "Cosine": "training.schedules",
    "EarlyStopping": "training.early_stopping",
    "Scaling": "model.scaling",
    "GaussianNoise": "training.corruption",
    "Masking": "training.corruption",
    "SaltAndPepper": "training.corruption",
    "Bernoulli": "model.likelihoods",
    "Gaussian": "model.likelihoods",
    "Categorical": "model.likelihoods",
    "VariationalAutoencoder": "estimator",
    "log_likelihood": "evaluation",
    "MinivaeError": "errors",
    "BackendError": "errors",
    "CheckpointError": "errors",
    "DataError": "errors",
    "TrainingDiverged": "errors",
    "GreyDataWarning": "errors",
    "RunawayVarianceWarning": "errors",
}
_MODULES = {
    "backend": "backend",
    "checkpoint": "checkpoint",
    "datasets": "datasets",
    "evaluation": "evaluation",
    "gradcheck": "gradcheck",
    "likelihoods": "model.likelihoods",
    "optimizers": "training.optimizers",
    "plotting": "plotting",
    "selfcheck": "gradcheck.cases",
}

__all__ = [  # noqa: RUF022 - in the order of the README's table
    "VAE",
    "fit",
    "warm_up",
    "Adam",
    "Adagrad",
    "SGD",
    "StepList",
    "Cosine",
    "EarlyStopping",
    "Bernoulli",
    "Gaussian",
    "Categorical",
    "Scaling",
    "GaussianNoise",
    "Masking",
    "SaltAndPepper",
    "VariationalAutoencoder",
    "GAN",
    "checkpoint",
    "datasets",
    "evaluation",
    "gradcheck",
    "log_likelihood",
    "LossTerms",
    "backend",
    "MinivaeError",
    "BackendError",
    "CheckpointError",
    "DataError",
    "TrainingDiverged",
    "GreyDataWarning",
    "RunawayVarianceWarning",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(importlib.import_module(f"minivae.{_HOME_OF[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"minivae.{_MODULES[name]}")
    raise AttributeError(f"module 'minivae' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*__all__, *_MODULES})


def _find_kernels_in_a_checkout() -> None:
    """Let ``minivae.kernels`` be imported from a checkout that nobody has installed.

    An installed minivae holds the folder; a checkout has it beside this package, under a name that must
    not be importable at top level.
    """
    here = os.path.dirname(os.path.abspath(__file__))
    beside = os.path.join(os.path.dirname(here), "kernels")
    installed = os.path.isdir(os.path.join(here, "kernels"))
    checkout = os.path.isdir(beside) and os.path.isfile(os.path.join(os.path.dirname(here), "pyproject.toml"))
    if checkout and not installed:
        package = ModuleType("minivae.kernels")
        package.__path__ = [beside]
        sys.modules.setdefault("minivae.kernels", package)


_find_kernels_in_a_checkout()
