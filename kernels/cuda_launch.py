"""From Python to a CUDA kernel: compile it, hand over its arguments, launch it. Not yet run on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

import cupy
import numpy as np

from .cuda_blas import row_stride

SOURCES = Path(__file__).parent / "cuda"
FILES = {
    "noise": ("fill_uniform", "fill_normal", "binarize", "draw_tickets"),
    "layers": ("bias_activation", "activation_backward", "column_sums"),
    "latent": ("reparameterize", "reparameterize_backward", "gaussian_kl", "gaussian_kl_backward"),
    "likelihoods": (
        "bernoulli_nll",
        "bernoulli_mean",
        "gaussian_nll",
        "gaussian_dlogvar",
        "sum_to",
        "categorical_nll",
        "categorical_mean",
    ),
    "optimizers": ("sgd", "adagrad", "adam", "penalty"),
    "training": ("take_rows", "next_rows", "count_step"),
}
FILE_OF = {kernel: file for file, kernels in FILES.items() for kernel in kernels}
REAL = {"float32": "float", "float64": "double"}
THREADS = 128  # of a block; common.cuh says the same
NULL = np.uint64(0)

Function = TypeVar("Function", bound=Callable[..., Any])


@cache
def module(file: str, dtype: str) -> Any:
    """A source file, compiled for one precision."""
    code = (SOURCES / f"{file}.cu").read_text(encoding="utf-8")
    options = (f"-DREAL={REAL[dtype]}", f"-DHEADERS={hash_of_headers()}", f"-I{SOURCES}", "--std=c++17")
    return cupy.RawModule(code=code, options=options)


@cache
def hash_of_headers() -> str:
    """Changes with what the sources include: CuPy's cache on disk looks only at their own text and at the options."""
    headers = sorted(SOURCES.glob("*.cuh"))
    return sha256(b"".join(header.read_bytes() for header in headers)).hexdigest()[:16]


@cache
def kernel(name: str, dtype: str) -> Any:
    """A kernel by its name."""
    return module(FILE_OF[name], dtype).get_function(name)


def launch(name: str, dtype: Any, blocks: int, *arguments: Any, threads: int = THREADS) -> None:
    """Launch a kernel on the current stream, with so many blocks of so many ``threads``."""
    kernel(name, str(dtype))((blocks,), (threads,), arguments)


def blocks_for(n: int, per_block: int = THREADS) -> int:
    """How many blocks cover ``n`` threads, or columns."""
    return -(-n // per_block)


def int32(value: int) -> np.int32:
    """A size, as the kernels take it."""
    return np.int32(value)


def strided(matrix: Any) -> tuple[Any, np.int32]:
    """A matrix as a kernel takes it: the array, and the elements from one row to the next."""
    return matrix, np.int32(row_stride(matrix))


def or_null(array: Any) -> Any:
    """An array that may be absent."""
    return NULL if array is None else array


def strided_or_null(matrix: Any) -> tuple[Any, np.int32]:
    """A matrix that may be absent."""
    return (NULL, np.int32(0)) if matrix is None else strided(matrix)


def number(value: Any, kind: Callable[[Any], Any]) -> tuple[Any, Any]:
    """A number as a kernel takes it: the value, or where on the device it stands."""
    return (kind(0), value) if isinstance(value, cupy.ndarray) else (kind(value), NULL)


def to_device(x: Any, dtype: str) -> Any:
    """``x`` as a C-contiguous array on the device; no copy where it is one already."""
    if isinstance(x, cupy.ndarray):
        return cupy.ascontiguousarray(x, dtype=dtype)
    return cupy.asarray(np.ascontiguousarray(x, dtype=dtype))


def indices(rows: Any) -> Any:
    """Row numbers (n,) as the kernels take them: uint32 on the device."""
    return to_device(rows, "uint32")


def is_on_host(value: Any) -> bool:
    """True for a NumPy array of numbers that a kernel reads or writes; row numbers are looked after elsewhere."""
    return isinstance(value, np.ndarray) and not isinstance(value, cupy.ndarray) and value.dtype.kind == "f"


def for_hosts_too(function: Function) -> Function:
    """Let a function of device arrays take NumPy arrays as well, and answer with NumPy arrays then.

    What it changes or fills is copied back. Where device arrays and NumPy arrays come together, the answer stays on
    the device.
    """

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        values = [*args, *kwargs.values()]
        hosts = [value for value in values if is_on_host(value)]
        if not hosts:
            return function(*args, **kwargs)
        twins = {id(host): cupy.asarray(host) for host in hosts}

        def moved(value: Any) -> Any:
            return twins.get(id(value), value) if is_on_host(value) else value

        result = function(*map(moved, args), **{name: moved(value) for name, value in kwargs.items()})
        for host in hosts:
            if host.flags.writeable:
                host[...] = cupy.asnumpy(twins[id(host)])
        if any(isinstance(value, cupy.ndarray) for value in values):
            return result
        back = {id(twins[id(host)]): host for host in hosts}
        return to_host(result, back)

    return cast(Function, wrapped)


def to_host(result: Any, back: dict[int, np.ndarray]) -> Any:
    """Device arrays as NumPy arrays; those that are copies of NumPy arrays become these again."""
    if isinstance(result, tuple):
        return tuple(to_host(part, back) for part in result)
    if not isinstance(result, cupy.ndarray):
        return result
    return back[id(result)] if id(result) in back else cupy.asnumpy(result)
