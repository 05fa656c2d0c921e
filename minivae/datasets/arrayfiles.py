"""NumPy's own files, read by NumPy: ``.npy`` holds one array, ``.npz`` several in a zip archive.

    x                 y                 the names that are looked for; X, data or images, and labels, will do
    x_train, x_test   y_train, y_test   the same with the file's own split; EXAMPLES has more names
    any name          y                 if it is the only array of 2 or 3 dimensions
    data, indices, ...                  a sparse matrix, as scipy.sparse.save_npz writes it

Sizes are compared with the file before memory is asked for, and nothing is unpickled.
"""

from __future__ import annotations

import io
import math
import os
import reprlib
import textwrap
import warnings
import zipfile
from typing import IO, Any, BinaryIO, NamedTuple

import numpy as np

from minivae.errors import DataError

ALONE = ("x", "X", "data", "images")  # with a split of the file's own: x_train and x_test, or train_x and test_x
EXAMPLES: tuple[tuple[str, ...], ...] = (
    *((name,) for name in ALONE),
    *((f"{name}_train", f"{name}_test") for name in ALONE),
    *((f"train_{name}", f"test_{name}") for name in ALONE),
    ("train", "test"),
)
LABELS = ("y", "labels", "label", "Y", "target", "targets")
LONGEST_LABEL = 1000  # characters
LARGEST_DENSE = 2**27  # values that a sparse matrix may become: 1 GiB
SHOWN_NAMES = 20  # in a message
LARGEST_HEADER = 2**14  # bytes; NumPy itself refuses more than 10000, but only after reading them
LARGEST_FILE = 2**63  # bytes; a promise of more may have too many digits to be shown
LARGEST_RATIO = 1100  # deflate makes at most 1032 bytes out of one
ENCRYPTED = 0x1  # a bit of an entry's flags


class Header(NamedTuple):
    """What a file says about its array."""

    shape: tuple[int, ...]
    dtype: np.dtype
    is_fortran: bool = False


def read_npy(path: str) -> np.ndarray:
    """The examples in a ``.npy`` file, (N, D), (N, h, w), or images of one channel; DataError if damaged.

    Mapped from the disk, and read-only, where they are used as they lie. All others are converted in one pass, and
    therefore read: a file that is cut short while it is mapped ends the process.
    """
    with open(path, "rb") as file:
        header = read_header(file, os.fstat(file.fileno()).st_size, repr(path))
        check_examples(header, repr(path), f"np.load({path!r})")
        with warnings.catch_warnings(action="ignore"):  # about how the header is written
            if header.dtype in (np.float32, np.float64) and not header.is_fortran:
                return np.load(path, mmap_mode="r", allow_pickle=False)
            file.seek(0)
            try:
                return np.lib.format.read_array(file, allow_pickle=False)
            except ValueError as error:
                raise DataError(f"{path!r} was cut short while it was read: {error}") from None


def read_npz(path: str, labels: str | None = None) -> tuple[list[np.ndarray], np.ndarray | list[str] | None, str]:
    """The examples in a ``.npz`` file, their labels (int64 or text), and what to call the examples in a message.

    ``labels`` names the array of labels; in a file with its own split it is the common part of two names, "y" for
    y_train and y_test. Default: "y" or "labels", where they hold a whole number or a text for each example.
    The examples are one array, or those for training and those held out. DataError if the file is damaged, or does
    not hold what was asked for.
    """
    try:
        with open(path, "rb") as file:
            archive = Archive(file, path)
            if archive.headers.keys() >= {"data", "shape", "format"}:
                dense = read_sparse(archive)
                return [dense], read_labels(archive, [len(dense)], labels), repr(path)
            names = choose(archive)
            found = read_labels(archive, [archive.headers[name].shape[0] for name in names], labels)
            return [archive.read(name) for name in names], found, archive.what(*names)
    except (DataError, OSError, MemoryError):
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise BadZipFile, EOFError, struct.error, ValueError, ...
        reason = textwrap.shorten(str(error), 300) or type(error).__name__  # zipfile quotes names of any length
        raise DataError(f"{path!r} is damaged, or no file that np.savez wrote: {reason}") from None


# -- one array ---------------------------------------------------------------------------------------------


def read_header(file: IO[bytes], size: int, what: str) -> Header:
    """The header at the start of ``file``; DataError unless it promises exactly the ``size`` bytes that there are."""
    start = io.BytesIO(file.read(LARGEST_HEADER))
    if not start.getvalue().startswith(b"\x93NUMPY"):
        raise DataError(f"{what} is not a .npy file, whatever its ending (pickles are not read): use np.save")
    try:
        version = np.lib.format.read_magic(start)
        parse = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        with warnings.catch_warnings(action="ignore"):
            shape, is_fortran, dtype = parse(start)
    except Exception:  # NumPy evaluates the header as Python, and raises whatever that raises
        raise DataError(f"{what} is damaged: its .npy header cannot be read") from None
    if any(type(length) is not int or length < 0 for length in shape):  # True is an int, too, but no length
        raise DataError(f"{what} is damaged: its header gives the shape {reprlib.repr(shape)}")
    promised = start.tell() + min(math.prod(shape) * dtype.itemsize, LARGEST_FILE)
    if promised != size and not dtype.hasobject:  # pickled objects may have any length
        how = "truncated" if size < promised else "damaged"
        raise DataError(f"{what} is {how}: its header promises {promised} bytes, but the file has {size}")
    return Header(shape, dtype, is_fortran)


