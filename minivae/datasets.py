"""Data sets: three that scikit-learn ships, MNIST, and your own ``.npy`` files.

    load("digits" | "iris" | "wine" | "mnist" | "my/file.npy") -> Dataset with .train and .test, each (N, D)

Every split is a fixed function of the data: two people who load the same name train on the same rows.
"""

from __future__ import annotations

import io
import math
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from minivae import mnist
from minivae.backend import permutation
from minivae.errors import DataError
from minivae.mnist import parse_idx
from minivae.validation import check_matrix

__all__ = ["Dataset", "load", "load_digits", "load_iris", "load_mnist", "load_npy", "load_wine", "parse_idx"]

TEST_FRACTION = 0.2  # of the data sets of scikit-learn
NPY_MAGIC = b"\x93NUMPY"
LARGEST_HEADER = 2**14  # bytes; NumPy itself refuses a header of more than 10000


@dataclass(frozen=True, eq=False, repr=False)  # arrays have no one truth value, so no == either
class Dataset:
    """Examples to train on, and examples held out.

    Attributes
    ----------
    name : str
    train, test : ndarray of shape (N, D), float32 or float64
    train_labels, test_labels : ndarray of shape (N,), int64, or None
        Never shown to the model: for pictures and for measuring what the latent space has found.
    image_shape : (int, int) or None
        (h, w) with h * w = D if the rows are images.
    columns : tuple of str
        The names of the D columns, or empty.
    """

    name: str
    train: np.ndarray
    test: np.ndarray
    train_labels: np.ndarray | None = None
    test_labels: np.ndarray | None = None
    image_shape: tuple[int, int] | None = None
    columns: tuple[str, ...] = ()

    def __repr__(self) -> str:
        labels = "none" if self.train_labels is None else f"{len(np.unique(self.train_labels))} classes"
        return (
            f"Dataset(name={self.name!r}, train={self.train.shape}, test={self.test.shape}, dtype={self.train.dtype}, "
            f"labels={labels}, image_shape={self.image_shape})"
        )


def load(name_or_path: str | os.PathLike) -> Dataset:
    """A data set by name, or the user's own file.

    Parameters
    ----------
    name_or_path : {"digits", "iris", "wine", "mnist"} or path of a ``.npy`` file

    Returns
    -------
    data : Dataset

    Raises
    ------
    DataError
        For an unknown name, or a file that is missing, damaged, or holds no numbers to train on.
    TypeError
        If the argument is neither a string nor a path.

    Examples
    --------
    >>> load("digits")
    Dataset(name='digits', train=(1437, 64), test=(360, 64), dtype=float32, labels=10 classes, image_shape=(8, 8))
    """
    if isinstance(name_or_path, str) and name_or_path in LOADERS:
        return LOADERS[name_or_path]()
    path = _as_path(name_or_path)
    ending = os.path.splitext(path)[1].lower()
    if ending == ".npy":
        return load_npy(path)
    if not os.path.exists(path):
        names = ", ".join(LOADERS)
        raise DataError(
            f"unknown data set {path!r}: expected one of {names}, or the path of a file, which needs the ending .npy"
        )
    if os.path.isdir(path):
        raise DataError(f"{path!r} is a folder: expected a file with the ending .npy")
    raise DataError(f"cannot read {path!r}: only files with the ending .npy are read, got the ending {ending!r}")


def _as_path(path: str | os.PathLike) -> str:
    path = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(path, str):
        raise TypeError(f"a data set is named by a string or a path, got {path!r}")
    return path


# -- shipped with scikit-learn -----------------------------------------------------------------------------


def load_digits() -> Dataset:
    """Handwritten digits: 1437 + 360 images of 8x8 pixels in [0, 1], float32, with their labels.

    The test set of UCI's "Optical recognition of handwritten digits" (Alpaydin and Kaynak, 1998; CC BY 4.0).
    """
    from sklearn import datasets

    bunch = datasets.load_digits()
    return _split("digits", (bunch.data / 16).astype(np.float32), bunch.target, image_shape=(8, 8))


def load_iris() -> Dataset:
    """Iris flowers: 120 + 30 rows of 4 lengths in cm, as measured, float64; the label is the species.

    Fisher, "The use of multiple measurements in taxonomic problems", Annals of Eugenics 7, 1936.
    """
    from sklearn import datasets

    bunch = datasets.load_iris()
    return _split("iris", bunch.data, bunch.target, columns=tuple(bunch.feature_names))


def load_wine() -> Dataset:
    """Wines: 142 + 36 rows of 13 chemical measurements in their own units, float64; the label is the cultivar.

    UCI's "Wine" (Aeberhard and Forina, 1992; CC BY 4.0).
    """
    from sklearn import datasets

    bunch = datasets.load_wine()
    return _split("wine", bunch.data, bunch.target, columns=tuple(bunch.feature_names))


def _split(
    name: str,
    x: np.ndarray,
    labels: np.ndarray,
    image_shape: tuple[int, int] | None = None,
    columns: tuple[str, ...] = (),
) -> Dataset:
    """A fifth of ``x`` (N, D) held out, with each class in the same proportion on both sides."""
    from sklearn.model_selection import train_test_split

    labels = labels.astype(np.int64)
    parts = train_test_split(x, labels, test_size=TEST_FRACTION, random_state=0, stratify=labels)
    train, test, train_labels, test_labels = parts
    return Dataset(name, train, test, train_labels, test_labels, image_shape, columns)


# -- MNIST -------------------------------------------------------------------------------------------------


