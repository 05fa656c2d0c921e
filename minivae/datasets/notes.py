"""What a reader should know about a file before training on it: findings, each with the option that answers it.

``minivae.datasets.load`` warns of them; ``runs/notes.py`` has them, and those on data and plan, in one table.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from minivae.backend import permutation
from minivae.datasets.cells import number, whole_number
from minivae.datasets.csvfiles import as_option
from minivae.datasets.split import equal_rows
from minivae.datasets.tables import Table

FEW_ROWS = 5  # of which nothing is said: any few numbers are in some order
FAR = 3.0  # times the range of a column
FEW_CLASSES = 20
WORTH_A_NOTE = 0.02  # the share of rows that are equal, or nearly, to others
CLOSE, NEARLY_EQUAL = 0.65, 0.02  # distances, as shares of those between other rows
LAG, MOST_ROWS, LEAST_COLUMNS = 10, 5000, 4


class Note(NamedTuple):
    """What it is about, the sentence, and the option of ``minivae train`` that answers it, if there is one."""

    name: str
    sentence: str
    option: str = ""


class DataNote(UserWarning):
    """A file is read as it is, and perhaps not as its owner thinks; the message says what to do."""

    def __init__(self, *note: str):
        super().__init__(*note)  # the parts of a Note, so that a copy can be made of the arguments
        self.note = Note(*note)

    def __str__(self) -> str:
        return self.note.sentence


def warn(path: str, notes: Iterator[Note]) -> None:
    """Warn of what there is to know about a file; the warnings point to the caller of ``minivae.datasets.load``."""
    for note in notes:
        warnings.warn(DataNote(*note._replace(sentence=f"{path!r}: {note.sentence}")), stacklevel=3)


def of_a_table(table: Table, by_chance: bool) -> Iterator[Note]:
    """All that there is to know about one file; ``by_chance``: where rows of it are to be held out so."""
    for remark in table.remarks:
        named = re.search(r"--\w+ \w+", remark)
        yield Note("reading", remark, named[0] if named else "")
    for condition in (note_index, note_counters, note_first_row, note_labels):
        yield from condition(table)
    if by_chance and table.train_rows is None:
        yield from note_dependence(table.x)


def note_index(table: Table) -> Iterator[Note]:
    """The first column is as ``DataFrame.to_csv`` writes an index, once or twice, also of rows shuffled."""
    if is_index(table):
        drop = option(table.columns, table.places, [0])
        yield Note(
            "index",
            "the first column looks like a pandas index, without a name and with a different integer in every row, and "
            f"will be trained on: leave it out with {drop}, save with index=False, or name it if it is data",
            drop,
        )


def is_index(table: Table) -> bool:
    """Whether the first column has no name, and a different integer in every row."""
    first, name = table.x[:, 0], "".join(table.columns[:1])
    is_nameless = bool(table.columns) and re.fullmatch(r"(Unnamed: \d+(\.\d+)?)?", name) is not None
    return is_nameless and not np.any(first % 1) and len(np.unique(first)) == len(first)


def note_counters(table: Table) -> Iterator[Note]:
    """A column is 1, 2, 3, ... or other integers at equal distances; but not every column, as in a made-up table."""
    n, width = table.x.shape
    if n < FEW_ROWS or table.image_shape is not None:
        return
    first, second, third = table.x[:3]
    step = second - first
    columns = np.flatnonzero((step != 0) & (third - second == step) & (first % 1 == 0) & (step % 1 == 0))
    found = [int(k) for k in columns if np.all(np.diff(table.x[:, k]) == step[k])]
    if len(found) < width and found and not (found == [0] and is_index(table)):
        k, drop = found[0], option(table.columns, table.places, found[:1])
        yield Note(
            "counter",
            f"column {drop.removeprefix('--drop ')} holds {first[k]:.0f}, {second[k]:.0f}, {third[k]:.0f}, ... in "
            f"order, as a number of the row or a clock does, and will be trained on: leave it out with {drop}",
            drop,
        )


def note_first_row(table: Table) -> Iterator[Note]:
    """The first row of a text without a header could name the columns: it is unlike all other rows."""
    n, width = table.x.shape
    if not table.is_guess or n < FEW_ROWS or width < 2:
        return
    first, rest = table.x[0], table.x[1:]
    whole = width > 2 and not np.any(first % 1) and len(np.unique(first)) == width
    steps = np.diff(table.x[: 4 * FEW_ROWS], axis=1)
    in_order = np.all(steps == steps[:, :1], axis=1)
    is_sequence = whole and in_order[0] and not np.any(in_order[1:])
    low, high = rest.min(axis=0), rest.max(axis=0)
    margin = FAR * (high - low)
    is_far = np.mean((margin > 0) & ((first < low - margin) | (first > high + margin))) >= 0.5
    if is_sequence or is_far or (whole and np.all(np.any(rest % 1, axis=0))):
        yield Note(
            "header",
            f"the first row, {', '.join(f'{value:g}' for value in first[:3])}{', ...' * (width > 3)}, is unlike the "
            "others, and is read as an example: if it names the columns, add --header yes, else --header no",
            "--header yes",
        )


def note_labels(table: Table) -> Iterator[Note]:
    """The labels are a quantity, or say another thing of each row."""
    if table.labels is None:
        return
    n, classes = len(table.labels), len(np.unique(table.labels))
    values = [number(name) for name in table.label_names]
    is_quantity = None not in values and any(whole_number(name) is None for name in table.label_names)
    if classes > (FEW_CLASSES // 2 if is_quantity else max(FEW_CLASSES, n // 2)):
        yield Note(
            "labels",
            f"the labels are {classes} classes among {n} rows, which is rather a quantity, or a name of each row: if "
            "they are to be learnt, leave out --labels",
            "--labels",
        )


def note_dependence(x: np.ndarray) -> Iterator[Note]:
    """What rows of ``x`` (N, D) that are no independent examples do to a test set which is drawn by chance."""
    copies = len(x) - len(np.unique(equal_rows(x)))
    if copies > WORTH_A_NOTE * len(x):
        yield Note(
            "equal rows",
            f"{copies} of {len(x)} rows are equal to an earlier one: equal rows are kept on one side of the split, and "
            "the model sees each as often as it comes: take copies out if each is to count once, or name what belongs "
            "together with --groups",
            "--groups",
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
        yield Note(
            "nearly equal rows",
            f"{nearly} of {len(u)} rows are nearly equal to another: a test set drawn by chance holds copies of "
            "training rows, and looks better than new data; name what belongs together with --groups, or another file "
            "with --test",
            "--groups",
        )
    elif lagged(u, 1) < CLOSE * lagged(u, LAG):
        yield Note(
            "series",
            "each row is much closer to the next one than to others, as in windows of one series: a test set drawn by "
            "chance looks better than new data; hold out the end with --holdout last, or name a file with --test",
            "--holdout last",
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


def option(names: tuple[str, ...], places: Sequence[int], columns: Sequence[int]) -> str:
    """``--drop`` with columns of numbers: their names, or their numbers from 0 in the file, where ``places`` are."""
    written = [as_option(names, k) for k in columns]
    numbered = (str(places[k]) if w == str(k) and places else w for w, k in zip(written, columns, strict=True))
    return "--drop " + ",".join(numbered)
