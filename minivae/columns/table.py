"""``Columns``: a table as people have it, and the matrix of numbers that a model is shown.

    frame -> Columns.of(frame) -> .encode(frame) (N, D), NaN where nothing was observed -> model -> .decode(x) -> frame

A frame is a pandas DataFrame, or a mapping of names to arrays of one length.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from itertools import groupby
from typing import Any

import numpy as np

from minivae.columns import column as one
from minivae.columns.column import KINDS, NUMBERS, Column, is_frame, listed, names_of
from minivae.errors import DataError


class Columns:
    """The kinds of a table's columns; :meth:`of` decides them, and ``str()`` is a table that says how.

    Parameters
    ----------
    columns : iterable of Column
    is_pandas : bool, default False
        Whether what comes out are DataFrames.

    Attributes
    ----------
    width : int
        D, the columns of the matrix: one for each level of a category, none for what is dropped, else one.
    widths : tuple of (name, int)
        The columns that are not dropped, and how many of the D each takes.
    names : tuple of str
        What each of the D is called: the column's name, or "name=level".
    parts : tuple of (str, int)
        Likelihoods and widths from left to right, for :class:`minivae.Mixed`: neighbours of one kind are one part, but
        each category is its own.
    is_plain : bool
        Numbers without holes, of which nothing was asked but what to drop. ``minivae train`` and the estimator take
        such a table as one matrix of reals (or of 0 and 1) under one likelihood, which needs no kinds.

    Examples
    --------
    >>> columns = Columns.of({"size": np.array([1.5, np.nan, 2.0]), "colour": np.array(["red", "blue", "grey"])})
    >>> columns.names
    ('size', 'colour=blue', 'colour=grey', 'colour=red')
    """

    def __init__(self, columns: Iterable[Column], is_pandas: bool = False):
        self.columns, self.is_pandas = tuple(columns), is_pandas
        self.kept = tuple(column for column in self.columns if column.kind != "drop")
        if not self.kept:
            raise DataError("the table has no column but those that are dropped: expected others beside them")
        self.width = sum(column.width for column in self.kept)
        levels = [[f"={level}" for level in c.levels] if c.kind == "category" else [""] for c in self.kept]
        self.names = tuple(f"{c.name}{level}" for c, of_c in zip(self.kept, levels, strict=True) for level in of_c)
        runs = groupby(self.kept, lambda c: c.name if c.kind == "category" else KINDS[c.kind])  # one pass for a run
        parts = [list(run) for _, run in runs]
        self.widths = tuple((column.name, column.width) for column in self.kept)
        self.parts = tuple((KINDS[run[0].kind], sum(column.width for column in run)) for run in parts)
        self.is_plain = not any(
            c.missing or not c.is_guess or c.kind == "category" or not NUMBERS.match(c.dtype) for c in self.kept
        )

    @classmethod
    def of(cls, frame: Any, kinds: Mapping[Any, str] | None = None) -> Columns:
        """Decide what each column of a frame is.

        Parameters
        ----------
        frame : DataFrame or mapping of name -> array of shape (N,)
        kinds : mapping of name -> str, optional
            What is known better: "real", "positive", "count", "binary", "category", "overdispersed" or "drop"; on the
            command line ``--columns "zip=category,id=drop"``. The rest is a guess: two texts, bools, or 0 and 1 are
            "binary", other texts a "category"; whole numbers from 0 to 100 at most, of more than two values, are a
            "count" (ask for "overdispersed" where they vary more than a Poisson's);
            20 or more positive numbers of skewness above 1.5, whose logarithms have less than 0.5, are "positive"; all
            other numbers are "real".

        Raises
        ------
        DataError
            For a column that cannot be trained: dates, free text, more than 1000 levels, numbers among texts, nothing
            observed; for a level that is spelt in two ways, and values that the kind asked for cannot have.
        """
        kinds, names = dict(kinds or {}), names_of(frame)
        for name, kind in kinds.items():
            if name not in names:
                raise DataError(f"there is no column {name!r}: expected one of {listed(names)}")
            if kind not in KINDS:
                raise DataError(f"column {name!r} cannot be {kind!r}: expected one of {', '.join(KINDS)}")
        return cls([one.decide(frame, name, kinds.get(name)) for name in names], hasattr(frame, "iloc"))

    @classmethod
    def plain(cls, names: Iterable[str], x: np.ndarray, dropped: Iterable[str] = ()) -> Columns:
        """Those of a matrix of finite numbers (N, D): all real; in a file there may be others, which were dropped."""
        low, high, is_whole = x.min(axis=0).tolist(), x.max(axis=0).tolist(), (~np.any(x % 1, axis=0)).tolist()
        found = [Column(n, "real", "float64", (), *of_n) for n, *of_n in zip(names, is_whole, low, high, strict=True)]
        return cls([*found, *(Column(name, "drop", "object") for name in dropped)])

    def encode(self, frame: Any) -> np.ndarray:
        """The matrix (N, D) of a frame, float64, NaN for what is missing; its columns may be in any order.

        DataError for other columns (dropped ones may be absent), and for values that a column cannot have, such as a
        level that was not there when the kinds were decided.
        """
        names, known = names_of(frame), [column.name for column in self.columns]
        absent = [column.name for column in self.kept if column.name not in names]
        for name in [*absent, *(name for name in names if name not in known)]:
            what = "no" if name in absent else "a"
            raise DataError(f"the table has {what} column {name!r}: expected {listed(c.name for c in self.kept)}")
        return np.hstack([one.encode(column, frame) for column in self.kept])

    def decode(self, x: np.ndarray, given: Any = None, fill: bool = False) -> Any:
        """A frame from a matrix (N, D), with the columns, dtypes and order that went in; NaN is missing.

        The likeliest level is taken, and what only whole numbers were seen of is rounded. ``given`` is the frame that
        ``x`` comes from: its order, index and dropped columns are kept; with ``fill``, all that was observed.
        """
        ends = np.cumsum([column.width for column in self.kept])
        parts = {c.name: one.decode(c, part) for c, part in zip(self.kept, np.split(x, ends[:-1], axis=1), strict=True)}
        frame = parts
        if given is not None:
            frame = {name: parts[name] if name in parts else given[name] for name in names_of(given)}
        for column in self.kept:
            if fill:
                values, missing, _ = one.read(given, column.name)
                frame[column.name] = np.where(missing, frame[column.name].astype(object), values)
            if not self.is_pandas:
                frame[column.name] = one.as_dtype(column, frame[column.name])
        if not self.is_pandas:
            return frame
        import pandas

        table = pandas.DataFrame(frame, index=None if given is None else given.index)
        for column in self.kept:
            dtype: Any = column.dtype
            if dtype.endswith("category"):
                dtype = pandas.CategoricalDtype(column.levels, dtype.startswith("ordered"))
            elif table[column.name].isna().any() and re.match("u?int|bool", dtype):  # which cannot say missing
                dtype = "object" if dtype == "bool" else "float64"
            table[column.name] = table[column.name].astype(dtype)
        return table

    def config(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {"is_pandas": self.is_pandas, "columns": [asdict(column) for column in self.columns]}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Columns:
        """The columns of :meth:`config`; TypeError, ValueError or KeyError where it is none."""
        columns = [Column(**values | {"levels": tuple(values["levels"])}) for values in config["columns"]]
        for c in columns:
            has_levels = {"category": len(c.levels) > 0, "binary": len(c.levels) == 2}.get(c.kind, not c.levels)
            if KINDS.get(c.kind) is None or not has_levels or not isinstance(c.name, str | int) or len(c.dtype) > 99:
                raise ValueError(f"column {c.name!r} of kind {c.kind!r} cannot have the levels {listed(c.levels)}")
        return cls(columns, bool(config["is_pandas"]))

    def __str__(self) -> str:
        rows = [["column", "kind", "range or levels", "missing", "decided by"]]
        for c in self.columns:
            values = listed(c.levels) if c.levels else f"{c.low:g} to {c.high:g}" if c.kind != "drop" else ""
            how = ("guess" if c.is_guess else "you") + f": {c.note}" * bool(c.note)
            rows.append([str(c.name), c.kind, values, str(c.missing), how])
        widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def encoded(columns: Columns | None, x: Any) -> Any:
    """The matrix of a frame, where its ``columns`` are known; anything else as it is."""
    return x if columns is None or not is_frame(x) else columns.encode(x)


def decoded(columns: Columns | None, x: np.ndarray, given: Any = None, fill: bool = False) -> Any:
    """As :meth:`Columns.decode`, if ``given`` is a frame, or is not needed for one; else ``x``. Of several a list."""
    if columns is None or not (is_frame(given) or (given is None and columns.is_pandas)):
        return x
    frames = [columns.decode(rows, given, fill) for rows in np.atleast_3d(x.T).T]
    return frames[0] if x.ndim == 2 else frames
