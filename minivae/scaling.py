"""Bringing columns to a common scale before training, and back afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minivae.errors import DataError

SCALINGS = ("none", "standard", "minmax")


@dataclass(frozen=True)
class Scaling:
    """x -> (x - shift) / scale, column by column.

    Parameters
    ----------
    kind : {"none", "standard", "minmax"}
    shift, scale : ndarray of float64, shape (D,)
    """

    kind: str
    shift: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, kind: str, x: np.ndarray) -> Scaling:
        """The scaling that fits the columns of ``x`` (N, D).

        "standard" takes off the mean and divides by the standard deviation, "minmax" maps the smallest value to 0
        and the largest to 1. A constant column is only shifted. DataError if a column is too large for that.
        """
        x = np.asarray(x, dtype=np.float64)
        shift, scale = np.zeros(x.shape[1]), np.ones(x.shape[1])
        with np.errstate(over="ignore", invalid="ignore"):
            if kind == "standard":
                shift, scale = x.mean(axis=0), x.std(axis=0)
            elif kind == "minmax":
                shift, scale = x.min(axis=0), np.ptp(x, axis=0)
        beyond = np.flatnonzero(~np.isfinite(shift + scale))
        if len(beyond):
            largest = np.abs(x[:, beyond[0]]).max()
            raise DataError(f"column {beyond[0]} reaches {largest:g}, beyond the range in which it can be scaled")
        return cls(kind, shift, np.where(np.ptp(x, axis=0) > 0, scale, 1.0))  # rounding makes the std of 0.1s positive

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Data, (N, D), as the model sees them."""
        return x if self.kind == "none" else (x - self.shift) / self.scale

    def invert(self, x: np.ndarray) -> np.ndarray:
        """What the model returns, (N, D), in the data's own units."""
        return x if self.kind == "none" else x * self.scale + self.shift

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for config.json; "none" needs no more than its name."""
        if self.kind == "none":
            return {"kind": self.kind}
        return {"kind": self.kind, "shift": self.shift.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Scaling:
        """The scaling that :meth:`to_dict` described."""
        return cls(values["kind"], np.array(values.get("shift", 0.0)), np.array(values.get("scale", 1.0)))
