"""What arrays and numbers the public functions accept, and the sentence that refuses the others."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from minivae.errors import DataError

LARGEST_WIDTH = 2**31 - 1
LARGEST_WHOLE = 2**24  # from here on float32 rounds


def check_matrix(x: Any, dtype: str, width: int | None = None, what: str = "X", allow_nan: bool = False) -> np.ndarray:
    """``x`` as a finite matrix (N, D) of ``dtype``; where NaN is allowed, not as a whole row.

    Parameters
    ----------
    x : array-like of shape (N, D)
    dtype : {"float32", "float64"}
    width : int, optional
        The D that is expected.
    what : str
        What to call ``x`` in a message.
    allow_nan : bool, default False
        Whether a value may be missing.

    Returns
    -------
    x : ndarray of shape (N, D), C-contiguous
        The same array where it fits already, else a copy.

    Raises
    ------
    DataError
        Empty, of other than two dimensions, of another width, complex, not finite, or beyond ``dtype``.
    TypeError
        Not numbers, or a sparse matrix.
    """
    x = _as_numbers(x, what)
    if x.ndim != 2:
        hint = f"; for one example use {what}.reshape(1, -1)" if x.ndim == 1 else ""
        raise DataError(f"{what} must have two dimensions (examples, features), got shape {x.shape}{hint}")
    if x.shape[0] == 0:
        raise DataError(f"{what} is empty: 0 examples (shape={x.shape}) while a minimum of 1 is required")
    if x.shape[1] == 0:
        raise DataError(f"0 feature(s) (shape={x.shape}) while a minimum of 1 is required")
    if width is not None and x.shape[1] != width:
        raise DataError(f"{what} has {x.shape[1]} features, but this model is expecting {width} features as input")
    return as_finite(x, dtype, what, allow_nan)


def _as_numbers(x: Any, what: str) -> np.ndarray:
    if hasattr(x, "tocsr") or hasattr(x, "toarray"):
        raise TypeError(f"{what} is a sparse matrix, but a dense array is required: use {what}.toarray()")
    if np.ma.is_masked(x):
        row = np.argwhere(np.ma.getmaskarray(x))[0]
        raise DataError(
            f"{what} is a masked array, masked first at {tuple(map(int, row))}: remove or impute such values"
        )
    try:
        x = np.asarray(x)
    except ValueError as error:
        raise DataError(f"{what} is not a rectangular array of numbers: {error}") from None
    if x.dtype.kind == "c":
        raise DataError(f"Complex data not supported: {what} has dtype {x.dtype}")
    if x.dtype.kind == "O":
        try:
            return x.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{what} holds Python objects that are not numbers: {error}") from None
    if x.dtype.kind not in "fiub":
        raise TypeError(f"{what} must hold numbers, got dtype {x.dtype}")
    if x.dtype.itemsize > 8:  # long double: what float64 cannot hold becomes infinite, and is refused as such
        with np.errstate(over="ignore"):
            return x.astype(np.float64)
    return x


def as_finite(x: np.ndarray, dtype: str, what: str = "X", allow_nan: bool = False) -> np.ndarray:
    """Numbers (N, D) as ``dtype``; DataError if one is not finite, or beyond its range."""
    low, high = float(x.min()), float(x.max())
    if allow_nan and math.isnan(low):
        empty = np.flatnonzero(np.isnan(x).all(axis=1))
        if len(empty):
            raise DataError(f"row {empty[0]} of {what} holds no value at all, only NaN: leave such rows out")
        low, high = float(np.fmin.reduce(x, axis=None)), float(np.fmax.reduce(x, axis=None))
        x = x if math.isfinite(low) and math.isfinite(high) else np.where(np.isnan(x), 0, x)  # to name the infinity
    if not (math.isfinite(low) and math.isfinite(high)):
        row, column = np.argwhere(~np.isfinite(x))[0]
        kind = "NaN" if np.isnan(x[row, column]) else "infinity"
        raise DataError(f"{what} contains {kind}, first at row {row}, column {column}: remove or impute such values")
    if max(-low, high) > float(np.finfo(dtype).max):
        raise DataError(f"{what} holds {max(-low, high):g}, beyond the range of {dtype}: rescale it or use float64")
    if dtype == "float32" and x.dtype.kind in "iu" and max(-low, high) > LARGEST_WHOLE:
        raise DataError(
            f"{what} holds whole numbers up to {max(-low, high):.0f}, which float32 rounds: use float64, or a scaling"
        )
    return np.ascontiguousarray(x, dtype=dtype)


def check_columns_known(x: np.ndarray, what: str = "X") -> None:
    """DataError if a column of x (N, D) holds nothing but NaN."""
    empty = np.flatnonzero(np.isnan(np.fmax.reduce(x, axis=0)))
    if len(empty):
        raise DataError(f"column {empty[0]} of {what} holds no value at all, only NaN: leave such columns out")


def check_eps(eps: Any, dtype: str, shape: tuple[int, int, int]) -> np.ndarray | None:
    """Noise of ``shape`` (B, S, K), of one draw also (B, K), as (B, S * K); or None. Errors as of a matrix."""
    if eps is None:
        return None
    eps, (n, draws, width) = _as_numbers(eps, "eps"), shape
    if eps.shape != shape and (eps.shape != (n, width) or draws > 1):
        expected = f"{(n, width)} (examples, latent_dim)" if draws == 1 else f"{shape} (examples, draws, latent_dim)"
        raise ValueError(f"eps must have shape {expected}, got {eps.shape}")
    return as_finite(eps.reshape(n, draws * width), dtype, "eps")


def check_int(value: Any, name: str, minimum: int, maximum: int | None = None) -> int:
    """``value`` as an int within bounds; TypeError or ValueError otherwise."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be a whole number, got {value!r}") from None
    if number < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {number}")
    if maximum is not None and number > maximum:
        raise ValueError(f"{name} must be at most {maximum}, got {number}")
    return number


def check_widths(value: Any, name: str) -> tuple[int, ...]:
    """``value`` as a tuple of positive ints, such as (400,) or (); TypeError or ValueError otherwise."""
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        raise TypeError(f"{name} must be a sequence of whole numbers such as (400,) or (), got {value!r}")
    return tuple(check_int(width, f"each of {name}", 1, LARGEST_WIDTH) for width in value)


def check_float(value: Any, name: str, *, positive: bool = False, below: float = math.inf) -> float:
    """``value`` as a finite float, >= 0 (or > 0) and < ``below``; TypeError or ValueError otherwise."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {value!r}") from None
    if not math.isfinite(number) or number < 0 or (positive and number == 0) or number >= below:
        bounds = "greater than 0" if positive else "at least 0"
        bounds += f" and below {below:g}" if below < math.inf else ""
        raise ValueError(f"{name} must be finite and {bounds}, got {number}")
    return number


def check_choice(value: Any, name: str, choices: Any) -> str:
    """``value`` if it is one of ``choices``; ValueError otherwise."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return value


def check_seed(seed: Any) -> int:
    """A 64-bit seed."""
    return check_int(seed, "seed", 0, 2**64 - 1)
