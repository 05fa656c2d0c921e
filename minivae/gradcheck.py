"""Is this gradient right? Finite differences, the complex step, random directions, and a diagnosis (lesson 1).

    error = |analytic - numeric| / max(|analytic| + |numeric|, 1e-8)      in norms over each whole array

In float64, right gradients come out below 1e-6, usually below 1e-9; wrong ones well above 1e-3. A gradient
check proves that the gradient belongs to the function, not that the function is the right one: a sampler that
takes the variance for the standard deviation passes. See tests/proofs.py for the other half.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from minivae.backend import Backend, load
from minivae.likelihoods import Categorical, Gaussian
from minivae.vae import VAE

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

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


# ---------------------------------------------------------------------------------------------------------
# Three ways to get a gradient without deriving it


def relative_error(analytic: np.ndarray, numeric: np.ndarray) -> float:
    """Norm-wise relative error of two arrays of the same shape: |a - n| / max(|a| + |n|, 1e-8)."""
    difference = float(np.linalg.norm(np.subtract(analytic, numeric)))
    return difference / max(float(np.linalg.norm(analytic)) + float(np.linalg.norm(numeric)), 1e-8)


def numerical_gradient(f: Callable[[np.ndarray], float], x: np.ndarray, h: float = 1e-5) -> np.ndarray:
    """Gradient by central differences, (f(x + h e_i) - f(x - h e_i)) / 2h for each element.

    Parameters
    ----------
    f : callable
        ``f(x)`` returns a number; it is called with ``x`` itself, one element changed in place.
    x : ndarray of float64, any shape
        As it was when the function returns.
    h : float, default 1e-5
        The error of truncation grows like h^2, that of rounding like 1e-16 / h.

    Returns
    -------
    gradient : ndarray, shape of ``x``

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
    """Gradient by the complex step, Im f(x + i h e_i) / h: no difference is taken, so it is exact to rounding.

    Only for functions made of analytic operations: the reparameterization, the KL, the Gaussian likelihood, tanh.

    Parameters
    ----------
    f : callable
        Real-valued for real input, and able to take a complex array.
    x : ndarray of float64, any shape
    h : float, default 1e-30

    Returns
    -------
    gradient : ndarray, shape of ``x``

    Raises
    ------
    ValueError
        If ``f`` uses an operation through which the complex step is wrong, such as ``absolute``; it is named.

    References
    ----------
    Squire and Trapp, "Using complex variables to estimate derivatives of real functions", SIAM Review 40 (1998).
    """
    z = np.asarray(x, dtype=np.complex128).view(_Analytic)
    gradient = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        z[index] = x[index] + 1j * h
        gradient[index] = np.imag(np.asarray(f(z))).item() / h
        z[index] = x[index]
    return gradient


