"""Data sets: three that scikit-learn ships, MNIST, and your own files of numbers.

    load("digits" | "iris" | "wine" | "mnist" | "my/file.csv") -> Dataset with .train and .test, each (N, D)

Every split is a fixed function of the data: two people who load the same name train on the same rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from minivae.columns.table import Columns
from minivae.datasets import mixed, mnist, notes, split, tables
from minivae.errors import DataError
from minivae.validation import check_choice

WHITE = 255.0
TEST_FRACTION = 0.2  # of the data sets of scikit-learn


@dataclass(frozen=True, eq=False, repr=False)  # arrays have no one truth value, so no == either
class Dataset:
    """Examples to train on, and examples held out.

    Attributes
    ----------
    name : str
    train, test : ndarray of shape (N, D), float32 or float64
    train_labels, test_labels : ndarray of shape (N,), int64, or None
        Shown to conditional models alone: else for pictures and for measuring what the latent space has found.
    image_shape : (int, int) or None
        (h, w) with h * w = D if the rows are images.
    columns : tuple of str
        The names of the D columns, or empty.
    label_names : tuple of str
        Label k is called ``label_names[k]``; empty if the labels are numbers without names, or there are none.
    white : float
        The largest value that the pixels of a file can have: 65535 for 16-bit images.
    places : tuple of int
        The numbers of the columns in the file, from 0; empty if it holds no others.
    schema : Columns or None
        The kinds of a table's columns, if they were asked for.
    """

    name: str
    train: np.ndarray
    test: np.ndarray
    train_labels: np.ndarray | None = None
    test_labels: np.ndarray | None = None
    image_shape: tuple[int, int] | None = None
    columns: tuple[str, ...] = ()
    label_names: tuple[str, ...] = ()
    white: float = WHITE
    places: tuple[int, ...] = ()
    schema: Columns | None = None

    @property
    def is_binary(self) -> bool:
        """True if every value is 0 or 1."""
        return all(bool(np.all((part == 0) | (part == 1))) for part in (self.train, self.test))

    @property
    def value_range(self) -> tuple[float, float]:
        """The smallest and the largest value in both parts."""
        parts = (self.train, self.test)
        return float(min(map(np.nanmin, parts))), float(max(map(np.nanmax, parts)))

    def __repr__(self) -> str:
        labels = "none" if self.train_labels is None else f"{len(np.unique(self.train_labels))} classes"
        return (
            f"Dataset(name={self.name!r}, train={self.train.shape}, test={self.test.shape}, dtype={self.train.dtype}, "
            f"labels={labels}, image_shape={self.image_shape})"
        )


def load(
    name_or_path: str | os.PathLike,
    labels: str | int | None = None,
    header: str = "auto",
    drop: Sequence[str | int] = (),
    *,
    test: str | os.PathLike | None = None,
    holdout: str = "random",
    groups: str | int | None = None,
    columns: Mapping[str, str] | None = None,
) -> Dataset:
    """A data set by name, or the user's own file.

    Parameters
    ----------
    name_or_path : {"digits", "iris", "wine", "mnist"} or path of a file
        What a file may hold is documented at :func:`minivae.datasets.tables.read`.
    labels : str or int, optional
        Where a file has its labels: a column of a ``.csv`` by name or by number from 0, an array of a ``.npz``.
    header : {"auto", "yes", "no"}
        Whether the first row of a text file names the columns.
    drop : sequence of str or int
        Columns of a file that are left out, by name or by number from 0.
    test : path, optional
        Another file with the same columns, all of whose rows are held out; then those of the first all train.
    holdout : {"random", "last"}
        Which tenth of a file's rows is held out: drawn by chance, with equal rows on one side; or the last one, for
        rows in the order of time.
    groups : str or int, optional
        A column whose equal values mark rows that belong together, such as those of one patient: they are held out
        together, and the column is not trained on.
    columns : mapping of str -> str, optional
        Take a text file with categories, counts and holes too, and decide the kinds of its columns but for these: see
        :class:`minivae.Columns`. NaN is a hole then. Default: finite numbers only.

    Returns
    -------
    data : Dataset
        A file's is named as the file. One row in ten (at least one) is held out, with all that are equal to it; which
        ones depends on the number of rows and on which are equal. Both parts keep the order of the file. A ``.npz``
        with a split of its own keeps it.

    Raises
    ------
    DataError
        For an unknown name, or a file that is missing, damaged, or holds no numbers to train on.
    TypeError
        If the first argument is neither a string nor a path, or a column neither a string nor an int.

    Warns
    -----
    UserWarning
        For each thing that a reader should know about a file: what was left out, the notes of ``notes.py``, and a test
        set drawn by chance that holds no new data: many rows are equal, nearly equal, or like their neighbours.

    Examples
    --------
    >>> load("digits")
    Dataset(name='digits', train=(1437, 64), test=(360, 64), dtype=float32, labels=10 classes, image_shape=(8, 8))
    """
    if isinstance(name_or_path, str) and name_or_path in LOADERS:
        if labels is not None:
            raise DataError(f"{name_or_path!r} comes with its labels: remove labels={labels!r}, which is for files")
        if header != "auto" or len(drop):
            raise DataError(f"{name_or_path!r} has its own columns: remove header and drop, which are for files")
        if test is not None or holdout != "random" or groups is not None:
            raise DataError(f"{name_or_path!r} comes with its test set: test, holdout and groups are for files")
        if columns:
            raise DataError(f"{name_or_path!r} has its own columns: remove columns, which are for files")
        return LOADERS[name_or_path]()
    path = tables.as_path(name_or_path)
    if tables.ending_of(path) not in tables.READERS and not os.path.exists(path):
        raise DataError(
            f"unknown data set {path!r}: expected one of {', '.join(LOADERS)}, or the path of a file, which needs the "
            f"ending {tables.ENDINGS}"
        )
    check_choice(holdout, "holdout", HOLDOUTS)
    ids, is_text = None, tables.ending_of(path) in tables.TEXT
    if columns and not is_text:
        raise DataError(f"{path!r} has no columns with names: remove columns, which are for text files")
    read = partial(mixed.read, columns=columns) if is_text and columns is not None else tables.read
    if groups is not None:
        if test is not None or holdout != "random":
            raise DataError("groups say which rows are held out together by chance: leave out test and holdout")
        others = drop if labels is None else (*drop, labels)
        ids, drop = read(path, groups, header=header, drop=others).labels, (*drop, groups)
    table = read(path, labels, header=header, drop=drop)
    notes.warn(path, notes.of_a_table(table, test is None and groups is None and holdout == "random"))
    if test is not None:
        if table.schema is not None:
            read = partial(mixed.read, columns=table.schema)
        other = read(os.fspath(test), labels, header=header, drop=drop)
        notes.warn(os.fspath(test), notes.of_a_table(other, by_chance=False))
        table = _with_test(path, table, os.fspath(test), other)
    return _own(path, table, holdout, ids)


# -- shipped with scikit-learn -----------------------------------------------------------------------------


def load_digits() -> Dataset:
    """Handwritten digits: 1437 + 360 images of 8x8 pixels in [0, 1], float32, with their labels.

    The test set of UCI's "Optical recognition of handwritten digits" (Alpaydin and Kaynak, 1998; CC BY 4.0).
    """
    data = _shipped("digits")
    train, test = ((part / 16).astype(np.float32) for part in (data.train, data.test))
    return replace(data, train=train, test=test, image_shape=(8, 8), columns=())


def load_iris() -> Dataset:
    """Iris flowers: 120 + 30 rows of 4 lengths in cm, as measured, float64; the label is the species.

    Fisher, "The use of multiple measurements in taxonomic problems", Annals of Eugenics 7, 1936.
    """
    return _shipped("iris")


def load_wine() -> Dataset:
    """Wines: 142 + 36 rows of 13 chemical measurements in their own units, float64; the label is the cultivar.

    UCI's "Wine" (Aeberhard and Forina, 1992; CC BY 4.0).
    """
    return _shipped("wine")


def _shipped(name: str) -> Dataset:
    """A data set of scikit-learn, a fifth of it held out, with each class in the same proportion on both sides."""
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    bunch = getattr(datasets, f"load_{name}")()
    labels = bunch.target.astype(np.int64)
    train, test, train_labels, test_labels = train_test_split(
        bunch.data, labels, test_size=TEST_FRACTION, random_state=0, stratify=labels
    )
    ids = split.equal_rows(np.vstack([train, test]))
    for i in np.flatnonzero(np.isin(ids[len(train) :], ids[: len(train)])):  # of iris one: it goes to its equal
        j = np.flatnonzero(train_labels == test_labels[i])[0]
        train[j], test[i] = test[i].copy(), train[j].copy()
    columns, label_names = tuple(bunch.feature_names), tuple(map(str, bunch.target_names))
    return Dataset(name, train, test, train_labels, test_labels, columns=columns, label_names=label_names)


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
    (train, train_labels), (test, test_labels) = mnist.read("train"), mnist.read("t10k")
    return Dataset("mnist", train, test, train_labels, test_labels, (28, 28), label_names=tuple("0123456789"))


# -- your own file -----------------------------------------------------------------------------------------


def load_npy(path: str | os.PathLike) -> Dataset:
    """A matrix that ``np.save`` wrote, whatever the file's name ends in; arguments and errors as for :func:`load`."""
    path, table = tables.as_path(path), tables.read(path, ending=".npy")
    notes.warn(path, notes.of_a_table(table, by_chance=True))
    return _own(path, table)


