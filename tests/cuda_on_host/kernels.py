"""``cupy.RawModule`` of the stand-in: kernels compiled for the CPU, and what is checked at each launch.

Arguments must be what the parameters are: an array of the pointer's type, or a NumPy scalar of the very type. CuPy
would take a Python number for 64 bits, and an array for an address, whatever the kernel makes of them.

A launch must write nothing but the arrays that it was given, neither beside them in a larger buffer nor in the guard
zones around them. It runs twice from the same state, the second time with blocks and threads in reverse: the result
must not depend on the order. (Where sizes and null pointers are as before, and with many blocks, it runs once.)
"""

import ctypes

import numpy as np

from . import build
from .arrays import ndarray
from .device import CUDARuntimeError, current_stream

MAX_THREADS = 1024
MANY_BLOCKS = 65


class RawModule:
    def __init__(self, *, code, options=()):
        self.code, self.options = code, tuple(options)

    def get_function(self, name):
        if name not in build.kernels_in(self.code):
            raise CUDARuntimeError(f"cudaErrorSymbolNotFound: no kernel {name!r} in this source")
        return Kernel(build.library(self.code, self.options), name)


class Kernel:
    def __init__(self, library, name):
        self.name, self.parameters = name, build.parameters(library, name)
        self.entry = getattr(library, f"launch_{name}")
        self.run_in_reverse = set()  # the grids, sizes and null pointers of launches that were

    def __call__(self, grid, block, arguments):
        if not (len(grid) == len(block) == 1 and grid[0] >= 1 and 1 <= block[0] <= MAX_THREADS):
            raise CUDARuntimeError(f"cudaErrorInvalidConfiguration: {self.name} with grid {grid} and block {block}")
        if len(arguments) != len(self.parameters):
            raise TypeError(f"{self.name} takes {len(self.parameters)} arguments, got {len(arguments)}")
        values = [
            self.baked(*pair, place) for place, pair in enumerate(zip(arguments, self.parameters, strict=True), start=1)
        ]
        arrays = [argument for argument in arguments if isinstance(argument, ndarray)]
        launch = Launch(self, grid[0], block[0], values, self.written(arguments))
        launch.used = [array.host for array in arrays]  # what lies at the addresses shall not go before the launch
        current_stream().submit(self.name, launch.run, {array.memory for array in arrays})

    def baked(self, argument, parameter, place):
        """An argument as the ctypes or NumPy object whose bytes the kernel gets; TypeError unless it fits."""
        dtype = np.dtype(parameter[-2:])
        if parameter[0] == "*":
            if isinstance(argument, ndarray) and argument.dtype == dtype:
                return np.array(argument.data.ptr, np.uint64)
            if type(argument) is np.uint64 and argument == 0:
                return np.array(argument)
        elif isinstance(argument, np.generic) and argument.dtype == dtype:
            return np.array(argument)
        got = f"an array of {argument.dtype}" if isinstance(argument, ndarray) else repr(argument)
        raise TypeError(f"argument {place} of {self.name} is {parameter!r}, got {got}")

    def written(self, arguments):
        """What the kernel may write: for each buffer, the arrays in it."""
        buffers = {}
        for argument, parameter in zip(arguments, self.parameters, strict=True):
            if isinstance(argument, ndarray) and not parameter.startswith("*const"):
                _, views = buffers.setdefault(id(argument.memory), (argument.memory.buffer, []))
                views.append(argument.host)
        return list(buffers.values())


class Launch:
    """A kernel with its arguments."""

    def __init__(self, kernel, grid, block, values, written):
        self.kernel, self.grid, self.block = kernel, grid, block
        self.values, self.written = values, written
        as_kinds = {"i": int, "*": bool}  # sizes, and whether a pointer is null
        kinds = [as_kinds.get(parameter[0]) for parameter in kernel.parameters]
        self.pattern = (grid, block, *[kind(v) for kind, v in zip(kinds, values, strict=True) if kind])
        self.pointers = (ctypes.c_void_p * len(values))(*[value.__array_interface__["data"][0] for value in values])

    def run(self):
        before = [buffer.copy() for buffer, _ in self.written]
        self.run_in_order(reverse=False)
        after = [buffer.copy() for buffer, _ in self.written]
        for (buffer, views), old, new in zip(self.written, before, after, strict=True):
            allowed = old.copy()
            for view in views:
                offset = view.ctypes.data - buffer.ctypes.data
                np.ndarray(view.shape, view.dtype, allowed, offset, view.strides)[...] = view
            if not np.array_equal(allowed, new):
                raise CUDARuntimeError(f"{self.kernel.name} wrote outside the arrays that it was given")
        if self.grid >= MANY_BLOCKS or self.pattern in self.kernel.run_in_reverse:
            return
        self.kernel.run_in_reverse.add(self.pattern)
        for (buffer, _), old in zip(self.written, before, strict=True):
            buffer[...] = old
        self.run_in_order(reverse=True)
        for (buffer, _), new in zip(self.written, after, strict=True):
            if not np.array_equal(buffer, new):
                raise CUDARuntimeError(f"{self.kernel.name} has a race: its result depends on the order of its threads")

    def run_in_order(self, reverse):
        message = ctypes.create_string_buffer(256)
        if self.kernel.entry(self.grid, self.block, int(reverse), self.pointers, message) != 0:
            raise CUDARuntimeError(f"{self.kernel.name}: {message.value.decode()}")
