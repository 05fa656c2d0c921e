"""The switch: which kernels a model computes with.

``load("numpy")`` gives the reference, kernels/reference.py; another backend holds the same functions under
the same names, faster. This file alone imports kernels, and a faster backend only when it is asked for.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cache
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple, Protocol, cast

from minivae.cuda import why_no_gpu
from minivae.errors import BackendError
from minivae.kernels import reference
from minivae.kernels.philox import Stream, permutation

__all__ = [
    "Array",
    "Backend",
    "Stream",
    "available",
    "default_name",
    "from_module",
    "load",
    "permutation",
    "states",
    "threads",
]

Array = Any  # a NumPy array, or the device array of another backend


class Source(NamedTuple):
    """Where a backend's kernels are, which package they need, and how to get it."""

    module: str
    package: str
    install: str


SOURCES = {
    "numpy": Source("reference", "numpy", "pip install numpy"),
    "numba": Source("numba_cpu", "numba", "pip install numba"),
    "cupy": Source("cupy_gpu", "cupy", 'pip install "cupy-cuda13x[ctk]" (or "cupy-cuda12x[ctk]", by your driver)'),
}


class Backend(Protocol):
    """The functions of a backend. Their formulas, shapes and units are documented in kernels/reference.py."""

    name: str
    graph: Any  # what records a training step and replays it, see device_epoch.py; None but on a GPU

    def session(self) -> AbstractContextManager: ...
    def asarray(self, x: Array, dtype: str) -> Array: ...
    def to_numpy(self, x: Array) -> Array: ...
    def zeros(self, shape: int | tuple[int, ...], dtype: str) -> Array: ...
    def take_rows(self, x: Array, rows: Array, *, out: Array) -> Array: ...

    def uniform(self, seed: int, stream: int, step: int, examples: Array, *, out: Array) -> Array: ...
    def standard_normal(self, seed: int, stream: int, step: int, examples: Array, *, out: Array) -> Array: ...
    def binarize(self, x: Array, seed: int, step: int, examples: Array, *, out: Array) -> Array: ...

    def linear_forward(
        self, x: Array, W: Array, b: Array, activation: str = ..., *, out: Array | None = ...
    ) -> Array: ...
    def activation_backward(self, dy: Array, y: Array, activation: str, *, out: Array | None = ...) -> Array: ...
    def linear_backward(
        self,
        da: Array,
        x: Array,
        W: Array,
        *,
        need_dx: bool = ...,
        dx: Array | None = ...,
        dW: Array | None = ...,
        db: Array | None = ...,
    ) -> tuple[Array | None, Array, Array]: ...
    def bias_gradient(self, da: Array, *, out: Array | None = ...) -> Array: ...

    def reparameterize_forward(self, mu: Array, logvar: Array, eps: Array, *, out: Array | None = ...) -> Array: ...
    def reparameterize_backward(
        self, dz: Array, logvar: Array, eps: Array, *, dmu: Array | None = ..., dlogvar: Array | None = ...
    ) -> tuple[Array, Array]: ...
    def gaussian_kl_forward(self, mu: Array, logvar: Array, *, out: Array | None = ...) -> Array: ...
    def gaussian_kl_backward(
        self, dkl: Array, mu: Array, logvar: Array, *, dmu: Array | None = ..., dlogvar: Array | None = ...
    ) -> tuple[Array, Array]: ...

    def bernoulli_nll(
        self,
        logits: Array,
        x: Array,
        dnll: Array | None = ...,
        *,
        nll: Array | None = ...,
        dlogits: Array | None = ...,
    ) -> tuple[Array, Array | None]: ...
    def bernoulli_mean(self, logits: Array) -> Array: ...
    def gaussian_nll(
        self,
        mean: Array,
        logvar: Array,
        x: Array,
        dnll: Array | None = ...,
        *,
        nll: Array | None = ...,
        dmean: Array | None = ...,
        dlogvar: Array | None = ...,
    ) -> tuple[Array, Array | None, Array | None]: ...
    def categorical_nll(
        self,
        logits: Array,
        x: Array,
        groups: Sequence[int],
        dnll: Array | None = ...,
        *,
        nll: Array | None = ...,
        dlogits: Array | None = ...,
    ) -> tuple[Array, Array | None]: ...
    def categorical_mean(self, logits: Array, groups: Sequence[int]) -> Array: ...

    def sgd_update(
        self, parameters: Array, gradients: Array, velocity: Array, *, learning_rate: float, momentum: float
    ) -> None: ...
    def adagrad_update(
        self, parameters: Array, gradients: Array, sum_of_squares: Array, *, learning_rate: float, epsilon: float
    ) -> None: ...
    def adam_update(
        self,
        parameters: Array,
        gradients: Array,
        m: Array,
        v: Array,
        t: int,
        *,
        learning_rate: float,
        beta1: float,
        beta2: float,
        epsilon: float,
    ) -> None: ...
    def add_penalty(self, weights: Array, dweights: Array, *, l1: float, l2: float) -> float: ...