class _Analytic(np.ndarray):
    """A complex array that refuses, by name, the operations through which the complex step is wrong."""

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
    """Relative error of ``gradient`` along one random direction: the whole of a large model at two evaluations.

    Compares <gradient, v> with (f(x + h v) - f(x - h v)) / 2h for v of norm 1; leaves ``x`` as it was. The step is
    larger than that of one coordinate, because it is shared by all of them.
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


# ---------------------------------------------------------------------------------------------------------
# What is wrong with it


def diagnose(
    analytic: np.ndarray, numeric: np.ndarray, sizes: Mapping[str, int] = SIZES, tolerance: float = TOLERANCE
) -> str:
    """One sentence on what is wrong with a gradient; "" if nothing is. It never guesses.

    Looks for, in this order: a wrong or transposed shape; an entry that is not finite; one constant ratio
    everywhere; a transposed square matrix. Else it shows the worst entry.

    Parameters
    ----------
    analytic, numeric : array-like of any shape
        The gradient under test, and the trusted one.
    sizes : mapping of str to int
        What B, D, H, K are in this check, to recognise them in a ratio.
    tolerance : float, default 1e-6
    """
    analytic, numeric = np.asarray(analytic), np.asarray(numeric)
    if analytic.shape != numeric.shape:
        return _diagnose_shape(analytic, numeric, tolerance)
    if not np.all(np.isfinite(analytic)):
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(analytic))[0])
        return f"the first entry that is not finite is {analytic[index]} at index {index}"
    if relative_error(analytic, numeric) < tolerance:
        return ""
    if not analytic.any():
        return "zero everywhere: this gradient was not computed, or its path was cut"
    return _diagnose_ratio(analytic, numeric, sizes) or _diagnose_entries(analytic, numeric, tolerance)


def _diagnose_shape(analytic: np.ndarray, numeric: np.ndarray, tolerance: float) -> str:
    text = f"the shape is {analytic.shape}, expected {numeric.shape}"
    if analytic.T.shape == numeric.shape:
        right = relative_error(analytic.T, numeric) < tolerance
        return text + (": transposed" if right else ": transposed, and the values are wrong too")
    if analytic.ndim == numeric.ndim + 1:
        for axis in range(analytic.ndim):
            summed = analytic.sum(axis=axis)
            if summed.shape == numeric.shape and relative_error(summed, numeric) < tolerance:
                return text + f": sum over axis {axis}"
    return text


RATIO_MEANS = {
    "2": "a factor 1/2 is missing (of sigma = exp(logvar / 2)? of the KL?)",
    "1/2": "there is a factor 1/2 too many",
    "-1": "the sign is wrong",
    "B": "the 1/B of the batch mean is missing",
    "1/B": "averaged over the batch where the sum is meant, or averaged twice",
    "K": "the sum over the K latent dimensions is counted K times",
    "1/K": "averaged over the K latent dimensions where the sum is meant",
    "D": "the sum over the D data dimensions is counted D times",
    "1/D": "averaged over the D data dimensions where the sum is meant",
}


def _diagnose_ratio(analytic: np.ndarray, numeric: np.ndarray, sizes: Mapping[str, int]) -> str:
    """Name a ratio that is the same everywhere. With one element only, every gradient has one: say nothing."""
    square = np.vdot(numeric, numeric)
    if analytic.size < 2 or square == 0:
        return ""
    ratio = float(np.vdot(numeric, analytic) / square)
    if relative_error(analytic, ratio * numeric) > 1e-5:
        return ""
    values = {"2": 2.0, "1/2": 0.5, "-1": -1.0}
    for name in ("B", "K", "D"):
        if name in sizes:
            values |= {name: float(sizes[name]), f"1/{name}": 1 / sizes[name]}
    matches = [name for name, value in values.items() if abs(ratio - value) < 1e-4 * abs(value)]
    text = f"{ratio:.4g} times the expected values, everywhere"
    if matches:
        text += ": " + "; or: ".join(f"({name}) {RATIO_MEANS[name]}" for name in matches)
    return text


def _diagnose_entries(analytic: np.ndarray, numeric: np.ndarray, tolerance: float) -> str:
    if analytic.ndim == 2 and analytic.T.shape == numeric.shape and relative_error(analytic.T, numeric) < tolerance:
        return "transposed"
    index = tuple(int(i) for i in np.unravel_index(np.argmax(np.abs(analytic - numeric)), analytic.shape))
    return f"worst at index {index}: {analytic[index]:.6g}, expected {numeric[index]:.6g}"


def verdict(
    function: str,
    array: str,
    analytic: Any,
    numeric: np.ndarray,
    method: str = "central differences",
    sizes: Mapping[str, int] = SIZES,
) -> Check:
    """Compare two gradients of one array: a Check, with its diagnosis where they differ."""
    analytic = np.asarray(analytic)
    fits = analytic.shape == numeric.shape and bool(np.all(np.isfinite(analytic)))
    error = relative_error(analytic, numeric) if fits else float("inf")
    passed = error < TOLERANCE
    return Check(function, array, numeric.shape, method, error, passed, diagnose(analytic, numeric, sizes))


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
        What to call it.
    value : callable
        ``value(arrays)`` is the forward: an array.
    gradients : callable
        ``gradients(arrays, upstream)`` is the backward: name -> gradient, for the arrays to be checked.
    arrays : dict of str -> ndarray of float64
    rng : numpy.random.Generator
        Draws the upstream gradient. Random, because ones hide a backward that ignores it.
    gradient_of : {numerical_gradient, complex_step_gradient}
    """
    upstream = rng.standard_normal(np.shape(value(arrays)))
    by_complex_step = gradient_of is complex_step_gradient
    method = "complex step" if by_complex_step else "central differences"
    others = {name: array.astype(complex) for name, array in arrays.items()} if by_complex_step else arrays
    checks = []
    for name, analytic in gradients(arrays, upstream).items():

        def loss(changed: np.ndarray, name: str = name) -> Any:
            return np.sum(upstream * value(others | {name: changed}))

        checks.append(verdict(function, f"d{name}", analytic, gradient_of(loss, arrays[name]), method))
    return checks


# ---------------------------------------------------------------------------------------------------------
# Every function of a backend, and the whole model


