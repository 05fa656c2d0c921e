"""The ``.npy`` format of NumPy: one array, whose header is compared with the file before it is believed.

Nothing is unpickled, and no memory is asked for that the file does not hold.
"""

from __future__ import annotations

import io
import math
import os
import reprlib
import textwrap
import warnings
from typing import Literal, NamedTuple

import numpy as np

from minivae.errors import DataError

NPY_MAGIC = b"\x93NUMPY"
LARGEST_FILE = 2**63  # bytes; a promise of more may have too many digits to be shown
LARGEST_HEADER = 2**14  # bytes; NumPy itself refuses a header of more than 10000


class Header(NamedTuple):
    """What an array's file says about itself, and where its values begin (in bytes)."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype
    offset: int

    @property
    def layout(self) -> Literal["F", "C"]:
        """NumPy's letter for the order of the values."""
        return "F" if self.fortran_order else "C"


def read(path: str) -> np.ndarray:
    """The examples in a ``.npy`` file, read from the disk only where they are looked at.

    Parameters
    ----------
    path : str

    Returns
    -------
    array : ndarray of shape (N, D) or (N, h, w), read-only
        Of real numbers, which may be infinite or NaN; N, D, h and w are at least 1.

    Raises
    ------
    DataError
        If the file is damaged or holds anything else.
    OSError
        If it cannot be read.
    """
    with open(path, "rb") as file:
        header = parse_header(file.read(LARGEST_HEADER), os.fstat(file.fileno()).st_size, repr(path))
    check_examples(header, repr(path))
    return np.memmap(path, header.dtype, "r", header.offset, header.shape, header.layout)


def parse_header(start: bytes, size: int, what: str) -> Header:
    """The header of an array's file, if the file is as long as the header promises.

    Parameters
    ----------
    start : bytes
        The first ``LARGEST_HEADER`` bytes of the file, or all.
    size : int
        The length of the file.
    what : str
        What to call the file in a message.

    Raises
    ------
    DataError
        For any other file.
    """
    if not start.startswith(NPY_MAGIC):
        raise DataError(f"{what} is not a .npy file, whatever its ending (pickles are not read): use np.save")
    file = io.BytesIO(start)
    try:
        version = np.lib.format.read_magic(file)
        parse = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        with warnings.catch_warnings(action="ignore"):  # of NumPy's and Python's parser, about how a header is written
            shape, fortran_order, dtype = parse(file)
    except Exception:  # NumPy's parser of a damaged header raises whatever Python's parser raises
        raise DataError(f"{what} is damaged: its .npy header cannot be read") from None
    if any(type(length) is not int or length < 0 for length in shape):  # True is an int, too, but no length
        raise DataError(f"{what} is damaged: its header gives the shape {reprlib.repr(shape)}")
    header = Header(shape, fortran_order, dtype, file.tell())
    expected = header.offset + min(math.prod(shape) * dtype.itemsize, LARGEST_FILE)
    if size != expected and not dtype.hasobject:  # the length of pickled objects is anything
        how = "truncated" if size < expected else "damaged"
        raise DataError(f"{what} is {how}: its header promises {expected} bytes, but the file has {size}")
    return header


def check_examples(header: Header, what: str) -> None:
    """Refuse what no VAE is shown: anything but one or more rows of real numbers."""
    shape, dtype = header.shape, header.dtype
    if dtype.hasobject:
        raise DataError(f"{what} holds Python objects, which are never unpickled: save an array of numbers")
    if dtype.kind not in "fiub" or dtype.itemsize > 8:  # a long double is another type on every system
        got = textwrap.shorten(str(dtype), 200)
        raise DataError(f"{what} must hold real numbers of at most 64 bits, got dtype {got}")
    if len(shape) not in (2, 3):
        got = reprlib.repr(shape)
        raise DataError(f"{what} must have the shape (examples, features) or (examples, h, w), got {got}")
    if 0 in shape[1:]:
        raise DataError(f"{what} has 0 features: its shape is {shape}")
    if shape[0] == 0:
        raise DataError(f"{what} has 0 examples: its shape is {shape}")
