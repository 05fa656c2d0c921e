"""Text files with categories, counts and holes: cells -> arrays by name -> :class:`minivae.Columns` -> matrix.

A file of finite numbers is read as in tables.py, to the last bit; what that refuses comes here.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from minivae.columns.table import Columns
from minivae.datasets import csvfiles, tables
from minivae.datasets.cells import MISSING, has_comma, has_sign, number
from minivae.datasets.tables import Table
from minivae.errors import DataError

NOTHING = {"", "nan", *MISSING}  # in lower case


class Cells(dict[str, np.ndarray]):
    """Name -> what its cells mean, (N,): float64 with NaN, or texts with None; and where and how they stand in a file.

    ``texts`` is name -> the cells themselves.
    """

    def __init__(self, columns: csvfiles.Columns, rows: list[int], texts: dict[str, list[str]]):
        super().__init__()
        self.columns, self.rows, self.texts = columns, rows, texts

    def where(self, name: str, row: Any) -> str:
        """A cell as a spreadsheet shows it."""
        return self.columns.where(self.rows[row], self.place(name))

    def place(self, name: str) -> int:
        """The number of a column in the file, from 0."""
        return next(k for k, other in names_in(self.columns).items() if other == name)


def read(
    path: str,
    labels: str | int | None = None,
    header: str = "auto",
    drop: Sequence[str | int] = (),
    columns: Mapping[str, str] | Columns | None = None,
) -> Table:
    """A text file with its columns, whose kinds are decided, or asked for by ``columns``, or those of another table.

    A table of finite numbers of which nothing is asked but what to drop stays as :func:`minivae.datasets.tables.read`
    gives it. Arguments and errors as there, and as for :meth:`minivae.Columns.of`.
    """
    path, schema = tables.as_path(path), columns if isinstance(columns, Columns) else None
    kinds = columns if isinstance(columns, Mapping) else {}
    if not any(kind != "drop" for kind in kinds.values()) and (schema is None or schema.is_plain):
        with suppress(DataError):
            table = tables.read(path, labels, header=header, drop=[*drop, *kinds])
            return replace(table, schema=schema or plain_columns(path, labels, header, [*drop, *kinds], table))
    frame, texts, remarks = read_frame(path, labels, header, kinds, drop, schema)
    schema = schema or Columns.of(frame, kinds_by_name(frame, kinds, drop))
    return Table(
        encode(path, frame, schema),
        *tables.as_classes(texts),
        columns=schema.names,
        remarks=tuple(remarks),
        schema=schema,
    )


def encode(path: str, frame: Cells, schema: Columns) -> np.ndarray:
    """The cells of a file as the rows of a model, (N, D); DataError for a row without a value."""
    x = schema.encode(frame)
    for row in np.flatnonzero(np.isnan(x).all(axis=1))[:1]:
        raise DataError(f"{path!r}, row {frame.rows[row]} holds no value but in columns that are left out: take it out")
    return x


def plain_columns(path: str, labels: str | int | None, header: str, drop: Sequence[str | int], table: Table) -> Columns:
    """The columns of a table of numbers: all real, but for the labels and what was dropped, named by the file alone."""
    if labels is None and not drop and len(set(table.columns)) == table.x.shape[1]:
        return Columns.plain(list(table.columns), table.x, [])
    with csvfiles.described(path, labels, header, drop) as (columns, _, _):
        names = names_in(columns)
    kept = [names[k] for k in columns.kept]
    return Columns.plain(kept, table.x, [name for k, name in names.items() if k not in columns.kept])


def names_in(columns: csvfiles.Columns) -> dict[int, str]:
    """What each column of a file is called, by its number: that number, where it has no name of its own."""
    names = columns.names
    return {k: names[k] if names and names.count(names[k]) == 1 else str(k) for k in range(columns.width)}


def read_frame(
    path: str,
    labels: str | int | None,
    header: str,
    kinds: Mapping[str, str],
    drop: Sequence[str | int] = (),
    schema: Columns | None = None,
) -> tuple[Cells, list[str] | None, list[str]]:
    """The cells of a file, the texts of the labels, and remarks. Columns to ``drop`` are among the cells."""
    tables.check_file(path, tables.ending_of(path))
    known = [] if schema is None else [str(c.name) for c in schema.kept if number(str(c.name)) is None]
    with csvfiles.described(path, labels, header, (), [*kinds, *drop, *known]) as (columns, layout, rows):
        found = list(csvfiles.examples(columns, layout, rows))
    if layout.is_guess and not any(number(cell) is not None for cell in found[0][1]):
        raise DataError(
            f"{path!r}: the first row may name the columns or be an example: say which with --header yes or --header no"
        )
    label = [] if columns.label is None else [columns.label]
    places = {name: k for k, name in names_in(columns).items() if k in [*columns.kept, *label]}
    texts = {name: [cells[k].strip() for _, cells in found] for name, k in places.items()}
    frame = Cells(columns, [row for row, _ in found], texts)
    if schema is None:
        of_texts = {name for name, kind in kinds_by_name(frame, kinds, drop).items() if kind in ("category", "drop")}
    else:
        of_texts = {str(c.name) for c in schema.columns if c.dtype != "float64"}
    for name, cells in texts.items():
        frame[name] = meaning(frame, name, cells, name in of_texts)
    if columns.label is None:
        return frame, None, layout.remarks
    of_labels = [cells[columns.label].strip() for _, cells in found]
    for row, text in zip(frame.rows, of_labels, strict=True):
        csvfiles.check_label(columns, row, text)
    return frame, of_labels, layout.remarks


def kinds_by_name(frame: Cells, kinds: Mapping[str, str], drop: Sequence[str | int]) -> dict[str, str]:
    """What is asked of the columns, which may be given by their numbers in the file; the labels are dropped."""
    columns, found, names = frame.columns, dict[str, str](), names_in(frame.columns)
    for given, kind in (*kinds.items(), *((name, "drop") for name in drop)):
        name = names[csvfiles.find_column(columns.path, columns.names, columns.width, given)]
        if found.setdefault(name, kind) != kind:
            raise DataError(f"column {name!r} cannot be both {found[name]!r} and {kind!r}: say one of them")
    if columns.label is not None and found.setdefault(names[columns.label], "drop") != "drop":
        raise DataError(f"column {names[columns.label]!r} holds labels or groups, which have no kind: leave that out")
    return found


def meaning(frame: Cells, name: str, cells: list[Any], is_text: bool) -> np.ndarray:
    """The cells of a column as numbers with NaN, or as texts with None; DataError for texts among numbers."""
    gone = np.array([cell.lower() in NOTHING for cell in cells])
    values = [None if is_gone or is_text else number(cell) for cell, is_gone in zip(cells, gone, strict=True)]
    no_number = np.array([value is None for value in values]) & ~gone
    if not no_number.any() and not is_text:
        return np.array([np.nan if value is None else value for value in values])
    is_mostly_numbers = 2 * no_number.sum() <= (~gone).sum()
    for row in np.flatnonzero(no_number):
        if not is_text and (is_mostly_numbers or has_comma(cells[row]) or has_sign(cells[row])):
            option = csvfiles.as_option(frame.columns.names, frame.place(name))
            what = csvfiles.problem(cells[row], option, may_be_label=frame.columns.label is None)
            raise DataError(f"{frame.where(name, row)}{what}, or if all are names, use --columns {option}=category")
    if not is_text:  # whoever decides the kinds will see the numbers among the texts
        cells = [cell if value is None else value for cell, value in zip(cells, values, strict=True)]
    return np.array([None if is_gone else cell for cell, is_gone in zip(cells, gone, strict=True)], object)


def as_texts(
    frame: Mapping[str, np.ndarray | list[str]], given: Cells | None = None, fill: bool = False
) -> dict[str, list[str]]:
    """Arrays by name as cells; of the frame that was ``given``, what is not new stands as it stood there."""
    texts = {}
    for name, values in frame.items():
        texts[name] = [as_text(value) for value in (values if isinstance(values, list) else values.tolist())]
        if given is not None and (values is given[name] or fill):
            is_old = values is given[name]
            pairs = zip(given.texts[name], texts[name], strict=True)
            texts[name] = [old if is_old or old.lower() not in NOTHING else new for old, new in pairs]
    return texts


def write(path: str | os.PathLike, texts: Mapping[str, list[str]]) -> None:
    """Write cells by name as CSV."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(texts)
        writer.writerows(zip(*texts.values(), strict=True))


def as_text(value: object) -> str:
    """A value as a cell: float32 has seven digits; nothing for NaN and None."""
    if not isinstance(value, float):
        return "" if value is None else str(value)
    return "" if value != value else str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.7g}"