def check_examples(header: Header, what: str, load: str) -> None:
    """Refuse anything but one or more rows of real numbers; ``load`` is Python that reads them."""
    shape, dtype, _ = header
    if dtype.hasobject:
        raise DataError(f"{what} holds Python objects, which are never unpickled: save an array of numbers")
    if dtype.kind not in "fiub" or dtype.itemsize > 8:  # a long double is another type on every system
        got = textwrap.shorten(str(dtype), 200)
        raise DataError(f"{what} must hold real numbers of at most 64 bits, got dtype {got}")
    if len(shape) == 4 and {shape[1], shape[-1]} & {3, 4} and 1 not in (shape[1], shape[-1]):
        mean = "x[..., :3].mean(axis=-1)" if shape[-1] in (3, 4) else "x[:, :3].mean(axis=1)"
        raise DataError(
            f"{what} holds colour images of shape {shape[1:]}, and a model has one value for each pixel. Two lines of "
            f"Python make them grey: import numpy as np; x = {load}; np.save('grey.npy', {mean}.astype(x.dtype))"
        )
    if len(shape) not in (2, 3) and not (len(shape) == 4 and 1 in (shape[1], shape[-1])):
        got = reprlib.repr(shape)
        raise DataError(f"{what} must have the shape (examples, features) or (examples, h, w), got {got}")
    if 0 in shape:
        raise DataError(f"{what} has 0 {'features' if 0 in shape[1:] else 'examples'}: its shape is {shape}")


# -- an archive --------------------------------------------------------------------------------------------


class Archive:
    """The arrays of an open ``.npz`` file: all headers are read and checked at once, values when asked for."""

    def __init__(self, file: BinaryIO, path: str):
        self.path = path
        self.zip = zipfile.ZipFile(file)
        self.size = os.fstat(file.fileno()).st_size
        entries = {i.filename.removesuffix(".npy"): i for i in self.zip.infolist() if i.filename.endswith(".npy")}
        self.headers = {name: self.read_header(name, entry) for name, entry in entries.items()}
        promised = sum(entry.file_size for entry in entries.values())
        if promised > LARGEST_RATIO * self.size:  # entries may share their bytes
            raise DataError(f"{path!r} is damaged: {promised} bytes cannot come from a file of {self.size}")

    def what(self, *names: str) -> str:
        """What to call arrays in a message."""
        return f"{' and '.join(map(reprlib.repr, names))} in {self.path!r}"

    def read_header(self, name: str, entry: zipfile.ZipInfo) -> Header:
        """The header of an array; DataError if NumPy did not write it, or the file cannot hold what it promises."""
        what, packed, unpacked = self.what(name), entry.compress_size, entry.file_size
        if entry.flag_bits & ENCRYPTED:
            raise DataError(f"{what} is encrypted: save it without a password, as np.savez does")
        ratio = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: LARGEST_RATIO}.get(entry.compress_type)
        if ratio is None:
            raise DataError(f"{what} is compressed by another method than deflate: use np.savez_compressed")
        if packed > self.size or unpacked > ratio * packed:
            raise DataError(f"{what} is damaged: {unpacked} bytes cannot come from {packed} in a file of {self.size}")
        with self.zip.open(entry) as source:
            return read_header(source, unpacked, what)

    def read(self, name: str) -> np.ndarray:
        """The values of an array of numbers or text; zipfile verifies the checksum at the last byte."""
        with self.zip.open(f"{name}.npy") as source, warnings.catch_warnings(action="ignore"):
            return np.lib.format.read_array(source, allow_pickle=False)

    def names(self) -> str:
        """The names of the arrays, for a message."""
        names = list(self.headers)
        return ", ".join(map(reprlib.repr, names[:SHOWN_NAMES])) + ", ..." * (len(names) > SHOWN_NAMES) or "no arrays"