def load_mnist() -> Dataset:
    """MNIST: 60000 + 10000 images of 28x28 pixels in [0, 1], float32, with their labels.

    Looked for in the folder that the environment variable ``MINIVAE_DATA`` names (or in its subfolder
    "mnist"), then in the cache; else downloaded once, 11 MB. The content is verified every time.

    Raises
    ------
    DataError
        If a file is damaged, or can neither be found nor downloaded; the message says what was tried.

    References
    ----------
    LeCun, Cortes and Burges, "The MNIST database of handwritten digits"; CC BY-SA 3.0.
    """
    train, train_labels = mnist.read("train")
    test, test_labels = mnist.read("t10k")
    return Dataset("mnist", train, test, train_labels, test_labels, image_shape=(28, 28))


# -- your own file -----------------------------------------------------------------------------------------


class Header(NamedTuple):
    """What a ``.npy`` file says about itself, and where its values begin (in bytes)."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype
    offset: int


def load_npy(path: str | os.PathLike) -> Dataset:
    """A matrix that ``np.save`` wrote; one row in ten (at least one) is held out.

    Parameters
    ----------
    path : str or PathLike
        Of numbers of shape (N, D), or images (N, h, w), which become rows of D = h * w. Floats keep their
        precision (float16 is raised to float32); whole numbers and bools become float32.

    Returns
    -------
    data : Dataset
        Named as the file, without labels. Which rows are held out depends on N alone; both parts keep
        the order of the file.

    Raises
    ------
    DataError
        If the file is missing, damaged, or holds anything but at least two rows of finite real numbers.
        A header is never trusted: it is compared with the size of the file before memory is asked for,
        and nothing is unpickled.
    """
    path = _as_path(path)
    header = _read_header(path)
    _check_contents(header, path)
    x = _mapped(path, header)
    image_shape = (x.shape[1], x.shape[2]) if x.ndim == 3 else None
    dtype = "float64" if (x.dtype.kind, x.dtype.itemsize) == ("f", 8) else "float32"
    rows = check_matrix(x.reshape(len(x), -1), dtype, what=repr(path))
    shuffled = permutation(seed=0, epoch=0, n=len(rows))
    n_test = max(1, len(rows) // 10)
    test, train = np.sort(shuffled[:n_test]), np.sort(shuffled[n_test:])
    name = os.path.splitext(os.path.basename(path))[0]
    return Dataset(name, rows[train], rows[test], image_shape=image_shape)


def _mapped(path: str, header: Header) -> np.ndarray:
    """The array in the file, read-only and read from the disk only where it is looked at."""
    layout: Literal["F", "C"] = "F" if header.fortran_order else "C"
    return np.memmap(path, header.dtype, "r", header.offset, header.shape, layout)


def _read_header(path: str) -> Header:
    """The header of a ``.npy`` file whose length is what the header promises; DataError otherwise."""
    try:
        status = os.stat(path)
        if stat.S_ISREG(status.st_mode):
            with open(path, "rb") as file:
                start = file.read(LARGEST_HEADER)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise DataError(f"cannot read {path!r}: {getattr(error, 'strerror', None) or error}") from None
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise DataError(f"{path!r} is {kind}: expected a file that np.save wrote")
    if not start:
        raise DataError(f"{path!r} is empty (0 bytes): expected a file that np.save wrote")
    header = _parse_header(start, path)
    expected = header.offset + math.prod(header.shape) * header.dtype.itemsize
    if status.st_size != expected and not header.dtype.hasobject:  # the length of pickled objects is anything
        how = "truncated" if status.st_size < expected else "damaged"
        raise DataError(f"{path!r} is {how}: its header promises {expected} bytes, but the file has {status.st_size}")
    return header


def _parse_header(start: bytes, path: str) -> Header:
    """The header in the first bytes of a ``.npy`` file, as NumPy reads it."""
    if not start.startswith(NPY_MAGIC):
        raise DataError(f"{path!r} is not a .npy file, whatever its ending (pickles are not read): use np.save")
    file = io.BytesIO(start)
    try:
        version = np.lib.format.read_magic(file)
        parse = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran_order, dtype = parse(file)
    except Exception:  # NumPy's parser of a damaged header raises whatever Python's parser raises
        raise DataError(f"{path!r} is damaged: its .npy header cannot be read") from None
    if any(length < 0 for length in shape):
        raise DataError(f"{path!r} is damaged: its header gives the shape {shape}")
    return Header(shape, fortran_order, dtype, file.tell())


def _check_contents(header: Header, path: str) -> None:
    """Refuse what no VAE is trained on: anything but two or more rows of real numbers."""
    shape, dtype = header.shape, header.dtype
    if dtype.hasobject:
        raise DataError(f"{path!r} holds Python objects, which are never unpickled: save an array of numbers")
    if dtype.kind not in "fiub" or dtype.itemsize > 8:  # a long double is another type on every system
        raise DataError(f"{path!r} must hold real numbers of at most 64 bits, got dtype {dtype}")
    if len(shape) not in (2, 3):
        raise DataError(f"{path!r} must have the shape (examples, features) or (examples, h, w), got {shape}")
    if 0 in shape[1:]:
        raise DataError(f"{path!r} has 0 features: its shape is {shape}")
    if shape[0] < 2:
        raise DataError(f"{path!r} has {shape[0]} example(s), but 2 are needed: one to train on, one to hold out")


LOADERS: dict[str, Callable[[], Dataset]] = {
    "digits": load_digits,
    "iris": load_iris,
    "wine": load_wine,
    "mnist": load_mnist,
}
