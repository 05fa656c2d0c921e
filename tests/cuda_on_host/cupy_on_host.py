"""A stand-in for the few names of CuPy that minivae uses, on the CPU. It proves logic; it is not a GPU.

Nothing here says that the kernels are fast, that they fit the device, or that CuPy and cuBLAS do what this file
believes they do: the CUDA backend is not yet run on a GPU. It says that, if they do, the numbers are right.

The .cu files are compiled by the host compiler (build.py, host.h) and run on the CPU (kernels.py). Memory, streams and
graphs (device.py), arrays (arrays.py) and cuBLAS (cublas.py) refuse what the real ones refuse, and are as unkind as the
real ones may be. Tests have it by the fixture in fixture.py; nobody else can: ``minivae.backend.load("cupy")`` goes on
to ask for a GPU.
"""

from types import SimpleNamespace

import numpy as np

from . import device
from .arrays import copy, empty, ndarray, send
from .kernels import RawModule

__all__ = [
    "RawModule",
    "argsort",
    "asarray",
    "ascontiguousarray",
    "asnumpy",
    "cuda",
    "empty",
    "empty_like",
    "float32",
    "float64",
    "int32",
    "is_available",
    "ndarray",
    "uint32",
    "zeros",
]

float32, float64, int32, uint32 = np.float32, np.float64, np.int32, np.uint32


def asarray(x, dtype=None):
    if isinstance(x, ndarray):
        return x if dtype is None else x.astype(dtype, copy=False)
    device.no_copy_while_recorded()
    values = np.array(x, dtype, order="C")
    return copy(values, empty(values.shape, values.dtype))


def ascontiguousarray(x, dtype=None):
    if not isinstance(x, ndarray):  # CuPy's is compiled, and takes nothing else
        raise TypeError(f"Argument 'a' has incorrect type (expected cupy._core.core._ndarray_base, got {type(x)})")
    x = asarray(x, dtype)
    return x if x.flags.c_contiguous else x.copy()


def asnumpy(x):
    return x.get() if isinstance(x, ndarray) else np.asarray(x)


def empty_like(x):
    return empty(x.shape, x.dtype)


def argsort(x):
    device.no_copy_while_recorded()  # CuPy's sort takes memory that a graph would not keep
    order = empty(x.shape, np.int64)
    values, target = x.host, order.host
    send("argsort", lambda: np.copyto(target, np.argsort(values, kind="stable")), x, order)
    return order


def zeros(shape, dtype=float):
    array = empty(shape, dtype)
    array.fill(0)
    return array


def is_available():
    return True


cuda = SimpleNamespace(
    Stream=device.Stream,
    get_current_stream=device.current_stream,
    MemoryPool=device.MemoryPool,
    using_allocator=device.using_allocator,
    Device=lambda number=0: SimpleNamespace(synchronize=device.synchronize),
    runtime=SimpleNamespace(
        CUDARuntimeError=device.CUDARuntimeError,
        getDeviceCount=lambda: 1,
        getDeviceProperties=lambda number: {"name": b"the stand-in of the tests, which is no GPU"},
    ),
)