def choose(archive: Archive) -> tuple[str, ...]:
    """The name of the array of examples, or of the two that are the file's own split; DataError if there is none."""
    headers = archive.headers
    names = next((names for names in EXAMPLES if headers.keys() >= set(names)), ())
    for dims in ((2, 3), (4,)):  # images with a channel, where there is nothing simpler
        names = names or tuple(n for n, header in headers.items() if len(header.shape) in dims and n not in LABELS)
    if names not in EXAMPLES and len(names) != 1:
        raise DataError(
            f"cannot tell which array in {archive.path!r} holds the examples: expected one called x, X, data, or "
            f"the pair x_train and x_test, or exactly one of 2 or 3 dimensions, got {archive.names()}"
        )
    for name in names:
        check_examples(headers[name], archive.what(name), f"np.load({archive.path!r})[{name!r}]")
    shapes = [headers[name].shape[1:] for name in names]
    if shapes[0] != shapes[-1]:
        raise DataError(f"{archive.what(*names)} must hold examples of one shape, got {shapes[0]} and {shapes[1]}")
    return names


def read_sparse(archive: Archive) -> np.ndarray:
    """The dense form (N, D) of a matrix that ``scipy.sparse.save_npz`` wrote; DataError if that is too large."""
    what, kind = repr(archive.path), str(archive.read("format").astype("U").item())
    names = {"csr": ("indptr", "indices"), "csc": ("indptr", "indices"), "coo": ("row", "col")}.get(kind, ())
    if not archive.headers.keys() >= set(names) or not names:
        raise DataError(f"{what} holds a sparse matrix in the format {kind!r}: save it as matrix.tocsr()")
    data, (rows, columns), shape = archive.read("data"), map(archive.read, names), archive.read("shape").tolist()
    if len(shape) != 2 or min(shape) < 0 or math.prod(shape) > LARGEST_DENSE:
        raise DataError(
            f"{what} holds a sparse matrix of shape {reprlib.repr(tuple(shape))}, and a model needs all values, at "
            f"most {LARGEST_DENSE}: keep fewer columns, such as the most frequent ones"
        )
    check_examples(Header(tuple(shape), data.dtype), what, f"np.load({archive.path!r})")
    if kind != "coo":
        if rows[0] != 0 or rows[-1] != len(data) or len(rows) != 1 + shape[kind == "csc"]:
            raise ValueError("indptr does not fit the values")
        rows = np.repeat(np.arange(len(rows) - 1), np.diff(rows))
    rows, columns = (columns, rows) if kind == "csc" else (rows, columns)
    if not len(rows) == len(columns) == len(data) or min(rows.min(initial=0), columns.min(initial=0)) < 0:
        raise ValueError("its indices do not fit the values")
    dense = np.zeros(shape, data.dtype)
    np.add.at(dense, (rows, columns), data)  # as SciPy adds values of one place; NumPy checks the bounds
    return dense


def read_labels(archive: Archive, rows: list[int], labels: str | None) -> np.ndarray | list[str] | None:
    """The labels of all parts of the examples, which have so many ``rows``; None if there are none.

    DataError if the arrays that ``labels`` names are not there, or are no labels.
    """
    for base in LABELS if labels is None else (labels,):
        for names in label_names(base, len(rows)):
            if archive.headers.keys() >= set(names):
                parts: list[Any] = [label_values(archive, *pair) for pair in zip(names, rows, strict=True)]
                if all(isinstance(part, np.ndarray) for part in parts):
                    return np.concatenate(parts)
                if all(isinstance(part, list) for part in parts):
                    return [text for part in parts for text in part]
                if labels is not None:
                    raise DataError(
                        f"{' and '.join(map(archive.what, names))} must hold one whole number or text for each of "
                        f"{' and '.join(map(str, rows))} examples, in an array of one dimension, and texts of at most "
                        f"{LONGEST_LABEL} characters"
                    )
    if labels is None:
        return None
    expected = " or ".join(" and ".join(map(repr, names)) for names in label_names(labels, len(rows)))
    raise DataError(f"no labels in {archive.path!r}: expected {expected}, got {archive.names()}")


def label_names(base: str, parts: int) -> list[tuple[str, ...]]:
    """What the labels may be called: "y", or with two parts "y_train" and "y_test", or "train_y" and "test_y"."""
    return [(base,)] if parts == 1 else [(f"{base}_train", f"{base}_test"), (f"train_{base}", f"test_{base}")]


def label_values(archive: Archive, name: str, rows: int) -> np.ndarray | list[str] | None:
    """An array as labels, int64 or text; None if it is no array of ``rows`` whole numbers or texts."""
    shape, dtype, _ = archive.headers[name]
    if shape not in ((rows,), (rows, 1)) or dtype.kind not in "iubfU" or dtype.itemsize == 0:
        return None
    if dtype.kind == "U" and dtype.itemsize > 4 * LONGEST_LABEL:
        return None
    values = archive.read(name).reshape(rows)
    if dtype.kind == "U":
        texts = values.tolist()
        "".join(texts).encode()  # a ValueError for what is no Unicode, and could not be shown
        return texts
    with np.errstate(invalid="ignore"):
        whole = values.astype(np.int64)
    return whole if np.array_equal(whole, values) else None
