"""Which examples a command looks at: those that the run never trained on, or another file's."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minivae import datasets
from minivae.datasets import LOADERS, Dataset, mixed, tables
from minivae.datasets.cells import whole_number
from minivae.datasets.split import hashes
from minivae.errors import DataError
from minivae.runs.classes import with_classes
from minivae.runs.folder import Run
from minivae.runs.identity import fingerprint
from minivae.runs.settings import Settings, same_file
from minivae.system.streams import print_line

SHOWN_LABELS = 10


class Examples(NamedTuple):
    """Rows in the data's own units.

    ``x`` is (N, D), or rows [x | c] of a run with classes; ``labels`` is (N,) or None, ``part`` is "test" or "all",
    ``name`` is that of the data set; label k is called ``label_names[k]``, if it has a name; ``is_own`` where these are
    the data that the run was trained on.
    """

    name: str
    part: str
    x: np.ndarray
    labels: np.ndarray | None
    label_names: tuple[str, ...] = ()
    is_own: bool = False


def examples_for(run: Run, data: str | None, labels: str | None, all_rows_of_files: bool = False) -> Examples:
    """The test part of the run's own data and of data sets with a name; all rows of another file.

    Parameters
    ----------
    run : Run
    data : str or None
        A name or a file; None: the data that the run was trained on.
    labels : str or None
        Which column of a file holds labels; None: as in training, where the data are the run's own.
    all_rows_of_files : bool, default False
        Also of the file that the run was trained on.

    Raises
    ------
    DataError
        If the data are not as they were, or have not the columns that the model was trained on.
    """
    trained_on = None if run.settings is None else run.settings.data
    if data is None and trained_on is None:
        raise DataError(f"{run.path} does not say what it was trained on: name the examples with --data")
    if data is None and trained_on not in LOADERS and not Path(str(trained_on)).exists():
        raise DataError(f"{run.path} was trained on {trained_on}, which is gone: if it has moved, name it with --data")
    own = run.settings if data in (None, trained_on) else settings_of_a_copy(run, str(data), labels)
    is_own = own is not None
    if own is not None:
        data, labels = data or trained_on, labels or own.labels
    assert data is not None
    if data in LOADERS or (is_own and not all_rows_of_files):
        found = load_again(data, own, labels)
        if is_own:
            run.check_same(found)
        check_width(run, found.test, data, labels)
        classes = numbered_as_in_training(run, found.test_labels, found.label_names)
        return Examples(found.name, "test", with_classes(run.vae, found.test, *classes, data), *classes, is_own)
    table = read_like_the_run(run, data, labels, own)
    for remark in table.remarks:
        print_line(f"note: {data!r}: {remark}", to_stderr=True)
    check_width(run, table.x, data, labels)
    run.check_columns(table.columns, data)
    classes = numbered_as_in_training(run, table.labels, table.label_names)
    return Examples(Path(data).stem, "all", with_classes(run.vae, table.x, *classes, data), *classes, is_own)


def numbered_as_in_training(
    run: Run, labels: np.ndarray | None, names: tuple[str, ...]
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """The labels (N,) and their names: a name has the number that it had in training, new ones come after those.

    A file has numbered its names by itself, so that a class that is alone in it has the number 0.
    """
    known = () if run.data is None else run.data["label_names"]
    if labels is None or not known:
        return labels, names
    are_texts = {whole_number(name) is None for name in known}
    if not names and len(are_texts) == 2:  # "1", "2" and "unknown" were texts, and without the last are numbers
        values, labels = np.unique(labels, return_inverse=True)
        names = tuple(map(str, values))
    if not names:
        return labels, names
    numbers = {name: number for number, name in enumerate(dict.fromkeys([*known, *names]))}
    return np.array([numbers[name] for name in names])[labels], tuple(numbers)


def describe_labels(names: Sequence[str]) -> str:
    """Which number means what, such as " (0 benign, 1 malignant)"; nothing for classes that are called by numbers."""
    if all(name == str(number) for number, name in enumerate(names)):
        return ""
    shown = [f"{number} {name}" for number, name in enumerate(names[:SHOWN_LABELS])]
    return f" ({', '.join(shown)}{', ...' * (len(names) > SHOWN_LABELS)})"


def rows_trained_on(run: Run, examples: Examples) -> int | None:
    """How many rows of other data are equal to rows of the run's training set: a file may hold a part of it.

    None for the run's own data, and where they are not to be read as they were.
    """
    own = None if examples.is_own else training_rows_of(run, examples)
    if own is None:
        return None
    dtype = min(own.dtype, examples.x.dtype, key=lambda dtype: dtype.itemsize)
    known = set(hashes(own, dtype))
    return sum(row in known for row in hashes(examples.x, dtype))


def training_rows_of(run: Run, examples: Examples) -> np.ndarray | None:
    """The rows ``x`` that the run could train on; None where they are not to be read as they were."""
    if run.settings is None or (run.settings.data == "mnist" and not examples.is_own):  # which might be a download
        return None
    try:
        own = load_again(run.settings.data, run.settings)
        run.check_same(own)
    except (DataError, OSError):
        return None
    return with_classes(run.vae, own.train, own.train_labels, own.label_names, own.name)


def read_like_the_run(run: Run, data: str, labels: str | None, own: Settings | None) -> tables.Table:
    """A file below the same header, without the columns that were dropped; another may have come without them."""
    settings, schema = own or run.settings or Settings(), run.vae.columns
    if schema is not None and not schema.is_plain and tables.ending_of(data) in tables.TEXT:
        return mixed.read(data, labels, settings.header, (), schema)
    header = settings.header if tables.ending_of(data) in tables.TEXT else "auto"
    if settings.left_out and own is None:
        with suppress(DataError):
            table = tables.read(data, labels, header=header)
            if table.x.shape[1] == run.vae.input_dim:
                return table
    return tables.read(data, labels, header=header, drop=settings.left_out)


def load_again(data: str, settings: Settings | None, labels: str | None = None) -> Dataset:
    """``datasets.load`` as for the run with these settings, but for the warnings that training has given already."""
    source = {} if settings is None or data in LOADERS else settings.source()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return datasets.load(data, **(source | ({"labels": labels} if labels else {})))


def settings_of_a_copy(run: Run, data: str, labels: str | None) -> Settings | None:
    """The settings with which a file elsewhere holds what the run was trained on: it must not pass for new examples.

    A copy may be an array, without labels, and without the columns that were dropped. None for other data; and for a
    copy without the column of groups, which alone says what was held out: :func:`rows_trained_on` counts its rows.
    """
    begun = run.settings
    if begun is None or run.data is None or not LOADERS.keys().isdisjoint({data, begun.data}):
        return None
    if same_file(data, begun.data):
        return begun
    array = replace(begun, labels=None, header="auto")
    for settings in dict.fromkeys([begun, array, replace(array, drop=())]):
        with suppress(DataError, OSError):  # whoever reads it as another file's examples will say what is wrong
            if fingerprint(load_again(data, settings, labels), begun.conditional) == run.data["fingerprint"]:
                return settings
    return None


def check_width(run: Run, x: np.ndarray, data: str, labels: str | None) -> None:
    """DataError unless the rows of ``data`` are as wide as those that the model was trained on."""
    width, expected = x.shape[1], run.vae.input_dim
    if width == expected:
        return
    advice = "it must have the same ones, in the same order"
    if width == expected + 1 and labels is None and tables.ending_of(data) in tables.TEXT:
        advice = "if one of them holds labels, name it with --labels"
    if width == expected - 1 and labels is not None:
        advice = f"if {labels!r} is one that the model knows, leave out --labels"
    raise DataError(f"{data!r} has {width} columns, but {run.path} was trained on {expected}: {advice}")
