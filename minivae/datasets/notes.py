"""What a reader should know about a file before training on it: a sentence each, with the option that answers it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable

import numpy as np

from minivae.datasets.cells import number, whole_number
from minivae.datasets.csvfiles import as_option
from minivae.datasets.tables import Table

FEW_ROWS = 5  # of which nothing is said: any few numbers are in some order
FAR = 3.0  # times the range of a column
FEW_CLASSES = 20


class DataNote(UserWarning):
    """A file is read as it is, and perhaps not as its owner thinks; the message says what to do."""


def say(path: str, table: Table) -> None:
    """Warn of all that there is to know; the warnings point to the caller of the function that calls this one."""
    for sentence in (*table.remarks, *(note(table) for note in NOTES)):
        if sentence:
            warnings.warn(DataNote(f"{path!r}: {sentence}"), stacklevel=3)


def note_index(table: Table) -> str | None:
    """The first column is as ``DataFrame.to_csv`` writes an index, once or twice, also of rows shuffled."""
    first, name = table.x[:, 0], "".join(table.columns[:1])
    is_nameless = table.columns and re.fullmatch(r"(Unnamed: \d+(\.\d+)?)?", name)
    if not is_nameless or np.any(first % 1) or len(np.unique(first)) < len(first):
        return None
    return (
        "the first column looks like a pandas index, without a name and with a different integer in every row, and "
        f"will be trained on: leave it out with --drop {option(table, 0)}, save with index=False, or name it if "
        "it is data"
    )


def note_counters(table: Table) -> str | None:
    """A column is 1, 2, 3, ... or other integers at equal distances; but not every column, as in a made-up table."""
    n, width = table.x.shape
    if n < FEW_ROWS or table.image_shape is not None:
        return None
    first, second, third = table.x[:3]
    step = second - first
    columns = np.flatnonzero((step != 0) & (third - second == step) & (first % 1 == 0) & (step % 1 == 0))
    found = [k for k in columns if np.all(np.diff(table.x[:, k]) == step[k])]
    if not found or len(found) == width or (found == [0] and note_index(table)):
        return None
    k = int(found[0])
    return (
        f"column {option(table, k)} holds {first[k]:.0f}, {second[k]:.0f}, {third[k]:.0f}, ... in order, as a number "
        f"of the row or a clock does, and will be trained on: leave it out with --drop {option(table, k)}"
    )


def note_first_row(table: Table) -> str | None:
    """The first row of a text without a header could name the columns: it is unlike all other rows."""
    n, width = table.x.shape
    if not table.is_guess or n < FEW_ROWS or width < 2:
        return None
    first, rest = table.x[0], table.x[1:]
    whole = width > 2 and not np.any(first % 1) and len(np.unique(first)) == width
    steps = np.diff(table.x[: 4 * FEW_ROWS], axis=1)
    in_order = np.all(steps == steps[:, :1], axis=1)
    is_sequence = whole and in_order[0] and not np.any(in_order[1:])
    low, high = rest.min(axis=0), rest.max(axis=0)
    margin = FAR * (high - low)
    is_far = np.mean((margin > 0) & ((first < low - margin) | (first > high + margin))) >= 0.5
    if not (is_sequence or is_far or (whole and np.all(np.any(rest % 1, axis=0)))):
        return None
    return (
        f"the first row, {', '.join(f'{value:g}' for value in first[:3])}{', ...' * (width > 3)}, is unlike the "
        "others, and is read as an example: if it names the columns, add --header yes, else --header no"
    )


def note_labels(table: Table) -> str | None:
    """The labels are a quantity, or say another thing of each row."""
    if table.labels is None:
        return None
    n, classes = len(table.labels), len(np.unique(table.labels))
    values = [number(name) for name in table.label_names]
    is_quantity = None not in values and any(whole_number(name) is None for name in table.label_names)
    if classes <= (FEW_CLASSES // 2 if is_quantity else max(FEW_CLASSES, n // 2)):
        return None
    return (
        f"the labels are {classes} classes among {n} rows, which is rather a quantity, or a name of each row: if they "
        "are to be learnt, leave out --labels"
    )


NOTES: tuple[Callable[[Table], str | None], ...] = (note_index, note_counters, note_first_row, note_labels)


def option(table: Table, column: int) -> str:
    """What to write after an option for a column of numbers: its name, or its number from 0 in the file."""
    name = as_option(table.columns, column)
    return str(table.places[column]) if name == str(column) and table.places else name
