"""What the columns of a table are, and their way into numbers and back: column.py one of them, table.py all."""

from minivae.columns.table import Columns

__all__ = ["Columns"]
