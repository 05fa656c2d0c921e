"""The functions of cuBLAS that minivae calls by ctypes, by NumPy: column-major, and sent to the handle's stream."""

import ctypes
import itertools
from types import SimpleNamespace

import numpy as np

from .device import Memory, Stream

SUCCESS, NOT_INITIALISED, INVALID_VALUE = 0, 1, 7


def plain(value):
    """The number in a ctypes object."""
    return getattr(value, "value", value) or 0


class Cublas:
    def __init__(self):
        self.handles, self.numbers = {}, itertools.count(1)

    def cublasCreate_v2(self, handle):
        handle._obj.value = next(self.numbers)
        self.handles[handle._obj.value] = SimpleNamespace(stream=0, has_workspace=False)
        return SUCCESS

    def cublasDestroy_v2(self, handle):
        return SUCCESS if self.handles.pop(plain(handle), None) else NOT_INITIALISED

    def cublasSetStream_v2(self, handle, stream):
        settings = self.handles[plain(handle)]
        settings.stream, settings.has_workspace = plain(stream), False  # cuBLAS goes back to its own workspace
        return SUCCESS if settings.stream in Stream.all else INVALID_VALUE

    def cublasSetWorkspace_v2(self, handle, address, nbytes):
        Memory.at(plain(address), plain(nbytes))
        self.handles[plain(handle)].has_workspace = True
        return SUCCESS

    def cublasSetMathMode(self, handle, mode):
        return SUCCESS if plain(handle) in self.handles else NOT_INITIALISED

    def cublasSetPointerMode_v2(self, handle, mode):
        return SUCCESS if plain(mode) == 0 else INVALID_VALUE

    def cublasSgemm_v2(self, *arguments):
        return self.gemm(np.float32, ctypes.c_float, *arguments)

    def cublasDgemm_v2(self, *arguments):
        return self.gemm(np.float64, ctypes.c_double, *arguments)

    def gemm(self, dtype, number, handle, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):
        """C = alpha op(A) op(B) + beta C."""
        settings = self.handles.get(plain(handle))
        current = [stream for stream in Stream.all.values() if stream.recording is not None]
        if settings is None or (current and (settings.stream != current[0].ptr or not settings.has_workspace)):
            return NOT_INITIALISED
        transpose_a, transpose_b, m, n, k = map(plain, (transpose_a, transpose_b, m, n, k))
        if not (isinstance(alpha._obj, number) and isinstance(beta._obj, number)):
            return INVALID_VALUE
        matrices = [(a, lda, (k, m) if transpose_a else (m, k)), (b, ldb, (n, k) if transpose_b else (k, n))]
        matrices.append((c, ldc, (m, n)))
        if any(plain(ld) < max(1, shape[0]) for _, ld, shape in matrices):
            return INVALID_VALUE
        (A, B, C), memories = zip(*[column_major(dtype, *matrix) for matrix in matrices], strict=True)
        A, B = A.T if transpose_a else A, B.T if transpose_b else B
        alpha, beta = dtype(alpha._obj.value), dtype(beta._obj.value)

        def run():
            C[...] = alpha * (A @ B) + (beta * C if beta else 0)

        Stream.all[settings.stream].submit("gemm", run, memories)
        return SUCCESS


def column_major(dtype, address, ld, shape):
    """A column-major matrix at an address as a NumPy array, and the memory that it is in."""
    itemsize, (rows, columns) = np.dtype(dtype).itemsize, shape
    nbytes = ((columns - 1) * plain(ld) + rows) * itemsize
    memory = Memory.at(plain(address), nbytes)
    return memory.array(shape, dtype, plain(address), (itemsize, plain(ld) * itemsize)), memory
