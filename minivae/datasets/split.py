"""Which rows are held out, so that what is measured on them was not trained on: equal rows stay on one side."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minivae.backend import permutation
from minivae.errors import DataError

COINCIDE = 10  # as many possible rows for each that there is: equal ones are no surprise with fewer


def held_out(x: np.ndarray, n_test: int, epoch: int = 0, groups: np.ndarray | None = None) -> np.ndarray:
    """Row numbers of a test set of about ``n_test`` of the rows of ``x`` (N, D), sorted.

    They are drawn by chance, a function of (``epoch``, N); with each row come all that are equal to it, or in the same
    group: ``groups`` (N,). DataError if nothing would be left to train on.
    """
    of_row = equal_rows(x) if groups is None else np.unique(groups, return_inverse=True)[1]
    order = permutation(seed=0, epoch=epoch, n=len(x))
    _, first = np.unique(of_row[order], return_index=True)  # where each group comes first in the order
    sizes = np.bincount(of_row)
    chosen, n = [], 0
    for group in of_row[order[np.sort(first)]]:
        if n >= n_test:
            break
        chosen.append(group)
        n += sizes[group]
    rows = np.flatnonzero(np.isin(of_row, chosen))
    if len(rows) == len(x):
        what = "equal" if groups is None else "of one group"
        raise DataError(f"all {len(x)} rows are {what}: none is left to train on")
    return rows


def equal_rows(x: np.ndarray) -> np.ndarray:
    """A number for each row (N,), the same for equal rows of ``x`` (N, D).

    Where whole numbers can make so few different rows that independent ones coincide, each row has its own number.
    """
    possible = np.log([len(np.unique(column)) for column in x.T]).sum() if not np.any(x % 1) else np.inf
    if possible < np.log(COINCIDE * len(x)):
        return np.arange(len(x))
    return np.unique(np.fromiter(hashes(x, x.dtype), np.int64, len(x)), return_inverse=True)[1]


def hashes(x: np.ndarray, dtype: np.dtype) -> Iterator[int]:
    """A number for each row of ``x`` as ``dtype``, the same for equal rows; row by row, for ``x`` may be large."""
    with np.errstate(over="ignore"):
        for row in x:
            yield hash((row.astype(dtype) + 0).tobytes())  # -0.0 + 0 is 0.0, which has other bytes
