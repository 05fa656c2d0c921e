"""Classes as a condition: the labels of data as one-hot columns, by the names that their classes had in training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minivae.datasets import Dataset
from minivae.errors import DataError
from minivae.model.vae import VAE
from minivae.plotting.latent import class_name


def class_names(data: Dataset) -> tuple[str, ...]:
    """The names of the classes to train on, in the order of their labels."""
    if data.train_labels is None:
        raise DataError(f"--conditional needs labels, and {data.name!r} has none: name their column with --labels")
    check_learnt(data, data.test_labels, "the held-out rows alone: leave it out, or hold out others with --test")
    return tuple(class_name(label, data.label_names) for label in np.unique(data.train_labels))


def check_learnt(data: Dataset, labels: np.ndarray | None, where: str) -> None:
    """DataError if one of these labels is none of a row to train on."""
    if labels is None or data.train_labels is None:
        return
    if (unseen := np.setdiff1d(labels, data.train_labels)).size:
        which = class_name(unseen[0], data.label_names)
        raise DataError(f"a class is learnt from rows, and class {which!r} is among {where}")


def rows_of(vae: VAE, names: Sequence[str]) -> np.ndarray:
    """One-hot rows (n, C) of the classes with these names."""
    if not vae.classes:
        raise DataError(f"the {vae.condition_dim} columns of this model's condition have no names: set vae.classes")
    unknown = [name for name in names if name not in vae.classes]
    if unknown:
        raise DataError(f"the model knows no class {unknown[0]!r}: expected one of {', '.join(vae.classes)}")
    return np.eye(len(vae.classes))[[vae.classes.index(name) for name in names]]


def with_classes(
    vae: VAE, x: np.ndarray, labels: np.ndarray | None, label_names: Sequence[str], what: str
) -> np.ndarray:
    """Rows [x | c], (N, D + C), for a conditional model; ``x`` itself for another."""
    if not vae.condition_dim:
        return x
    if labels is None:
        raise DataError(f"{what!r} has no labels, which a conditional model needs: name their column with --labels")
    values, which = np.unique(labels, return_inverse=True)
    rows = rows_of(vae, [class_name(value, label_names) for value in values])
    return np.hstack([x, rows[which].astype(x.dtype)])
