"""Threads that do not fight: one pool, Numba's, for matrix products and elementwise kernels alike.

A training step alternates between BLAS and our own kernels. If each had threads of its own, those that wait
would spin on the cores that the others need. So each kernel cuts its work into as many tiles as there are
threads, and while it does, BLAS works on one thread inside each tile.

Whoever limits BLAS (``OPENBLAS_NUM_THREADS``, ``OMP_NUM_THREADS``, joblib, ``threadpoolctl``) or Numba
(``NUMBA_NUM_THREADS``) limits the pool: it is as wide as the narrower of the two. BLAS has its own number of
threads again when the kernels are done.

GNU's OpenMP lets a thread that waits spin for milliseconds, which on a busy machine keeps the very thread from
running that is waited for. Unless the user has chosen (``OMP_WAIT_POLICY``, ``GOMP_SPINCOUNT``), it is told to
spin for microseconds and then to sleep: as fast on a quiet machine, and no catastrophe on a busy one. (Where another
library has loaded the same OpenMP before, its way of waiting stays; ``minivae info`` says so.)

In a forked process GNU's OpenMP cannot go on: there everything is one tile, and BLAS keeps its threads.

Numba's own fallback, the layer "workqueue", always sleeps, which costs more than its threads bring. Where there is
neither OpenMP (libgomp) nor TBB, there is therefore one tile, and BLAS keeps its threads.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from threading import Lock

import numba
import numpy  # noqa: F401 - loads the BLAS that the kernels call
from numba.extending import get_cython_function_address
from threadpoolctl import LibController, ThreadpoolController, threadpool_info

WORTH_A_TILE = 2**13  # elements; below, waking a thread costs more than it saves
SPINS = "5000"  # about 50 microseconds


@cache
def layer() -> str:
    """The threading layer that Numba has chosen: "tbb", "omp" or "workqueue". The first call starts its threads."""
    ours = spins() == OURS
    if ours:
        os.environ["GOMP_SPINCOUNT"] = SPINS  # read once, when libgomp is loaded
    try:
        numba.get_num_threads()  # starts them, and compiles nothing
    finally:
        if ours:
            del os.environ["GOMP_SPINCOUNT"]
    return numba.threading_layer()


OURS = "spin for about 50 microseconds, then sleep"


@cache
def spins() -> str:
    """What threads of OpenMP do while they wait; asked before they are started."""
    chosen = [f"{name}={os.environ[name]}" for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT") if name in os.environ]
    if chosen:
        return f"wait as {', '.join(chosen)} says"
    loaded = {os.path.basename(found["filepath"]) for found in threadpool_info()}
    if any(name.startswith("libgomp.so.1") for name in loaded):
        return "wait as OpenMP was set up to by whoever loaded it first"
    return OURS


@cache
def library() -> LibController | None:
    """The BLAS that the kernels call: NumPy's. None if it is one that cannot be found, such as Apple's."""
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    return min(found, key=lambda lib: "numpy" not in lib.filepath, default=None)


def gemm_address(name: str) -> int:
    """Where "sgemm" or "dgemm" is, with its arguments as in Fortran: in NumPy's BLAS, else in SciPy's.

    NumPy's comes first: in their wheels it is the newer, and was 15 % faster when this was written.
    """
    blas = library()
    if blas is not None:
        functions = ctypes.CDLL(blas.filepath)
        for symbol in (f"scipy_{name}_64_", f"{name}_64_", f"scipy_{name}_", f"{name}_"):
            if hasattr(functions, symbol):
                return ctypes.cast(getattr(functions, symbol), ctypes.c_void_p).value or 0
    return get_cython_function_address("scipy.linalg.cython_blas", name)


def has_small_kernels() -> bool:
    """Whether it is OpenBLAS for AVX-512, which multiplies small matrices without rearranging them first."""
    blas = library()
    return blas is not None and getattr(blas, "architecture", None) == "SkylakeX"


class Pool:
    """``with pool:`` keeps BLAS to one thread, for kernels that cut a matrix product into tiles. May be nested."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.inside = 0
        self.of_blas = 1
        self.width = 1
        self.forked = False

    def __enter__(self) -> None:
        with self.lock:
            if self.inside == 0:
                of_blas, width = self._measure()
                if width > 1:
                    self._set_blas(1)
                self.of_blas, self.width = of_blas, width
            self.inside += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0 and self.width > 1:
                self._set_blas(self.of_blas)

    def tiles(self, elements: int) -> int:
        """Into how many tiles to cut work on so many elements: one each for all threads, or one."""
        if elements < WORTH_A_TILE:
            return 1
        with self.lock:
            return self.width if self.inside else self._measure()[1]

    def _measure(self) -> tuple[int, int]:
        """The threads that BLAS has now, and the width of the pool."""
        blas = library()
        of_blas = blas.get_num_threads() if blas else numba.get_num_threads()
        return of_blas, 1 if self.forked or layer() == "workqueue" else min(of_blas, numba.get_num_threads())

    def _set_blas(self, threads: int) -> None:
        blas = library()
        if blas:
            blas.set_num_threads(threads)

    def after_fork(self) -> None:
        """In a forked process, where GNU's OpenMP has no threads any more and would end it: one tile from now on."""
        if self.inside and self.width > 1:
            self._set_blas(self.of_blas)
        # The lock may have been held by a thread that exists no more.
        self.lock, self.inside, self.width, self.forked = Lock(), 0, 1, True


pool = Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=pool.after_fork)


def policy() -> str:
    """What ``minivae info`` says about threads."""
    blas = library()
    name = f"{blas.internal_api} {blas.version}" if blas else "a BLAS whose threads cannot be counted"
    if layer() == "workqueue":
        return f"one, because there is neither OpenMP nor TBB (install libgomp or tbb); {name} keeps its threads"
    with pool:
        waiting = f"; threads that have nothing to do {spins()}" if layer() == "omp" else ""
        return f"{pool.width} in one pool ({layer()}), with {name} on one thread in each tile{waiting}"
