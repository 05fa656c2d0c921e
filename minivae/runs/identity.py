"""Which data and which settings a run belongs to: what config.json says about them, and the sums that tell."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import numpy as np

from minivae.datasets import Dataset
from minivae.runs.settings import DEFAULTS, ONLY, Settings

# Older runs know none of these, and did what the defaults do.
NEWER = ("columns", "shards", "objective", "draws", "beta_warm_up", "free_bits", "conditional")
DESCRIBED = ("name", "image_shape", "columns", "label_names", "value_range", "fingerprint")


def fingerprint(data: Dataset, conditional: bool = False) -> str:
    """SHA-256 of both parts: their shapes, dtypes and values; of their labels too where a model is shown them."""
    digest = hashlib.sha256()
    labels = (data.train_labels, data.test_labels) if conditional else ()
    for part in (data.train, data.test, *(part for part in labels if part is not None)):
        digest.update(f"{part.shape} {part.dtype}\n".encode())
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def identity(settings: Settings, mark: str) -> str:
    """One string for all that decides the numbers of a run, but for how long it is trained.

    ``mark`` is the :func:`fingerprint` of its data.
    """
    of_files = ("data", "header", "drop", "test", "holdout", "groups")  # the fingerprint tells how they were read
    newer = {"model", *ONLY["gan"]} if settings.model == "vae" else set()  # older runs had no such settings
    newer |= {name for name in NEWER if getattr(settings, name) == DEFAULTS[name]}
    left_out = {*of_files, "epochs", "steps", *newer}
    values = {name: value for name, value in settings.of_the_run().items() if name not in left_out}
    return hashlib.sha256(json.dumps([values, mark], sort_keys=True).encode()).hexdigest()


def shown_range(data: Dataset) -> tuple[float, float]:
    """The values that pictures draw white and black: 0 and 1, or the data's own range if it leaves [0, 1]."""
    low, high = data.value_range
    return (0.0, 1.0) if low >= 0 and high <= 1 else (low, high)


def describe(data: Dataset, mark: str) -> dict[str, Any]:
    """What config.json says about data: enough to notice that they, their columns or their units have changed."""
    values = {name: getattr(data, name) for name in ("name", "image_shape", "columns", "label_names")}
    return values | {"value_range": shown_range(data), "fingerprint": mark}


def as_described(values: dict[str, Any]) -> dict[str, Any]:
    """The part of config.json that :func:`describe` wrote; one of Python's errors where it did not write that."""
    values = {"label_names": []} | values  # older runs do not say
    lists, shape = (values["columns"], values["label_names"]), values["image_shape"]
    texts = [values["name"], values["fingerprint"], *lists[0], *lists[1]]
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(names, list) for names in lists):
        raise TypeError("the name, the fingerprint, the columns and the labels of the data must be texts")
    if shape is not None and [type(length) for length in shape] != [int, int]:
        raise TypeError(f"image_shape must be two whole numbers, got {shape!r}")
    low, high = map(finite, values["value_range"])
    return {name: values[name] for name in DESCRIBED} | {"value_range": [low, high]}


def finite(value: Any) -> float:
    """A number that is finite; ValueError or TypeError otherwise."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"a finite number was expected, got {number}")
    return number
