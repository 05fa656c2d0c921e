"""Which rows are held out, so that what is measured on them was not trained on: equal rows stay on one side."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minivae.backend import permutation
from minivae.errors import DataError

WORTH_A_NOTE = 0.02  # the share of rows that are equal, or nearly, to others
CLOSE, NEARLY_EQUAL = 0.65, 0.02  # distances, as shares of those between other rows
COINCIDE = 10  # as many possible rows for each that there is: equal ones are no surprise with fewer
LAG, MOST_ROWS, LEAST_COLUMNS = 10, 5000, 4


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


def dependences(x: np.ndarray) -> Iterator[str]:
    """Sentences about rows of ``x`` (N, D) that are no independent examples: chance makes no honest test set then."""
    copies = len(x) - len(np.unique(equal_rows(x)))
    if copies > WORTH_A_NOTE * len(x):
        yield (
            f"{copies} of {len(x)} rows are equal to an earlier one: equal rows are kept on one side of the split, and "
            "the model sees each as often as it comes"
        )
    if len(x) <= 2 * LAG:
        return
    u = x[: MOST_ROWS if x.shape[1] <= 100 else MOST_ROWS // 5].astype(np.float64)
    with np.errstate(all="ignore"):  # columns without a spread say nothing
        u = (u - u.mean(axis=0)) / u.std(axis=0)
    u = u[:, np.isfinite(u).all(axis=0)]
    if not u.shape[1]:
        return
    nearly = nearly_equal(u[:, [len(np.unique(column)) > len(u) / 2 for column in u.T]])
    if nearly > WORTH_A_NOTE * len(u):
        yield (
            f"{nearly} of {len(u)} rows are nearly equal to another: a test set drawn by chance holds copies of "
            "training rows, and looks better than new data; name what belongs together with --groups, or another file "
            "with --test"
        )
    elif lagged(u, 1) < CLOSE * lagged(u, LAG):
        yield (
            "each row is much closer to the next one than to others, as in windows of one series: a test set drawn by "
            "chance looks better than new data; hold out the end with --holdout last, or name a file with --test"
        )


def lagged(u: np.ndarray, lag: int) -> float:
    """The median distance between the rows of ``u`` (N, D) that are ``lag`` apart."""
    return float(np.median(np.linalg.norm(u[lag:] - u[:-lag], axis=1)))


def nearly_equal(u: np.ndarray) -> int:
    """How many rows of ``u`` (N, D), real numbers, have a near copy; 0 for few columns, where all rows are close."""
    from sklearn.neighbors import NearestNeighbors

    if u.shape[1] < LEAST_COLUMNS:
        return 0
    nearest = NearestNeighbors(n_neighbors=2).fit(u).kneighbors(u)[0][:, 1]
    typical = np.median(np.linalg.norm(u - u[permutation(seed=0, epoch=2, n=len(u))], axis=1))
    return int(np.sum((nearest > 0) & (nearest < NEARLY_EQUAL * typical)))
