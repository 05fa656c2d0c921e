"""Bounded memory: buffers that every step reuses, and large data in pieces."""

from __future__ import annotations

from types import SimpleNamespace

from minivae.backend import Array, Backend

ROWS_AT_ONCE = 512


class Workspace:
    """Named buffers that grow to the largest batch, and are reused."""

    def __init__(self, kernels: Backend, dtype: str):
        self.kernels = kernels
        self.dtype = dtype
        self._buffers: dict[str, Array] = {}

    def rows(self, name: str, n: int, *width: int) -> Array:
        """The first ``n`` rows of the buffer ``name``, shape (n, *width), with their old content."""
        buffer = self._buffers.get(name)
        if buffer is None or len(buffer) < n or buffer.shape[1:] != width:
            buffer = self._buffers[name] = self.kernels.zeros((n, *width), self.dtype)
        return buffer[:n]

    def named(self, n: int, **widths: tuple[int, ...]) -> SimpleNamespace:
        """:meth:`rows` of several buffers: ``named(n, dmu=(K,), dkl=())`` has ``.dmu`` (n, K) and ``.dkl`` (n,)."""
        return SimpleNamespace(**{name: self.rows(name, n, *width) for name, width in widths.items()})

    def arrays(self) -> list[Array]:
        """All buffers."""
        return list(self._buffers.values())


def pieces(n: int, draws: int = 1) -> list[slice]:
    """Slices that cover 0 to n - 1: examples whose draws are at most ``ROWS_AT_ONCE`` rows, or a single one."""
    size = max(1, ROWS_AT_ONCE // draws)
    return [slice(start, min(n, start + size)) for start in range(0, n, size)]
