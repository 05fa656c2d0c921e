"""Every kernel of a backend against the reference, before anything is timed.

The reference computes in float64, from the same numbers. What a kernel returns is compared, and also every array
argument and every buffer as the call leaves it: that finds an update that was not made, and one that should not be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minivae.backend import Backend, load, uses_tf32
from minivae.benchmark.arguments import Arguments, Sizes
from minivae.benchmark.calls import Call, calls_of
from minivae.gradcheck import relative_error

TOLERANCE = {"float64": 1e-9, "float32": 1e-4}
TOLERANCE_OF_TF32 = 2e-3  # its products keep 10 bits of their factors
TOLERANCE_OF_NOISE = {"float64": 1e-12, "float32": 1e-5}
ODD = Sizes(B=37, D=23, H=11, K=3)  # all different, and none that a vector register divides


def verify(kernels: Backend, *sizes: Sizes, calls: Sequence[Call] | None = None) -> str | None:
    """The first kernel that is wrong, in one sentence with its dtype and its error; None if all agree."""
    for size in sizes:
        for dtype in TOLERANCE:
            for call in calls_of(kernels.name) if calls is None else calls:
                error, tolerance = error_of(kernels, call, size, dtype), tolerance_of(kernels, call, dtype)
                if not error <= tolerance:  # NaN is no agreement
                    return (
                        f"{call.label} of the {kernels.name} backend differs from the reference in {dtype} at "
                        f"B, D, H, K = {', '.join(map(str, size))}: relative error {error:.1e}, tolerance {tolerance:g}"
                    )
    return None


def tolerance_of(kernels: Backend, call: Call, dtype: str) -> float:
    """How far a call may be from the reference; coins come up the same, or are different coins."""
    if call.function == "binarize":
        return 0.0
    if dtype == "float32" and call.function.startswith("linear_") and kernels.graph is not None and uses_tf32():
        return TOLERANCE_OF_TF32
    noise = call.function in ("uniform", "standard_normal")
    return (TOLERANCE_OF_NOISE if noise else TOLERANCE)[dtype]


def error_of(kernels: Backend, call: Call, sizes: Sizes, dtype: str) -> float:
    """The largest relative error, norm-wise, of the arrays that a call returns, fills or is given; inf for a shape."""
    got, expected = outcome(kernels, call, sizes, dtype), outcome(load("numpy"), call, sizes, "float64")
    if [array.shape for array in got] != [array.shape for array in expected]:
        return np.inf
    if any(array.dtype not in (dtype, "int64") for array in got if array.shape):  # int64: row numbers
        return np.inf
    errors = [relative_error(mine.astype(float), truth) for mine, truth in zip(got, expected, strict=True)]
    return float(np.max(errors))  # which is NaN if one of them is


def outcome(kernels: Backend, call: Call, sizes: Sizes, dtype: str) -> list[np.ndarray]:
    """What a call returns, then its arguments and its buffers as they are afterwards: NumPy arrays."""
    given = Arguments(kernels, sizes, dtype)
    arguments, buffers = call.arguments(given), given.buffers(call.out)
    with kernels.session():
        returned = getattr(kernels, call.function)(*arguments, **call.options, **buffers)
    returned = returned if isinstance(returned, tuple) else (returned,)
    values: list[Any] = [value for value in returned if value is not None]
    values += [argument for argument in (*arguments, *buffers.values()) if hasattr(argument, "dtype")]
    return [np.asarray(kernels.to_numpy(value) if hasattr(value, "dtype") else value) for value in values]
