"""Is this gradient right, and if not, what is wrong with it? Lesson 1 derives the test.

In float64, right gradients have a relative error below 1e-6, usually below 1e-9; wrong ones well above 1e-3. A gradient
check proves that the gradient belongs to the function, not that the function is right: a sampler that takes the
variance for the standard deviation passes. See tests/proofs/proofs.py for the other half.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from minivae.gradcheck.differences import complex_step_gradient, numerical_gradient, relative_error

if TYPE_CHECKING:
    from minivae.model.vae import VAE

TOLERANCE = 1e-6
B, D, H, K = 6, 7, 5, 3  # all different, so that a wrong axis cannot hide
SIZES = {"B": B, "D": D, "H": H, "K": K}

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Check:
    """The verdict on the gradient of one array."""

    function: str
    array: str
    shape: tuple[int, ...]
    method: str
    relative_error: float
    passed: bool
    message: str


def diagnose(
    analytic: np.ndarray, numeric: np.ndarray, sizes: Mapping[str, int] = SIZES, tolerance: float = TOLERANCE
) -> str:
    """One sentence on what is wrong with a gradient; "" if nothing is.

    Looks for a wrong shape, an entry that is not finite, the same ratio everywhere, and a transposed square matrix, in
    this order; else shows the worst entry.

    Parameters
    ----------
    analytic, numeric : array-like of any shape
        The gradient under test, and the trusted one.
    sizes : mapping of str to int
        B, D, H and K in this check, to recognise them in a ratio.
    tolerance : float, default 1e-6
    """
    analytic, numeric = np.asarray(analytic), np.asarray(numeric)
    if analytic.shape != numeric.shape:
        return diagnose_shape(analytic, numeric, tolerance)
    if not np.all(np.isfinite(numeric)):
        index = _index_of_largest(~np.isfinite(numeric))
        return f"the trusted gradient itself is {numeric[index]} at index {index}: check at another point"
    if not np.all(np.isfinite(analytic)):
        index = _index_of_largest(~np.isfinite(analytic))
        return f"the first entry that is not finite is {analytic[index]} at index {index}"
    if relative_error(analytic, numeric) < tolerance:
        return ""
    if not analytic.any():
        return "zero everywhere: this gradient was not computed, or its path was cut"
    return _diagnose_ratio(analytic, numeric, sizes) or _diagnose_entries(analytic, numeric, tolerance)


def _index_of_largest(array: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(np.argmax(array), array.shape))


def diagnose_shape(analytic: np.ndarray, numeric: np.ndarray, tolerance: float = TOLERANCE) -> str:
    """What is wrong with a shape. A cause is named only if the values agree with it."""

    def same(a: np.ndarray, b: np.ndarray) -> bool:
        return a.squeeze().shape == b.squeeze().shape and relative_error(a.squeeze(), b.squeeze()) < tolerance

    text = f"the shape is {analytic.shape}, expected {numeric.shape}"
    if analytic.T.shape == numeric.shape:
        return text + (": transposed" if same(analytic.T, numeric) else ": transposed, and the values are wrong too")
    if same(analytic, numeric):
        return text + ": the values are right; an axis of length 1 is too many or too few (keepdims?)"
    for axis in range(max(analytic.ndim, numeric.ndim)):
        if axis < analytic.ndim and same(analytic.sum(axis=axis), numeric):
            return text + f": sum over axis {axis}, of length {analytic.shape[axis]}"
        if axis < numeric.ndim and same(analytic, numeric.sum(axis=axis)):
            return text + f": the axis of length {numeric.shape[axis]} has been summed away, and has to stay"
        if axis < numeric.ndim and same(analytic, numeric.mean(axis=axis)):
            return text + f": the axis of length {numeric.shape[axis]} has been averaged away, and has to stay"
    return text


RATIO_MEANS = {
    "2": "a factor 1/2 is missing, or there is a factor 2 too many",
    "1/2": "there is a factor 1/2 too many, or a factor 2 is missing",
    "-1": "the sign is wrong",
    "B": "the 1/B of the batch mean is missing",
    "1/B": "averaged over the batch where the sum is meant, or averaged twice",
    "K": "the sum over the K latent dimensions is counted K times",
    "1/K": "averaged over the K latent dimensions where the sum is meant",
    "D": "the sum over the D data dimensions is counted D times",
    "1/D": "averaged over the D data dimensions where the sum is meant",
}


def named_ratios(sizes: Mapping[str, int]) -> dict[str, float]:
    """The ratios with a meaning, by name: 2, 1/2, -1, and B, 1/B, K, 1/K, D, 1/D if ``sizes`` has them."""
    values = {"2": 2.0, "1/2": 0.5, "-1": -1.0}
    for name in ("B", "K", "D"):
        if name in sizes:
            values |= {name: float(sizes[name]), f"1/{name}": 1 / sizes[name]}
    return values


def _diagnose_ratio(analytic: np.ndarray, numeric: np.ndarray, sizes: Mapping[str, int]) -> str:
    """Name a ratio that is the same everywhere."""
    square = np.vdot(numeric, numeric)
    if analytic.size < 2 or square == 0:  # one element alone always has a ratio
        return ""
    ratio = float(np.vdot(numeric, analytic) / square)
    if relative_error(analytic, ratio * numeric) > 1e-5:
        return ""
    matches = [name for name, value in named_ratios(sizes).items() if abs(ratio - value) < 1e-4 * abs(value)]
    text = f"{ratio:.4g} times the expected values, everywhere"
    if matches:
        text += ": " + "; or: ".join(f"({name}) {RATIO_MEANS[name]}" for name in matches)
    return text


def _diagnose_entries(analytic: np.ndarray, numeric: np.ndarray, tolerance: float) -> str:
    if analytic.ndim == 2 and analytic.T.shape == numeric.shape and relative_error(analytic.T, numeric) < tolerance:
        return "transposed"
    index = _index_of_largest(np.abs(analytic - numeric))
    return f"worst at index {index}: {analytic[index]:.6g}, expected {numeric[index]:.6g}"


def verdict(
    function: str, array: str, analytic: Any, numeric: np.ndarray, method: str = "central differences"
) -> Check:
    """Compare two gradients of one array, and diagnose a difference."""
    analytic = np.asarray(analytic)
    fits = analytic.shape == numeric.shape and bool(np.all(np.isfinite(analytic)) and np.all(np.isfinite(numeric)))
    error = relative_error(analytic, numeric) if fits else float("inf")
    return Check(function, array, numeric.shape, method, error, error < TOLERANCE, diagnose(analytic, numeric))


def check_backward(
    function: str,
    value: Callable[[Arrays], np.ndarray],
    gradients: Callable[[Arrays, np.ndarray], Mapping[str, Any]],
    arrays: Arrays,
    rng: np.random.Generator,
    gradient_of: Callable = numerical_gradient,
) -> list[Check]:
    """Check a backward function against its forward function.

    Parameters
    ----------
    function : str
        Its name in the report.
    value : callable
        The forward: ``value(arrays)`` is an array.
    gradients : callable
        The backward: ``gradients(arrays, upstream)`` maps the names of the arrays to check to their gradients.
    arrays : dict of str -> ndarray of float64
    rng : numpy.random.Generator
        Draws the upstream gradient.
    gradient_of : {numerical_gradient, complex_step_gradient}
    """
    upstream = rng.standard_normal(np.shape(value(arrays)))  # ones would hide a backward that ignores it
    by_complex_step = gradient_of is complex_step_gradient
    method = "complex step" if by_complex_step else "central differences"
    others = {name: array.astype(complex) for name, array in arrays.items()} if by_complex_step else arrays
    checks = []
    for name, analytic in gradients(arrays, upstream).items():

        def loss(changed: np.ndarray, name: str = name) -> Any:
            return np.sum(upstream * value(others | {name: changed}))

        checks.append(verdict(function, f"d{name}", analytic, gradient_of(loss, arrays[name]), method))
    return checks


def check_model(vae: VAE, x: np.ndarray, name: str = "VAE", seed: int = 0) -> list[Check]:
    """Check d loss / d parameter for every parameter, end to end, with fixed noise, at a random point.

    Parameters
    ----------
    vae : VAE
        Small, and float64. Its parameters are restored at the end.
    x : ndarray of shape (B, D)
    name : str
        The name of the model in the report.
    seed : int

    Raises
    ------
    TypeError
        If the model is not float64.
    """
    if vae.dtype != "float64":
        raise TypeError(f"check_model needs a float64 model, this one is {vae.dtype}: make it with dtype='float64'")
    k, rng, before = vae.kernels, np.random.default_rng(seed), vae.store.vector.copy()
    checks = []
    try:
        for array in vae.parameters.values():  # away from zero, where mistakes could hide
            array[...] = k.asarray(0.5 * rng.standard_normal(array.shape), vae.dtype)
        eps = _noise_away_from_kinks(vae, x, rng)
        vae.loss_and_gradients(x, eps)
        analytic = {parameter: np.array(k.to_numpy(gradient)) for parameter, gradient in vae.gradients.items()}
        for parameter, array in vae.parameters.items():
            start = np.array(k.to_numpy(array))
            numeric = numerical_gradient(loss_as_a_function_of(vae, array, x, eps), start)
            array[...] = k.asarray(start, vae.dtype)
            checks.append(verdict(name, parameter, analytic[parameter], numeric))
    finally:
        vae.store.vector[:] = before
    return checks


def loss_as_a_function_of(vae: VAE, array: Any, x: np.ndarray, eps: np.ndarray) -> Callable[[np.ndarray], float]:
    """The loss as a function of one array of the model, which keeps the last values."""

    def loss(values: np.ndarray) -> float:
        array[...] = vae.kernels.asarray(values, vae.dtype)
        return vae.loss(x, eps).loss

    return loss


def _noise_away_from_kinks(vae: VAE, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    while True:
        eps = rng.standard_normal((len(x), vae.draws, vae.latent_dim))
        vae.loss(x, eps)
        hidden = [layer for layer in (*vae.encoder.layers, *vae.decoder.layers) if "relu" in layer.activation]
        distances = [float(abs(layer.x @ layer.W + layer.b).min()) for layer in hidden]
        if not distances or min(distances) > 1e-3:
            return eps
        for layer in hidden:
            layer.b += vae.kernels.asarray(0.01 * rng.standard_normal(layer.b.shape), vae.dtype)
