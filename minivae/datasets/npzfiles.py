"""The ``.npz`` format of NumPy: a zip archive of ``.npy`` files; which of them are the data, which the labels.

    x                 y                 the names that are looked for; X or data, and labels, will do
    x_train, x_test   y_train, y_test   the same with the file's own split; train and test will do
    any name          y                 if it is the only array of 2 or 3 dimensions

An archive's sizes are compared with the file, and an array's header with the archive, before memory is asked for.
"""

from __future__ import annotations

import os
import reprlib
import textwrap
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

import numpy as np

from minivae.datasets.npyfiles import LARGEST_HEADER, Header, check_examples, parse_header
from minivae.errors import DataError

DATA = ("x", "X", "data")
SPLITS = (("x_train", "x_test"), ("train", "test"))
LABELS = ("y", "labels")
SHOWN_NAMES = 20  # in a message
LARGEST_RATIO = 1100  # deflate makes one byte out of at most 1032
ENCRYPTED = 0x1  # a bit of an entry's flags
CHUNK = 2**18  # bytes


class Content(NamedTuple):
    """The examples (N, D) or (N, h, w) of a file and their labels, the training rows before those held out."""

    x: np.ndarray
    labels: np.ndarray | list[str] | None  # int64, or text
    train_rows: int | None  # None if the file does not say which are held out
    what: str  # the examples in a message


def read(path: str, labels: str | None = None) -> Content:
    """The examples and labels in a ``.npz`` file.

    Parameters
    ----------
    path : str
    labels : str, optional
        The name of the array of labels; in a file with its own split the common part of two names, "y" for
        y_train and y_test. Default: "y" or "labels", where they hold a whole number or a text for each example.

    Raises
    ------
    DataError
        If the file is damaged, or does not hold what was asked for.
    OSError
        If it cannot be read.
    """
    with open(path, "rb") as file, damage_refused(path):
        archive = Archive(file, path)
        names = choose(archive)
        what = " and ".join(map(reprlib.repr, names)) + f" in {path!r}"
        rows = count_rows(archive, names, what)
        found = read_labels(archive, rows, labels)
        arrays = [archive.read(name) for name in names]
    if len(arrays) == 1:
        return Content(arrays[0], found, None, what)
    return Content(np.concatenate(arrays), found, rows[0], what)


# -- the archive -------------------------------------------------------------------------------------------


@contextmanager
def damage_refused(path: str) -> Iterator[None]:
    """Turn what zipfile and zlib raise in a damaged archive into a DataError."""
    try:
        yield
    except (DataError, OSError, MemoryError):
        raise
    except Exception as error:  # damage shows as BadZipFile, zlib.error, EOFError, struct.error, ValueError, ...
        reason = textwrap.shorten(str(error), 300) or type(error).__name__  # zipfile quotes names of any length
        raise DataError(f"{path!r} is damaged, or no file that np.savez wrote: {reason}") from None


class Archive:
    """The arrays of an open ``.npz`` file: all headers are read and checked at once, values when asked for."""

    def __init__(self, file: BinaryIO, path: str):
        self.path = path
        self.size = os.fstat(file.fileno()).st_size
        self.zip = zipfile.ZipFile(file)
        self.entries = {i.filename.removesuffix(".npy"): i for i in self.zip.infolist() if i.filename.endswith(".npy")}
        self.headers = {name: self.read_header(name) for name in self.entries}

    def what(self, name: str) -> str:
        """The name of an array in a message."""
        return f"{reprlib.repr(name)} in {self.path!r}"

    def read_header(self, name: str) -> Header:
        """The header of an array whose sizes are plausible; DataError otherwise."""
        entry, what = self.entries[name], self.what(name)
        if entry.flag_bits & ENCRYPTED:
            raise DataError(f"{what} is encrypted: save it without a password, as np.savez does")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(f"{what} is compressed by another method than deflate: use np.savez_compressed")
        ratio = LARGEST_RATIO if entry.compress_type == zipfile.ZIP_DEFLATED else 1
        if entry.compress_size > self.size or entry.file_size > ratio * entry.compress_size:
            raise DataError(
                f"{what} is damaged: {entry.file_size} bytes cannot come from {entry.compress_size} "
                f"in a file of {self.size}"
            )
        with self.zip.open(entry) as source:
            return parse_header(source.read(LARGEST_HEADER), entry.file_size, what)

    def read(self, name: str) -> np.ndarray:
        """The values of an array of numbers or text, with their checksum verified by zipfile."""
        header, content, done = self.headers[name], bytearray(self.entries[name].file_size), 0
        with self.zip.open(self.entries[name]) as source:
            while chunk := source.read(CHUNK):
                content[done : done + len(chunk)] = chunk
                done += len(chunk)
        if done < len(content):
            raise DataError(f"{self.what(name)} is truncated: {len(content)} bytes were expected, got {done}")
        return np.ndarray(header.shape, header.dtype, content, header.offset, order=header.layout)


