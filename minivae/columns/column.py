"""One column of a table: what it is, and its way into the matrix of numbers and back.

A frame is a pandas DataFrame, or a mapping of names to arrays of one length; columns.py has all of its columns.
"""

from __future__ import annotations

import re
import reprlib
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np

from minivae.errors import DataError

KINDS = {  # what a column may be, and the likelihood of its part of the matrix
    "real": "gaussian",
    "positive": "lognormal",
    "count": "poisson",
    "binary": "bernoulli",
    "category": "categorical",
    "overdispersed": "negative-binomial",
    "drop": "",
}
COUNTS = ("count", "overdispersed")
MOST_LEVELS = 1000  # each is a column of the matrix
LARGEST_COUNT = 100  # that is taken for one without being asked for
FEW = 20  # levels, or numbers, of which nothing more is guessed
SKEWED, STRAIGHT = 1.5, 0.5  # skewness of positive numbers, and of their logarithms (log-normal: 0; exponential: 1.1)
SHOWN = 8  # names or levels in a message
NUMBERS = re.compile("u?int|float|bool")  # dtypes
DATE = re.compile(r"\d{4}[-/]\d\d?[-/]\d\d?([T ].*)?|\d\d?[./-]\d\d?[./-]\d{2,4}( .*)?|\d\d?:\d\d(:\d\d)?")


@dataclass(frozen=True)
class Column:
    """One column: its kind, and what is needed to write it as it was.

    ``levels`` are those of a category in the order of the matrix, or the two of a binary column, that of 0 first;
    ``is_whole``: only whole numbers were seen; ``low`` to ``high``: their range; ``missing``: cells not observed.
    """

    name: str | int
    kind: str
    dtype: str
    levels: tuple[Any, ...] = ()
    is_whole: bool = False
    low: float = 0.0
    high: float = 0.0
    missing: int = 0
    is_guess: bool = True
    note: str = ""

    @cached_property
    def width(self) -> int:
        """How many columns of the matrix it takes."""
        return len(self.levels) if self.kind == "category" else int(self.kind != "drop")


# -- reading a frame -----------------------------------------------------------------------------------------


def is_frame(x: Any) -> bool:
    """True for a DataFrame, and for arrays by name."""
    return isinstance(x, Mapping) or (hasattr(x, "iloc") and hasattr(x, "columns"))


def names_of(frame: Any) -> list[Any]:
    """The names of a frame's columns; TypeError for what is no frame, DataError for one name twice."""
    if not is_frame(frame):
        raise TypeError(f"expected a DataFrame or a mapping of names to arrays, got {type(frame).__name__}")
    names = list(frame)
    if len(set(names)) < len(names) or not all(isinstance(name, str | int) for name in names):
        raise DataError(f"each column needs a name of its own, a text or a whole number: got {listed(names)}")
    return names


def read(frame: Any, name: Any) -> tuple[np.ndarray, np.ndarray, str]:
    """A column's values (N,) as Python objects, which of them are missing (N,), and its dtype."""
    column = frame[name]
    if hasattr(column, "isna"):
        dtype = "ordered category" if getattr(column.dtype, "ordered", False) else str(column.dtype)
        return column.to_numpy(dtype=object), column.isna().to_numpy(), dtype
    values = np.asarray(column)
    missing = np.array([value is None or value != value for value in values.tolist()], bool)
    return values.astype(object), missing, str(values.dtype)


def numbers_of(frame: Any, name: Any, kind: str) -> np.ndarray:
    """A column as float64 (N,), NaN where it is missing; DataError for the first cell that cannot be of the kind."""
    values, missing, _ = read(frame, name)
    expected = {"positive": "numbers above 0", **dict.fromkeys(COUNTS, "0, 1, 2, ...")}.get(kind, "finite numbers")
    bad = np.array([not gone and not isinstance(value, Real) for value, gone in zip(values, missing, strict=True)])
    x = np.where(missing | bad, np.nan, values).astype(np.float64)
    bad |= np.isinf(x) | ((kind in COUNTS) & ((x < 0) | (x > np.floor(x)))) | ((kind == "positive") & (x <= 0))
    for row in np.flatnonzero(bad):
        raise DataError(
            f"{cell(frame, name, row)}: a column of kind {kind!r} holds {expected}, got {reprlib.repr(values[row])}: "
            "correct it, leave it empty if it is missing, or train with another kind, such as "
            + ask(name, "category" if isinstance(values[row], str) else "real")
        )
    return x


