"""Columns at a common scale inside a model, in their own units outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minivae.errors import DataError
from minivae.validation import as_finite, check_choice, check_columns_known, check_matrix

SCALINGS = ("none", "standard", "minmax", "pixels")
WHITE = 255.0


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of what is known of each column of x (N, D), in float64."""
    if np.isnan(x.min()):
        return np.asarray(np.nanmean(x, axis=0, dtype=np.float64)), np.nanvar(x, axis=0, dtype=np.float64)
    return x.mean(axis=0, dtype=np.float64), x.var(axis=0, dtype=np.float64)


@dataclass(frozen=True)
class Scaling:
    """u = (x - shift) / scale, column by column; "none" leaves x as it is.

    Parameters
    ----------
    kind : {"none", "standard", "minmax", "pixels"}
    shift, scale : ndarray of float64, shape (D,)
        Empty for "none".
    seen_shift, seen_scale : ndarray of float64, shape (D,)
        What the encoder sees of a column, (v - seen_shift) / seen_scale, where that is another v than u: the logarithm
        of a count or of a positive value, which itself stays as it is. Empty where there is no such column.
    """

    kind: str = "none"
    shift: np.ndarray = field(default_factory=lambda: np.zeros(0))
    scale: np.ndarray = field(default_factory=lambda: np.ones(0))
    seen_shift: np.ndarray = field(default_factory=lambda: np.zeros(0))
    seen_scale: np.ndarray = field(default_factory=lambda: np.ones(0))

    def __post_init__(self) -> None:
        check_choice(self.kind, "scaling", SCALINGS)
        for shift, scale in ((self.shift, self.scale), (self.seen_shift, self.seen_scale)):
            if shift.shape != scale.shape or shift.ndim != 1:
                raise ValueError(f"shift and scale must have one length, got shapes {shift.shape}, {scale.shape}")
            if not (np.all(np.isfinite(shift)) and np.all(np.isfinite(scale)) and np.all(scale > 0)):
                raise ValueError("shift and scale must be finite, and scale greater than 0")

    @classmethod
    def of(cls, kind: str, x: np.ndarray, white: float = WHITE, likelihood: Any = None) -> Scaling:
        """The scaling that fits the columns of ``x`` (N, D), of what is known in them.

        "standard" subtracts the mean and divides by the standard deviation, "minmax" maps the smallest value to 0 and
        the largest to 1, "pixels" divides by ``white``. A constant column is only shifted. DataError if a column is too
        large, or holds nothing but NaN.

        With a Likelihood only its real-valued columns are scaled; of its counts and positive values the logarithm that
        the encoder sees is standardised; columns of 0 and 1 among others stay as they are.
        """
        if check_choice(kind, "scaling", SCALINGS) == "none":
            return cls()
        x = check_matrix(x, "float64", allow_nan=True)
        check_columns_known(x)
        if likelihood is None:
            return cls._of(kind, x, white)
        how = likelihood.per_column("scaled", x.shape[1])
        arrays = np.tile([[0.0], [1.0], [0.0], [1.0]], x.shape[1])
        linear, log = how == "linear", how == "log"
        if linear.any():
            of_linear = cls._of(kind, x[:, linear], white)
            arrays[:2, linear] = of_linear.shift, of_linear.scale
        if not log.any():
            return cls(kind, *arrays[:2])
        likelihood.check(x)  # a logarithm needs positive values
        of_log = cls._of("standard", likelihood.encoder_view(x)[:, log], white)
        arrays[2:, log] = of_log.shift, of_log.scale
        return cls(kind, *arrays)

    @classmethod
    def _of(cls, kind: str, x: np.ndarray, white: float) -> Scaling:
        if kind == "pixels":
            return cls(kind, np.zeros(x.shape[1]), np.full(x.shape[1], white))
        low, high = np.fmin.reduce(x, axis=0), np.fmax.reduce(x, axis=0)
        with np.errstate(over="ignore", invalid="ignore"):
            if kind == "standard":
                shift, variance = moments(x)
                scale = np.sqrt(variance)
            else:
                shift, scale = low, high - low
        beyond = np.flatnonzero(~np.isfinite(shift + scale))
        if len(beyond):
            largest = np.fmax.reduce(np.abs(x[:, beyond[0]]))
            raise DataError(f"column {beyond[0]} reaches {largest:g}, beyond the range in which it can be scaled")
        varies = (high > low) & (scale > 0)  # rounding makes the std of 0.1s positive, that of 1e-200s 0
        return cls(kind, shift, np.where(varies, scale, 1.0))

    def arrays(self) -> dict[str, np.ndarray]:
        """What a file keeps, by name."""
        names = ("shift", "scale", *(("seen_shift", "seen_scale") if self.seen_shift.size else ()))
        return {name: getattr(self, name) for name in names}

    def check_dim(self, input_dim: int) -> None:
        """ValueError if the scaling is for data of another width."""
        if self.kind != "none" and (self.shift.shape != (input_dim,) or self.seen_shift.size not in (0, input_dim)):
            raise ValueError(f"the scaling is for {len(self.shift)} columns, but input_dim is {input_dim}")

    def check(self, x: Any, dtype: str, width: int, what: str = "X", allow_nan: bool = False) -> np.ndarray:
        """A matrix (N, D) of this width in scaled units, finite and of this dtype; DataError otherwise."""
        if self.kind == "none":
            return check_matrix(x, dtype, width, what, allow_nan=allow_nan)
        x = check_matrix(x, "float64", width, what, allow_nan=allow_nan)
        return as_finite(self.apply(x), dtype, what, allow_nan=allow_nan)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Data (N, D) in scaled units."""
        return x if self.kind == "none" else (x - self.shift) / self.scale

    def invert(self, x: np.ndarray) -> np.ndarray:
        """Scaled values (N, D) in the data's own units."""
        return x if self.kind == "none" else x * self.scale + self.shift

    def seen(self, view: np.ndarray) -> np.ndarray:
        """What goes into the encoder, of what the likelihood lets it see, (B, D)."""
        return view if not self.seen_shift.size else ((view - self.seen_shift) / self.seen_scale).astype(view.dtype)

    def log_volume(self) -> float:
        """log |dx / du| = sum_d log scale_d = -log p(x) + log p(u) of a density, in nats."""
        return float(np.log(self.scale).sum())
