"""Matrix products by cuBLAS, called through a handle and a workspace of our own: not yet run on a GPU.

CuPy's own calls of cuBLAS are refused while a stream is captured into a CUDA graph, and a workspace that cuBLAS
allocates for itself would become part of the graph. So the library that CuPy has loaded is called by ctypes, with
memory that is set aside before.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from functools import cache
from typing import Any

import cupy
import numpy as np

WORKSPACE = 32 * 2**20  # bytes; what NVIDIA recommends for Hopper
NO, YES = 0, 1  # CUBLAS_OP_N, CUBLAS_OP_T
FULL_PRECISION, TF32 = 0, 3  # CUBLAS_DEFAULT_MATH, CUBLAS_TF32_TENSOR_OP_MATH
PRODUCTS = {"float32": ("cublasSgemm_v2", ctypes.c_float), "float64": ("cublasDgemm_v2", ctypes.c_double)}

_of_this_thread = threading.local()


@cache
def library() -> Any:
    """The cuBLAS that CuPy uses, as this process has loaded it."""
    from cupy.cuda import cublas

    before = loaded("libcublas.so")
    cublas.destroy(cublas.create())  # now it is loaded, wherever it lies
    paths = loaded("libcublas.so")
    if not paths:
        raise ImportError("cuBLAS is not among the libraries of this process: the cupy backend needs Linux and cuBLAS")
    return ctypes.CDLL(sorted(paths - before or paths)[0])  # PyTorch may have brought one of its own before


def loaded(name: str) -> set[str]:
    """The paths of the libraries of this process that have such a name."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        return {line.split(maxsplit=5)[5].strip() for line in maps if name in line}


def uses_tf32() -> bool:
    """True if the environment variable ``MINIVAE_TF32`` is 1: products of float32 then keep 10 bits of the factors."""
    return os.environ.get("MINIVAE_TF32") == "1"


class Handle:
    """A cuBLAS handle with a workspace, for one thread."""

    def __init__(self) -> None:
        self.pointer = ctypes.c_void_p()
        check(library().cublasCreate_v2(ctypes.byref(self.pointer)), "cublasCreate")
        self.workspace = cupy.empty(WORKSPACE, np.uint8)
        self.stream: Any = None
        check(library().cublasSetMathMode(self.pointer, TF32 if uses_tf32() else FULL_PRECISION), "cublasSetMathMode")

    def on(self, stream: Any) -> ctypes.c_void_p:
        """The handle, with its calls going to a stream."""
        if self.stream is None or stream.ptr != self.stream.ptr:
            check(library().cublasSetStream_v2(self.pointer, ctypes.c_void_p(stream.ptr)), "cublasSetStream")
            # A change of streams puts cuBLAS back to a workspace of its own.
            address, size = ctypes.c_void_p(self.workspace.data.ptr), ctypes.c_size_t(WORKSPACE)
            check(library().cublasSetWorkspace_v2(self.pointer, address, size), "cublasSetWorkspace")
            self.stream = stream  # kept: the address of a stream that is gone may become that of another one
        return self.pointer

    def __del__(self) -> None:
        if not sys.is_finalizing() and self.pointer:
            library().cublasDestroy_v2(self.pointer)


def handle() -> Handle:
    """The handle of this thread."""
    if not hasattr(_of_this_thread, "handle"):
        _of_this_thread.handle = Handle()
    return _of_this_thread.handle


def check(status: int, what: str) -> None:
    """Raise RuntimeError unless a call of cuBLAS went well."""
    if status != 0:
        raise RuntimeError(f"{what} failed with status {status}")


def matmul(a: Any, b: Any, out: Any, *, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    """``out = a @ b``, or with a factor transposed.

    cuBLAS counts by columns: what is a row-major (m, n) for us is a column-major (n, m) for it. So it is asked for
    out^T = b^T a^T, and each array, taken as it lies in memory, already is its transpose.

    Parameters
    ----------
    a : array of shape (m, k), or (k, m) if transposed
    b : array of shape (k, n), or (n, k) if transposed
    out : array of shape (m, n)
        All of one dtype, float32 or float64, with neighbouring columns next to each other.

    Returns
    -------
    out : array of shape (m, n)
    """
    if not a.dtype == b.dtype == out.dtype:
        raise TypeError(f"a product needs one dtype, got {a.dtype}, {b.dtype} and {out.dtype}")
    m, n = out.shape
    k = a.shape[0] if transpose_a else a.shape[1]
    name, number = PRODUCTS[str(out.dtype)]
    one, zero = number(1), number(0)
    sizes = (ctypes.c_int(n), ctypes.c_int(m), ctypes.c_int(k))
    status = getattr(library(), name)(
        handle().on(cupy.cuda.get_current_stream()),
        ctypes.c_int(YES if transpose_b else NO),
        ctypes.c_int(YES if transpose_a else NO),
        *sizes,
        ctypes.byref(one),
        *as_it_lies(b),
        *as_it_lies(a),
        ctypes.byref(zero),
        *as_it_lies(out),
    )
    check(status, name)
    return out


def as_it_lies(array: Any) -> tuple[ctypes.c_void_p, ctypes.c_int]:
    """Address and row length of a matrix in memory."""
    return ctypes.c_void_p(array.data.ptr), ctypes.c_int(row_stride(array))


def row_stride(array: Any) -> int:
    """Elements from one row to the next; ValueError unless the columns of a row are neighbours."""
    if array.ndim != 2 or (array.shape[1] > 1 and array.strides[1] != array.itemsize):
        raise ValueError(f"expected a matrix whose rows are contiguous, got strides {array.strides}")
    if array.shape[0] == 1:
        return array.shape[1]
    if array.strides[0] < array.shape[1] * array.itemsize:
        raise ValueError(f"expected rows one after the other, got strides {array.strides}")
    return array.strides[0] // array.itemsize
