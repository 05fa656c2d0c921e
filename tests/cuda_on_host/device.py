"""The device of the stand-in: memory with guard zones, streams that run late, graphs that remember addresses.

What an honest but unkind device may do, this one does: memory comes filled with 0xff (NaN, or a row number that does
not exist), and work that is sent to a stream runs when somebody waits for it and not a moment earlier.
"""

import itertools
import weakref
from collections.abc import Callable
from contextlib import contextmanager
from typing import ClassVar, NamedTuple

import numpy as np

GUARD = 4096  # bytes before and after each allocation, which nobody may write
ALIGNMENT = 512  # as cudaMalloc
NAN, SMALL = 0xFF, 0x3E  # bytes: of new memory, and of guard zones, where += shall leave a trace


class CUDARuntimeError(RuntimeError):
    """What the CUDA runtime refuses."""


# ---------------------------------------------------------------------------------------------------------
# Memory


class Memory:
    """One allocation; it is freed when the last array in it and its pool are."""

    alive: ClassVar = weakref.WeakSet()

    def __init__(self, nbytes):
        raw = np.full(nbytes + 2 * GUARD + ALIGNMENT, SMALL, np.uint8)
        start = -(raw.ctypes.data + GUARD) % ALIGNMENT
        self.buffer = raw[start : start + nbytes + 2 * GUARD]
        self.buffer[GUARD : GUARD + nbytes] = NAN
        self.address, self.nbytes = raw.ctypes.data + start + GUARD, nbytes
        self.alive.add(self)

    @classmethod
    def at(cls, address, nbytes):
        """The allocation that holds these bytes; CUDARuntimeError if there is none."""
        for memory in cls.alive:
            if memory.address <= address and address + nbytes <= memory.address + memory.nbytes:
                return memory
        raise CUDARuntimeError(f"cudaErrorIllegalAddress: {nbytes} bytes at {address:#x} are not allocated")

    def array(self, shape, dtype, address=None, strides=None):
        """A NumPy array in it, by default from its first byte on."""
        offset = GUARD + (0 if address is None else address - self.address)
        return np.ndarray(shape, dtype, self.buffer, offset, strides)


class MemoryPool:
    """Keeps what was allocated from it until it is told to free it; CuPy's does so even when nobody has it any more."""

    kept: ClassVar = {}

    def malloc(self, nbytes):
        memory = Memory(nbytes)
        self.kept.setdefault(id(self), []).append(memory)
        return memory

    def free_all_blocks(self):
        self.kept.pop(id(self), None)  # what arrays still use lives on


def default_malloc(nbytes):
    """From the pool that all share: a graph that is being recorded must not rely on such memory."""
    for stream in Stream.all.values():
        if stream.recording is not None:
            stream.took_shared_memory = True
    return Memory(nbytes)


_allocators = [default_malloc]


@contextmanager
def using_allocator(malloc):
    _allocators.append(malloc)
    try:
        yield
    finally:
        _allocators.pop()


def allocate(nbytes):
    return _allocators[-1](nbytes)


# ---------------------------------------------------------------------------------------------------------
# Streams and graphs


class Operation(NamedTuple):
    """Something that the device will do: it holds NumPy arrays, which do not keep a Memory alive."""

    name: str
    run: Callable[[], None]
    memories: tuple  # weak references to the Memory objects that it reads and writes


class Stream:
    """A queue of operations, which run in order when the host waits for them."""

    all: ClassVar = {}  # by address; the default stream has 0
    numbers: ClassVar = itertools.count(0)

    def __init__(self, non_blocking=False):
        self.ptr = next(self.numbers)
        self.queue, self.recording, self.took_shared_memory = [], None, False
        self.all[self.ptr] = self

    def __enter__(self):
        _current.append(self)
        return self

    def __exit__(self, *_):
        _current.pop()

    def submit(self, name, run, memories):
        operation = Operation(name, run, tuple(map(weakref.ref, memories)))
        (self.queue if self.recording is None else self.recording).append(operation)

    def synchronize(self):
        if self.recording is not None:
            raise CUDARuntimeError(
                "cudaErrorStreamCaptureUnsupported: the host cannot wait for a stream that is recorded"
            )
        queue, self.queue = self.queue, []
        with np.errstate(all="ignore"):
            for operation in queue:
                operation.run()

    def begin_capture(self):
        if self.ptr == 0 or self.recording is not None:
            raise CUDARuntimeError(
                "cudaErrorStreamCaptureUnsupported: the default stream, or one that is recorded already"
            )
        self.recording, self.took_shared_memory = [], False

    def end_capture(self):
        if self.recording is None:
            raise CUDARuntimeError("cudaErrorIllegalState: the stream is not being recorded")
        recorded, self.recording = self.recording, None
        if self.took_shared_memory:
            raise CUDARuntimeError(
                "an array was allocated from the shared pool while a graph was recorded: once it is freed, another "
                "array can lie in memory that the graph writes"
            )
        return Graph(recorded)


class Graph:
    """Operations to be repeated, with the addresses and the scalars of the time when they were recorded."""

    def __init__(self, operations):
        self.operations = operations

    def launch(self, stream=None):
        for operation in self.operations:
            if any(memory() is None for memory in operation.memories):
                raise CUDARuntimeError(
                    f"cudaErrorIllegalAddress: the graph's {operation.name} uses memory that was freed"
                )
        (stream or current_stream()).queue.extend(self.operations)


_current = [Stream()]


def current_stream():
    return _current[-1]


def synchronize():
    """Wait for everything."""
    for stream in list(Stream.all.values()):
        stream.synchronize()


def no_copy_while_recorded():
    """Between host and device, in either direction."""
    if current_stream().recording is not None:
        raise CUDARuntimeError(
            "cudaErrorStreamCaptureUnsupported: no copy between host and device while a graph is recorded"
        )