@dataclass(frozen=True)
class Case:
    """One function of a backend: how to draw its arguments, and its forward and backward in one notation."""

    name: str
    draw: Callable[[np.random.Generator], Arrays]
    value: Callable[[Backend, Arrays], np.ndarray]
    gradients: Callable[[Backend, Arrays, np.ndarray], Mapping[str, Any]]
    analytic: bool = False  # whether the complex step applies


def _normal(**shapes: tuple[int, ...]) -> Callable[[np.random.Generator], Arrays]:
    return lambda rng: {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def _with_x(kind: str, **shapes: tuple[int, ...]) -> Callable[[np.random.Generator], Arrays]:
    """Normals, and an ``x`` (B, D) that is binary, or one-hot in groups of 3 and 4 columns."""

    def draw(rng: np.random.Generator) -> Arrays:
        x = (rng.random((B, D)) < 0.5).astype(float)
        if kind == "one-hot":
            x = np.hstack([np.eye(3)[rng.integers(3, size=B)], np.eye(4)[rng.integers(4, size=B)]])
        return _normal(**shapes)(rng) | {"x": x}

    return draw


def _linear_case(activation: str) -> Case:
    def draw(rng: np.random.Generator) -> Arrays:
        while True:  # until no pre-activation is near the kink of relu
            arrays = _normal(x=(B, D), W=(D, H), b=(H,))(rng)
            if np.min(np.abs(arrays["x"] @ arrays["W"] + arrays["b"])) > 1e-2:
                return arrays

    def value(k: Backend, a: Arrays) -> np.ndarray:
        return k.linear_forward(a["x"], a["W"], a["b"], activation)

    def gradients(k: Backend, a: Arrays, dy: np.ndarray) -> Mapping[str, Any]:
        da = k.activation_backward(dy, value(k, a), activation)
        return dict(zip(("x", "W", "b"), k.linear_backward(da, a["x"], a["W"]), strict=True))

    return Case(f"linear[{activation}]", draw, value, gradients, analytic=activation in ("tanh", "identity"))


def _gaussian_case(name: str, shape: tuple[int]) -> Case:
    return Case(
        f"gaussian_nll[{name}]",
        _normal(mean=(B, D), logvar=shape, x=(B, D)),
        lambda k, a: k.gaussian_nll(a["mean"], a["logvar"], a["x"])[0],
        lambda k, a, dnll: dict(
            zip(("mean", "logvar"), k.gaussian_nll(a["mean"], a["logvar"], a["x"], dnll)[1:], strict=True)
        ),
        analytic=True,
    )


CASES = [
    *(_linear_case(activation) for activation in ("identity", "relu", "tanh", "sigmoid", "softplus")),
    Case(
        "reparameterize",
        _normal(mu=(B, K), logvar=(B, K), eps=(B, K)),
        lambda k, a: k.reparameterize_forward(a["mu"], a["logvar"], a["eps"]),
        lambda k, a, dz: dict(zip(("mu", "logvar"), k.reparameterize_backward(dz, a["logvar"], a["eps"]), strict=True)),
        analytic=True,
    ),
    Case(
        "gaussian_kl",
        _normal(mu=(B, K), logvar=(B, K)),
        lambda k, a: k.gaussian_kl_forward(a["mu"], a["logvar"]),
        lambda k, a, dkl: dict(zip(("mu", "logvar"), k.gaussian_kl_backward(dkl, a["mu"], a["logvar"]), strict=True)),
        analytic=True,
    ),
    Case(
        "bernoulli_nll",
        _with_x("binary", logits=(B, D)),
        lambda k, a: k.bernoulli_nll(a["logits"], a["x"])[0],
        lambda k, a, dnll: {"logits": k.bernoulli_nll(a["logits"], a["x"], dnll)[1]},
    ),
    _gaussian_case("one variance", (1,)),
    _gaussian_case("per dimension", (D,)),
    Case(
        "categorical_nll",
        _with_x("one-hot", logits=(B, D)),
        lambda k, a: k.categorical_nll(a["logits"], a["x"], (3, 4))[0],
        lambda k, a, dnll: {"logits": k.categorical_nll(a["logits"], a["x"], (3, 4), dnll)[1]},
    ),
    Case(
        "penalty",
        _normal(weights=(D * H,)),
        lambda k, a: np.array(k.add_penalty(a["weights"], np.zeros(D * H), l1=0.3, l2=0.7)),
        lambda k, a, dpenalty: {"weights": dpenalty * _penalty_gradient(k, a["weights"])},
    ),
]


def _penalty_gradient(k: Backend, weights: np.ndarray) -> np.ndarray:
    gradient = np.zeros_like(weights)
    k.add_penalty(weights, gradient, l1=0.3, l2=0.7)
    return gradient


def check_kernels(kernels: Backend, seed: int = 0) -> Iterator[Check]:
    """Check every function of a backend that has a gradient, in float64."""
    for case in CASES:
        rng = np.random.default_rng(seed)
        arrays = case.draw(rng)

        def value(a: Arrays, case: Case = case) -> np.ndarray:
            return case.value(kernels, a)

        def gradients(a: Arrays, upstream: np.ndarray, case: Case = case) -> Mapping[str, Any]:
            return case.gradients(kernels, a, upstream)

        yield from check_backward(case.name, value, gradients, arrays, rng)
        if case.analytic and kernels.name == "numpy":  # compiled backends take no complex numbers
            yield from check_backward(case.name, value, gradients, arrays, rng, complex_step_gradient)


def model_cases(backend: str | None = None, model: type[VAE] = VAE) -> Iterator[tuple[str, VAE, np.ndarray]]:
    """Small models that together use every likelihood, activation and depth, each with data (B, D)."""
    rng = np.random.default_rng(0)
    binary = (rng.random((B, D)) < 0.5).astype(float)
    real = rng.standard_normal((B, D))
    one_hot = _with_x("one-hot")(rng)["x"]
    for hidden_dims, activation, likelihood, x in (
        ((H,), "tanh", "bernoulli", binary),
        ((H,), "relu", "bernoulli", binary),
        ((H, 4), "softplus", "gaussian", real),
        ((), "tanh", Gaussian("per_dimension"), real),
        ((H,), "sigmoid", Gaussian(0.5), real),
        ((4, H), "tanh", Categorical((3, 4)), one_hot),
    ):
        vae = model(
            D, hidden_dims, K, activation=activation, likelihood=likelihood, beta=1.7, backend=backend, dtype="float64"
        )
        widths = "-".join(str(width) for width in (D, *hidden_dims, K))
        yield f"VAE[{widths} {activation} {vae.likelihood!r}]", vae, x


def check_model(vae: VAE, x: np.ndarray, name: str = "VAE", seed: int = 0) -> list[Check]:
    """Check d loss / d parameter for every parameter of a small float64 model, end to end, with fixed noise."""
    rng = np.random.default_rng(seed)
    for array in vae.parameters.values():  # away from zero, where mistakes could hide, and from kinks
        array[...] = 0.5 * rng.standard_normal(array.shape)
    eps = _noise_away_from_kinks(vae, x, rng)
    vae.loss_and_gradients(x, eps)
    analytic = {parameter: gradient.copy() for parameter, gradient in vae.gradients.items()}
    return [
        verdict(name, parameter, analytic[parameter], numerical_gradient(lambda _: vae.loss(x, eps).loss, array))
        for parameter, array in vae.parameters.items()
    ]


def _noise_away_from_kinks(vae: VAE, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    while True:
        eps = rng.standard_normal((len(x), vae.latent_dim))
        vae.loss(x, eps)
        hidden = [layer for layer in (*vae.encoder.layers, *vae.decoder.layers) if layer.activation == "relu"]
        distances = [np.min(np.abs(layer.x @ layer.W + layer.b)) for layer in hidden]
        if not distances or min(distances) > 1e-3:
            return eps
        for layer in hidden:
            layer.b += 0.01 * rng.standard_normal(layer.b.shape)


def check_directions(backend: str | None = None, n: int = 5) -> Iterator[Check]:
    """Check the full-size model, 784-400-20 in float64, along a few random directions."""
    rng = np.random.default_rng(0)
    vae = VAE(784, (400,), 20, activation="tanh", backend=backend, dtype="float64")
    x, eps = (rng.random((B, 784)) < 0.5).astype(float), rng.standard_normal((B, 20))
    vae.loss_and_gradients(x, eps)
    gradient = vae.store.gradient.copy()
    for i in range(n):
        error = directional_error(lambda _: vae.loss(x, eps).loss, vae.store.vector, gradient, rng)
        message = "" if error < TOLERANCE else "the derivative along this direction is wrong"
        shape = gradient.shape
        yield Check("VAE[784-400-20 tanh]", f"direction {i}", shape, "random direction", error, not message, message)


def check_all(backend: str | None = None) -> Iterable[Check]:
    """Everything above, for one backend: what ``minivae gradcheck`` runs."""
    yield from check_kernels(load(backend))
    for name, vae, x in model_cases(backend):
        yield from check_model(vae, x, name)
    yield from check_directions(backend)
