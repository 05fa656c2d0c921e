"""Kernels against what the machine can do: the roofs are its bandwidth and the peak of its matrix products.

A kernel that moves so many bytes and does so many flops needs at least the longer of bytes / bandwidth and
flops / peak; its fraction of the roof is that time over its own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from minivae.backend import Backend, load
from minivae.benchmark.arguments import Arguments, Sizes
from minivae.benchmark.calls import LAYERS, Call, calls_of
from minivae.system import machine

BLOCK, REPEATS = 0.004, 9  # seconds of calls between two looks at the clock, and how many such blocks
CACHE_IF_UNKNOWN = 32 * 2**20


def seconds_of(action: Callable[[], Any], wait: Callable[[], Any] = lambda: None) -> float:
    """The median time of a call, among blocks of calls; ``wait`` returns when all that was begun is done."""

    def block(n: int) -> float:
        start = time.perf_counter()
        for _ in range(n):
            action()
        wait()
        return time.perf_counter() - start

    block(1)  # compiles, wakes threads
    n = max(1, round(BLOCK / max(min(block(1), block(1)), 1e-7)))
    return median(block(n) for _ in range(REPEATS)) / n


def kernel_row(kernels: Backend, call: Call, sizes: Sizes) -> dict[str, Any]:
    """What a call in float32 moves, does, and takes."""
    given = Arguments(kernels, sizes, "float32")
    arguments, buffers = call.arguments(given), given.buffers(call.out)
    function, one = getattr(kernels, call.function), kernels.zeros(1, "float32")
    with kernels.session():
        seconds = seconds_of(
            lambda: function(*arguments, **call.options, **buffers),
            wait=lambda: kernels.to_numpy(one),  # a copy from a device comes after all that it was told before
        )
    work = {"bytes": call.bytes_moved(sizes), "flops": int(call.flops(sizes)), "in_step": call.in_step}
    return {"kernel": call.label, **work, "seconds": seconds}


def kernel_rows(kernels: Backend, sizes: Sizes) -> list[dict[str, Any]]:
    """A row for every call of the table."""
    return [kernel_row(kernels, call, sizes) for call in calls_of(kernels.name)]


def product_rows(sizes: Sizes) -> list[dict[str, Any]]:
    """The matrix products of a training step alone, as NumPy does them: x W forwards, x^T da and da W^T backwards."""
    rows = []
    given = Arguments(load("numpy"), sizes, "float32")
    for layer in LAYERS:
        x, W, da = (getattr(given, name) for name in (layer.x, f"W_{layer.name}", layer.da))
        products = {"x W": (x, W), "x^T da": (x.T, da), "da W^T": (da, W.T)}
        if layer.x == "x":  # nobody asks for the gradient of the data
            del products["da W^T"]
        for name, (a, b) in products.items():
            out = a @ b
            work = {"bytes": a.nbytes + b.nbytes + out.nbytes, "flops": 2 * layer.products(sizes), "in_step": True}
            seconds = seconds_of(partial(np.matmul, a, b, out=out))
            rows.append({"kernel": f"product {name}[{layer.name}]", **work, "seconds": seconds})
    return rows


# ---------------------------------------------------------------------------------------------------------
# The roofs


def roofs(sizes: Sizes) -> dict[str, Any]:
    """What this machine can do, measured with all its cores.

    Bandwidths in bytes per second, read plus write, from memory and from the cache: in an array that no cache holds,
    and in one as large as the parameter vector. The peak of float32 products in flops per second.
    """
    cache = last_level_cache()
    large, small = min(max(4 * cache, 2**28), 2**30), 4 * sizes.P
    memory, near = bandwidths(large), bandwidths(small)
    return {
        "cache_bytes": cache,
        "memory": {"array_bytes": large, **memory},
        "cache": {"array_bytes": small, **near},
        "memory_bandwidth": max(memory.values()),
        "cache_bandwidth": max(near.values()),
        "peak": product_peak(),
    }


def last_level_cache() -> int:
    """The size of the largest cache in bytes; a guess where the system does not tell."""
    names = ("SC_LEVEL3_CACHE_SIZE", "SC_LEVEL2_CACHE_SIZE")
    found = [os.sysconf(name) for name in names if name in getattr(os, "sysconf_names", {})]
    return max([size for size in found if size > 0], default=CACHE_IF_UNKNOWN)


def bandwidths(size: int) -> dict[str, float]:
    """Bytes read and written in a second, in arrays of ``size`` bytes: by a copy b = a, and by b += a.

    A store to memory that was not read before makes the processor read it first, so that a copy moves more than it
    seems to; what works in place, as the optimizers do, is faster than a copy.
    """
    source, target = np.ones(size // 4, np.float32), np.zeros(size // 4, np.float32)
    return {
        "copy": 2 * source.nbytes / seconds_on_all_cores(np.copyto, target, source),
        "add": 3 * source.nbytes / seconds_on_all_cores(lambda b, a: np.add(b, a, out=b), target, source),
    }


def seconds_on_all_cores(action: Callable[..., Any], *arrays: np.ndarray) -> float:
    """The shortest time in which all cores together, each with a part of the arrays, shape (n,), do something."""
    cores = machine.available_cores()
    parts = list(zip(*(np.array_split(array, cores) for array in arrays), strict=True))
    repeats = max(1, 2**28 // arrays[0].nbytes)  # so that the start of the threads does not count

    def work(part: tuple[np.ndarray, ...]) -> None:
        for _ in range(repeats):
            action(*part)

    with ThreadPoolExecutor(cores) as pool:
        seconds = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            list(pool.map(work, parts))
            seconds.append(time.perf_counter() - start)
    return min(seconds) / repeats


def product_peak(n: int = 1500) -> float:
    """Flops in a second, the best of several products (n, n) (n, n) in float32."""
    a = np.random.default_rng(0).standard_normal((n, n), dtype=np.float32)
    b, out = a.T.copy(), np.empty_like(a)
    seconds = []
    for _ in range(8):
        start = time.perf_counter()
        np.matmul(a, b, out=out)
        seconds.append(time.perf_counter() - start)
    return 2 * n**3 / min(seconds)


def under_the_roof(row: dict[str, Any], roofs: dict[str, Any]) -> dict[str, Any]:
    """A row with its rates, with what bounds it, and with its fraction of the roof.

    The bandwidth is that of the cache for what fits into it: a kernel that is called again and again finds its arrays
    there, as it mostly does in a training step.
    """
    fits = row["bytes"] <= roofs["cache_bytes"]
    moving = row["bytes"] / roofs["cache_bandwidth" if fits else "memory_bandwidth"]
    computing = row["flops"] / roofs["peak"]
    return row | {
        "bytes_per_second": row["bytes"] / row["seconds"],
        "flops_per_second": row["flops"] / row["seconds"],
        "bound": "compute" if computing > moving else "cache" if fits else "memory",
        "fraction_of_roof": max(moving, computing) / row["seconds"],
    }
