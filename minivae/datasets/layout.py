"""How a table in a text file is laid out: what separates its cells, and what stands above its rows.

    first lines -> separator        first rows -> header, units, comments, width: Layout

What is no part of the table is left out only where it cannot be anything else, and a remark says so.
"""

from __future__ import annotations

import csv
import re
import reprlib
from collections.abc import Collection, Sequence
from itertools import takewhile
from typing import NamedTuple

from minivae.datasets.cells import (
    MISSING,
    has_comma,
    has_meant_number,
    has_number,
    has_sign,
    have_meant_numbers,
    is_meant_as_number,
    number,
)

COMMENT = "#"  # begins a row that is none
NO_EXAMPLE = "no example may begin with #"
SEPARATORS = ",;\t|"
LOOKAHEAD = 20  # lines, and rows, that decide
MOST_UNITS = 3  # rows below the header
SURELY_NAMES = 8  # 0, 1, ..., 7 is no row of data
SEP_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
SPACED_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}( [0-9]{3})+([.,][0-9]*)?")
Row = tuple[int, list[str]]  # its number in a spreadsheet, from 1, and its cells


class Layout(NamedTuple):
    """What the first rows say about all others.

    ``names`` is empty without a header; ``is_guess`` where only the numbers in it spoke against one. ``has_row_names``:
    R's, whose column the header does not name. ``is_closed``: a separator ends each row. ``titles`` are the header and
    the rows of units, as they would stand in the file again.
    """

    names: tuple[str, ...]
    width: int
    is_guess: bool
    has_row_names: bool
    is_closed: bool
    titles: list[list[str]]
    remarks: list[str]


# -- the separator -----------------------------------------------------------------------------------------


