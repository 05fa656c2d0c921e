"""What the text in one cell of a table means: a number, a number written in another way, or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable

MISSING = {"na", "n/a", "null", "none", "missing", "?", "-", ".", "#n/a"}
THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{2,3})*,[0-9]{3}(\.[0-9]*)?")  # 2: in India, 12,34,567
SIGNS = "%‰$€£¥°"
LONGEST_INT = 640  # characters; Python may refuse to make an int of more


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


def has_sign(text: str) -> bool:
    """Whether ``text`` is a number but for a sign of per cent, money or the like beside it."""
    bare = text.strip().strip(SIGNS)
    return bare != text.strip() and number(bare) is not None


def is_meant_as_number(text: str) -> bool:
    """Whether ``text`` is a number, would be one without its commas or a sign, or says that one is missing."""
    return number(text) is not None or has_comma(text) or has_sign(text) or text.strip().lower() in MISSING


def has_number(cells: Iterable[str]) -> bool:
    """Whether one of the cells is a number."""
    return any(number(cell) is not None for cell in cells)


def has_meant_number(cells: Iterable[str]) -> bool:
    """Whether one of the cells is meant as a number."""
    return any(map(is_meant_as_number, cells))


def have_meant_numbers(rows: Iterable[Iterable[str]]) -> bool:
    """Whether each row has a cell that is meant as a number."""
    return all(map(has_meant_number, rows))


def whole_number(text: str) -> int | None:
    """The whole number of 64 bits that ``text`` is, such as "3" or "3.0"; None for any other text."""
    value = number(text)
    if value is None or len(text) > LONGEST_INT or not value.is_integer() or abs(value) >= 2**63:
        return None
    return int(text) if text.lstrip("+-").isdigit() else int(value)  # a float has no more than 53 bits
