"""Bounded memory: buffers that are made once and used in every step, and data that pass in pieces."""

from __future__ import annotations

from collections.abc import Iterator

from minivae.backend import Array, Backend

ROWS_AT_ONCE = 512


class Workspace:
    """Named arrays that grow to the largest batch seen and are never made again.

    Parameters
    ----------
    kernels : Backend
    dtype : {"float32", "float64"}
    """

    def __init__(self, kernels: Backend, dtype: str):
        self.kernels = kernels
        self.dtype = dtype
        self._buffers: dict[str, Array] = {}

    def rows(self, name: str, n: int, *width: int) -> Array:
        """The first ``n`` rows of the buffer ``name``, shape (n, *width); what they hold is left from before."""
        buffer = self._buffers.get(name)
        if buffer is None or len(buffer) < n or buffer.shape[1:] != width:
            buffer = self._buffers[name] = self.kernels.zeros((n, *width), self.dtype)
        return buffer[:n]

    def arrays(self) -> list[Array]:
        """All buffers that there are now."""
        return list(self._buffers.values())

    def filled(self, name: str, n: int, value: float) -> Array:
        """A buffer (n,) that holds ``value`` throughout."""
        buffer = self.rows(name, n)
        buffer[:] = value
        return buffer


def pieces(n: int) -> Iterator[slice]:
    """Slices of at most ``ROWS_AT_ONCE`` rows that cover 0 to n - 1: the way of data outside training."""
    for start in range(0, n, ROWS_AT_ONCE):
        yield slice(start, min(n, start + ROWS_AT_ONCE))
