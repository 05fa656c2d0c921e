"""Tables as text: ``.csv`` files of numbers, with or without a header, with or without a column of labels.

    first lines -> separator, header, columns -> each row's cells -> array of float64, list of labels

The file is read row by row: a number costs 8 bytes from the start, and is a Python string for a moment only.
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import math
import os
import reprlib
import shlex
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TextIO

import numpy as np

from minivae.datasets.cells import MISSING, has_comma, has_decimal_comma, has_sign, number, whole_number
from minivae.datasets.layout import (
    COMMENT,
    LOOKAHEAD,
    NO_EXAMPLE,
    Layout,
    Row,
    find_layout,
    find_separator,
    position,
)
from minivae.errors import DataError

SHOWN_NAMES = 20  # in a message
LONGEST_NAME = 40  # characters of a name that a message asks for
LONGEST_LABEL = 1000  # characters: NumPy gives each label of an array the space of the longest
LARGEST_RATIO = 200  # of a compressed file; numbers seldom reach 20, and no bomb is so small
CHUNK = 2**16  # bytes that are decompressed at once: memory is taken for what is there
SMALL = 2**20  # bytes, for which no ratio counts


class Text(NamedTuple):
    """The content of a file: numbers (N, D), float64, the texts of the labels, the names of the D columns if known.

    ``places`` are the numbers of the columns in the file, from 0; ``is_guess`` where the first row is an example
    because numbers are no names; ``remarks`` say what was left out.
    """

    x: np.ndarray
    labels: list[str] | None
    columns: tuple[str, ...]
    places: tuple[int, ...]
    is_guess: bool
    remarks: list[str]


def read(path: str, labels: str | int | None = None, header: str = "auto", drop: Sequence[str | int] = ()) -> Text:
    """The content of a file; arguments and errors as for :func:`minivae.datasets.tables.read`."""
    with described(path, labels, header, drop) as (columns, layout, rows):
        x, texts = read_cells(columns, layout, rows)
    names = tuple(columns.names[column] for column in columns.kept if columns.names)
    if columns.label is not None and header == "auto":
        refuse_forgotten_header(columns, texts)
    labelled = None if columns.label is None else texts
    return Text(x, labelled, names, tuple(columns.kept), layout.is_guess, layout.remarks)


@contextmanager
def described(
    path: str, labels: str | int | None, header: str, drop: Sequence[str | int], named: Sequence[str | int] = ()
) -> Iterator[tuple[Columns, Layout, Iterator[Row]]]:
    """Open a file: what its columns are, its layout, and the rows below the header; ``named`` for find_layout."""
    with open(path, "rb") as raw:
        binary = unpacked(raw, path) if path.lower().endswith(".gz") else raw
        file = io.TextIOWrapper(binary, encoding="utf-8-sig", newline="")
        rows = read_rows(file, path)
        start = list(itertools.islice(rows, LOOKAHEAD))
        if not start:
            raise DataError(f"{path!r} has no rows: expected a table of numbers")
        layout = find_layout(start, [*named, *drop] if labels is None else [labels, *named, *drop], header)
        yield describe(path, layout, labels, drop), layout, itertools.chain(start, rows)


def unpacked(file: io.BufferedReader, path: str) -> io.BytesIO:
    """The content of a gzip file, in memory; DataError where it is damaged, or much longer than numbers would be."""
    limit = max(SMALL, LARGEST_RATIO * os.fstat(file.fileno()).st_size)
    try:
        reader = gzip.GzipFile(fileobj=file)
        content = b"".join(itertools.islice(iter(lambda: reader.read(CHUNK), b""), limit // CHUNK + 1))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path!r} is a damaged gzip file: {error}") from None
    if len(content) > limit:
        raise DataError(f"{path!r} is {LARGEST_RATIO} times as long when it is unpacked: unpack it with gunzip first")
    return io.BytesIO(content)


def read_rows(file: TextIO, path: str) -> Iterator[Row]:
    """The rows of a file that are not blank; DataError where it is no CSV in UTF-8."""
    row = 0
    try:
        start = list(itertools.islice((line for line in file if not line.isspace()), LOOKAHEAD))
        file.seek(0)
        separator, lines = find_separator(start), iter(file)
        if separator == " ":
            lines = (" ".join(line.split()) for line in file)
        elif separator == "|" and all(line.strip()[0] == line.strip()[-1] == "|" for line in start):
            lines = (line.strip().strip("|") for line in file)  # drawn with bars at both ends
        has_spaces = any(f'{separator} "' in line for line in start)
        for row, cells in enumerate(
            csv.reader(lines, delimiter=separator, skipinitialspace=has_spaces, strict=True), 1
        ):
            if any("\0" in cell for cell in cells):  # no text holds it, but UTF-16 read as UTF-8 does
                raise UnicodeError
            if cells and not (len(cells) == 1 and cells[0].isspace()):
                yield row, cells
    except csv.Error as error:
        raise DataError(f"{path!r}, row {row + 1} is not well-formed CSV: {error}") from None
    except UnicodeError:
        raise DataError(f"{path!r} is not text in UTF-8: save it as CSV in UTF-8") from None


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


def as_option(names: tuple[str, ...], column: int) -> str:
    """What to write after an option for a column: its name, or its number from 0 where a name would not do."""
    name = names[column] if names else ""
    is_short = 0 < len(name) <= LONGEST_NAME and name.isprintable() and not name.startswith("-") and "," not in name
    return shlex.quote(name) if is_short and names.count(name) == 1 else str(column)


def describe(path: str, layout: Layout, labels: str | int | None, drop: Sequence[str | int]) -> Columns:
    """The columns of a file; DataError for ``labels``, or columns to ``drop``, that are unknown."""
    names, width = layout.names, layout.width
    label = None if labels is None else find_column(path, names, width, labels)
    dropped = {find_column(path, names, width, column) for column in drop} | ({0} if layout.has_row_names else set())
    kept = [column for column in range(width) if column != label and column not in dropped]
    if not kept:
        what = "those that are dropped" if dropped else "that of the labels"
        raise DataError(f"{path!r} has no column but {what}: expected numbers beside it")
    return Columns(path, names, width, label, kept)


def find_column(path: str, names: tuple[str, ...], width: int, wanted: str | int) -> int:
    """The number from 0 of the column that the user names; DataError if there is none, or there are several."""
    if names.count(str(wanted)) > 1 and wanted in names:
        raise DataError(
            f"{path!r} has {names.count(str(wanted))} columns called {wanted!r}: give the number of one, from 0"
        )
    place = names.index(str(wanted)) if wanted in names else position(wanted, width)
    if place is None:
        known = ", ".join(map(reprlib.repr, names[:SHOWN_NAMES])) + ", ..." * (len(names) > SHOWN_NAMES) or "not named"
        raise DataError(f"{path!r} has no column {wanted!r}: its {width} columns, numbered from 0, are {known}")
    return place


def refuse_forgotten_header(columns: Columns, texts: list[str]) -> None:
    """Refuse labels of which only the first is no number: numbers for names hide a header from ``is_header``."""
    are_numbers = [whole_number(text) is not None for text in texts]
    if not columns.names and len(texts) > 1 and not are_numbers[0] and all(are_numbers[1:]):
        raise DataError(
            f"{columns.where(1, columns.label or 0)}: {reprlib.repr(texts[0])} is the only label that is no whole "
            "number: if the row is a header, give this name for the column of the labels; else remove or correct it"
        )


# -- the cells ---------------------------------------------------------------------------------------------


def read_cells(columns: Columns, layout: Layout, rows: Iterable[Row]) -> tuple[np.ndarray, list[str]]:
    """The numbers (N, D) and the labels in the ``rows`` below the header; DataError at the first bad cell."""
    values, texts = array("d"), []
    takes_all = len(columns.kept) == columns.width
    for row, cells in examples(columns, layout, rows):
        if columns.label is not None:
            texts.append(cells[columns.label].strip())
            check_label(columns, row, texts[-1])
        values.extend(read_numbers(columns, row, cells if takes_all else [cells[column] for column in columns.kept]))
    return np.frombuffer(values, np.float64).reshape(-1, len(columns.kept)), texts


def examples(columns: Columns, layout: Layout, rows: Iterable[Row]) -> Iterator[Row]:
    """The rows that are examples, with as many cells as there are columns; remarks say what was left out."""
    repeated, comments, n = [], [], 0
    for row, cells in rows:
        if cells in layout.titles:
            repeated.append(row)
            continue
        if cells[0].lstrip().startswith(COMMENT) and (len(cells) != columns.width or 0 in columns.kept):
            comments.append(row)
            continue
        if layout.is_closed and len(cells) == columns.width + 1 and not cells[-1].strip():
            cells.pop()
        if len(cells) != columns.width:
            hint = explain_length(columns, cells)
            raise DataError(
                f"{columns.path!r}, row {row} has {len(cells)} cells, but the first has {columns.width}{hint}"
            )
        n += 1
        yield row, cells
    if not n:
        raise DataError(f"{columns.path!r} has a header, but no rows of numbers below it")
    same = "see that the files which were joined there have the same units"
    for found, what, answer in ((repeated, "repeat the header", same), (comments, "begin with #", NO_EXAMPLE)):
        if found:
            where = f"the first of them row {found[0]}"
            layout.remarks.append(f"{len(found)} row(s) that {what}, {where}, were left out: {answer}")


def explain_length(columns: Columns, cells: list[str]) -> str:
    """What may have made a row longer or shorter than the first, and what to do."""
    if len(cells) > columns.width and "." not in "".join(cells):  # each makes two cells of one
        return ": if the file has decimal commas, write decimal points"
    if len(cells) == columns.width + 1 and columns.names:
        return ": if the header lacks the name of one column, such as that of the names of rows, write it there"
    if len(cells) < columns.width and not any(number(cell) is not None for cell in cells):
        return ": if it is a remark and no example, remove it"
    return ""


def check_label(columns: Columns, row: int, text: str) -> None:
    """DataError for a label that is empty, or longer than any name."""
    if not text:
        raise DataError(f"{columns.where(row, columns.label or 0)} is empty: every example needs a label")
    if len(text) > LONGEST_LABEL:
        raise DataError(
            f"{columns.where(row, columns.label or 0)} has {len(text)} characters: a label is the name of a class, of "
            f"at most {LONGEST_LABEL}"
        )


def read_numbers(columns: Columns, row: int, cells: list[str]) -> array[float]:
    """The cells of one row, without that of the label, as finite numbers."""
    try:
        numbers = array("d", map(float, cells))
    except ValueError:
        numbers = array("d")
    # float() takes "1_000" too, which in a table is more likely a name than a number.
    if numbers and all(map(math.isfinite, numbers)) and "_" not in "".join(cells):
        return numbers
    if not set(columns.names).isdisjoint(cells) and not any(number(cell) is not None for cell in cells):
        raise DataError(
            f"{columns.path!r}, row {row} is another header, unlike the first: two files were joined whose columns "
            "differ, so bring them into one order first"
        )
    for column, cell in zip(columns.kept, cells, strict=True):
        value = number(cell)
        if value is None or not math.isfinite(value):
            name = as_option(columns.names, column)
            raise DataError(f"{columns.where(row, column)}{problem(cell, name, may_be_label=columns.label is None)}")
    raise AssertionError("one of the cells is no finite number")


def problem(cell: str, name: str, may_be_label: bool) -> str:
    """What is wrong with a cell that should be a number, and what to do; ``name`` is that of its column."""
    text, found = cell.strip().lower(), f": {reprlib.repr(cell)}"
    if not text:
        return f" is empty: fill it in, remove the row, or leave the column out with --drop {name}"
    if number(cell) is not None:
        return f"{found} is not finite: remove or impute such values"
    if has_decimal_comma(cell):
        return (
            f"{found} has a decimal comma: write decimal points in all of the file, and nothing between "
            "thousands (pandas.read_csv reads it with decimal=',')"
        )
    if has_comma(cell):
        return f"{found} has commas between thousands: leave them out (pandas.read_csv reads it with thousands=',')"
    if has_sign(cell):
        return f"{found} has a sign beside the number: remove it from all cells of the column"
    leave_out = f"leave the column out with --drop {name}"
    if text in MISSING:
        return f"{found} looks like a missing value: fill it in, remove the row, or {leave_out}"
    advice = "write 1 and 0" if text in ("true", "false") else f"encode it as numbers, or {leave_out}"
    more = f", or if the column holds labels, name it with --labels {name}" if may_be_label else ""
    return f"{found} is not a number: {advice}{more}"