def cell(frame: Any, name: Any, row: Any) -> str:
    """Where a value stands: as the file that it is from calls the place, else its row from 0."""
    return (
        frame.where(name, row)
        if isinstance(frame, Mapping) and hasattr(frame, "where")
        else f"column {name!r}, row {row}"
    )


def ask(name: Any, kind: str) -> str:
    """How to ask for a kind."""
    option = f"--drop {shlex.quote(str(name))}" if kind == "drop" else f"--columns {shlex.quote(f'{name}={kind}')}"
    return f"{option} (in Python {{{name!r}: {kind!r}}})"


def listed(names: Iterable[Any]) -> str:
    """The first names, for a message."""
    names = list(names)
    return ", ".join(map(reprlib.repr, names[:SHOWN])) + ", ..." * (len(names) > SHOWN)


# -- what a column is ----------------------------------------------------------------------------------------


def decide(frame: Any, name: Any, kind: str | None) -> Column:
    """The column as it was asked for, or else as :meth:`Columns.of` says."""
    values, missing, dtype = read(frame, name)
    known: dict[str, Any] = {"name": name, "dtype": dtype, "missing": int(missing.sum()), "is_guess": kind is None}
    if kind == "drop":
        return Column(kind=kind, **known)
    if missing.all():
        raise DataError(f"column {name!r} is empty in all {len(values)} rows: leave it out with {ask(name, 'drop')}")
    rows = np.flatnonzero(~missing)
    seen, words = values[rows], np.array([word_for(value) for value in values[rows]])
    if "date" in words or (kind is None and np.all(words == "text") and all(map(DATE.fullmatch, seen))):
        raise DataError(
            f"column {name!r} holds dates, such as {str(seen[0])!r}, which no kind of column takes: leave it out with "
            f"{ask(name, 'drop')}, or make numbers of them"
        )
    if kind is None and len(np.unique(words)) > 1:
        kinds, counts = np.unique(words, return_counts=True)
        odd = int(np.flatnonzero(words == kinds[counts.argmin()])[0])
        raise DataError(
            f"{cell(frame, name, rows[odd])}: {reprlib.repr(seen[odd])} is a {words[odd]} in a column of another kind, "
            f"{kinds[counts.argmax()]}: correct it, leave it empty if it is missing, or use {ask(name, 'category')}"
        )
    if kind in ("real", "positive", *COUNTS) or (kind is None and words[0] == "number" and set(seen) != {0, 1}):
        numbers = numbers_of(frame, name, kind or "real")[rows]
        guess, note = guess_of_numbers(numbers)
        limits: dict[str, Any] = {
            "low": float(numbers.min()),
            "high": float(numbers.max()),
            "is_whole": not np.any(numbers % 1),
        }
        return Column(kind=kind or guess, note="" if kind else note, **limits, **known)
    if len(np.unique(words)) > 1:
        seen = np.array(list(map(str, seen)), object)
    declared: Any = getattr(getattr(frame[name], "cat", None), "categories", ())
    levels = declared.tolist() if len(declared) else sorted(set(seen))
    check_levels(name, levels, len(seen), kind)
    note = "one level only, nothing to learn" if len(levels) == 1 else ""
    return Column(kind=kind or ("binary" if len(levels) == 2 else "category"), levels=tuple(levels), note=note, **known)


def word_for(value: Any) -> str:
    """What a value is, in a word."""
    if isinstance(value, bool | Real):
        return "bool" if isinstance(value, bool) else "number"
    return "text" if isinstance(value, str) else "date" if hasattr(value, "isoformat") else type(value).__name__


