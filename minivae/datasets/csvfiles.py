"""Tables as text: ``.csv`` files of numbers, with or without a header, with or without a column of labels.

    first lines -> separator, header, columns -> each row's cells -> array of float64, list of labels

The file is read row by row: a number costs 8 bytes from the start, and is a Python string for a moment only.
"""

from __future__ import annotations

import csv
import itertools
import math
import re
import reprlib
import shlex
from array import array
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TextIO

import numpy as np

from minivae.errors import DataError

SEPARATORS = ",;\t"
SHOWN_NAMES = 20  # in a message
MISSING = {"na", "n/a", "null", "none", "missing", "?", "-", ".", "#n/a"}
THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{2,3})*,[0-9]{3}(\.[0-9]*)?")  # 2: in India, 12,34,567
LONGEST_NAME = 40  # characters of a name that a message asks for
LONGEST_INT = 640  # characters; Python may refuse to make an int of more
Row = tuple[int, list[str]]  # its number in a spreadsheet, from 1, and its cells


def read(path: str, labels: str | int | None = None) -> tuple[np.ndarray, list[str] | None, tuple[str, ...]]:
    """The numbers (N, D), float64, the texts in the column of ``labels``, the names of the D columns if it has any.

    Arguments and errors as for :func:`minivae.datasets.tables.read`.
    """
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = read_rows(file, path)
        start = list(itertools.islice(rows, 2))
        if not start:
            raise DataError(f"{path!r} has no rows: expected a table of numbers")
        columns = describe(path, start, labels)
        x, texts = read_cells(columns, itertools.chain(start[1:] if columns.names else start, rows))
    if columns.label is None:
        return x, None, columns.names
    refuse_forgotten_header(columns, texts)
    return x, texts, tuple(columns.names[column] for column in columns.kept if columns.names)


def read_rows(file: TextIO, path: str) -> Iterator[Row]:
    """The rows of a file that are not blank; DataError where it is no CSV in UTF-8."""
    row = 0
    try:
        start = list(itertools.islice((line for line in file if not line.isspace()), 2))
        file.seek(0)
        for row, cells in enumerate(csv.reader(file, delimiter=find_separator(start), strict=True), 1):
            if any("\0" in cell for cell in cells):  # no text holds it, but UTF-16 read as UTF-8 does
                raise UnicodeError
            if cells and not (len(cells) == 1 and cells[0].isspace()):
                yield row, cells
    except csv.Error as error:
        raise DataError(f"{path!r}, row {row + 1} is not well-formed CSV: {error}") from None
    except UnicodeError:
        raise DataError(f"{path!r} is not text in UTF-8: save it as CSV in UTF-8") from None


def find_separator(start: list[str]) -> str:
    """The separator of a file that begins with the lines ``start``: the most frequent one in the first.

    Unless numbers have commas, which often outnumber it: the message about them needs the cells as they were meant.
    """
    for separator in SEPARATORS.replace(",", ""):
        for line in start:
            if separator in line and any(map(has_comma, line.replace('"', "").split(separator))):
                return separator
    return max(SEPARATORS, key="".join(start[:1]).count)


# -- what the columns are ----------------------------------------------------------------------------------


class Columns(NamedTuple):
    """The columns of a file: their names, if there is a header, which one is the label, and which are numbers."""

    path: str
    names: tuple[str, ...]
    width: int
    label: int | None
    kept: list[int]

    def where(self, row: int, column: int) -> str:
        """A cell as a spreadsheet shows it, both counted from 1."""
        name = reprlib.repr(self.names[column])[1:-1] if self.names else ""
        return f"{self.path!r}, row {row}, column {column + 1}" + f" ({name})" * bool(name)

    def as_label(self, column: int) -> str:
        """What to write after ``--labels`` for a column: its name, or its number from 0 where a name would not do."""
        name = self.names[column] if self.names else ""
        is_short = 0 < len(name) <= LONGEST_NAME and name.isprintable() and not name.startswith("-")
        return shlex.quote(name) if is_short and self.names.count(name) == 1 else str(column)


def describe(path: str, start: list[Row], labels: str | int | None) -> Columns:
    """The columns of a file that begins with the one or two rows ``start``; DataError for unknown ``labels``."""
    titles, width = tuple(" ".join(cell.split()) for cell in start[0][1]), len(start[0][1])
    label = position(labels, width)
    is_title = isinstance(labels, str) and labels in titles and number(labels) is None
    names = titles if is_title or is_header(start, label) else ()
    if names.count(labels) > 1:
        raise DataError(f"{path!r} has {names.count(labels)} columns called {labels!r}: give the number of one, from 0")
    if labels in names:
        label = names.index(labels)
    elif labels is not None and label is None:
        known = ", ".join(map(reprlib.repr, names[:SHOWN_NAMES])) + ", ..." * (len(names) > SHOWN_NAMES) or "not named"
        raise DataError(f"{path!r} has no column {labels!r}: its {width} columns, numbered from 0, are {known}")
    kept = [column for column in range(width) if column != label]
    if not kept:
        raise DataError(f"{path!r} has no column but that of the labels: expected numbers beside it")
    return Columns(path, names, width, label, kept)


