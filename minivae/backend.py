"""The switch: which kernels a model computes with.

``load("numpy")`` gives the reference, kernels/reference.py; another backend holds the same functions under
the same names, faster. This file alone imports kernels, and a faster backend only when it is asked for.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
import warnings
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

from minivae.answers import Workspace, find_workspace
from minivae.errors import BackendError
from minivae.kernels import reference
from minivae.kernels.philox import Stream, permutation
from minivae.kernels.reference import LARGEST_LOG_SIZE

__all__ = [
    "LARGEST_LOG_SIZE",
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
# The functions of kernels/reference.py, ``name``; or None: ``graph`` on a GPU (captured.py), ``train`` and
# ``adam_numbers`` of Numba (native.py), ``fork`` of a learner.
Backend = SimpleNamespace
DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
SUCCESS, NO_DEVICE = 0, 100
_left_out: list[list[str]] = []  # the exercises of which a warning has been given, so that each is given once


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


def default_name() -> str:
    """The backend of models that name none: ``MINIVAE_BACKEND``, or ``"numpy"``."""
    return os.environ.get("MINIVAE_BACKEND") or "numpy"


def load(name: str | None = None) -> Backend:
    """The kernels of a backend.

    Parameters
    ----------
    name : {"numpy", "numba", "cupy", "mine"}, optional
        Default: the environment variable ``MINIVAE_BACKEND``, or ``"numpy"``. ``"mine"`` are the solved exercises of
        the workspace that ``MINIVAE_MINE`` names, or of the nearest one from the current folder up (kernels/mine.py).

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
    name = default_name() if name is None else name
    return _load_mine() if name == "mine" else _load(name)


def available() -> list[str]:
    """The names of the backends that can be used here; not "mine", which is used only where it is asked for."""
    return [name for name in SOURCES if why_unavailable(name) is None]


def states() -> dict[str, str]:
    """Every backend and its state here: ``"available"``, or the sentence that says what is missing."""
    try:
        mine = state_of(_workspace())
    except BackendError as error:
        mine = str(error)
    return {name: why_unavailable(name) or "available" for name in SOURCES} | {"mine": mine}


def state_of(workspace: Workspace) -> str:
    """How much of a VAE is the learner's."""
    names = _module("mine", "mine").NAMES
    n = len(names.keys() & workspace.solved.keys())
    return f"{n} of {len(names)} functions are yours, the others the project's, in {workspace.folder}"


def _workspace() -> Workspace:
    folder = find_workspace()
    if folder is None:
        raise BackendError(
            f"the mine backend computes with the exercises that you have solved, but no workspace is at or above "
            f"{Path.cwd()}: minivae learn --start makes one, and MINIVAE_MINE may name yours"
        )
    return Workspace(folder)


def _load_mine() -> Backend:
    """What is solved now: not kept, because the learner goes on."""
    workspace, mine = _workspace(), _module("mine", "mine")
    left_out = [number for number in workspace.unchecked if number in mine.NAMES]
    if left_out and left_out not in _left_out:
        _left_out.append(left_out)
        warnings.warn(
            f"the project's functions are used for exercise {', '.join(left_out)}: as they are now, these files have "
            "not passed their check; minivae check, without a number, checks them all",
            stacklevel=3,
        )
    return from_module(mine.kernels(workspace.answers(mine.NAMES)), "mine")


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
        raise BackendError(f"unknown backend {name!r}: expected one of {', '.join(SOURCES)}, mine")
    reason = why_unavailable(name)
    if reason is not None:
        raise BackendError(reason)
    return from_module(_module(name, SOURCES[name].module), name)


def from_module(module: ModuleType | SimpleNamespace, name: str) -> Backend:
    """The functions of a kernels module as a Backend; those it does not define come from the reference."""
    functions = {f: getattr(module, f, getattr(reference, f)) for f in reference.__all__}
    extras = {extra: getattr(module, extra, None) for extra in ("graph", "train", "adam_numbers", "fork")}
    return Backend(name=name, **extras, **functions)


# -- is there a GPU? -----------------------------------------------------------------------------------------


def uses_tf32() -> bool:
    """True if ``MINIVAE_TF32=1`` asks for matrix products of float32 that keep 10 bits of their factors."""
    return os.environ.get("MINIVAE_TF32") == "1"


@cache
def why_no_gpu() -> str | None:
    """What is missing for a GPU, with what to do; None if there is one. The driver is asked, not a large package."""
    try:
        driver = ctypes.CDLL(DRIVER)
    except OSError:
        return "this machine has no NVIDIA driver; install one, or use numpy or numba"
    status, count = driver.cuInit(0), ctypes.c_int(0)
    if status == SUCCESS:
        status = driver.cuDeviceGetCount(ctypes.byref(count))
    if status == NO_DEVICE or (status == SUCCESS and count.value == 0):
        return "the NVIDIA driver finds no GPU; look at nvidia-smi and CUDA_VISIBLE_DEVICES, or use numpy or numba"
    return None if status == SUCCESS else f"the NVIDIA driver does not start (error {status}); look at nvidia-smi"
