"""A series of launches as one CUDA graph: recorded once, replayed at the cost of one launch. Not yet run on a GPU.

A graph remembers addresses, not arrays. So what is allocated while it is recorded comes from a memory pool of its own,
which lives as long as the graph: no other array can be put into memory that a replay will overwrite.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any

import cupy

from .cuda_blas import handle

_of_this_thread = threading.local()


class Graph:
    """What ``launches()`` sends to the device, to be replayed.

    Parameters
    ----------
    launches : callable
        Only launches kernels and works on device arrays; it must have run once, so that all is compiled and loaded.
        Recording it changes nothing on the device.
    stream : cupy.cuda.Stream
        A stream that does not wait for the default one.
    kept : sequence of arrays
        Device arrays that the launches use and that must not be freed before this object is.
    """

    def __init__(self, launches: Callable[[], Any], stream: Any, kept: Sequence[Any] = ()):
        self.stream, self.pool = stream, cupy.cuda.MemoryPool()
        self.kept = [*kept, handle()]  # with its workspace, which the products of the graph use
        with stream, cupy.cuda.using_allocator(self.pool.malloc):
            stream.begin_capture()
            try:
                self.kept.append(launches())
            finally:
                self.graph = stream.end_capture()

    def replay(self) -> None:
        """Send it all again; does not wait."""
        self.graph.launch(stream=self.stream)

    def __del__(self) -> None:
        """Give the memory back, which a pool of CuPy's keeps even when nobody has the pool any more."""
        if not sys.is_finalizing():
            self.graph, self.kept = None, []
            self.pool.free_all_blocks()


def stream_of_this_thread() -> Any:
    """A stream in which launches can be recorded; one for all models, because CuPy keeps memory for each stream."""
    if not hasattr(_of_this_thread, "stream"):
        _of_this_thread.stream = cupy.cuda.Stream(non_blocking=True)
    return _of_this_thread.stream


@contextmanager
def on_stream(stream: Any) -> Any:
    """Let launches go to a stream; before, wait for the current one, and in the end for this one."""
    cupy.cuda.get_current_stream().synchronize()
    try:
        with stream:
            yield
    finally:  # also after Ctrl-C: what is under way would overwrite what is put back
        stream.synchronize()
