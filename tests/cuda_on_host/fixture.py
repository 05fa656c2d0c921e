"""The CUDA backend on the stand-in, as a fixture. A test module takes it by ``kernels = fixture.cupy_on_host``."""

import sys
from contextlib import contextmanager
from importlib import import_module

import pytest

from minivae import backend

from . import build, device
from . import cupy_on_host as cupy
from .cublas import Cublas

PACKAGE = "minivae.kernels"


@contextmanager
def cupy_is_the_stand_in():
    """Within, ``import cupy`` finds the stand-in; before and after, all is as if there were none."""
    ours = [name for name in sys.modules if name.startswith(f"{PACKAGE}.cu")]
    before = {name: sys.modules.pop(name) for name in [*ours, "cupy"] if name in sys.modules}
    sys.modules["cupy"] = cupy
    try:
        yield
    finally:
        package = sys.modules[PACKAGE]
        for name in [name for name in sys.modules if name.startswith(f"{PACKAGE}.cu")]:
            del sys.modules[name]
            vars(package).pop(name.rpartition(".")[2], None)
        del sys.modules["cupy"]
        sys.modules.update(before)
        for name in ours:
            setattr(package, name.rpartition(".")[2], before[name])


def load():
    """The functions of kernels/cupy_gpu.py, computing on the stand-in: a Backend."""
    with cupy_is_the_stand_in():
        module = import_module(f"{PACKAGE}.cupy_gpu")
        blas, library = import_module(f"{PACKAGE}.cuda_blas"), Cublas()
    blas.library = lambda: library
    return backend.from_module(module, "cupy")


@pytest.fixture(scope="module")
def cupy_on_host():
    """:func:`load`; skips where there is no compiler. Errors of the device that nobody waited for come at the end."""
    if build.why_not():
        pytest.skip(build.why_not())
    yield load()
    device.synchronize()