def is_header(start: list[Row], label: int | None) -> bool:
    """Whether some column other than the label's has a text in the first row and a number in the second."""
    first, second = ([is_meant_as_number(cell) for cell in cells] for cells in (start[0][1], start[-1][1]))
    if len(start) == 1:
        return not any(first)
    pairs = enumerate(zip(first, second, strict=False))  # rows of unequal length are refused later
    return any(not a and b for column, (a, b) in pairs if column != label)


def position(labels: str | int | None, width: int) -> int | None:
    """The column from 0 that a number, or a text of digits, means; None for anything else."""
    if labels is None or not re.fullmatch("-?[0-9]{1,9}", str(labels)):
        return None
    return int(labels) % width if -width <= int(labels) < width else None


def refuse_forgotten_header(columns: Columns, texts: list[str]) -> None:
    """Refuse labels of which only the first is no number: numbers for names hide a header from ``is_header``."""
    are_numbers = [whole_number(text) is not None for text in texts]
    if not columns.names and len(texts) > 1 and not are_numbers[0] and all(are_numbers[1:]):
        raise DataError(
            f"{columns.where(1, columns.label or 0)}: {reprlib.repr(texts[0])} is the only label that is no whole "
            "number: if the row is a header, give this name for the column of the labels; else remove or correct it"
        )


# -- the cells ---------------------------------------------------------------------------------------------


def read_cells(columns: Columns, rows: Iterable[Row]) -> tuple[np.ndarray, list[str]]:
    """The numbers (N, D) and the labels in the ``rows`` below the header; DataError at the first bad cell."""
    values, texts = array("d"), []
    for row, cells in rows:
        if len(cells) != columns.width:
            may_be_commas = len(cells) > columns.width and "." not in "".join(cells)  # each makes two cells of one
            hint = ": if the file has decimal commas, write decimal points" if may_be_commas else ""
            raise DataError(
                f"{columns.path!r}, row {row} has {len(cells)} cells, but the first has {columns.width}{hint}"
            )
        if columns.label is not None:
            texts.append(cells.pop(columns.label).strip())
            if not texts[-1]:
                raise DataError(f"{columns.where(row, columns.label)} is empty: every example needs a label")
        values.extend(read_numbers(columns, row, cells))
    if not values:
        raise DataError(f"{columns.path!r} has a header, but no rows of numbers below it")
    return np.frombuffer(values, np.float64).reshape(-1, len(columns.kept)), texts


def read_numbers(columns: Columns, row: int, cells: list[str]) -> array[float]:
    """The cells of one row, without that of the label, as finite numbers."""
    try:
        numbers = array("d", map(float, cells))
    except ValueError:
        numbers = array("d")
    # float() takes "1_000" too, which in a table is more likely a name than a number.
    if numbers and all(map(math.isfinite, numbers)) and "_" not in "".join(cells):
        return numbers
    for column, cell in zip(columns.kept, cells, strict=True):
        value = number(cell)
        if value is None or not math.isfinite(value):
            label = columns.as_label(column) if columns.label is None else ""
            raise DataError(f"{columns.where(row, column)}{problem(cell, label)}")
    raise AssertionError("one of the cells is no finite number")


def problem(cell: str, label: str) -> str:
    """What is wrong with a cell that should be a number, and what to do: ``label`` would make its column the labels."""
    text, found = cell.strip().lower(), f": {reprlib.repr(cell)}"
    if not text:
        return " is empty: fill it in, or remove the row or the column"
    if number(cell) is not None:
        return f"{found} is not finite: remove or impute such values"
    if has_decimal_comma(cell):
        return (
            f"{found} has a decimal comma: write decimal points in all of the file, and nothing between "
            "thousands (pandas.read_csv reads it with decimal=',')"
        )
    if has_comma(cell):
        return f"{found} has commas between thousands: leave them out (pandas.read_csv reads it with thousands=',')"
    if text in MISSING:
        return f"{found} looks like a missing value: fill it in, or remove the row or the column"
    advice = "write 1 and 0" if text in ("true", "false") else "remove the column, or encode it as numbers"
    more = f", or if the column holds labels, name it with --labels {label}" if label else ""
    return f"{found} is not a number: {advice}{more}"


def number(text: str) -> float | None:
    """The number that ``text`` is, which may be infinite or NaN; None for "1_000" and any other text."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def has_decimal_comma(text: str) -> bool:
    """Whether ``text`` is a number with a comma for the decimal point, such as "1,5e3" or "1.234,5"."""
    if text.count(",") != 1 or "." in text[text.index(",") :]:
        return False
    return number(re.sub(r"[.\s]", "", text).replace(",", ".")) is not None


def has_comma(text: str) -> bool:
    """Whether ``text`` is a number but for its commas: a decimal one, or those between thousands ("1,000.5")."""
    return has_decimal_comma(text) or THOUSANDS.fullmatch(text.strip()) is not None


def is_meant_as_number(text: str) -> bool:
    """Whether ``text`` is a number, would be one without its commas, or says that one is missing."""
    return number(text) is not None or has_comma(text) or text.strip().lower() in MISSING


def whole_number(text: str) -> int | None:
    """The whole number of 64 bits that ``text`` is, such as "3" or "3.0"; None for any other text."""
    value = number(text)
    if value is None or len(text) > LONGEST_INT or not value.is_integer() or abs(value) >= 2**63:
        return None
    return int(text) if text.lstrip("+-").isdigit() else int(value)  # a float has no more than 53 bits