def default_name() -> str:
    """The backend of models that name none: ``MINIVAE_BACKEND``, or ``"numpy"``."""
    return os.environ.get("MINIVAE_BACKEND") or "numpy"


def load(name: str | None = None) -> Backend:
    """The kernels of a backend.

    Parameters
    ----------
    name : {"numpy", "numba", "cupy"}, optional
        Default: the environment variable ``MINIVAE_BACKEND``, or ``"numpy"``.

    Returns
    -------
    backend : Backend
        Its functions, and its ``name``. A function that the backend does not define is the reference's.

    Raises
    ------
    BackendError
        If the name is unknown, or the backend cannot be used here; the message says what to install.

    Examples
    --------
    >>> kernels = load("numpy")
    >>> kernels.gaussian_kl_forward(np.ones((1, 3)), np.zeros((1, 3)))
    array([1.5])
    """
    return _load(default_name() if name is None else name)


def available() -> list[str]:
    """The names of the backends that can be used here."""
    return [name for name in SOURCES if why_unavailable(name) is None]


def states() -> dict[str, str]:
    """Every backend and its state here: ``"available"``, or the sentence that says what is missing."""
    return {name: why_unavailable(name) or "available" for name in SOURCES}


def threads() -> dict[str, str]:
    """Which threads the backends that can be used here compute with."""
    told = {"numpy": "those of its BLAS, for matrix products only"}
    if why_unavailable("numba") is None:
        try:
            told["numba"] = _module("numba", "numba_threads").policy()
        except BackendError as error:
            told["numba"] = str(error)
    return told


def _module(name: str, module: str) -> ModuleType:
    """A file of kernels; what its package says when it does not work here becomes a BackendError."""
    try:
        return importlib.import_module(f"minivae.kernels.{module}")
    except ImportError as error:
        raise BackendError(f"the {name} backend is installed but does not work here: {error}") from error


def why_unavailable(name: str) -> str | None:
    """The reason why a known backend cannot be used here, or None if it can."""
    source = SOURCES[name]
    if find_spec(f"minivae.kernels.{source.module}") is None:
        return f"this version of minivae has no {name} kernels yet (they will need: {source.install}); use numpy"
    if find_spec(source.package) is None:
        return f"the {name} backend needs the package {source.package}; install it with: {source.install}"
    reason = why_no_gpu() if name == "cupy" else None
    return f"the cupy backend needs an NVIDIA GPU, but {reason}" if reason else None


@cache
def _load(name: str) -> Backend:
    if name not in SOURCES:
        raise BackendError(f"unknown backend {name!r}: expected one of {', '.join(SOURCES)}")
    reason = why_unavailable(name)
    if reason is not None:
        raise BackendError(reason)
    return from_module(_module(name, SOURCES[name].module), name)


def from_module(module: ModuleType, name: str) -> Backend:
    """The functions of a kernels module as a Backend; those it does not define come from the reference."""
    functions = {f: getattr(module, f, getattr(reference, f)) for f in reference.__all__}
    return cast(Backend, SimpleNamespace(name=name, graph=getattr(module, "graph", None), **functions))
