"""What ``minivae gradcheck`` checks: each function of a backend, whole models, the full-size model.

A new function with a gradient needs a line in ``CASES``, no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from minivae.backend import Backend, load
from minivae.gradcheck.check import (
    TOLERANCE,
    Arrays,
    B,
    Check,
    D,
    H,
    K,
    check_backward,
    check_model,
    loss_as_a_function_of,
)
from minivae.gradcheck.differences import complex_step_gradient, directional_error
from minivae.model.likelihoods import Categorical, Gaussian, Mixed
from minivae.model.scaling import Scaling
from minivae.model.vae import VAE


@dataclass(frozen=True)
class Case:
    """One function of a backend: how to draw its arguments, its forward, and its backward to those in ``wrt``."""

    name: str
    draw: Callable[[np.random.Generator], Arrays]
    wrt: tuple[str, ...]
    value: Callable[[Backend, Arrays], np.ndarray]
    backward: Callable[[Backend, Arrays, np.ndarray], Sequence[Any]]
    analytic: bool = False  # whether the complex step applies

    def gradients(self, kernels: Backend, arrays: Arrays, upstream: np.ndarray) -> dict[str, Any]:
        """The gradients by name."""
        return dict(zip(self.wrt, self.backward(kernels, arrays, upstream), strict=True))


def _normal(**shapes: tuple[int, ...]) -> Callable[[np.random.Generator], Arrays]:
    return lambda rng: {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def _with_x(kind: str, holes: bool = False, **shapes: tuple[int, ...]) -> Callable[[np.random.Generator], Arrays]:
    """Normals, and an ``x`` (B, D) of this kind; with holes, what was ``observed``, else None.

    "one-hot" is in groups of 3 and 4 columns, which are observed as a whole.
    """

    def draw(rng: np.random.Generator) -> Arrays:
        x = (rng.random((B, D)) < 0.5).astype(float)
        if kind == "one-hot":
            x = np.hstack([np.eye(3)[rng.integers(3, size=B)], np.eye(4)[rng.integers(4, size=B)]])
        elif kind != "binary":
            normal = rng.standard_normal((B, D))
            x = {"real": normal, "positive": np.exp(normal), "count": np.floor(np.exp(1 + normal))}[kind]
        arrays = _normal(**shapes)(rng)
        if not holes:
            return arrays | {"x": x}
        observed = (rng.random((B, D)) < 0.6).astype(float)
        if kind == "one-hot":
            observed = np.repeat(observed[:, :2], (3, 4), axis=1)
        return arrays | {"x": x * observed, "observed": observed}

    return draw


def _linear_case(activation: str) -> Case:
    def draw(rng: np.random.Generator) -> Arrays:
        while True:  # until no pre-activation is near the kink of relu or leaky_relu
            arrays = _normal(x=(B, D), W=(D, H), b=(H,))(rng)
            if np.min(np.abs(arrays["x"] @ arrays["W"] + arrays["b"])) > 1e-2:
                return arrays

    def value(k: Backend, a: Arrays) -> np.ndarray:
        return k.linear_forward(a["x"], a["W"], a["b"], activation)

    def backward(k: Backend, a: Arrays, dy: np.ndarray) -> Sequence[Any]:
        return k.linear_backward(k.activation_backward(dy, value(k, a), activation), a["x"], a["W"])

    analytic = activation in ("tanh", "identity")
    return Case(f"linear[{activation}]", draw, ("x", "W", "b"), value, backward, analytic)


def _gaussian_case(name: str, shape: tuple[int]) -> Case:
    return Case(
        f"gaussian_nll[{name}]",
        _normal(mean=(B, D), logvar=shape, x=(B, D)),
        ("mean", "logvar"),
        lambda k, a: k.gaussian_nll(a["mean"], a["logvar"], a["x"])[0],
        lambda k, a, dnll: k.gaussian_nll(a["mean"], a["logvar"], a["x"], dnll)[1:],
        analytic=True,
    )


# A likelihood, its data, the shape of its variance, more arguments. A GPU has none of these yet.
TABLES: list[tuple[str, str, tuple[int, ...] | None, tuple]] = [
    ("bernoulli_nll", "binary", None, ()),
    ("categorical_nll", "one-hot", None, ((3, 4),)),
    ("gaussian_nll", "real", (1,), ()),
    ("gaussian_nll", "real", (D,), ()),
    ("lognormal_nll", "positive", (D,), ()),
    ("poisson_nll", "count", None, ()),
    ("negative_binomial_nll", "count", (D,), ()),
]
NEW_WITH_TABLES = ("lognormal_nll", "poisson_nll", "negative_binomial_nll")


def _table_case(function: str, kind: str, logvar: tuple[int, ...] | None, more: tuple, holes: bool) -> Case:
    wrt = ("output",) if logvar is None else ("output", "logvar")

    def call(k: Backend, a: Arrays, *dnll: np.ndarray) -> Sequence[Any]:
        options = {"observed": a["observed"]} if holes else {}
        return getattr(k, function)(*(a[name] for name in wrt), a["x"], *more, *dnll, **options)

    name = f"{function}[{'holes' if holes else 'complete'}{', one variance' if logvar == (1,) else ''}]"
    shapes = {"output": (B, D)} | ({} if logvar is None else {"logvar": logvar})
    return Case(
        name, _with_x(kind, holes, **shapes), wrt, lambda k, a: call(k, a)[0], lambda k, a, d: call(k, a, d)[1:]
    )


TABLE_CASES = [
    Case(  # where -log p(x|z) = slope z
        "path_gradient",
        _normal(mu=(B, K), logvar=(B, K), eps=(B, K), slope=(B, K)),
        ("mu", "logvar"),
        lambda k, a: -k.log_weights((a["slope"] * _z_of(k, a)).sum(axis=1), _z_of(k, a), a["logvar"], a["eps"]),
        lambda k, a, dnll: k.path_gradient(dnll[:, None] * a["slope"], dnll, _z_of(k, a), a["logvar"], a["eps"]),
        analytic=True,
    ),
    Case(
        "importance_bound",
        _normal(log_w=(B, K)),
        ("log_w",),
        lambda k, a: k.importance_bound(a["log_w"])[0],
        lambda k, a, dbound: [dbound[:, None] * k.importance_bound(a["log_w"])[1]],
    ),
    *(_table_case(*row, holes=True) for row in TABLES),
    *(_table_case(*row, holes=False) for row in TABLES if row[0] in NEW_WITH_TABLES),
    Case(
        "free_bits",
        lambda rng: {"kl": np.linspace(0.2, 1.8, K) + 0.05 * rng.random((B, K))},  # means on both sides of 0.9
        ("kl",),
        lambda k, a: k.free_bits_forward(a["kl"], 0.9),
        lambda k, a, dcost: [k.free_bits_backward(dcost, a["kl"], 0.9)],
    ),
]


CASES = [
    *(_linear_case(activation) for activation in ("identity", "relu", "leaky_relu", "tanh", "sigmoid", "softplus")),
    Case(
        "reparameterize",
        _normal(mu=(B, K), logvar=(B, K), eps=(B, K)),
        ("mu", "logvar"),
        lambda k, a: k.reparameterize_forward(a["mu"], a["logvar"], a["eps"]),
        lambda k, a, dz: k.reparameterize_backward(dz, a["logvar"], a["eps"]),
        analytic=True,
    ),
    Case(
        "gaussian_kl",
        _normal(mu=(B, K), logvar=(B, K)),
        ("mu", "logvar"),
        lambda k, a: k.gaussian_kl_forward(a["mu"], a["logvar"]),
        lambda k, a, dkl: k.gaussian_kl_backward(dkl, a["mu"], a["logvar"]),
        analytic=True,
    ),
    Case(
        "bernoulli_nll",
        _with_x("binary", logits=(B, D)),
        ("logits",),
        lambda k, a: k.bernoulli_nll(a["logits"], a["x"])[0],
        lambda k, a, dnll: k.bernoulli_nll(a["logits"], a["x"], dnll)[1:],
    ),
    _gaussian_case("one variance", (1,)),
    _gaussian_case("per dimension", (D,)),
    Case(
        "categorical_nll",
        _with_x("one-hot", logits=(B, D)),
        ("logits",),
        lambda k, a: k.categorical_nll(a["logits"], a["x"], (3, 4))[0],
        lambda k, a, dnll: k.categorical_nll(a["logits"], a["x"], (3, 4), dnll)[1:],
    ),
    Case(
        "penalty",
        _normal(weights=(D * H,)),
        ("weights",),
        lambda k, a: np.array(k.add_penalty(a["weights"], np.zeros(D * H), l1=0.3, l2=0.7)),
        lambda k, a, dpenalty: [dpenalty * _penalty_gradient(k, a["weights"])],
    ),
]


MIXED = Mixed([("gaussian", 2), ("lognormal", 1), ("poisson", 1), ("categorical", 3)])


def _z_of(k: Backend, a: Arrays) -> np.ndarray:
    return k.reparameterize_forward(a["mu"], a["logvar"], a["eps"])


def _penalty_gradient(k: Backend, weights: np.ndarray) -> np.ndarray:
    gradient = np.zeros_like(weights)
    k.add_penalty(weights, gradient, l1=0.3, l2=0.7)
    return gradient


def check_kernels(kernels: Backend, seed: int = 0) -> Iterator[Check]:
    """Check every function of a backend with a gradient, in float64."""
    for case in CASES if kernels.name == "cupy" else CASES + TABLE_CASES:
        rng = np.random.default_rng(seed)
        arrays, value, gradients = case.draw(rng), partial(case.value, kernels), partial(case.gradients, kernels)
        yield from check_backward(case.name, value, gradients, arrays, rng)
        if case.analytic and kernels.name == "numpy":  # compiled backends take no complex numbers
            yield from check_backward(case.name, value, gradients, arrays, rng, complex_step_gradient)


def model_cases(backend: str | None = None, model: type[VAE] = VAE) -> Iterator[tuple[str, VAE, np.ndarray]]:
    """Small models, each with its name and rows, that together use every likelihood, activation and depth."""
    rng = np.random.default_rng(0)
    binary = (rng.random((B, D)) < 0.5).astype(float)
    real = rng.standard_normal((B, D))
    one_hot = _with_x("one-hot")(rng)["x"]
    table = np.hstack([real[:, :2], np.exp(real[:, 2:3]), np.floor(np.exp(1 + real[:, 3:4])), one_hot[:, :3]])
    table[[0, 1, 2, 3], [0, 1, 2, 3]] = table[4, 4:] = np.nan  # a hole in each kind of column
    given = np.hstack([real, rng.standard_normal((B, 2))])  # under a condition
    for hidden_dims, activation, likelihood, x, *draws in (
        ((H,), "tanh", "bernoulli", binary),
        ((H,), "relu", "bernoulli", binary),
        ((H, 4), "softplus", "gaussian", real),
        ((), "tanh", Gaussian("per_dimension"), real),
        ((H,), "sigmoid", Gaussian(0.5), real),
        ((H,), "tanh", "gaussian", given),
        ((4, H), "tanh", Categorical((3, 4)), one_hot),
        ((H,), "tanh", MIXED, table),
        ((H,), "tanh", "gaussian", real, "iwae", 3),
        ((), "tanh", "gaussian", given, "iwae", 2),
        ((H,), "tanh", "bernoulli", binary, "elbo", 2),
    ):
        C = x.shape[1] - D
        if (likelihood is MIXED or draws or C) and load(backend).graph is not None:
            continue  # a GPU does not compute it yet
        options: dict[str, Any] = {"likelihood": likelihood, "backend": backend, "dtype": "float64"}
        options |= {"condition_dim": C, "missing": "mask"} if C else {}
        if likelihood is MIXED:
            options |= {"missing": "mask", "scaling": Scaling.of("standard", x, likelihood=MIXED), "free_bits": 0.3}
        options |= dict(zip(("objective", "draws"), draws, strict=False))
        vae = model(D, hidden_dims, K, activation=activation, beta=1.0 if "iwae" in draws else 1.7, **options)
        if (likelihood is MIXED or draws or C) and vae.kernels.graph is not None:
            continue
        widths, c = "-".join(str(width) for width in (D, *hidden_dims, K)), [f"given {C} columns"] if C else []
        yield f"VAE[{' '.join(map(str, (widths, activation, vae.likelihood, *draws, *c)))}]", vae, x


def check_directions(backend: str | None = None, n: int = 5) -> Iterator[Check]:
    """Check the full-size model, 784-400-20 in float64, along a few random directions."""
    rng = np.random.default_rng(0)
    vae = VAE(784, (400,), 20, activation="tanh", backend=backend, dtype="float64")
    x, eps = (rng.random((B, 784)) < 0.5).astype(float), rng.standard_normal((B, 20))
    vae.loss_and_gradients(x, eps)
    vector, gradient = (np.array(vae.kernels.to_numpy(array)) for array in (vae.store.vector, vae.store.gradient))
    loss = loss_as_a_function_of(vae, vae.store.vector, x, eps)
    for i in range(n):
        error = directional_error(loss, vector, gradient, rng)
        message = "" if error < TOLERANCE else "the derivative along this direction is wrong"
        shape = gradient.shape
        yield Check("VAE[784-400-20 tanh]", f"direction {i}", shape, "random direction", error, not message, message)


def check_all(backend: str | None = None) -> Iterator[Check]:
    """Everything above, for one backend: what ``minivae gradcheck`` runs."""
    yield from check_kernels(load(backend))
    for name, vae, x in model_cases(backend):
        yield from check_model(vae, x, name)
    yield from check_directions(backend)
