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
from typing import Any

import lazy_loader

_MODULES = {  # by the names that they had before
    "likelihoods": "minivae.model.likelihoods",
    "optimizers": "minivae.training.optimizers",
    "selfcheck": "minivae.gradcheck.cases",
}
_public_name, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # from __init__.pyi


def __getattr__(name: str) -> Any:
    return importlib.import_module(_MODULES[name]) if name in _MODULES else _public_name(name)


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
