"""Values that are missing: NaN in the data (lesson 17)."""

from __future__ import annotations

import numpy as np

from minivae.backend import Array


def has_holes(x: Array) -> bool:
    """Whether something in x (B, D) is NaN; never on a GPU, for VAE refuses such data there."""
    return isinstance(x, np.ndarray) and bool(np.isnan(x.min()))


def fill_holes(x: Array) -> tuple[Array, np.ndarray | None]:
    """x (B, D) with 0 for NaN, and what was ``observed``, (B, D) of 1 and 0; x itself and None where nothing is NaN."""
    if not has_holes(x):
        return x, None
    is_hole = np.isnan(x)
    return np.where(is_hole, 0, x), (~is_hole).astype(x.dtype)