# -- what the arrays are -----------------------------------------------------------------------------------


def choose(archive: Archive) -> tuple[str, ...]:
    """The name of the array of examples, or of the two that are the file's own split; DataError if there is none."""
    headers = archive.headers
    for name in DATA:
        if name in headers:
            return (name,)
    for pair in SPLITS:
        if headers.keys() >= set(pair):
            return pair
    tables = [name for name, header in headers.items() if len(header.shape) in (2, 3)]
    if len(tables) == 1:
        return (tables[0],)
    raise DataError(
        f"cannot tell which array in {archive.path!r} holds the examples: expected one called {', '.join(DATA)}, or "
        f"the pair x_train and x_test, or exactly one of 2 or 3 dimensions, got {names_in(archive)}"
    )


def count_rows(archive: Archive, names: tuple[str, ...], what: str) -> list[int]:
    """How many examples there are in each of the arrays; DataError if they are none, or not of one shape."""
    for name in names:
        check_examples(archive.headers[name], archive.what(name))
    shapes = [archive.headers[name].shape for name in names]
    if len({shape[1:] for shape in shapes}) > 1:
        raise DataError(f"{what} must hold examples of one shape, got {shapes[0][1:]} and {shapes[1][1:]}")
    return [shape[0] for shape in shapes]


def names_in(archive: Archive) -> str:
    """The names of the arrays, for a message."""
    names = list(archive.headers)
    return ", ".join(map(reprlib.repr, names[:SHOWN_NAMES])) + ", ..." * (len(names) > SHOWN_NAMES) or "no arrays"


def read_labels(archive: Archive, rows: list[int], labels: str | None) -> np.ndarray | list[str] | None:
    """The labels of all parts of the examples, which have so many ``rows``; None if there are none.

    Raises
    ------
    DataError
        If the arrays that ``labels`` names are not there, or are no labels.
    """
    for base in LABELS if labels is None else (labels,):
        for names in label_names(base, len(rows)):
            if archive.headers.keys() >= set(names):
                found = join([label_values(archive, *pair) for pair in zip(names, rows, strict=True)])
                if found is not None:
                    return found
                if labels is not None:
                    raise DataError(
                        f"{' and '.join(map(archive.what, names))} must hold one whole number or text for each of "
                        f"{' and '.join(map(str, rows))} examples, in an array of one dimension"
                    )
    if labels is None:
        return None
    expected = " or ".join(" and ".join(map(repr, names)) for names in label_names(labels, len(rows)))
    raise DataError(f"no labels in {archive.path!r}: expected {expected}, got {names_in(archive)}")


def label_names(base: str, parts: int) -> list[tuple[str, ...]]:
    """What the labels may be called: "y", or with two parts "y_train" and "y_test", or "train_y" and "test_y"."""
    return [(base,)] if parts == 1 else [(f"{base}_train", f"{base}_test"), (f"train_{base}", f"test_{base}")]


def label_values(archive: Archive, name: str, rows: int) -> np.ndarray | list[str] | None:
    """An array as labels, int64 or text; None if it is no array of ``rows`` whole numbers or texts."""
    header = archive.headers[name]
    if header.shape != (rows,) or header.dtype.kind not in "iubfU" or header.dtype.itemsize == 0:
        return None
    values = archive.read(name)
    if header.dtype.kind == "U":
        texts = values.tolist()
        "".join(texts).encode()  # a ValueError for what is no Unicode, and could not be shown
        return texts
    with np.errstate(invalid="ignore"):
        whole = values.astype(np.int64)
    return whole if np.array_equal(whole, values) else None


def join(parts: list[np.ndarray | list[str] | None]) -> np.ndarray | list[str] | None:
    """One list or array out of those of the parts, if they are of one kind."""
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    lists = [part for part in parts if isinstance(part, list)]
    if len(arrays) == len(parts):
        return np.concatenate(arrays)
    return [text for part in lists for text in part] if len(lists) == len(parts) else None
