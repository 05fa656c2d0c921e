"""The functions of reference.py, compiled by Numba: the same names, signatures and mathematics, in fewer passes.

What is gained here, and how:

- A matrix product is cut into tiles, one for each thread (numba_threads.py says why), and what follows it, the
  bias and the activation, is done to a tile while it is still in the cache.
- A likelihood's value and gradient take one pass over the logits, an optimizer one pass over its vectors.
- exp, log1p and tanh in float32 are polynomials without branches, so that the compiler can use vector registers:
  the library functions that Numba calls take one number at a time. float64 calls the library.

Every tile has its place, and sums over tiles are taken in their order: the same run twice gives the same bits. The
functions with a leading underscore are compiled; ``rows``, ``columns`` and ``part`` are the (start, stop) of a tile.

Each kernel is a tile, a ``prange`` over tiles (a single one wakes no thread), and the function that is called.
All kernels are in this one file, because Numba's cache on disk looks only at the file of the function itself.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from functools import cache
from itertools import cycle
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite.ir import Constant, FunctionType, GlobalVariable, IntType, VoidType
from numba import config, extending, int32, njit, prange, types
from numba.core import cgutils
from numba.np.arrayobj import populate_array
from numba.np.numpy_support import from_dtype
from numpy.typing import NDArray

from .numba_threads import WORTH_A_TILE, gemm_address, has_small_kernels, pool
from .philox import Stream
from .reference import LARGEST_LOG_RATE, LARGEST_LOG_SIZE, LEAK

__all__ = [
    "activation_backward",
    "adagrad_update",
    "adam_update",
    "add_penalty",
    "asarray",
    "bernoulli_mean",
    "bernoulli_nll",
    "bias_gradient",
    "binarize",
    "categorical_mean",
    "categorical_nll",
    "gaussian_kl_backward",
    "gaussian_kl_forward",
    "gaussian_nll",
    "linear_backward",
    "linear_forward",
    "log_weights",
    "lognormal_nll",
    "negative_binomial_nll",
    "poisson_nll",
    "reparameterize_backward",
    "reparameterize_forward",
    "session",
    "sgd_update",
    "standard_normal",
    "uniform",
    "zeros",
]

if config.DISABLE_JIT:  # type: ignore[attr-defined]
    raise ImportError("NUMBA_DISABLE_JIT is set in the environment, so that nothing would be compiled: unset it")

intrinsic: Any = extending.intrinsic  # to mypy, the context that Numba adds would be an argument
CODES = {"identity": 0, "relu": 1, "tanh": 2, "sigmoid": 3, "softplus": 4, "leaky_relu": 5}
IDENTITY, RELU, TANH, SIGMOID, SOFTPLUS, LEAKY_RELU = CODES.values()
LOG_2PI = math.log(2 * math.pi)
LARGE_PAGE = 2**21  # bytes
AT_ONCE = 1000  # factors of at most 2, whose product float64 can hold


def compiled(parallel: bool = False, reassociate: bool = False) -> Callable[[Callable], Any]:
    """Compile with a cache on disk, or without one where no folder for it can be written.

    "contract" lets a * b + c be one instruction; "reassoc" lets a sum be taken in several lanes. Both keep NaN; the
    other licences of fastmath do not.
    """
    options: dict[str, Any] = {
        "nogil": True,
        "error_model": "numpy",
        "fastmath": {"contract", "reassoc"} if reassociate else {"contract"},
        "parallel": parallel,
    }

    def decorate(function: Callable) -> Any:
        try:
            return _forgiving(njit(cache=True, **options)(function))
        except RuntimeError:  # "cannot cache function: no locator available"
            return njit(**options)(function)

    return decorate


def _forgiving(dispatcher: Any) -> Any:
    """A disk that is full, or a damaged file in the cache, means that a function is compiled again, and no more.

    Damage raises whatever unpickling raises. The index is emptied then, so that what is compiled is also written.
    """
    cache = dispatcher._cache
    load, save = cache.load_overload, cache.save_overload

    def load_overload(*args: Any) -> Any:
        try:
            return load(*args)
        except Exception:
            with suppress(Exception):
                cache._cache_file.flush()
            return None

    def save_overload(*args: Any) -> None:
        with suppress(Exception):
            save(*args)

    cache.load_overload, cache.save_overload = load_overload, save_overload
    return dispatcher


# ---------------------------------------------------------------------------------------------------------
# exp, log1p, expm1 and tanh of a float32, without branches: relative error below 2e-7, NaN stays NaN.
# Sources: Cephes (S. L. Moshier) for the polynomials of exp and tanh, FreeBSD's msun for log1p.

F = np.float32
LOG2_E = F(1.4426950408889634)
LN2_HIGH, LN2_LOW = F(0.693359375), F(-2.12194440e-4)
ROUNDER = F(12582912.0)  # 1.5 * 2^23: added to a small number, it leaves its nearest integer in the last bits
ROUNDER_BITS = np.int32(ROUNDER.view(np.int32))
EXP_OVERFLOWS, EXP_UNDERFLOWS = F(88.72284), F(-87.33654)
SQRT_HALF_BITS, ONE_BITS, MANTISSA = np.int32(0x3F3504F3), np.int32(0x3F800000), np.int32(0x007FFFFF)
LOG_LN2_HIGH, LOG_LN2_LOW = F(6.9313812256e-01), F(9.0580006145e-06)


@compiled()
def _bits(x):
    """The 32 bits of a float32 as an int32."""
    return np.float32(x).view(np.int32)


@compiled()
def _from_bits(n):
    """The float32 that has these 32 bits."""
    return np.int32(n).view(np.float32)


@compiled()
def _power_of_two(n):
    """2^n for -127 < n < 128, by writing n into the exponent's bits."""
    return _from_bits((n + int32(127)) << int32(23))


@compiled()
def _exp_parts(x):
    """n and q with exp(x) = 2^n (1 + q), where n is the integer nearest to x / log 2."""
    shifted = x * LOG2_E + ROUNDER
    n = int32(_bits(shifted) - ROUNDER_BITS)
    whole = shifted - ROUNDER
    r = (x - whole * LN2_HIGH) - whole * LN2_LOW
    p = F(1.9875691500e-4)
    p = p * r + F(1.3981999507e-3)
    p = p * r + F(8.3334519073e-3)
    p = p * r + F(4.1665795894e-2)
    p = p * r + F(1.6666665459e-1)
    p = p * r + F(5.0000001201e-1)
    return n, p * (r * r) + r


@compiled()
def _exp32(x):
    n, q = _exp_parts(x)
    half = int32(n >> int32(1))  # in two factors: at the upper end 2^n alone would overflow
    y = (q + F(1)) * _power_of_two(half) * _power_of_two(int32(n - half))
    y = F(np.inf) if x > EXP_OVERFLOWS else y
    return F(0) if x < EXP_UNDERFLOWS else y


@compiled()
def _expm1_32(x):
    """2^n q + (2^n - 1): near zero n is 0, and nothing cancels."""
    n, q = _exp_parts(x)
    half = _power_of_two(int32(n - int32(1)))
    y = F(2) * (half * q + (half - F(0.5)))
    y = F(np.inf) if x > EXP_OVERFLOWS else y
    return F(-1) if x < F(-30) else y


@compiled()
def _log1p32(x):
    u = F(1) + x
    bits = int32(_bits(u) + (ONE_BITS - SQRT_HALF_BITS))
    k = int32((bits >> int32(23)) - int32(127))
    f = _from_bits((bits & MANTISSA) + SQRT_HALF_BITS) - F(1)
    lost = (F(1) - (u - x) if k >= 2 else x - (u - F(1))) / u  # what rounding took when u was formed
    f = x if k == 0 else f
    lost = F(0) if k == 0 else lost
    s = f / (F(2) + f)
    z = s * s
    w = z * z
    series = w * (F(0.40000972152) + w * F(0.24279078841)) + z * (F(0.66666662693) + w * F(0.28498786688))
    square = F(0.5) * f * f
    y = s * (square + series) + (F(k) * LOG_LN2_LOW + lost) - square + f + F(k) * LOG_LN2_HIGH
    y = x if x == F(np.inf) else y
    y = F(-np.inf) if x == F(-1) else y
    return F(np.nan) if x < F(-1) else y


@compiled()
def _tanh32(x):
    a = abs(x)
    z = x * x
    p = F(-5.70498872745e-3)
    p = p * z + F(2.06390887954e-2)
    p = p * z - F(5.37397155531e-2)
    p = p * z + F(1.33314422036e-1)
    p = p * z - F(3.33332819422e-1)
    near_zero = p * z * x + x
    far = F(1) - F(2) / (_exp32(a + a) + F(1))
    return near_zero if a < F(0.625) else (far if x > F(0) else -far)


def _exp(x):
    """exp in the precision of x; likewise the three below."""


def _expm1(x): ...


def _log1p(x): ...


def _tanh(x): ...


def _in_both_precisions(name: Callable, of_float32: Any, of_float64: Callable) -> None:
    @extending.overload(name)
    def choose(x):
        if x == types.float32:
            return lambda x: of_float32(x)
        return lambda x: of_float64(x)


_in_both_precisions(_exp, _exp32, math.exp)
_in_both_precisions(_expm1, _expm1_32, math.expm1)
_in_both_precisions(_log1p, _log1p32, math.log1p)
_in_both_precisions(_tanh, _tanh32, math.tanh)


@compiled()
def _positive_part(a):
    """max(a, 0), but NaN stays NaN."""
    zero = type(a)(0)
    return zero if a < zero else a


@compiled()
def _leaky_relu(a):
    return a if a > 0 else a * type(a)(LEAK)


@compiled()
def _softplus(a):
    return _positive_part(a) + _log1p(_exp(-abs(a)))


