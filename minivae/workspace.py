"""Buffers that a training step writes into: made once, used again in every step."""

from __future__ import annotations

from minivae.backend import Array, Backend


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

    def filled(self, name: str, n: int, value: float) -> Array:
        """A buffer (n,) that holds ``value`` throughout."""
        buffer = self.rows(name, n)
        buffer[:] = value
        return buffer