def find_separator(start: list[str]) -> str:
    """The separator of a file that begins with the lines ``start``, which are not blank; " " for any white space.

    It makes rows of one width that have numbers in them; of several, the most frequent one in the first line. But
    numbers may have commas, which often outnumber it: the message about them needs the cells as they were meant.
    """
    if start and (match := SEP_LINE.fullmatch(start[0])):
        return match[1]
    lines = [line for line in start if not line.lstrip().startswith("#")] or start
    for separator in SEPARATORS.replace(",", ""):
        for line in [*lines[:2], *lines[2:][-1:]]:
            if separator in line and any(map(has_comma, line.replace('"', "").split(separator))):
                return separator
    body = lines[len(lines) // 2 :]  # below whatever stands above the table
    candidates = sorted(SEPARATORS, key="".join(lines[:1]).count, reverse=True)
    found = next((separator for separator in candidates if makes_a_table(csv_rows(body, separator))), None)
    spaced = [line.split() for line in body]
    if found is None and makes_a_table(spaced) and not all(SPACED_THOUSANDS.fullmatch(" ".join(s)) for s in spaced):
        return " "
    return found or candidates[0]


def csv_rows(lines: list[str], separator: str) -> list[list[str]]:
    """The cells of lines; nothing if they cannot be told."""
    try:
        return list(csv.reader(lines, delimiter=separator))
    except csv.Error:
        return []


def makes_a_table(rows: list[list[str]]) -> bool:
    """Whether rows have one width, more than one cell, and numbers in each."""
    widths = {len(cells) for cells in rows}
    return len(widths) == 1 and max(widths) > 1 and have_meant_numbers(rows)


# -- what stands above the numbers -------------------------------------------------------------------------


def find_layout(start: list[Row], named: Sequence[str | int], header: str) -> Layout:
    """The layout of a file that begins with the rows ``start``, which lose those that are no examples.

    ``named`` are the columns that the user asks for by name or number: a text in them makes no header.
    """
    remarks: list[str] = []
    if start[0][1][0].lower().strip().startswith("sep=") and len(start) > 1:
        del start[0]
    leave_out_comments(start, remarks)
    leave_out_preamble(start, remarks)
    body = [cells for _, cells in start[1:]] or [start[0][1]]
    titles, first, width = [start[0][1]], start[0][1], len(body[0])
    is_closed = all(len(cells) > 1 and not cells[-1].strip() for cells in body)
    is_closed = is_closed and (len(first) < width or not first[-1].strip())
    if is_closed:
        first, width = first[: width - 1], width - 1
    has_row_names = len(first) == width - 1 and not has_meant_number(first) and are_row_names(body, width)
    ignored = {position(column, width) for column in named}
    if has_row_names:
        first = ["", *first]
    if has_row_names and 0 not in ignored:
        remarks.append(
            f"the header names one column less than there are, so that the first, {shown(body[0][:1])}, ..., holds the "
            "names of the rows, as R writes them: it was left out; with --labels 0 it holds the labels"
        )
    names = tuple(" ".join(cell.split()) for cell in first)
    is_title = any(isinstance(column, str) and column in names and number(column) is None for column in named)
    units = 0 if has_number(first) else count_units(body, ignored)
    is_guess = header == "auto" and not (is_title or is_header(first, body[units:], ignored, len(start) == 1))
    if is_guess and len(start) > 1 and are_numbered(first, body, ignored):
        is_guess = False
        remarks.append(
            f"the first row, {shown(first)}, is read as the names of the columns, as pandas writes those of an array: "
            "with --header no it is an example"
        )
    if is_guess or header == "no":
        return Layout((), len(first), is_guess, has_row_names, is_closed, [], remarks)
    if header == "yes" and all(number(name) is not None for name in names):
        titles.clear()  # an example may be equal to such a header
    for row, cells in start[1 : 1 + units]:
        titles.append(cells)
        remarks.append(
            f"row {row}, {shown(cells)}, below the header holds no numbers, perhaps units: it was left out; an example "
            "needs numbers there"
        )
    del start[: 1 + units]
    return Layout(names, len(first), False, has_row_names, is_closed, titles, remarks)


def leave_out_comments(start: list[Row], remarks: list[str]) -> None:
    """Take out the first rows that begin with "#"; the last may be the header, as np.savetxt writes it."""
    comments = list(takewhile(lambda row: row[1][0].lstrip().startswith(COMMENT), start))
    if not comments or len(comments) == len(start):
        return
    (row, cells), below = comments[-1], start[len(comments)][1]
    names = cells[1:] if cells[0].strip() == "#" and len(cells) > len(below) else cells
    names = [names[0].lstrip(" #") or names[0], *names[1:]]
    has_numbers = has_number(below)
    if has_numbers and len(names) == len(below) > 1 and any(number(name) is None for name in names):
        start[len(comments) - 1] = row, names
        comments.pop()
    del start[: len(comments)]
    if comments:
        remarks.append(
            f"{len(comments)} line(s) of comments, from row {comments[0][0]} on, were left out: {NO_EXAMPLE}"
        )


def leave_out_preamble(start: list[Row], remarks: list[str]) -> None:
    """Take out rows of free text above the table: shorter than it, and above a header or of one cell each."""
    filled = [len("".join("x" if cell.strip() else " " for cell in cells).rstrip()) for _, cells in start]
    width, above = max(filled), 0
    for (_, cells), length in zip(start, filled, strict=True):
        if length == width or (length and all(map(is_meant_as_number, cells[:length]))):
            break
        above += 1
    if not 0 < above < len(start) or filled[above] != width:
        return
    has_numbers = [has_meant_number(cells) for _, cells in start[above:]]
    is_above_header = not has_numbers[0] and any(has_numbers[1 : 2 + MOST_UNITS])
    if is_above_header or (max(width, 1 + above) > 2 and max(filled[:above]) <= 1):
        remarks.append(
            f"{above} row(s) above the table, from {shown(start[0][1])} on, were left out: an example needs all "
            "its cells"
        )
        del start[:above]


def are_row_names(body: list[list[str]], width: int) -> bool:
    """Whether the first cells are different texts, or count the rows of a table with decimal points.

    Without any, a decimal comma may have made two cells out of one.
    """
    first = [cells[0].strip() for cells in body]
    if {len(cells) for cells in body} > {width, width + 1} or len(set(first)) < len(first):
        return False
    counts = first == [str(k) for k in range(1, len(first) + 1)] and any(
        "." in cell for cells in body for cell in cells
    )
    return not has_meant_number(first) or (counts and width > 2)


def count_units(body: list[list[str]], ignored: Collection[int | None]) -> int:
    """How many rows hold texts where the row below them has two numbers or more."""
    for count, cells in enumerate(body[: MOST_UNITS + 1]):
        columns = [k for k, cell in enumerate(cells) if k not in ignored and number(cell) is not None]
        if len(columns) > 1:
            return count if all(are_units(above, columns, ignored) for above in body[:count]) else 0
    return 0


def are_units(cells: list[str], columns: list[int], ignored: Collection[int | None]) -> bool:
    """Whether a row has no number, and a text in one of the ``columns``."""
    if has_number(cell for k, cell in enumerate(cells) if k not in ignored):
        return False
    return any(k < len(cells) and cells[k].strip().lower() not in {"", *MISSING} for k in columns)


def is_header(first: list[str], below: list[list[str]], ignored: Collection[int | None], is_alone: bool) -> bool:
    """Whether some column has a text in the first row and a number in the next; alone, whether it has no number."""
    if is_alone:
        return not has_meant_number(first)
    pairs = [ab for k, ab in enumerate(zip(first, below[0], strict=False)) if k not in ignored]
    if any(not is_meant_as_number(a) and is_meant_as_number(b) for a, b in pairs):  # rows of other lengths: see later
        return True
    no_numbers = not has_number(a for a, _ in pairs)  # "5%" and "95%" are names above plain numbers
    return no_numbers and any(has_sign(a) and number(b) is not None for a, b in pairs)


def are_numbered(first: list[str], body: list[list[str]], ignored: Collection[int | None]) -> bool:
    """Whether the first row is 0, 1, 2, ... above rows that are nothing like it."""
    if len(first) < 2 or [cell.strip() for cell in first] != [str(k) for k in range(len(first))]:
        return False
    columns = [k for k in range(len(first)) if k not in ignored]
    rows = [[cells[k].strip() for k in columns] for cells in body if len(cells) == len(first)]
    if any(is_whole(row[0]) and row == [str(int(row[0]) + k) for k in range(len(row))] for row in rows if len(row) > 1):
        return False
    return len(first) >= SURELY_NAMES or not any(is_whole(cell) for row in rows for cell in row)


def is_whole(text: str) -> bool:
    """Whether a text is digits and perhaps a sign."""
    return re.fullmatch("[+-]?[0-9]{1,18}", text) is not None


def position(column: str | int | None, width: int) -> int | None:
    """The column from 0 that a number, or a text of digits, means; None for anything else."""
    if column is None or not re.fullmatch("-?[0-9]{1,9}", str(column)):
        return None
    return int(column) % width if -width <= int(column) < width else None


def shown(cells: Sequence[str]) -> str:
    """The first cells of a row, for a message."""
    return ", ".join(map(reprlib.repr, cells[:3])) + ", ..." * (len(cells) > 3)
