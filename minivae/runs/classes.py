"""Classes as a condition: the labels of data as one-hot columns, by the names that the classes had in training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minivae.datasets import Dataset
from minivae.errors import DataError
from minivae.plotting.latent import class_name


def class_names(data: Dataset) -> tuple[str, ...]:
    """The names of the classes to train on, in the order of their labels."""
    if data.train_labels is None:
        raise DataError(f"--conditional needs labels, and {data.name!r} has none: name their column with --labels")
    return tuple(class_name(label, data.label_names) for label in np.unique(data.train_labels))


def one_hot(
    classes: Sequence[str], labels: np.ndarray | None, label_names: Sequence[str], what: str
) -> np.ndarray | None:
    """The condition of rows with these labels, (N,) -> (N, C); None for a run without classes."""
    if not classes:
        return None
    if labels is None:
        raise DataError(
            f"{what!r} has no labels, and the run is conditional, so that each row needs its class: name the column "
            "that holds them with --labels"
        )
    values, which = np.unique(labels, return_inverse=True)
    return rows_of(classes, [class_name(value, label_names) for value in values])[which]


def rows_of(classes: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """One-hot rows (n, C) of the classes with these names."""
    unknown = [name for name in names if name not in classes]
    if unknown:
        raise DataError(f"the run knows no class {unknown[0]!r}: expected one of {', '.join(classes)}")
    return np.eye(len(classes))[[classes.index(name) for name in names]]


def with_classes(
    x: np.ndarray, classes: Sequence[str], labels: np.ndarray | None, label_names: Sequence[str], what: str
) -> np.ndarray:
    """Rows [x | c], (N, D + C), as a conditional model takes them; ``x`` itself for a run without classes."""
    condition = one_hot(classes, labels, label_names, what)
    return x if condition is None else np.hstack([x, condition.astype(x.dtype)])
