"""Gradients without derivation: central differences, the complex step, a random direction (lesson 1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def relative_error(analytic: np.ndarray, numeric: np.ndarray) -> float:
    """Norm-wise relative error of two arrays of the same shape: |a - n| / max(|a| + |n|, 1e-8).

    Infinite, not NaN, where a norm is not finite: ``max()`` over several errors would lose a NaN.
    """
    if np.shape(analytic) != np.shape(numeric):
        raise ValueError(f"the shapes differ: {np.shape(analytic)} and {np.shape(numeric)}")
    with np.errstate(all="ignore"):
        difference = float(np.linalg.norm(np.subtract(analytic, numeric)))
        size = float(np.linalg.norm(analytic)) + float(np.linalg.norm(numeric))
    return difference / max(size, 1e-8) if np.isfinite(size) else np.inf


def numerical_gradient(f: Callable[[np.ndarray], float], x: np.ndarray, h: float = 1e-5) -> np.ndarray:
    """Gradient, of the shape of ``x``, by central differences: (f(x + h e_i) - f(x - h e_i)) / 2h for each element.

    Parameters
    ----------
    f : callable
        ``f(x)`` returns a number; it is called with ``x`` itself, one element changed in place.
    x : ndarray of float64, any shape
        Restored when the function returns.
    h : float, default 1e-5
        The truncation error grows like h^2, the rounding error like 1e-16 / h.

    Raises
    ------
    TypeError
        If ``x`` is not float64: in float32, rounding drowns the difference.
    """
    if x.dtype != np.float64:
        raise TypeError(f"numerical_gradient needs float64, got {x.dtype}: in float32 rounding drowns the difference")
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        before = x[index]
        x[index] = before + h
        above = f(x)
        x[index] = before - h
        below = f(x)
        x[index] = before
        gradient[index] = (above - below) / (2 * h)
    return gradient


def complex_step_gradient(f: Callable[[np.ndarray], Any], x: np.ndarray, h: float = 1e-30) -> np.ndarray:
    """Gradient, of the shape of ``x``, by the complex step, Im f(x + i h e_i) / h: exact to rounding.

    Only for analytic functions: the reparameterization, the KL, the Gaussian likelihood, tanh.

    Parameters
    ----------
    f : callable
        Real-valued for real input, and defined for a complex array.
    x : ndarray of float64, any shape
    h : float, default 1e-30

    Raises
    ------
    ValueError
        If ``f`` uses an operation that is not analytic, such as ``absolute``; the message names it.

    References
    ----------
    Squire and Trapp, "Using complex variables to estimate derivatives of real functions", SIAM Review 40 (1998).
    """
    z = np.asarray(x, dtype=np.complex128).view(_Analytic)
    gradient = np.empty(z.shape)
    for index in np.ndindex(z.shape):
        z[index] += 1j * h
        value = np.asarray(f(z))
        if value.dtype.kind != "c":
            raise ValueError("the complex step got a real number back: something in f drops the imaginary part")
        gradient[index] = value.imag.item() / h
        z[index] = z[index].real
    # One finite difference along a random direction, for operations that _Analytic cannot see.
    rng, real = np.random.default_rng(0), np.array(x, dtype=np.float64)
    if directional_error(lambda v: float(np.real(f(v))), real, gradient, rng, h=1e-5) > 1e-4:
        raise ValueError(
            "the complex step and a finite difference disagree: something in f is not analytic; use numerical_gradient"
        )
    return gradient


class _Analytic(np.ndarray):
    """A complex array that refuses operations which are not analytic, by name."""

    WRONG = (
        *("absolute", "fabs", "sign", "conjugate", "copysign", "heaviside", "logaddexp", "logaddexp2"),
        *("expit", "log_expit", "norm", "vdot", "real", "imag", "angle"),
    )

    @classmethod
    def refuse(cls, name: str) -> None:
        if name in cls.WRONG:
            raise ValueError(f"the complex step is wrong through {name}, which is not analytic: use numerical_gradient")

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        self.refuse(ufunc.__name__)
        if out is not None:
            kwargs["out"] = tuple(np.asarray(array) for array in out)
        result = getattr(ufunc, method)(*(np.asarray(i) if isinstance(i, _Analytic) else i for i in inputs), **kwargs)
        return result.view(_Analytic) if isinstance(result, np.ndarray) else result

    def __array_function__(self, function, types, args, kwargs):
        self.refuse(function.__name__)
        return super().__array_function__(function, types, args, kwargs)

    def astype(self, dtype, *args, **kwargs):
        if np.dtype(dtype).kind != "c":
            self.refuse("real")
        return super().astype(dtype, *args, **kwargs)


def directional_error(
    f: Callable[[np.ndarray], float], x: np.ndarray, gradient: np.ndarray, rng: np.random.Generator, h: float = 1e-3
) -> float:
    """Relative error of ``gradient`` (shape of ``x``) along a random direction, from two evaluations of ``f``.

    Compares <gradient, v> with (f(x + h v) - f(x - h v)) / 2h for v of norm 1, and restores ``x``. ``h`` is larger
    than for one coordinate, because all coordinates share the step.
    """
    v = rng.standard_normal(x.shape)
    v /= np.linalg.norm(v)
    before = x.copy()
    x[...] = before + h * v
    above = f(x)
    x[...] = before - h * v
    below = f(x)
    x[...] = before
    return relative_error(np.vdot(gradient, v), np.array((above - below) / (2 * h)))
