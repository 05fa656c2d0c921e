"""Who works on a batch: one process alone, workers that one process pretends to be, or those of MPI (mpi.py)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from minivae.errors import DataError

T = TypeVar("T")
Work = Callable[[int], Any]  # what a rank contributes: a function of its number, so that one process can do it for all


class Group:
    """Workers that do the same things in the same order, each with rows of its own.

    Attributes
    ----------
    rank, size : int
        This process, from 0, and how many workers there are. Rank 0 alone prints and writes.
    ranks : range
        The workers whose part is done by this process.
    """

    rank = 0
    size = 1

    @property
    def ranks(self) -> range:
        return range(self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.size})"

    def gather(self, work: Work) -> np.ndarray:
        """What ``work(rank)`` returns for each rank, arrays of one shape and dtype: (size, ...), equal on all."""
        return np.stack([np.array(work(rank)) for rank in self.ranks])

    def sum(self, work: Work) -> np.ndarray:
        """The sum of what ``work(rank)`` returns, in the order that is quickest: its last bits depend on ``size``."""
        return self.gather(work).sum(axis=0)

    def agree(self, work: Callable[[], T]) -> T:
        """``work()`` on every rank; if it fails on one, all of them raise an error that names the rank."""
        return work()

    def root(self, work: Callable[[], T]) -> T | None:
        """:meth:`agree` on what only rank 0 does, such as writing files; None on the others."""
        return self.agree(work if self.rank == 0 else lambda: None)

    def decide(self, flag: bool) -> bool:
        """Rank 0's ``flag``, on every rank: a decision is made once."""
        return bool(self.gather(lambda rank: np.array(flag))[0])

    def together(self) -> AbstractContextManager[None]:
        """A block in which ranks wait for each other: an error on one rank that has not been agreed on ends all."""
        return nullcontext()


class Alone(Group):
    """One worker, as everywhere where nothing else is said."""

    def gather(self, work: Work) -> np.ndarray:
        return np.asarray(work(0))[None]  # no copy


class Pretend(Group):
    """``n`` workers in this process, one after the other: their whole arithmetic, without MPI."""

    def __init__(self, n: int):
        if not isinstance(n, int) or n < 1:
            raise ValueError(f"Pretend takes the number of workers, at least 1, got {n!r}")
        self.size = n


def one_blas_thread() -> AbstractContextManager:
    """One thread for matrix products: their last bits depend on the number, and each worker has a core of its own.

    Whoever shares work computes so, one worker too, whatever the environment says: else there would be other bits on
    another number of workers, or threads of many that fight for the same cores.
    """
    return threadpool_limits(1, "blas")


def share_out(group: Group, out: np.ndarray, parts: Sequence[Any], work: Callable[[Any], Any]) -> np.ndarray:
    """Fill ``out[part]`` with ``work(part)`` for all parts, each computed by one worker and then known to all."""

    def of(rank: int) -> np.ndarray:
        for part in parts[rank :: group.size]:
            out[part] = work(part)
        return out

    for rank, found in enumerate(group.gather(of)):
        for part in parts[rank :: group.size]:
            out[part] = found[part]
    return out


def digest(*parts: Any) -> bytes:
    """A hash of arrays, and of other things by their repr."""
    found = hashlib.sha256()
    for part in parts:
        found.update(np.ascontiguousarray(part).data if isinstance(part, np.ndarray) else repr(part).encode())
    return found.digest()


def check_same(group: Group, digest_of: Callable[[], bytes], what: str) -> None:
    """DataError, on every rank, unless all have the same digest of something, such as their data."""
    if group.size == 1:
        return
    digests = group.gather(lambda rank: np.frombuffer(digest_of(), np.uint8))
    for rank, found in enumerate(digests):
        if (found != digests[0]).any():
            raise DataError(f"rank {rank} of {group.size} has other {what} than rank 0: give all of them the same")
