"""Columns at a common scale inside a model, in their own units outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minivae.errors import DataError
from minivae.validation import as_finite, check_choice, check_matrix

SCALINGS = ("none", "standard", "minmax", "pixels")
WHITE = 255.0


@dataclass(frozen=True)
class Scaling:
    """u = (x - shift) / scale, column by column; "none" leaves x as it is.

    Parameters
    ----------
    kind : {"none", "standard", "minmax", "pixels"}
    shift, scale : ndarray of float64, shape (D,)
        Empty for "none".
    """

    kind: str = "none"
    shift: np.ndarray = field(default_factory=lambda: np.zeros(0))
    scale: np.ndarray = field(default_factory=lambda: np.ones(0))

    def __post_init__(self) -> None:
        check_choice(self.kind, "scaling", SCALINGS)
        if self.shift.shape != self.scale.shape or self.shift.ndim != 1:
            raise ValueError(f"shift and scale must have one length, got shapes {self.shift.shape}, {self.scale.shape}")
        if not (np.all(np.isfinite(self.shift)) and np.all(np.isfinite(self.scale)) and np.all(self.scale > 0)):
            raise ValueError("shift and scale must be finite, and scale greater than 0")

    @classmethod
    def of(cls, kind: str, x: np.ndarray, white: float = WHITE) -> Scaling:
        """The scaling that fits the columns of ``x`` (N, D).

        "standard" subtracts the mean and divides by the standard deviation, "minmax" maps the smallest value to 0 and
        the largest to 1, "pixels" divides by ``white``. A constant column is only shifted. DataError if a column is too
        large.
        """
        if check_choice(kind, "scaling", SCALINGS) == "none":
            return cls()
        x = check_matrix(x, "float64")
        if kind == "pixels":
            return cls(kind, np.zeros(x.shape[1]), np.full(x.shape[1], white))
        with np.errstate(over="ignore", invalid="ignore"):
            if kind == "standard":
                shift, scale = x.mean(axis=0), x.std(axis=0)
            else:
                shift, scale = x.min(axis=0), np.ptp(x, axis=0)
        beyond = np.flatnonzero(~np.isfinite(shift + scale))
        if len(beyond):
            largest = np.abs(x[:, beyond[0]]).max()
            raise DataError(f"column {beyond[0]} reaches {largest:g}, beyond the range in which it can be scaled")
        varies = (np.ptp(x, axis=0) > 0) & (scale > 0)  # rounding makes the std of 0.1s positive, that of 1e-200s 0
        return cls(kind, shift, np.where(varies, scale, 1.0))

    def check_dim(self, input_dim: int) -> None:
        """ValueError if the scaling is for data of another width."""
        if self.kind != "none" and self.shift.shape != (input_dim,):
            raise ValueError(f"the scaling is for {len(self.shift)} columns, but input_dim is {input_dim}")

    def check(self, x: Any, dtype: str, width: int, what: str = "X") -> np.ndarray:
        """A matrix (N, D) of this width in scaled units, finite and of this dtype; DataError otherwise."""
        if self.kind == "none":
            return check_matrix(x, dtype, width, what)
        return as_finite(self.apply(check_matrix(x, "float64", width, what)), dtype, what)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Data (N, D) in scaled units."""
        return x if self.kind == "none" else (x - self.shift) / self.scale

    def invert(self, x: np.ndarray) -> np.ndarray:
        """Scaled values (N, D) in the data's own units."""
        return x if self.kind == "none" else x * self.scale + self.shift

    def log_volume(self) -> float:
        """log |dx / du| = sum_d log scale_d = -log p(x) + log p(u) of a density, in nats."""
        return float(np.log(self.scale).sum())