@compiled()
def _sigmoid(a):
    one = type(a)(1)
    e = _exp(-abs(a))
    return (one if a > 0 else e) / (one + e)


# ---------------------------------------------------------------------------------------------------------
# Tiles


@compiled()
def _tile(n, t, count):
    """The (start, stop) of tile t when n elements are cut into ``count``; starts are multiples of 8, for vectors."""
    start, stop = n * t // count, n * (t + 1) // count
    return min((start + 4) // 8 * 8, n) if t > 0 else 0, min((stop + 4) // 8 * 8, n) if t < count - 1 else n


@compiled()
def _rows(n, t, count):
    """The same for rows, each of which starts a vector: any row can be the first of a tile."""
    return n * t // count, n * (t + 1) // count


@compiled()
def _cut_rows(n, width, count):
    """Whether to cut a product (n, width) between its rows: if those are many, or more than its columns."""
    return n >= 64 * count or n > width


def _c(x: NDArray, dtype: Any) -> NDArray:
    return np.ascontiguousarray(x, dtype)


def _fit(*shapes: tuple[int, ...]) -> None:
    """ValueError unless these are all the same: compiled code does not look, and would read beyond the shorter one."""
    if any(shape != shapes[0] for shape in shapes):
        raise ValueError(f"these shapes should be the same: {', '.join(map(str, shapes))}")


def _buffer(out: NDArray | None, shape: tuple[int, ...], dtype: Any) -> NDArray:
    """An array to compute into: ``out``, if it is one that a kernel can fill; else a new one, to be copied from."""
    if out is not None and out.shape == shape and out.dtype == dtype and out.flags.c_contiguous and out.flags.writeable:
        return out
    return np.empty(shape, dtype)


def _returned(computed: NDArray, out: NDArray | None) -> NDArray:
    if out is None or out is computed:
        return computed
    out[...] = computed
    return out


def session() -> AbstractContextManager:
    """The thread pool: BLAS is limited once for many kernels, not once in each."""
    return pool


MOST_OFFSET = 16 * 1088  # arrays that begin at the same place of a page are in each other's way
_offsets = cycle(range(0, MOST_OFFSET, 1088))


def zeros(shape: int | tuple[int, ...], dtype: str) -> NDArray:
    """A new array of zeros; a large one on large pages of memory, where the system has them: it looks up fewer pages.

    NumPy asks for them in blocks of 4 MB or more.
    """
    size = math.prod(np.atleast_1d(shape).tolist()) * np.dtype(dtype).itemsize
    if size < LARGE_PAGE:
        return np.zeros(shape, dtype)
    block = np.zeros(size + LARGE_PAGE + MOST_OFFSET, np.uint8)  # what is never touched, is not taken
    start = -block.ctypes.data % LARGE_PAGE + next(_offsets)
    return block[start : start + size].view(dtype).reshape(shape)


def asarray(x: NDArray, dtype: str) -> NDArray:
    """``x`` as a C-contiguous array; one that is read-only is copied, because Numba would compile all again for it."""
    x = np.ascontiguousarray(x, dtype=dtype)
    return x if x.flags.writeable else x.copy()


# ---------------------------------------------------------------------------------------------------------
# The matrix product: the BLAS itself, by its address, because it takes rows that are part of longer rows

for _name in ("sgemm", "dgemm"):  # found by name when cached code is loaded
    llvmlite.binding.add_symbol(f"minivae_{_name}", gemm_address(_name))


@intrinsic
def _gemm(typing, a_transposed, b_transposed, sizes, a, b, c):
    """C = A B in Fortran's order of elements; the sizes are m, n, k and the three leading dimensions.

    What Fortran wants by address is on the stack: four small arrays would take longer than a small product.
    """
    arrays, real = (a, b, c), c.dtype
    name = "minivae_sgemm" if real == types.float32 else "minivae_dgemm"

    def code(context, builder, _, values):
        def at(value):
            return cgutils.alloca_once_value(builder, value)

        def letter(is_transposed):
            return at(builder.select(is_transposed, Constant(IntType(8), ord("T")), Constant(IntType(8), ord("N"))))

        # A BLAS that expects 32-bit integers finds them in the lower halves of these.
        m, n, k, lda, ldb, ldc = map(at, cgutils.unpack_tuple(builder, values[2]))
        A, B, C = (context.make_array(t)(context, builder, v).data for t, v in zip(arrays, values[3:], strict=True))
        one, zero = (at(context.get_constant(real, number)) for number in (1, 0))
        given = [letter(values[0]), letter(values[1]), m, n, k, one, A, lda, B, ldb, zero, C, ldc]
        form = FunctionType(VoidType(), [value.type for value in given])
        builder.call(cgutils.get_or_insert_function(builder.module, form, name), given)
        return context.get_dummy_value()

    return types.void(types.boolean, types.boolean, types.UniTuple(types.int64, 6), *arrays), code


_small_kernels = ctypes.c_int64(has_small_kernels())  # in memory, so that code from the cache asks this BLAS
llvmlite.binding.add_symbol("minivae_small_kernels", ctypes.addressof(_small_kernels))
# For OpenBLAS's small kernels: m n k at most MOST; and with b.T, m n at most MOST_OF_C, k at least LEAST_SUM.
MOST, MOST_OF_C, LEAST_SUM = 10**6, 1200, 32
LARGEST_B = 2**21  # elements; beyond, the rows of a block of b lie on too many pages of memory


@intrinsic
def _has_small_kernels(typing):
    """The number that stands at that address."""

    def code(context, builder, *_):
        name = "minivae_small_kernels"
        return builder.load(builder.module.globals.get(name) or GlobalVariable(builder.module, IntType(64), name))

    return types.int64(), code


@compiled()
def _block(rows, columns, k, b_transposed):
    """The (height, width) of the blocks into which to cut a product (rows, columns) whose sums have k terms."""
    whole = (rows, columns)
    if b_transposed:
        if rows * columns <= MOST_OF_C or k < max(LEAST_SUM, rows) or 8 * k > MOST:
            return whole
        height = min(rows, 64, MOST // (8 * k))
        return height, min(64, MOST_OF_C // height, MOST // (height * k)) // 8 * 8
    if rows * columns * k <= MOST or columns * k > LARGEST_B:
        return whole
    width = min(columns, 64)  # four vector registers
    height = min(rows, MOST // (width * k))
    if height < rows:
        height = height // 12 * 12  # the kernels take 4 or 6 rows at a time
    return (height, width) if height > 0 else whole


@compiled()
def _product(a, a_transposed, b, b_transposed, c):
    """c = a @ b, or with a.T, or with b.T; rows may be part of longer rows.

    A large product rearranges ("packs") both matrices first. Kernels for small ones do not, and a transposed b takes
    longest to rearrange; so where they exist, c is cut into such blocks, those below each other first: they share b.
    """
    (rows, columns), k = c.shape, a.shape[0] if a_transposed else a.shape[1]
    height, width = rows, columns
    if _has_small_kernels():
        height, width = _block(rows, columns, k, b_transposed)
    for i in range(0, columns, max(width, 1)):
        of_b = b[i : i + width] if b_transposed else b[:, i : i + width]
        for r in range(0, rows, max(height, 1)):
            of_a = a[:, r : r + height] if a_transposed else a[r : r + height]
            _call_gemm(of_a, a_transposed, of_b, b_transposed, c[r : r + height, i : i + width])


@compiled()
def _call_gemm(a, a_transposed, b, b_transposed, c):
    """Fortran reads a row-major c as its transpose, so that what is computed is c.T = b.T @ a.T."""
    k = a.shape[0] if a_transposed else a.shape[1]
    sizes = (c.shape[1], c.shape[0], k, _pitch(b), _pitch(a), _pitch(c))
    _gemm(b_transposed, a_transposed, sizes, b, a, c)


@compiled()
def _pitch(a):
    """How many elements lie between the starts of two rows; of a single row NumPy may say anything."""
    return max(a.strides[0] // a.itemsize, a.shape[1])


# ---------------------------------------------------------------------------------------------------------
# Linear layer with bias and activation


@compiled()
def _bias_and_activation(y, b, code):
    if code == IDENTITY:
        for i in range(len(b)):
            y[i] += b[i]
    elif code == RELU:
        for i in range(len(b)):
            y[i] = _positive_part(y[i] + b[i])
    elif code == TANH:
        for i in range(len(b)):
            y[i] = _tanh(y[i] + b[i])
    elif code == SIGMOID:
        for i in range(len(b)):
            y[i] = _sigmoid(y[i] + b[i])
    elif code == LEAKY_RELU:
        for i in range(len(b)):
            y[i] = _leaky_relu(y[i] + b[i])
    else:
        for i in range(len(b)):
            y[i] = _softplus(y[i] + b[i])


@compiled()
def _linear_tile(x, W, b, code, y, rows, columns):
    (r0, r1), (c0, c1) = rows, columns
    _product(x[r0:r1], False, W[:, c0:c1], False, y[r0:r1, c0:c1])
    for r in range(r0, r1):
        _bias_and_activation(y[r, c0:c1], b[c0:c1], code)


@compiled()
def _linear_forward_tile(t, count, x, W, b, code, y):
    n, width = y.shape
    if _cut_rows(n, width, count):
        _linear_tile(x, W, b, code, y, _rows(n, t, count), (0, width))
    else:
        _linear_tile(x, W, b, code, y, (0, n), _tile(width, t, count))


@compiled(parallel=True)
def _linear_forward(count, x, W, b, code, y):
    if count == 1:
        _linear_forward_tile(0, 1, x, W, b, code, y)
    else:
        for t in prange(count):
            _linear_forward_tile(t, count, x, W, b, code, y)


def linear_forward(
    x: NDArray, W: NDArray, b: NDArray, activation: str = "identity", *, out: NDArray | None = None
) -> NDArray:
    """One pass: a tile of x W gets its bias and its activation before the next is looked at."""
    _fit((x.shape[1], W.shape[1]), (W.shape[0], b.shape[0]))
    y = _buffer(out, (len(x), W.shape[1]), W.dtype)
    x, W, b = _c(x, y.dtype), _c(W, y.dtype), _c(b, y.dtype)
    with pool:
        _linear_forward(pool.tiles(y.size * len(W) // 32), x, W, b, CODES[activation], y)
    return _returned(y, out)


@compiled()
def _activation_backward_row(dy, y, code, da):
    one = type(y[0])(1)
    if code == IDENTITY:
        for i in range(len(y)):
            da[i] = dy[i]
    elif code == RELU:
        for i in range(len(y)):
            da[i] = dy[i] * type(one)(y[i] > 0)
    elif code == TANH:
        for i in range(len(y)):
            da[i] = dy[i] * (one - y[i] * y[i])
    elif code == SIGMOID:
        for i in range(len(y)):
            da[i] = dy[i] * (y[i] * (one - y[i]))
    elif code == LEAKY_RELU:
        for i in range(len(y)):
            da[i] = dy[i] if y[i] > 0 else dy[i] * type(one)(LEAK)
    else:
        for i in range(len(y)):
            da[i] = dy[i] * -_expm1(-y[i])


@compiled()
def _activation_backward_tile(t, count, dy, y, code, da):
    start, stop = _tile(len(y), t, count)
    _activation_backward_row(dy[start:stop], y[start:stop], code, da[start:stop])


@compiled(parallel=True)
def _activation_backward(count, dy, y, code, da):
    if count == 1:
        _activation_backward_tile(0, 1, dy, y, code, da)
    else:
        for t in prange(count):
            _activation_backward_tile(t, count, dy, y, code, da)


def activation_backward(dy: NDArray, y: NDArray, activation: str, *, out: NDArray | None = None) -> NDArray:
    """One pass."""
    _fit(dy.shape, y.shape)
    da = _buffer(out, dy.shape, dy.dtype)
    dy, y = _c(dy, da.dtype), _c(y, da.dtype)
    _activation_backward(pool.tiles(y.size), dy.reshape(-1), y.reshape(-1), CODES[activation], da.reshape(-1))
    return _returned(da, out)


@compiled()
def _sum_rows(da, db, columns):
    c0, c1 = columns
    total = db[c0:c1]
    total[:] = 0
    for r in range(len(da)):
        row = da[r, c0:c1]
        for i in range(len(total)):
            total[i] += row[i]


@compiled()
def _linear_backward_tile(t, count, da, x, W, need_dx, dx, dW, db):
    n, width = x.shape
    i0, i1 = _tile(width, t, count)
    r0, r1 = _rows(n, t, count)
    _sum_rows(da, db, _tile(len(db), t, count))
    _product(x[:, i0:i1], True, da, False, dW[i0:i1])
    if need_dx and n > width:  # not sooner: each tile rearranges all of W, which takes longest where it is transposed
        _product(da[r0:r1], False, W, True, dx[r0:r1])
    elif need_dx:
        _product(da, False, W[i0:i1], True, dx[:, i0:i1])


@compiled(parallel=True)
def _linear_backward(count, da, x, W, need_dx, dx, dW, db):
    if count == 1:
        _linear_backward_tile(0, 1, da, x, W, need_dx, dx, dW, db)
    else:
        for t in prange(count):
            _linear_backward_tile(t, count, da, x, W, need_dx, dx, dW, db)


def linear_backward(
    da: NDArray,
    x: NDArray,
    W: NDArray,
    *,
    need_dx: bool = True,
    dx: NDArray | None = None,
    dW: NDArray | None = None,
    db: NDArray | None = None,
) -> tuple[NDArray | None, NDArray, NDArray]:
    """Each thread computes its share of dx, dW and db, one after the other."""
    _fit((*x.shape, da.shape[1]), (len(da), *W.shape))
    dtype = W.dtype
    da, x, W = _c(da, dtype), _c(x, dtype), _c(W, dtype)
    out = (dx, dW, db)
    dx = _buffer(dx, x.shape, dtype) if need_dx else da
    dW, db = _buffer(dW, W.shape, dtype), _buffer(db, W.shape[1:], dtype)
    with pool:
        _linear_backward(pool.tiles(da.size * len(W) // 32), da, x, W, need_dx, dx, dW, db)
    return _returned(dx, out[0]) if need_dx else None, _returned(dW, out[1]), _returned(db, out[2])


@compiled()
def _bias_gradient_tile(t, count, da, db):
    _sum_rows(da, db, _tile(len(db), t, count))


@compiled(parallel=True)
def _bias_gradient(count, da, db):
    if count == 1:
        _bias_gradient_tile(0, 1, da, db)
    else:
        for t in prange(count):
            _bias_gradient_tile(t, count, da, db)


def bias_gradient(da: NDArray, *, out: NDArray | None = None) -> NDArray:
    """One pass; each thread sums columns of its own."""
    db = _buffer(out, da.shape[1:], da.dtype)
    _bias_gradient(pool.tiles(da.size), _c(da, db.dtype), db)
    return _returned(db, out)


# ---------------------------------------------------------------------------------------------------------
# The latent variable. (B, K) is small: no tiles. mu and logvar may be two halves of one matrix.


@intrinsic
def _view(typing, array, start, shape):
    """The elements that start there, in this shape. Nobody counts who uses them: that took a tenth of a small step.

    So ``array`` must be in use for longer than its views.
    """
    kind = types.Array(array.dtype, len(shape), "C")

    def code(context, builder, _, values):
        given = context.make_array(array)(context, builder, values[0])
        view, shape = context.make_array(kind)(context, builder), cgutils.unpack_tuple(builder, values[2])
        strides = [given.itemsize]
        for length in shape[:0:-1]:
            strides.insert(0, builder.mul(length, strides[0]))
        data = builder.gep(given.data, [values[1]])
        populate_array(view, data, shape, strides, given.itemsize, meminfo=None)
        return view._getvalue()

    return kind(array, types.intp, types.UniTuple(types.intp, len(shape))), code


@compiled()
def _row(matrix, r):
    """Row r as a vector whose elements lie side by side, which the compiler must know for vector registers."""
    return _view(matrix, r * _pitch(matrix), (matrix.shape[1],))


def _in_rows(array: NDArray) -> NDArray:
    """The array, or a copy of one whose rows do not lie like that, one after the other."""
    pitch, step = array.strides
    side_by_side = step == array.itemsize and pitch >= step * array.shape[1] and pitch % step == 0
    return array if side_by_side else np.ascontiguousarray(array)


@compiled()
def _reparameterize_forward(mu, logvar, eps, z):
    half = type(mu[0, 0])(0.5)
    for r in range(len(mu)):
        m, l, e, out = _row(mu, r), _row(logvar, r), _row(eps, r), _row(z, r)
        for k in range(len(out)):
            out[k] = m[k] + _exp(half * l[k]) * e[k]


def reparameterize_forward(mu: NDArray, logvar: NDArray, eps: NDArray, *, out: NDArray | None = None) -> NDArray:
    """One pass."""
    _fit(mu.shape, logvar.shape, eps.shape)
    z = _buffer(out, mu.shape, mu.dtype)
    _reparameterize_forward(*map(_in_rows, (mu, logvar, eps)), z)
    return _returned(z, out)


@compiled()
def _reparameterize_backward(dz, logvar, eps, dmu, dlogvar):
    half = type(dz[0, 0])(0.5)
    for r in range(len(dz)):
        d, l, e, of_mu, of_logvar = _row(dz, r), _row(logvar, r), _row(eps, r), _row(dmu, r), _row(dlogvar, r)
        for k in range(len(d)):
            of_mu[k] = d[k]
            of_logvar[k] = d[k] * (half * _exp(half * l[k]) * e[k])


def reparameterize_backward(
    dz: NDArray, logvar: NDArray, eps: NDArray, *, dmu: NDArray | None = None, dlogvar: NDArray | None = None
) -> tuple[NDArray, NDArray]:
    """One pass."""
    _fit(dz.shape, logvar.shape, eps.shape)
    of_mu, of_logvar = _buffer(dmu, dz.shape, dz.dtype), _buffer(dlogvar, dz.shape, dz.dtype)
    _reparameterize_backward(*map(_in_rows, (dz, logvar, eps)), of_mu, of_logvar)
    return _returned(of_mu, dmu), _returned(of_logvar, dlogvar)


@compiled(reassociate=True)
def _kl_of_row(mu, logvar):
    half = type(mu[0])(0.5)
    total = type(half)(0)
    for k in range(len(mu)):
        total += half * (mu[k] * mu[k] + _expm1(logvar[k]) - logvar[k])
    return total


@compiled()
def _gaussian_kl_forward(mu, logvar, kl):
    for r in range(len(mu)):
        kl[r] = _kl_of_row(_row(mu, r), _row(logvar, r))


def gaussian_kl_forward(mu: NDArray, logvar: NDArray, *, out: NDArray | None = None) -> NDArray:
    """One pass."""
    _fit(mu.shape, logvar.shape)
    kl = _buffer(out, mu.shape[:1], mu.dtype)
    _gaussian_kl_forward(_in_rows(mu), _in_rows(logvar), kl)
    return _returned(kl, out)


@compiled()
def _gaussian_kl_backward(dkl, mu, logvar, dmu, dlogvar):
    half = type(mu[0, 0])(0.5)
    for r in range(len(mu)):
        d, m, l, of_mu, of_logvar = dkl[r], _row(mu, r), _row(logvar, r), _row(dmu, r), _row(dlogvar, r)
        for k in range(len(m)):
            of_mu[k] = d * m[k]
            of_logvar[k] = d * (half * _expm1(l[k]))


def gaussian_kl_backward(
    dkl: NDArray, mu: NDArray, logvar: NDArray, *, dmu: NDArray | None = None, dlogvar: NDArray | None = None
) -> tuple[NDArray, NDArray]:
    """One pass."""
    _fit(mu.shape, logvar.shape, (len(dkl), mu.shape[1]))
    of_mu, of_logvar = _buffer(dmu, mu.shape, mu.dtype), _buffer(dlogvar, mu.shape, mu.dtype)
    _gaussian_kl_backward(dkl, _in_rows(mu), _in_rows(logvar), of_mu, of_logvar)
    return _returned(of_mu, dmu), _returned(of_logvar, dlogvar)


@compiled(reassociate=True)
def _log_weight(z, logvar, eps):
    half = type(z[0])(0.5)
    total = type(half)(0)
    for k in range(len(z)):
        total += half * (eps[k] * eps[k] + logvar[k] - z[k] * z[k])
    return total


@compiled()
def _log_weights(recon_nll, z, logvar, eps, log_w):
    for r in range(len(log_w)):
        log_w[r] = _log_weight(_row(z, r), _row(logvar, r), _row(eps, r)) - recon_nll[r]


def log_weights(recon_nll: NDArray, z: NDArray, logvar: NDArray, eps: NDArray) -> NDArray:
    """One pass."""
    _fit(z.shape, logvar.shape, eps.shape, (len(recon_nll), z.shape[1]))
    log_w = np.empty(len(z), z.dtype)
    _log_weights(_c(recon_nll, z.dtype), *map(_in_rows, (z, logvar, eps)), log_w)
    return log_w


# ---------------------------------------------------------------------------------------------------------
# Likelihoods: a row's value and, if it is wanted, its gradient. What is not wanted is not touched. ``observed`` is None
# where nothing is missing: Numba compiles that by itself, without a trace of the other case.


@compiled()
def _row_of(observed, r):
    return None if observed is None else observed[r]


def _weights(observed: NDArray | None, dtype: Any) -> NDArray | None:
    return None if observed is None else _c(observed, dtype)


@compiled(reassociate=True)
def _bernoulli_part(logits, x, observed, wanted, upstream, dlogits):
    """At most ``AT_ONCE`` logits. Their log(1 + e) are one logarithm, that of the product, in float64."""
    one, zero = type(logits[0])(1), type(logits[0])(0)
    total, product = zero, 1.0
    for i in range(len(logits)):
        l = logits[i]
        e = _exp(-abs(l))
        if observed is None:
            total += _positive_part(l) - l * x[i]
            product *= 1.0 + e
        else:
            total += observed[i] * (_positive_part(l) - l * x[i])
            product *= 1.0 + observed[i] * e
        if wanted:
            dlogits[i] = upstream * ((one if l > zero else e) / (one + e) - x[i])
            if observed is not None:
                dlogits[i] *= observed[i]
    return total + type(one)(np.log(product))


@compiled()
def _bernoulli_row(logits, x, observed, wanted, upstream, dlogits):
    total = type(logits[0])(0)
    for i in range(0, len(logits), AT_ONCE):
        here = slice(i, i + AT_ONCE)
        seen = None if observed is None else observed[here]
        total += _bernoulli_part(logits[here], x[here], seen, wanted, upstream, dlogits[here])
    return total


@compiled()
def _bernoulli_nll_tile(t, count, logits, x, observed, wanted, dnll, nll, dlogits):
    start, stop = _rows(len(nll), t, count)
    for r in range(start, stop):
        nll[r] = _bernoulli_row(logits[r], x[r], _row_of(observed, r), wanted, dnll[r], dlogits[r])


@compiled(parallel=True)
def _bernoulli_nll(count, logits, x, observed, wanted, dnll, nll, dlogits):
    if count == 1:
        _bernoulli_nll_tile(0, 1, logits, x, observed, wanted, dnll, nll, dlogits)
    else:
        for t in prange(count):
            _bernoulli_nll_tile(t, count, logits, x, observed, wanted, dnll, nll, dlogits)


def bernoulli_nll(
    logits: NDArray,
    x: NDArray,
    dnll: NDArray | None = None,
    *,
    observed: NDArray | None = None,
    nll: NDArray | None = None,
    dlogits: NDArray | None = None,
) -> tuple[NDArray, NDArray | None]:
    """One pass with one exp for each logit, one logarithm for a thousand of them."""
    _fit(logits.shape, x.shape, (len(logits if dnll is None else dnll), x.shape[1]))
    dtype, wanted = logits.dtype, dnll is not None
    value = _buffer(nll, logits.shape[:1], dtype)
    gradient = _buffer(dlogits, logits.shape, dtype) if wanted else logits
    upstream = value if dnll is None else _c(dnll, dtype)
    given = (_c(logits, dtype), _c(x, dtype), _weights(observed, dtype))
    _bernoulli_nll(pool.tiles(logits.size), *given, wanted, upstream, value, gradient)
    return _returned(value, nll), _returned(gradient, dlogits) if wanted else dlogits


@compiled()
def _sigmoid_part(a, y):
    for i in range(len(a)):
        y[i] = _sigmoid(a[i])


@compiled()
def _bernoulli_mean_tile(t, count, logits, mean):
    start, stop = _tile(len(mean), t, count)
    _sigmoid_part(logits[start:stop], mean[start:stop])


@compiled(parallel=True)
def _bernoulli_mean(count, logits, mean):
    if count == 1:
        _bernoulli_mean_tile(0, 1, logits, mean)
    else:
        for t in prange(count):
            _bernoulli_mean_tile(t, count, logits, mean)


def bernoulli_mean(logits: NDArray) -> NDArray:
    """One pass."""
    mean = np.empty(logits.shape, logits.dtype)
    _bernoulli_mean(pool.tiles(mean.size), _c(logits, mean.dtype).reshape(-1), mean.reshape(-1))
    return mean


@compiled(reassociate=True)
def _gaussian_value(mean, logvar, precision, x, observed):
    half, constant = type(mean[0])(0.5), type(mean[0])(LOG_2PI)
    total = type(half)(0)
    for i in range(len(mean)):
        difference = mean[i] - x[i]
        if observed is None:
            total += half * (constant + logvar[i] + difference * difference * precision[i])
        else:
            total += observed[i] * half * (constant + logvar[i] + difference * difference * precision[i])
    return total


@compiled()
def _gaussian_gradient(mean, precision, x, observed, upstream, dmean, dlogvar):
    one, half = type(mean[0])(1), type(mean[0])(0.5)
    for i in range(len(mean)):
        difference = mean[i] - x[i]
        weight = upstream
        if observed is not None:
            weight = upstream * observed[i]
        dmean[i] = weight * (difference * precision[i])
        dlogvar[i] += weight * half * (one - difference * difference * precision[i])


@compiled()
def _gaussian_nll_tile(t, count, mean, logvar, precision, x, observed, dnll, nll, dmean, dlogvar):
    start, stop = _rows(len(nll), t, count)
    for r in range(start, stop):
        seen = _row_of(observed, r)
        nll[r] = _gaussian_value(mean[r], logvar, precision, x[r], seen)
        if len(dnll) > 0:
            _gaussian_gradient(mean[r], precision, x[r], seen, dnll[r], dmean[r], dlogvar[t])


@compiled()
def _of_each(logvar, width):
    """The log variance of each column, and its precision exp(-logvar); one may be for all columns."""
    of_each, precision = np.empty(width, logvar.dtype), np.empty(width, logvar.dtype)
    for i in range(width):
        of_each[i] = logvar[i if len(logvar) > 1 else 0]
        precision[i] = _exp(-of_each[i])
    return of_each, precision


@compiled()
def _sum_dlogvar(sums, dlogvar):
    """The tiles' sums in their order; where all columns share one logvar, its gradient sums over them too."""
    shared = sums.shape[1] // len(dlogvar)
    for i in range(len(dlogvar)):
        total = 0.0
        for t in range(len(sums)):
            for column in range(i * shared, (i + 1) * shared):
                total += sums[t, column]
        dlogvar[i] = total


@compiled(parallel=True)
def _gaussian_nll(count, mean, logvar, precision, x, observed, dnll, nll, dmean, dlogvar):
    if count == 1:
        _gaussian_nll_tile(0, 1, mean, logvar, precision, x, observed, dnll, nll, dmean, dlogvar)
    else:
        for t in prange(count):
            _gaussian_nll_tile(t, count, mean, logvar, precision, x, observed, dnll, nll, dmean, dlogvar)


def gaussian_nll(
    mean: NDArray,
    logvar: NDArray,
    x: NDArray,
    dnll: NDArray | None = None,
    *,
    observed: NDArray | None = None,
    nll: NDArray | None = None,
    dmean: NDArray | None = None,
    dlogvar: NDArray | None = None,
) -> tuple[NDArray, NDArray | None, NDArray | None]:
    """A row's value, then its gradient while the row is in the cache; each tile sums dlogvar in a row of its own."""
    _fit(mean.shape, x.shape, (len(mean if dnll is None else dnll), x.shape[1]))
    dtype, count = mean.dtype, pool.tiles(mean.size)
    value = _buffer(nll, mean.shape[:1], dtype)
    gradient = mean if dnll is None else _buffer(dmean, mean.shape, dtype)
    upstream = np.empty(0, dtype) if dnll is None else _c(dnll, dtype)
    sums = np.zeros((count, mean.shape[1]), dtype)
    variances = _of_each(_c(logvar, dtype), mean.shape[1])
    given = (_c(mean, dtype), *variances, _c(x, dtype), _weights(observed, dtype))
    _gaussian_nll(count, *given, upstream, value, gradient, sums)
    value = _returned(value, nll)
    if dnll is None:
        return value, dmean, dlogvar
    total = _buffer(dlogvar, logvar.shape, dtype)
    _sum_dlogvar(sums, total)
    return value, _returned(gradient, dmean), _returned(total, dlogvar)


# Positive values and counts. The count's cells are computed in float64: of terms near 10^6 what is left may be near 7.


@compiled()
def _log_of_rows(x, observed, log_x, total):
    """log x, 0 where it was not observed, and its sum over each row."""
    for r in range(len(x)):
        total[r] = 0
        for i in range(x.shape[1]):
            log_x[r, i] = np.log(x[r, i])
            if observed is not None and observed[r, i] == 0:
                log_x[r, i] = 0
            total[r] += log_x[r, i]


def lognormal_nll(
    mean: NDArray,
    logvar: NDArray,
    x: NDArray,
    dnll: NDArray | None = None,
    *,
    observed: NDArray | None = None,
    nll: NDArray | None = None,
    dmean: NDArray | None = None,
    dlogvar: NDArray | None = None,
) -> tuple[NDArray, NDArray | None, NDArray | None]:
    """The Gaussian of log x, and the sum of log x."""
    log_x, total = np.empty(x.shape, mean.dtype), np.empty(x.shape[:1], mean.dtype)
    _log_of_rows(_c(x, mean.dtype), _weights(observed, mean.dtype), log_x, total)
    options = {"observed": observed, "nll": nll, "dmean": dmean, "dlogvar": dlogvar}
    value, dmean, dlogvar = gaussian_nll(mean, logvar, log_x, dnll, **options)
    value += total
    return value, dmean, dlogvar


@compiled()
def _poisson(l, x):
    """The value of one cell, and its gradient."""
    rate = math.exp(min(l, LARGEST_LOG_RATE))
    return rate * (1 + max(l - LARGEST_LOG_RATE, 0)) - x * l + math.lgamma(x + 1), rate - x


@compiled()
def _digamma(x):
    """psi(x) = psi(x + 1) - 1/x up to x >= 10, from where on its asymptotic series errs by less than 1e-15."""
    total = 0.0
    while x < 10:
        total -= 1 / x
        x += 1
    y = 1 / (x * x)
    series = y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y * (1 / 132 - y * 691 / 32760)))))
    return total + math.log(x) - 0.5 / x - series


@compiled()
def _negative_binomial(l, log_r, x, wanted):
    """The value of one cell, and its gradients with respect to l and to log r, if they are wanted."""
    held = LARGEST_LOG_SIZE if log_r > LARGEST_LOG_SIZE else log_r
    held = -LARGEST_LOG_SIZE if held < -LARGEST_LOG_SIZE else held  # NaN stays NaN
    r, t = math.exp(held), l - held
    small = math.exp(-abs(t))
    above, below = max(t, 0) + math.log1p(small), max(-t, 0) + math.log1p(small)
    value = math.lgamma(r) + math.lgamma(x + 1) - math.lgamma(x + r) + r * above + x * below
    if not wanted:
        return value, 0.0, 0.0
    upper = (1 if t > 0 else small) / (1 + small)  # 1 / (1 + e^-t)
    lower = (small if t > 0 else 1) / (1 + small)
    of_rate = r * upper - x * lower
    return value, of_rate, r * (_digamma(r) - _digamma(x + r) + above) - of_rate if held == log_r else 0.0


@compiled()
def _count_nll_tile(t, count, log_rate, log_size, x, observed, dnll, nll, dlog_rate, sums):
    """A negative binomial's, or where ``log_size`` is None a Poisson's, which Numba compiles by itself."""
    start, stop = _rows(len(nll), t, count)
    for r in range(start, stop):
        total = 0.0
        for i in range(log_rate.shape[1]):
            l, cell, weight, of_size = float(log_rate[r, i]), float(x[r, i]), 1.0, 0.0
            if observed is not None:
                weight = float(observed[r, i])
            if log_size is None:
                value, of_rate = _poisson(l, cell)
            else:
                value, of_rate, of_size = _negative_binomial(l, log_size[i], cell, len(dnll) > 0)
            total += weight * value
            if len(dnll) > 0:
                dlog_rate[r, i] = dnll[r] * weight * of_rate
                sums[t, i] += dnll[r] * weight * of_size
        nll[r] = total


@compiled(parallel=True)
def _count_nll(count, log_rate, log_size, x, observed, dnll, nll, dlog_rate, sums):
    if count == 1:
        _count_nll_tile(0, 1, log_rate, log_size, x, observed, dnll, nll, dlog_rate, sums)
    else:
        for t in prange(count):
            _count_nll_tile(t, count, log_rate, log_size, x, observed, dnll, nll, dlog_rate, sums)


def _counts(
    log_rate: NDArray,
    log_size: NDArray | None,
    x: NDArray,
    dnll: NDArray | None,
    observed: NDArray | None,
    nll: NDArray | None,
    dlog_rate: NDArray | None,
) -> tuple[NDArray, NDArray | None, NDArray]:
    """The value, its gradient, and the tiles' sums of that of ``log_size``."""
    width = x.shape[1] if log_size is None else len(log_size)
    _fit(log_rate.shape, x.shape, (len(log_rate if dnll is None else dnll), width))
    dtype, count = log_rate.dtype, pool.tiles(log_rate.size)
    value = _buffer(nll, log_rate.shape[:1], dtype)
    gradient = log_rate if dnll is None else _buffer(dlog_rate, log_rate.shape, dtype)
    upstream = np.empty(0, dtype) if dnll is None else _c(dnll, dtype)
    sums = np.zeros((count, width))
    given = (_c(log_rate, dtype), log_size, _c(x, dtype), _weights(observed, dtype))
    _count_nll(count, *given, upstream, value, gradient, sums)
    return _returned(value, nll), dlog_rate if dnll is None else _returned(gradient, dlog_rate), sums


def poisson_nll(
    log_rate: NDArray,
    x: NDArray,
    dnll: NDArray | None = None,
    *,
    observed: NDArray | None = None,
    nll: NDArray | None = None,
    dlog_rate: NDArray | None = None,
) -> tuple[NDArray, NDArray | None]:
    """One pass."""
    return _counts(log_rate, None, x, dnll, observed, nll, dlog_rate)[:2]


def negative_binomial_nll(
    log_rate: NDArray,
    log_size: NDArray,
    x: NDArray,
    dnll: NDArray | None = None,
    *,
    observed: NDArray | None = None,
    nll: NDArray | None = None,
    dlog_rate: NDArray | None = None,
    dlog_size: NDArray | None = None,
) -> tuple[NDArray, NDArray | None, NDArray | None]:
    """One pass; each tile sums dlog_size in a row of its own, in float64."""
    value, gradient, sums = _counts(log_rate, log_size.astype(np.float64), x, dnll, observed, nll, dlog_rate)
    if dnll is None:
        return value, dlog_rate, dlog_size
    total = _buffer(dlog_size, log_size.shape, log_size.dtype)
    _sum_dlogvar(sums, total)
    return value, gradient, _returned(total, dlog_size)


@compiled(reassociate=True)
def _log_softmax(logits, log_p):
    largest = logits[0]
    for i in range(len(logits)):
        # The second comparison is true for NaN: it must not be lost.
        largest = logits[i] if logits[i] > largest or logits[i] != logits[i] else largest
    total = type(largest)(0)
    for i in range(len(logits)):
        log_p[i] = logits[i] - largest
        total += _exp(log_p[i])
    log_total = np.log(total)
    for i in range(len(logits)):
        log_p[i] -= log_total


@compiled(reassociate=True)
def _categorical_row(logits, x, observed, starts, upstream, log_p, dlogits):
    """The row's value; its gradient into ``dlogits``, unless that is empty."""
    total = type(logits[0])(0)
    for g in range(len(starts) - 1):
        _log_softmax(logits[starts[g] : starts[g + 1]], log_p[starts[g] : starts[g + 1]])
    for i in range(len(logits)):
        total -= x[i] * log_p[i]
    for i in range(len(dlogits)):
        dlogits[i] = upstream * (_exp(log_p[i]) - x[i])
        if observed is not None:  # the value needs no weight: x is 0 in a group that was not observed
            dlogits[i] *= observed[i]
    return total


@compiled()
def _categorical_nll_tile(t, count, logits, x, observed, starts, dnll, nll, log_p, dlogits):
    start, stop = _rows(len(nll), t, count)
    for r in range(start, stop):
        seen = _row_of(observed, r)
        if len(dnll) == 0:
            nll[r] = _categorical_row(logits[r], x[r], seen, starts, logits[r, 0], log_p[t], log_p[t, :0])
        else:
            nll[r] = _categorical_row(logits[r], x[r], seen, starts, dnll[r], log_p[t], dlogits[r])


@compiled(parallel=True)
def _categorical_nll(count, logits, x, observed, starts, dnll, nll, log_p, dlogits):
    if count == 1:
        _categorical_nll_tile(0, 1, logits, x, observed, starts, dnll, nll, log_p, dlogits)
    else:
        for t in prange(count):
            _categorical_nll_tile(t, count, logits, x, observed, starts, dnll, nll, log_p, dlogits)


def categorical_nll(
    logits: NDArray,
    x: NDArray,
    groups: Sequence[int],
    dnll: NDArray | None = None,
    *,
    observed: NDArray | None = None,
    nll: NDArray | None = None,
    dlogits: NDArray | None = None,
) -> tuple[NDArray, NDArray | None]:
    """Row by row: the log-probabilities of a row are kept until its gradient is done."""
    _fit(logits.shape, x.shape, (len(logits if dnll is None else dnll), sum(groups)))
    dtype, count = logits.dtype, pool.tiles(logits.size)
    value = _buffer(nll, logits.shape[:1], dtype)
    gradient = logits if dnll is None else _buffer(dlogits, logits.shape, dtype)
    upstream = np.empty(0, dtype) if dnll is None else _c(dnll, dtype)
    log_p = np.empty((count, logits.shape[1]), dtype)
    given = (_c(logits, dtype), _c(x, dtype), _weights(observed, dtype), _starts(groups))
    _categorical_nll(count, *given, upstream, value, log_p, gradient)
    return _returned(value, nll), dlogits if dnll is None else _returned(gradient, dlogits)


@compiled()
def _categorical_mean_tile(t, count, logits, starts, mean):
    start, stop = _rows(len(mean), t, count)
    for r in range(start, stop):
        for g in range(len(starts) - 1):
            _log_softmax(logits[r, starts[g] : starts[g + 1]], mean[r, starts[g] : starts[g + 1]])
        row = mean[r]
        for i in range(len(row)):
            row[i] = _exp(row[i])


@compiled(parallel=True)
def _categorical_mean(count, logits, starts, mean):
    if count == 1:
        _categorical_mean_tile(0, 1, logits, starts, mean)
    else:
        for t in prange(count):
            _categorical_mean_tile(t, count, logits, starts, mean)


def categorical_mean(logits: NDArray, groups: Sequence[int]) -> NDArray:
    """Row by row."""
    mean = np.empty(logits.shape, logits.dtype)
    _fit(logits.shape, (len(logits), sum(groups)))
    _categorical_mean(pool.tiles(mean.size), _c(logits, mean.dtype), _starts(groups), mean)
    return mean


def _starts(groups: Sequence[int]) -> NDArray:
    """Where each group of columns starts, and where the last one ends."""
    return np.cumsum((0, *groups))


# ---------------------------------------------------------------------------------------------------------
# Optimizers: one pass over the flat vectors. Where a gradient is 0 for long, as in a unit that is off, its running
# mean shrinks to a subnormal number, and there it stays. Processors are many times slower with those, so it becomes 0.


@compiled()
def _unless_subnormal(x, smallest):
    return type(x)(0) if abs(x) < smallest else x


SMALLEST_NORMAL = {dtype: np.finfo(dtype).tiny for dtype in map(np.dtype, ("float32", "float64"))}


@compiled()
def _sgd_part(w, g, u, learning_rate, momentum, smallest):
    for i in range(len(w)):
        u[i] = _unless_subnormal(momentum * u[i] + g[i], smallest)
        w[i] -= learning_rate * u[i]


@compiled()
def _sgd_update_tile(t, count, w, g, u, learning_rate, momentum, smallest):
    a, b = _tile(len(w), t, count)
    _sgd_part(w[a:b], g[a:b], u[a:b], learning_rate, momentum, smallest)


@compiled(parallel=True)
def _sgd_update(count, w, g, u, learning_rate, momentum, smallest):
    if count == 1:
        _sgd_update_tile(0, 1, w, g, u, learning_rate, momentum, smallest)
    else:
        for t in prange(count):
            _sgd_update_tile(t, count, w, g, u, learning_rate, momentum, smallest)


def sgd_update(
    parameters: NDArray, gradients: NDArray, velocity: NDArray, *, learning_rate: float, momentum: float
) -> None:
    """One pass."""
    _fit(parameters.shape, gradients.shape, velocity.shape)
    count, real = pool.tiles(len(parameters)), parameters.dtype.type
    numbers = (real(learning_rate), real(momentum), SMALLEST_NORMAL[parameters.dtype])
    _sgd_update(count, parameters, gradients, velocity, *numbers)


@compiled()
def _adagrad_part(w, g, s, learning_rate, epsilon):
    for i in range(len(w)):
        s[i] += g[i] * g[i]
        w[i] -= learning_rate * g[i] / (math.sqrt(s[i]) + epsilon)


@compiled()
def _adagrad_update_tile(t, count, w, g, s, learning_rate, epsilon):
    a, b = _tile(len(w), t, count)
    _adagrad_part(w[a:b], g[a:b], s[a:b], learning_rate, epsilon)


@compiled(parallel=True)
def _adagrad_update(count, w, g, s, learning_rate, epsilon):
    if count == 1:
        _adagrad_update_tile(0, 1, w, g, s, learning_rate, epsilon)
    else:
        for t in prange(count):
            _adagrad_update_tile(t, count, w, g, s, learning_rate, epsilon)


def adagrad_update(
    parameters: NDArray, gradients: NDArray, sum_of_squares: NDArray, *, learning_rate: float, epsilon: float
) -> None:
    """One pass."""
    _fit(parameters.shape, gradients.shape, sum_of_squares.shape)
    real = parameters.dtype.type
    _adagrad_update(
        pool.tiles(len(parameters)), parameters, gradients, sum_of_squares, real(learning_rate), real(epsilon)
    )


@compiled()
def _adam_part(w, g, m, v, step_size, forget1, forget2, epsilon, smallest):
    for i in range(len(w)):
        m[i] = _unless_subnormal(m[i] + forget1 * (g[i] - m[i]), smallest)
        v[i] = _unless_subnormal(v[i] + forget2 * (g[i] * g[i] - v[i]), smallest)
        w[i] -= step_size * (m[i] / (math.sqrt(v[i]) + epsilon))


@compiled()
def _adam_update_tile(t, count, w, g, m, v, step_size, forget1, forget2, epsilon, smallest):
    a, b = _tile(len(w), t, count)
    _adam_part(w[a:b], g[a:b], m[a:b], v[a:b], step_size, forget1, forget2, epsilon, smallest)


@compiled(parallel=True)
def _adam_update(count, w, g, m, v, step_size, forget1, forget2, epsilon, smallest):
    if count == 1:
        _adam_update_tile(0, 1, w, g, m, v, step_size, forget1, forget2, epsilon, smallest)
    else:
        for t in prange(count):
            _adam_update_tile(t, count, w, g, m, v, step_size, forget1, forget2, epsilon, smallest)


def adam_numbers(t: int, learning_rate: float, beta1: float, beta2: float, epsilon: float) -> tuple[float, ...]:
    """What the pass over the vectors needs of step ``t``: the step's size, 1 - beta1, 1 - beta2, and its epsilon."""
    root = (1 - beta2**t) ** 0.5
    return learning_rate * root / (1 - beta1**t), 1 - beta1, 1 - beta2, root * epsilon


def adam_update(
    parameters: NDArray,
    gradients: NDArray,
    m: NDArray,
    v: NDArray,
    t: int,
    *,
    learning_rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> None:
    """One pass: four vectors are read and three written."""
    _fit(parameters.shape, gradients.shape, m.shape, v.shape)
    numbers = map(parameters.dtype.type, adam_numbers(t, learning_rate, beta1, beta2, epsilon))
    count, smallest = pool.tiles(len(parameters)), SMALLEST_NORMAL[parameters.dtype]
    _adam_update(count, parameters, gradients, m, v, *numbers, smallest)


@compiled(reassociate=True)
def _penalty_part(w, dw, l1, l2):
    zero, one = type(l1)(0), type(l1)(1)
    absolute, squared = 0.0, 0.0
    for i in range(len(w)):
        absolute += abs(w[i])
        squared += w[i] * w[i]
        sign = one if w[i] > 0 else (-one if w[i] < 0 else zero)
        dw[i] += l1 * sign + l2 * w[i]
    return absolute, squared


@compiled()
def _add_penalty_tile(t, count, w, dw, l1, l2, sums):
    a, b = _tile(len(w), t, count)
    sums[t, 0], sums[t, 1] = _penalty_part(w[a:b], dw[a:b], l1, l2)


@compiled(parallel=True)
def _add_penalty(count, w, dw, l1, l2, sums):
    if count == 1:
        _add_penalty_tile(0, 1, w, dw, l1, l2, sums)
    else:
        for t in prange(count):
            _add_penalty_tile(t, count, w, dw, l1, l2, sums)


def add_penalty(weights: NDArray, dweights: NDArray, *, l1: float, l2: float) -> float:
    """One pass; the tiles' sums are added in their order."""
    _fit(weights.shape, dweights.shape)
    count, real = pool.tiles(len(weights)), weights.dtype.type
    sums = np.empty((count, 2))
    _add_penalty(count, weights, dweights, real(l1), real(l2), sums)
    absolute, squared = sums.sum(axis=0)
    return float(l1 * absolute + 0.5 * l2 * squared)


# ---------------------------------------------------------------------------------------------------------
# Noise: Philox4x32-10, as in philox.py, four words at a time. log, cos and sin are polynomials without branches again,
# in float64 as there, and from FreeBSD's msun: a logarithm is right to 1 unit in the last place, the others to 2e-16.

M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL0, WEYL1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


@compiled()
def _philox(c0, c1, c2, c3, k0, k1):
    for _ in range(10):
        p0, p1 = M0 * c0, M1 * c2
        c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ k0, p1 & LOW, (p0 >> HALF) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + WEYL0) & LOW, (k1 + WEYL1) & LOW
    return c0, c1, c2, c3


@compiled()
def _unit(word):
    """To the open interval (0, 1)."""
    return (np.float64(np.int64(word)) + 0.5) * 2.0**-32


@compiled()
def _uniform_row(c1, c2, c3, k0, k1, u):
    """Fill ``u``, whose length is a multiple of 4."""
    for q in range(len(u) // 4):
        w0, w1, w2, w3 = _philox(np.uint64(q), c1, c2, c3, k0, k1)
        u[4 * q] = _unit(w0)
        u[4 * q + 1] = _unit(w1)
        u[4 * q + 2] = _unit(w2)
        u[4 * q + 3] = _unit(w3)


LOG64_LN2_HIGH, LOG64_LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
SQRT_HALF64, ONE64, MANTISSA64 = (np.int64(bits) for bits in (0x3FE6A09E667F3BCD, 0x3FF << 52, 2**52 - 1))
ROUNDER64 = 1.5 * 2**52  # added to a small number, it leaves its nearest integer in the last bits


@compiled()
def _log64(x):
    """log x of a normal number, x = 2^k (1 + f): k log 2 + log(1 + f), an even series in s = f / (2 + f)."""
    bits = np.float64(x).view(np.int64) + (ONE64 - SQRT_HALF64)
    k = np.float64((bits >> 52) - 1023)
    f = np.int64((bits & MANTISSA64) + SQRT_HALF64).view(np.float64) - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    even = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01))
    odd = w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)
    odd = z * (6.666666666666735130e-01 + w * (2.857142874366239149e-01 + odd))
    half = 0.5 * f * f
    return k * LOG64_LN2_HIGH - ((half - (s * (half + (even + odd)) + k * LOG64_LN2_LOW)) - f)


@compiled()
def _cos_and_sin(turns):
    """cos and sin of 2 pi turns: of what is left beyond the nearest quarter turn, and then that is added."""
    shifted = 4.0 * turns + ROUNDER64
    quarters = np.float64(shifted).view(np.int64)
    x = 2.0 * math.pi * (turns - 0.25 * (shifted - ROUNDER64))
    z = x * x
    p = 2.75573137070700676789e-06 + z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)
    p = -1.66666666666666324348e-01 + z * (8.33333333332248946124e-03 + z * (-1.98412698298579493134e-04 + z * p))
    sin = x + x * z * p
    p = -2.75573143513906633035e-07 + z * (2.08757232129817482790e-09 - z * 1.13596475577881948265e-11)
    p = 4.16666666666666019037e-02 + z * (-1.38888888888741095749e-03 + z * (2.48015872894767294178e-05 + z * p))
    cos = 1.0 - 0.5 * z + z * z * p
    cos, sin = (sin, cos) if quarters & 1 else (cos, sin)
    cos = -cos if (quarters + 1) & 2 else cos
    return cos, -sin if quarters & 2 else sin


@compiled()
def _box_muller(u):
    """Uniforms to normals, in place."""
    for i in range(len(u) // 2):
        radius = math.sqrt(-2.0 * _log64(u[2 * i]))
        cos, sin = _cos_and_sin(u[2 * i + 1])
        u[2 * i] = radius * cos
        u[2 * i + 1] = radius * sin


UNIFORM, NORMAL, COIN = 0, 1, 2


@compiled()
def _noise_tile(t, count, kind, examples, c2, c3, k0, k1, scratch, x, out):
    start, stop = _rows(len(out), t, count)
    for first in range(start, stop, scratch.shape[1]):
        u = scratch[t, : stop - first]  # of some rows: a single one may be too short for vector registers
        for r in range(len(u)):
            _uniform_row(np.uint64(examples[first + r]), c2, c3, k0, k1, u[r])
        if kind == NORMAL:
            _box_muller(u.reshape(-1))
        for r in range(len(u)):
            row, p = out[first + r], x[first + r]
            if kind == COIN:
                for i in range(len(row)):
                    row[i] = u[r, i] < p[i]
            else:
                for i in range(len(row)):
                    row[i] = u[r, i]


@compiled(parallel=True)
def _noise(count, kind, examples, c2, c3, k0, k1, scratch, x, out):
    if count == 1:
        _noise_tile(0, 1, kind, examples, c2, c3, k0, k1, scratch, x, out)
    else:
        for t in prange(count):
            _noise_tile(t, count, kind, examples, c2, c3, k0, k1, scratch, x, out)


@compiled()
def _scratch(count, width):
    """Uniforms of each tile: some rows, whose widths are multiples of 4, in 16 KB."""
    width = (width + 3) // 4 * 4
    return np.empty((count, max(1, 2048 // max(width, 1)), width))


def _fill(kind: int, seed: int, stream: int, step: int, examples: NDArray, x: NDArray, out: NDArray) -> NDArray:
    """Fill ``out`` (n, D); ``x`` (n, D) holds the probabilities of coins, and is not looked at for other noise."""
    _fit(x.shape, out.shape, (len(examples), out.shape[1]))
    count = pool.tiles(16 * out.size)
    scratch = _scratch(count, out.shape[1])
    counter = (np.uint64(step), np.uint64(stream), np.uint64(seed & 0xFFFFFFFF), np.uint64(seed >> 32))
    target = _buffer(out, out.shape, out.dtype)
    _noise(count, kind, np.asarray(examples), *counter, scratch, x, target)
    return _returned(target, out)


def uniform(seed: int, stream: int, step: int, examples: NDArray, *, out: NDArray) -> NDArray:
    """Row by row."""
    return _fill(UNIFORM, seed, stream, step, examples, out, out)


def standard_normal(seed: int, stream: int, step: int, examples: NDArray, *, out: NDArray) -> NDArray:
    """Row by row."""
    return _fill(NORMAL, seed, stream, step, examples, out, out)


def binarize(x: NDArray, seed: int, step: int, examples: NDArray, *, out: NDArray) -> NDArray:
    """Row by row."""
    return _fill(COIN, seed, Stream.BINARIZE, step, examples, _c(x, out.dtype), out)


# ---------------------------------------------------------------------------------------------------------
# Many training steps in one call: the order of minivae/training/step.py and minivae/model/network.py, kernel by
# kernel. Everything is in long vectors, so that one compiled function serves models of any depth.
#
# Kernels are called by their addresses, which ``train`` hands in: so it is their own machine code that runs, with the
# same bits, and not a copy that would take LLVM half a minute to compile.

_letters = {"i": types.int64, "u": types.uint64, "b": types.boolean, "n": types.none}
_letters |= {"l": types.int64[::1], "d": types.float64[:, ::1], "t": types.float64[:, :, ::1]}
_kernels: list[tuple[Any, str]] = []  # in the order of their addresses: the kernel, and a letter for each argument


def _signature(letters: str, real: Any) -> tuple[Any, ...]:
    """The types of arguments: v is a vector of ``real``, m a matrix, s one whose rows are part of longer ones."""
    of_real = {"r": real, "v": real[::1], "m": real[:, ::1], "s": real[:, :]}
    return tuple((_letters | of_real)[letter] for letter in letters)


def _by_address(kernel: Any, letters: str) -> Any:
    """What compiled code calls as ``call(addresses, (argument, ...))``."""
    place = len(_kernels)
    _kernels.append((kernel, letters))

    @intrinsic
    def call(typing, addresses, arguments):
        real = next(t.dtype for t, letter in zip(arguments, letters, strict=True) if letter in "vms")
        signature = _signature(letters, real)

        def code(context, builder, _, values):
            array = context.make_array(addresses)(context, builder, values[0])
            address = builder.load(builder.gep(array.data, [context.get_constant(types.intp, place)]))
            form = context.call_conv.get_function_type(types.none, signature)
            function = builder.inttoptr(address, form.as_pointer())
            given = cgutils.unpack_tuple(builder, values[1])
            context.call_conv.call_function(builder, function, types.none, signature, given)
            return context.get_dummy_value()

        return types.void(addresses, types.Tuple(signature)), code

    return call


@compiled()
def _gather_tile(t, count, x, rows, target):
    start, stop = _rows(len(rows), t, count)
    for r in range(start, stop):
        example, copy = _row(x, rows[r]), _row(target, r)
        for d in range(len(copy)):
            copy[d] = example[d]


@compiled(parallel=True)
def _gather(count, x, rows, target):
    if count == 1:
        _gather_tile(0, 1, x, rows, target)
    else:
        for t in prange(count):
            _gather_tile(t, count, x, rows, target)


@compiled()
def _add(a, b, out):
    for r in range(len(out)):
        left, right, total = _row(a, r), _row(b, r), _row(out, r)
        for k in range(len(total)):
            total[k] = left[k] + right[k]


_call_linear_forward = _by_address(_linear_forward, "immvim")
_call_linear_backward = _by_address(_linear_backward, "immmbmmv")
_call_activation_backward = _by_address(_activation_backward, "ivviv")
_call_reparameterize_forward = _by_address(_reparameterize_forward, "ssmm")
_call_reparameterize_backward = _by_address(_reparameterize_backward, "msmmm")
_call_kl_forward = _by_address(_gaussian_kl_forward, "ssv")
_call_kl_backward = _by_address(_gaussian_kl_backward, "vssmm")
_call_noise = _by_address(_noise, "iiluuuutmm")
_call_gather = _by_address(_gather, "imlm")
_call_penalty = _by_address(_add_penalty, "ivvrrd")
_call_bernoulli = _by_address(_bernoulli_nll, "immnbvvm")
_call_categorical = _by_address(_categorical_nll, "immnlvvmm")
_call_gaussian = _by_address(_gaussian_nll, "imvvmnvvmm")
_call_sgd = _by_address(_sgd_update, "ivvvrrr")
_call_adagrad = _by_address(_adagrad_update, "ivvvrr")
_call_adam = _by_address(_adam_update, "ivvvvrrrrr")
ALWAYS = 10  # of these, then come those of the likelihoods and of the optimizers, each in the order of their numbers


@compiled()
def _tiles(elements, width):
    """As ``pool.tiles``."""
    return width if elements >= WORTH_A_TILE else 1


@compiled()
def _whole(array):
    """The array itself as such a view."""
    return _view(array, 0, array.shape)


# Of a layer: sizes; whether dx is wanted; where W and b begin in the vector, and y, in the end dx, in the workspace.
IN, OUT, ACTIVATION, WANTS_DX, AT_W, AT_B, AT_Y = range(7)


@compiled()
def _chain(kernels, layers, vector, x, space, size, width):
    """As MLP.forward of minivae/model/layers.py, for a network whose ``layers`` are rows of the table above."""
    for layer in layers:
        W, b = _view(vector, layer[AT_W], (layer[IN], layer[OUT])), _view(vector, layer[AT_B], (layer[OUT],))
        y = _view(space, layer[AT_Y] * size, (len(x), layer[OUT]))
        _call_linear_forward(kernels, (_tiles(y.size * len(W) // 32, width), x, W, b, layer[ACTIVATION], y))
        x = y
    return x


@compiled()
def _chain_backward(kernels, layers, vector, gradient, x, dy, space, size, width):
    """As MLP.backward. A layer's dx takes the place of its y, which nobody needs any more."""
    n = len(x)
    for i in range(len(layers) - 1, -1, -1):
        layer, wanted = layers[i], layers[i, WANTS_DX] == 1
        y = _view(space, layer[AT_Y] * size, (n, layer[OUT]))
        if layer[ACTIVATION] != IDENTITY:
            da = dy.reshape(-1)
            _call_activation_backward(kernels, (_tiles(y.size, width), da, y.reshape(-1), layer[ACTIVATION], da))
        below = _view(space, layers[i - 1, AT_Y] * size, (n, layer[IN])) if i > 0 else x
        dx = _view(space, layer[AT_Y] * size, (n, layer[IN])) if wanted else dy
        W = _view(vector, layer[AT_W], (layer[IN], layer[OUT]))
        dW, db = _view(gradient, layer[AT_W], W.shape), _view(gradient, layer[AT_B], (layer[OUT],))
        _call_linear_backward(kernels, (_tiles(dy.size * len(W) // 32, width), dy, below, W, wanted, dx, dW, db))
        dy = dx
    return dy


BERNOULLI, CATEGORICAL, GAUSSIAN = range(3)
KIND, FIRST, LAST, AT_LOGVAR, LOGVARS, AT_STARTS, STARTS = range(7)  # of the likelihood of some columns


@compiled()
def _part_nll(kernels, part, starts, vector, gradient, fixed, output, x, dnll, nll, doutput, width):
    """Value and gradients of one likelihood. Where its log variance is not learned, it is ``fixed`` (1,)."""
    count = _tiles(output.size, width)
    if part[KIND] == BERNOULLI:
        _call_bernoulli(kernels, (count, output, x, None, True, dnll, nll, doutput))
    elif part[KIND] == CATEGORICAL:
        groups = starts[part[AT_STARTS] : part[AT_STARTS] + part[STARTS]]
        log_p = np.empty((count, x.shape[1]), x.dtype)
        _call_categorical(kernels, (count, output, x, None, groups, dnll, nll, log_p, doutput))
    else:
        sums, learned = np.zeros((count, x.shape[1]), x.dtype), (part[LOGVARS],)
        given = _view(vector, part[AT_LOGVAR], learned) if part[LOGVARS] else fixed
        of_each, precision = _of_each(given, x.shape[1])
        _call_gaussian(kernels, (count, output, of_each, precision, x, None, dnll, nll, doutput, sums))
        if part[LOGVARS]:
            _sum_dlogvar(sums, _view(gradient, part[AT_LOGVAR], learned))


@compiled()
def _nll(kernels, parts, starts, vector, gradient, fixed, output, x, dnll, nll, doutput, width):
    """As Mixed.nll of minivae/model/likelihoods.py, if there is more than one part."""
    if len(parts) == 1:
        _part_nll(kernels, parts[0], starts, vector, gradient, fixed, output, x, dnll, nll, doutput, width)
        return
    nll[:] = 0
    for i in range(len(parts)):  # the columns of each by themselves, as the kernels want them
        columns = slice(parts[i, FIRST], parts[i, LAST])
        own_output, own_x, value = output[:, columns].copy(), x[:, columns].copy(), np.empty_like(nll)
        own_doutput = np.empty_like(own_output)
        arrays = (own_output, own_x, dnll, value, own_doutput)
        _part_nll(kernels, parts[i], starts, vector, gradient, fixed[i : i + 1], *arrays, width)
        nll += value
        doutput[:, columns] = own_doutput


@compiled()
def _draw(kernels, kind, rows, step, stream, k0, k1, out, width):
    """As ``_fill``, with the two halves of the seed."""
    count = _tiles(16 * out.size, width)
    scratch = _scratch(count, out.shape[1])
    _call_noise(kernels, (count, kind, rows, np.uint64(step), np.uint64(stream), k0, k1, scratch, out, out))


SGD, ADAGRAD, ADAM = range(3)
EPS, BINARIZE = int(Stream.EPS), int(Stream.BINARIZE)


@compiled()
def _train(kernels, width, method, numbers, span, noise, x, order, model, arrays, penalty, batch, buffer, losses):
    """The updates ``begin`` to ``end`` of an epoch whose rows of ``x`` come in ``order``.

    A row of ``numbers`` is what the optimizer wants to know of an update; ``batch`` the buffer that the last minibatch
    is left in, ``buffer`` where most is computed: 8 K + 2 + D + ``columns`` numbers for each example of a batch.
    Into ``losses`` go nll and kl of every example, and of every update the two sums of its penalty.
    """
    (begin, end, size, step), (coins, k0, k1), (l1, l2, n_weights) = span, noise, penalty
    encoder, decoder, parts, starts, fixed, columns, beta, volume = model
    vector, gradient, first, second = arrays
    nlls, kls, penalties = losses
    encoder, decoder, parts = _whole(encoder), _whole(decoder), _whole(parts)
    x, numbers, fixed, starts = _whole(x), _whole(numbers), _whole(fixed), _whole(starts)
    vector, gradient, first, second = _whole(vector), _whole(gradient), _whole(first), _whole(second)
    D, K = x.shape[1], decoder[0, IN]
    part = size * K
    latent, upstream = _view(buffer, 0, (8 * part,)), _view(buffer, 8 * part, (2 * size,))
    doutputs = _view(buffer, 8 * part + 2 * size, (size * D,))
    space = _view(buffer, 8 * part + 2 * size + size * D, (size * columns,))
    for i in range(begin, end):
        at, n = i * size, min(size, len(order) - i * size)
        rows, nll, kl = _view(order, at, (n,)), _view(nlls, at, (n,)), _view(kls, at, (n,))
        target, doutput = _view(batch, 0, (n, D)), _view(doutputs, 0, (n, D))
        _call_gather(kernels, (_tiles(n * D, width), x, rows, target))
        if coins:
            _draw(kernels, COIN, rows, step + i - begin, BINARIZE, k0, k1, target, width)
        eps, z = _view(latent, 0, (n, K)), _view(latent, part, (n, K))
        _draw(kernels, NORMAL, rows, step + i - begin, EPS, k0, k1, eps, width)

        heads = _chain(kernels, encoder, vector, target, space, size, width)
        mu, logvar = heads[:, :K], heads[:, K:]
        _call_reparameterize_forward(kernels, (mu, logvar, eps, z))
        output = _chain(kernels, decoder, vector, z, space, size, width)
        _call_kl_forward(kernels, (mu, logvar, kl))
        dnll, dkl = _view(upstream, 0, (n,)), _view(upstream, size, (n,))
        dnll[:], dkl[:] = 1 / n, beta / n
        _nll(kernels, parts, starts, vector, gradient, fixed, output, target, dnll, nll, doutput, width)
        for r in range(n):
            nll[r] += volume

        dz = _chain_backward(kernels, decoder, vector, gradient, z, doutput, space, size, width)
        dmu, dlogvar = _view(latent, 2 * part, (n, K)), _view(latent, 3 * part, (n, K))
        dmu_kl, dlogvar_kl = _view(latent, 4 * part, (n, K)), _view(latent, 5 * part, (n, K))
        _call_reparameterize_backward(kernels, (dz, logvar, eps, dmu, dlogvar))
        _call_kl_backward(kernels, (dkl, mu, logvar, dmu_kl, dlogvar_kl))
        dheads = _view(latent, 6 * part, (n, 2 * K))
        _add(dmu, dmu_kl, dheads[:, :K])
        _add(dlogvar, dlogvar_kl, dheads[:, K:])
        _chain_backward(kernels, encoder, vector, gradient, target, dheads, space, size, width)

        if l1 > 0 or l2 > 0:
            sums = np.empty((_tiles(n_weights, width), 2))
            weights, of_weights = _view(vector, 0, (n_weights,)), _view(gradient, 0, (n_weights,))
            _call_penalty(kernels, (len(sums), weights, of_weights, l1, l2, sums))
            for t in range(len(sums)):
                penalties[i, 0] += sums[t, 0]
                penalties[i, 1] += sums[t, 1]
        count, now = _tiles(len(vector), width), numbers[i - begin]
        rate, a, b, c, smallest = now[0], now[1], now[2], now[3], now[4]
        if method == SGD:
            _call_sgd(kernels, (count, vector, gradient, first, rate, a, smallest))
        elif method == ADAGRAD:
            _call_adagrad(kernels, (count, vector, gradient, first, rate, a))
        else:
            _call_adam(kernels, (count, vector, gradient, first, second, rate, a, b, c, smallest))


def train(real: Any, kinds: NDArray, method: int, *arguments: Any) -> None:
    """Some steps of an epoch, without Python between them: see minivae/training/native.py."""
    used = {*range(ALWAYS), *(ALWAYS + kinds), ALWAYS + 3 + method}
    addresses = np.array([_address(i, real) if i in used else 0 for i in range(len(_kernels))])
    _train(addresses, pool.tiles(WORTH_A_TILE), method, *arguments)


@cache
def _address(place: int, dtype: Any) -> int:
    """Where a kernel's machine code is."""
    kernel, letters = _kernels[place]
    signature = _signature(letters, from_dtype(dtype))
    kernel.compile(signature)
    found = kernel.overloads[signature]
    return found.library.get_pointer_to_function(found.fndesc.llvm_func_name)
