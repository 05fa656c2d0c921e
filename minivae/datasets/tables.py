"""Your own files: numbers, and labels if there are any, from ``.npy``, ``.npz``, ``.csv`` and the like.

    read("flowers.csv", labels="species") -> Table with .x (N, D) and .labels (N,)

``arrayfiles`` reads NumPy's two formats and ``csvfiles`` the third; here is what they have in common.
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np

from minivae import validation
from minivae.columns.table import Columns
from minivae.datasets import arrayfiles, csvfiles
from minivae.datasets.cells import whole_number
from minivae.errors import DataError
from minivae.validation import check_choice, check_matrix

LARGEST_WHOLE = 2**53  # from here on float64 rounds


@dataclass(frozen=True, eq=False)  # arrays have no one truth value, so no == either
class Table:
    """The content of one file.

    Attributes
    ----------
    x : ndarray of shape (N, D), float32 or float64
        Finite; N is at least 1. Of a ``.npy`` file it may be read-only, mapped from the disk.
    labels : ndarray of shape (N,), int64, or None
    label_names : tuple of str
        Label k is called ``label_names[k]``; empty if the labels were numbers, or there are none.
    columns : tuple of str
        The names of the D columns, or empty.
    image_shape : (int, int) or None
        (h, w) with h * w = D if the rows are images.
    train_rows : int or None
        If the file says which rows are for training: how many, and these come first.
    white : float
        The largest value of the file's type, where that is an unsigned integer: what white pixels have. Else 255.
    places : tuple of int
        The numbers of the columns in the file, from 0; empty if it holds no others.
    is_guess : bool
        True for text without a header, where only the numbers in its first row spoke against one.
    remarks : tuple of str
        What a reader should know about how the file was read: rows that were left out, and the like.
    schema : Columns or None
        The kinds of the columns, where :mod:`minivae.datasets.mixed` has read them; ``x`` may then hold NaN.
    """

    x: np.ndarray
    labels: np.ndarray | None = None
    label_names: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    image_shape: tuple[int, int] | None = None
    train_rows: int | None = None
    white: float = 255.0
    places: tuple[int, ...] = ()
    is_guess: bool = False
    remarks: tuple[str, ...] = ()
    schema: Columns | None = None


def read(
    path: str | os.PathLike,
    labels: str | int | None = None,
    ending: str | None = None,
    header: str = "auto",
    drop: Sequence[str | int] = (),
) -> Table:
    """The user's own file, all of its rows; one is enough.

    :func:`minivae.datasets.load`, and so ``minivae train``, holds out one row in ten, unless the file has a split.

    A ``.csv``, ``.tsv`` or ``.txt`` file is text in UTF-8, one row per example, in numbers with decimal points; ``.gz``
    may follow. The separator is a comma, semicolon, tab, bar or white space: what makes rows of one width that hold
    numbers. The first row is a header if it names the column of labels, or has a text where the next row of numbers has
    one; so is 0, 1, 2, ... above columns that are nothing like it. Left out, with a remark: comments that begin with #,
    text above the table, rows of units below the header, the header where it is repeated, and R's names of rows.
    Refused, each with the cell that a spreadsheet shows and what to do: decimal commas, commas between thousands, signs
    of per cent or money, missing values (an empty cell, NA, ?, and the like), NaN and infinity, texts outside the
    column of labels, and labels of more than 1,000 characters.

    Parameters
    ----------
    path : str or PathLike
        Numbers of shape (N, D), or images (N, h, w), which become rows of D = h * w; one channel, (N, 1, h, w) or
        (N, h, w, 1), does not matter. Floats keep their precision (float16 is raised to float32), the numbers of a
        ``.csv`` are float64. Whole numbers and bools become float32, or float64 where that would round them.
        A ``.npz`` holds them as "x", "X", "data", "images", or its only array of 2 or 3 dimensions; or, with a split of
        its own, as "x_train" and "x_test", "train" and "test", "train_images" and "test_images", and the like; or it
        holds a sparse matrix that SciPy saved.
    labels : str or int, optional
        On the command line ``--labels``. ``.csv``: the column of labels, by name, or by number from 0 (from the end if
        negative); digits alone are a number, unless the header has that very name. ``.npz``: the name of an array;
        default "y" or "labels" if there is one. They are not part of ``x``.
    ending : {".npy", ".npz", ".csv", ".tsv", ".txt"}, optional
        The format. Default: what the path ends in.
    header : {"auto", "yes", "no"}
        On the command line ``--header``: whether the first row of a text file names the columns.
    drop : sequence of str or int
        On the command line ``--drop``: columns that are left out, by name or number like ``labels``.

    Returns
    -------
    table : Table
        Labels that are whole numbers are kept; texts are numbered in sorted order.

    Raises
    ------
    DataError
        If the file is missing, damaged, or holds anything but finite real numbers of one width, and labels.
        Nothing that a file says about its size is trusted before memory is asked for, and nothing is unpickled.
    TypeError
        If the path is neither a string nor a path, or ``labels`` or what is to ``drop`` neither a string nor an int.
    """
    path = as_path(path)
    if not isinstance(labels, str | Integral | None):
        raise TypeError(f"labels must be the name or the number of a column, got {labels!r}")
    if isinstance(drop, str) or not all(isinstance(column, str | Integral) for column in drop):
        raise TypeError(f"drop must be a sequence of names or numbers of columns, got {drop!r}")
    check_choice(header, "header", HEADERS)
    ending = ending_of(path) if ending is None else ending
    check_file(path, ending)
    try:
        if ending in TEXT:
            return read_text(path, labels, header, drop)
        if header != "auto":
            raise DataError(f"{path!r} has no header, as no {ending} file does: remove header={header!r}")
        return drop_columns(READERS[ending](path, labels), path, drop)
    except OSError as error:
        raise DataError(f"cannot read {path!r}: {error.strerror or error}") from None


def as_path(path: str | os.PathLike) -> str:
    """``path`` as a string; TypeError for what is none."""
    path = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(path, str):
        raise TypeError(f"a data set is named by a string or a path, got {path!r}")
    return path


def ending_of(path: str) -> str:
    """The ending that says what format a file has; that before .gz where the content is compressed."""
    return os.path.splitext(path.lower().removesuffix(".gz") if path.lower().endswith(PACKED) else path)[1].lower()


def check_file(path: str, ending: str) -> None:
    """Refuse what is no file, is empty, or has an ending that is not known."""
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise DataError(f"cannot read {path!r}: {getattr(error, 'strerror', None) or error}") from None
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise DataError(f"{path!r} is {kind}: expected a file with the ending {ENDINGS}{pictures_in(path)}")
    if ending not in READERS:
        raise DataError(f"cannot read {path!r}: expected a file with the ending {ENDINGS}, got the ending {ending!r}")
    if status.st_size == 0:
        raise DataError(f"{path!r} is empty (0 bytes): expected a {ending} file")


def pictures_in(folder: str) -> str:
    """How to make one file of the pictures in a folder, if there are any."""
    try:
        ending = next(end for name in os.listdir(folder) for end in PICTURES if name.lower().endswith(end))
    except (OSError, StopIteration):
        return ""
    pattern = os.path.join(glob.escape(folder), f"*{ending}")
    return (
        ". Two lines of Python put its pictures, in grey and of one size, into one: import glob, numpy as np; from PIL "
        "import Image; np.save('pictures.npy', [np.asarray(Image.open(file).convert('L').resize((28, 28))) for file "
        f"in sorted(glob.glob({pattern!r}))])"
    )


# -- one reader per ending ---------------------------------------------------------------------------------


def read_npy(path: str, labels: str | int | None) -> Table:
    """A matrix or images that ``np.save`` wrote."""
    if labels is not None:
        raise DataError(
            f"{path!r} holds no labels, as no .npy file does: remove labels={labels!r}, or save examples and labels "
            "in one file with np.savez(file, x=..., y=...)"
        )
    array = arrayfiles.read_npy(path)
    x, image_shape = as_rows(array, repr(path))
    return Table(x, image_shape=image_shape, white=white_of(array))


def read_npz(path: str, labels: str | int | None) -> Table:
    """Arrays that ``np.savez`` or ``np.savez_compressed`` wrote."""
    parts, found, what = arrayfiles.read_npz(path, None if labels is None else str(labels))
    is_split = len(parts) > 1
    x, image_shape = as_rows(np.concatenate(parts) if is_split else parts[0], what)
    train_rows = len(parts[0]) if is_split else None
    return Table(x, *as_classes(found), image_shape=image_shape, train_rows=train_rows, white=white_of(parts[0]))


def read_text(path: str, labels: str | int | None, header: str = "auto", drop: Sequence[str | int] = ()) -> Table:
    """Text, one row per example."""
    text = csvfiles.read(path, labels, header, drop)
    return Table(
        text.x,
        *as_classes(text.labels),
        columns=text.columns,
        places=text.places,
        is_guess=text.is_guess,
        remarks=tuple(text.remarks),
    )


READERS: dict[str, Callable[[str, str | int | None], Table]] = {".npy": read_npy, ".npz": read_npz}
TEXT = (".csv", ".tsv", ".txt")
READERS |= dict.fromkeys(TEXT, read_text)
PACKED = tuple(f"{ending}.gz" for ending in TEXT)
ENDINGS = ".npy, .npz, .csv, .tsv or .txt"
HEADERS = ("auto", "yes", "no")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif")


def drop_columns(table: Table, path: str, drop: Sequence[str | int]) -> Table:
    """The table without some columns, which have no names."""
    if not drop:
        return table
    if table.image_shape is not None:
        raise DataError(f"{path!r} holds images: pixels are not to be dropped, so remove drop={tuple(drop)!r}")
    width = table.x.shape[1]
    dropped = {csvfiles.find_column(path, (), width, column) for column in drop}
    places = tuple(k for k in range(width) if k not in dropped)
    if not places:
        raise DataError(f"{path!r} has no column but those that are dropped: expected numbers beside them")
    return replace(table, x=np.ascontiguousarray(table.x[:, places]), places=places)


def white_of(array: np.ndarray) -> float:
    """The largest value of an unsigned integer type, which white pixels have; 255 for another type."""
    return float(np.iinfo(array.dtype).max) if array.dtype.kind == "u" else 255.0


def as_rows(array: np.ndarray, what: str) -> tuple[np.ndarray, tuple[int, int] | None]:
    """Examples (N, D) or (N, h, w) as a finite matrix (N, D) of float32 or float64, and (h, w) if there was one.

    float64 holds every whole number up to 2^53; float32 only those up to 2^24, which a clock in seconds exceeds.
    """
    if array.ndim == 4:  # one channel, last or first
        array = array[..., 0] if array.shape[-1] == 1 else array[:, 0]
    image_shape = (array.shape[1], array.shape[2]) if array.ndim == 3 else None
    largest = max(-int(array.min()), int(array.max())) if array.dtype.kind in "iu" and array.size else 0
    if largest > LARGEST_WHOLE:
        raise DataError(f"{what} holds {largest}: whole numbers beyond 2^53 would be rounded, so subtract an offset")
    is_wide = (array.dtype.kind, array.dtype.itemsize) == ("f", 8) or largest > validation.LARGEST_WHOLE
    dtype = "float64" if is_wide else "float32"
    return check_matrix(array.reshape(len(array), -1), dtype, what=what), image_shape


def as_classes(labels: np.ndarray | list[str] | None) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Labels as int64: whole numbers as they are, texts by their place among the sorted names, which come along."""
    if not isinstance(labels, list):
        return labels, ()
    whole = [whole_number(text) for text in labels]
    if None not in whole:
        return np.array(whole, dtype=np.int64), ()
    names = sorted(set(labels))
    index = {name: k for k, name in enumerate(names)}
    return np.array([index[text] for text in labels], dtype=np.int64), tuple(names)