HOLDOUTS = ("random", "last")


def _own(path: str, table: tables.Table, holdout: str = "random", groups: np.ndarray | None = None) -> Dataset:
    """The content of a file as a data set; one row in ten is held out, unless the file has its own split."""
    n = len(table.x)
    if n < 2:
        raise DataError(f"{path!r} has {n} example(s), but 2 are needed: one to train on, one to hold out")
    train: slice | np.ndarray  # a slice makes a view, which spares the memory of a copy
    test: slice | np.ndarray
    n_train = n - max(1, n // 10) if table.train_rows is None else table.train_rows
    if table.train_rows is None and holdout == "random":
        test = split.held_out(table.x, n - n_train, groups=groups)
        train = np.setdiff1d(np.arange(n), test)
    else:
        train, test = slice(n_train), slice(n_train, n)
    name, x, y = os.path.splitext(os.path.basename(path))[0], table.x, table.labels
    y_train, y_test = (None, None) if y is None else (y[train], y[test])
    more = (table.columns, table.label_names, table.white, table.places, table.schema)
    return Dataset(name, x[train], x[test], y_train, y_test, table.image_shape, *more)


def _with_test(path: str, table: tables.Table, test: str, other: tables.Table) -> tables.Table:
    """The rows of a file, and behind them those of another one, which are to be held out."""
    if other.x.shape[1] != table.x.shape[1] or other.columns != table.columns:
        raise DataError(
            f"{test!r} and {path!r} must have the same columns: expected {table.columns or table.x.shape[1]}"
        )
    if bool(other.label_names) != bool(table.label_names):
        raise DataError(f"the labels of {test!r} and {path!r} must both be numbers, or both be texts")
    names = tuple(sorted({*table.label_names, *other.label_names}))
    parts = []
    for part in (table, other):
        numbers = np.array([names.index(name) for name in part.label_names], dtype=np.int64)
        parts.append(part.labels if part.labels is None or not names else numbers[part.labels])
    labelled = [part for part in parts if part is not None]
    y = np.concatenate(labelled) if len(labelled) == len(parts) else None
    return replace(table, x=np.concatenate([table.x, other.x]), labels=y, label_names=names, train_rows=len(table.x))


LOADERS: dict[str, Callable[[], Dataset]] = {
    "digits": load_digits,
    "iris": load_iris,
    "wine": load_wine,
    "mnist": load_mnist,
}
