"""The workers that ``mpiexec`` starts, by mpi4py; imported when the first of them is asked for."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from minivae.errors import MinivaeError
from minivae.workers.group import Group, Work

T = TypeVar("T")
INSTALL = 'pip install "minivae[mpi]", or mpi4py alone where the machine has an MPI of its own'
LAUNCHERS = (  # what they tell each process: its rank, and how many there are
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),  # Open MPI
    ("PMI_RANK", "PMI_SIZE"),  # MPICH, Intel, Cray
    ("PMIX_RANK", "SLURM_NTASKS"),  # srun --mpi=pmix
)
PATIENCE = 2.0  # seconds that a failed rank leaves to rank 0 for a checkpoint, and to all for failing alike
LONGEST = 2000  # bytes of an error's text that the others are told


def launched() -> tuple[int, int]:
    """The rank of this process and the number of processes, as its launcher says; (0, 1) without one. No MPI needed."""
    for rank, size in LAUNCHERS:
        if rank in os.environ and size in os.environ:
            return int(os.environ[rank]), int(os.environ[size])
    return 0, 1


def load_mpi() -> Any:
    """The module mpi4py.MPI, which has not yet started MPI; MinivaeError with what to install."""
    try:
        import mpi4py

        mpi4py.rc.initialize, mpi4py.rc.finalize = False, True
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # the latter if there is no libmpi, with a line for each file tried
        reason = str(error).partition("\n")[0]
        raise MinivaeError(f"workers of MPI need mpi4py and an MPI ({reason}): {INSTALL}") from None
    return MPI


def found() -> str:
    """The MPI that would be used, for ``minivae info``."""
    try:
        return " ".join(load_mpi().Get_library_version().splitlines()[0].split())
    except MinivaeError as error:
        return str(error)


class Mpi(Group):
    """The processes that ``mpiexec -n N`` has started with this one; all of them must make this object.

    Raises
    ------
    MinivaeError
        If mpi4py or an MPI is missing; the message says what to install.
    """

    def __init__(self) -> None:
        self._mpi = load_mpi()
        if not self._mpi.Is_initialized():
            self._mpi.Init()
        # Two communicators of our own: a rank that leaves must not be taken for one that goes on.
        self._comm, self._leaving = self._mpi.COMM_WORLD.Dup(), self._mpi.COMM_WORLD.Dup()
        self.rank, self.size = self._comm.Get_rank(), self._comm.Get_size()

    @property
    def ranks(self) -> range:
        return range(self.rank, self.rank + 1)

    def gather(self, work: Work) -> np.ndarray:
        mine = np.ascontiguousarray(work(self.rank))
        everywhere = np.empty((self.size, *mine.shape), mine.dtype)
        self._comm.Allgather(mine, everywhere)
        return everywhere

    def sum(self, work: Work) -> np.ndarray:
        mine = np.ascontiguousarray(work(self.rank))
        total = np.empty_like(mine)
        self._comm.Allreduce(mine, total)
        return total

    def agree(self, work: Callable[[], T]) -> T:
        error: Exception | None = None
        try:
            result = work()
        except Exception as failure:
            error = failure
        text = b"" if error is None else f"{platform.node()}: {in_words(error)}".encode()[:LONGEST]
        texts = self.gather(lambda rank: np.frombuffer(text.ljust(LONGEST, b"\0"), np.uint8))
        failed = [rank for rank, told in enumerate(texts) if told[0]]
        if not failed:
            return result
        if error is not None and len(failed) == self.size:  # the fault is in what all of them were told
            raise error
        told = texts[failed[0]].tobytes().rstrip(b"\0").decode(errors="replace")
        alone = "" if failed[0] == 0 else "; rank 0 has no such error"
        raise MinivaeError(f"rank {failed[0]} of {self.size}, on {told}{alone}") from error

    @contextmanager
    def together(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            if not self._all_leave():
                # Else the others would wait for this rank for ever, some of them in MPI_Finalize.
                print(f"minivae: rank {self.rank} of {self.size} ended all: {in_words(error)}", file=sys.__stderr__)
                self._comm.Abort(1)
            raise

    def _all_leave(self) -> bool:
        """True once all ranks are here; False if some are not within :data:`PATIENCE` seconds."""
        everybody, deadline = self._leaving.Ibarrier(), time.monotonic() + PATIENCE
        while not everybody.Test():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True


def in_words(error: BaseException) -> str:
    """What an error says; its kind, where it says nothing or not what it is."""
    if isinstance(error, MinivaeError | OSError) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