def guess_of_numbers(v: np.ndarray) -> tuple[str, str]:
    """The kind of observed numbers (M,), and what is to be noted."""
    is_whole, distinct, steps = not np.any(v % 1), len(np.unique(v)), np.diff(v)
    if distinct == 1:
        return "real", "always the same, nothing to learn: drop it?"
    if is_whole and len(v) > 4 and (np.all(steps == steps[0]) or (len(v) > FEW and np.all(steps > 0))):
        return "real", "whole numbers in order, as of an id: drop it?"
    if is_whole and v.min() == 0 and distinct > 2 and v.max() <= LARGEST_COUNT:
        return "count", ""
    if v.min() > 0 and len(v) >= FEW and skewness(v) > SKEWED and abs(skewness(np.log(v))) < STRAIGHT:
        return "positive", "skewed, but not in logarithms"
    return "real", ""


def skewness(v: np.ndarray) -> float:
    """The third standardised moment of (M,)."""
    return float(np.mean(((v - v.mean()) / (v.std() or 1)) ** 3))


def check_levels(name: Any, levels: list[Any], n: int, kind: str | None) -> None:
    """DataError for levels of ``n`` cells that are spelt in two ways, too many, or not two of a binary column."""
    spelt: dict[str, str] = {}
    for level in levels:
        if isinstance(level, str) and (other := spelt.setdefault(" ".join(level.split()).casefold(), level)) != level:
            raise DataError(f"column {name!r} spells one level in two ways, {other!r} and {level!r}: use one of them")
    if len(levels) > (MOST_LEVELS if kind else max(FEW, min(n // 2, MOST_LEVELS))):
        raise DataError(
            f"column {name!r} holds {len(levels)} different values in {n} rows, as names or free text do: leave it out "
            f"with {ask(name, 'drop')}, or put the rare ones together, and use {ask(name, 'category')} (at most "
            f"{MOST_LEVELS})"
        )
    if kind == "binary" and len(levels) != 2:
        raise DataError(f"column {name!r} has the levels {listed(levels)}: a binary one has two")


# -- to and from the matrix ----------------------------------------------------------------------------------


def encode(column: Column, frame: Any) -> np.ndarray:
    """A column's part of the matrix, (N, width)."""
    if not column.levels:
        return numbers_of(frame, column.name, column.kind)[:, None]
    values, missing, _ = read(frame, column.name)
    places = {level: place for place, level in enumerate(column.levels)}
    codes = np.array([0 if gone else places.get(value, -1) for value, gone in zip(values, missing, strict=True)])
    for row in np.flatnonzero(codes < 0):
        raise DataError(
            f"{cell(frame, column.name, row)}: training saw no level {reprlib.repr(values[row])} of {column.name!r}: "
            f"expected {listed(column.levels)}"
        )
    x = np.eye(column.width)[codes] if column.kind == "category" else codes[:, None].astype(np.float64)
    x[missing] = np.nan
    return x


def decode(column: Column, x: np.ndarray) -> np.ndarray:
    """A column's values (N,) from its part of the matrix, objects where they are levels; NaN where that is NaN."""
    if not column.levels:
        return np.rint(x[:, 0]) if column.is_whole else x[:, 0].copy()
    missing = np.isnan(x).any(axis=1)
    filled = np.where(missing[:, None], 0, x)
    codes = filled.argmax(axis=1) if column.kind == "category" else (filled[:, 0] >= 0.5).astype(int)
    values = np.array(column.levels, object)[codes]
    values[missing] = np.nan
    return values


def as_dtype(column: Column, values: np.ndarray) -> np.ndarray:
    """Values (N,) in the dtype that the column had, unless it cannot hold what is missing."""
    has_holes = any(value != value for value in values.tolist())
    return values if has_holes and column.dtype[:1] not in "fO" else values.astype(column.dtype)
