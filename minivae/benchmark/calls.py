"""The table of kernel calls: every kernel, with what arguments, how many bytes it must move, how many flops it takes.

The bytes are the compulsory traffic: every input read once, every output written once, an array that is changed
in place both. A multiply-add is 2 flops; each other addition, comparison, absolute value, division, root,
exponential, logarithm, sine or cosine is 1; the integers of the noise are none. One letter stands for each size, and
one for each axis of a shape: see arguments.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from minivae.backend import Stream
from minivae.benchmark.arguments import Outlines, Sizes

SEED, STEP = 2**63 + 5, 3
SGD = {"learning_rate": 0.1, "momentum": 0.9}
ADAGRAD = {"learning_rate": 0.1, "epsilon": 1e-10}
ADAM = {"learning_rate": 0.1, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8}


@dataclass(frozen=True)
class Call:
    """A call of a kernel.

    ``arguments`` picks from :class:`~minivae.benchmark.arguments.Arguments` what is passed by position, ``options``
    is passed by name; ``out`` are the buffers to fill, ``returns`` the shapes of arrays that are new, ``changes`` the
    positions of those changed in place. A training step of Bernoulli pixels, relu and Adam is made of the calls that
    are ``in_step``.
    """

    function: str
    variant: str
    arguments: Callable[[Any], tuple]
    flops: Callable[[Sizes], int]
    out: dict[str, str] = field(default_factory=dict)
    returns: tuple[str, ...] = ()
    changes: tuple[int, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    in_step: bool = False

    @property
    def label(self) -> str:
        """The function, and which of its calls."""
        return f"{self.function}[{self.variant}]" if self.variant else self.function

    def bytes_moved(self, sizes: Sizes, dtype: str = "float32") -> int:
        """The compulsory traffic; see the head of this file."""
        arguments = self.arguments(Outlines(sizes, dtype))
        arrays = [array for array in arguments if isinstance(array, np.ndarray)]
        arrays += [arguments[i] for i in self.changes]
        new = sum(math.prod(sizes.shape(letters)) for letters in (*self.out.values(), *self.returns))
        return sum(array.nbytes for array in arrays) + new * np.dtype(dtype).itemsize


# ---------------------------------------------------------------------------------------------------------
# Layers


@dataclass(frozen=True)
class Layer:
    """A layer of the model: its name, its input, the gradient of its pre-activation, the axes of W, its activation."""

    name: str
    x: str
    da: str
    W: str
    activation: str = "identity"

    def products(self, sizes: Sizes) -> int:
        """The multiply-adds of x W."""
        return sizes.B * math.prod(sizes.shape(self.W))

    def units(self, sizes: Sizes) -> int:
        """The elements of the output."""
        return math.prod(sizes.shape("B" + self.W[1]))


LAYERS = (
    Layer("encoder", "x", "dh", "DH", "relu"),
    Layer("heads", "h", "dheads", "HF"),
    Layer("decoder", "z", "dh", "KH", "relu"),
    Layer("output", "h", "dlogits", "HD"),
)
ACTIVATION_FLOPS = {"identity": 0, "relu": 1, "leaky_relu": 2, "tanh": 1, "sigmoid": 4, "softplus": 7}
# The product with dy included.
DERIVATIVE_FLOPS = {"identity": 1, "relu": 2, "leaky_relu": 2, "tanh": 3, "sigmoid": 3, "softplus": 4}


def forward_call(layer: Layer, activation: str, in_step: bool) -> Call:
    """act(x W + b)."""
    return Call(
        "linear_forward",
        f"{layer.name} {activation}",
        lambda a: (getattr(a, layer.x), getattr(a, f"W_{layer.name}"), getattr(a, f"b_{layer.name}"), activation),
        lambda s: 2 * layer.products(s) + (1 + ACTIVATION_FLOPS[activation]) * layer.units(s),
        out={"out": "B" + layer.W[1]},
        in_step=in_step,
    )


def backward_call(layer: Layer) -> Call:
    """All gradients of a layer, but nobody asks for that of the data."""
    need_dx = layer.x != "x"
    return Call(
        "linear_backward",
        layer.name,
        lambda a: (getattr(a, layer.da), getattr(a, layer.x), getattr(a, f"W_{layer.name}")),
        lambda s: (4 if need_dx else 2) * layer.products(s) + layer.units(s),
        out={**({"dx": "B" + layer.W[0]} if need_dx else {}), "dW": layer.W, "db": layer.W[1]},
        options={"need_dx": need_dx},
        in_step=True,
    )


def activation_call(activation: str, flops: int) -> Call:
    """dy act'(a), from the output of a hidden layer."""
    return Call(
        "activation_backward",
        activation,
        lambda a: (a.dh, a.h, activation),
        lambda s: flops * s.B * s.H,
        out={"out": "BH"},
        in_step=activation == "relu",
    )


step_call = partial(Call, in_step=True)
LINEAR = [
    *(forward_call(layer, layer.activation, in_step=True) for layer in LAYERS),
    *(forward_call(LAYERS[0], name, in_step=False) for name in ACTIVATION_FLOPS if name != "relu"),
    *(backward_call(layer) for layer in LAYERS),
    *(activation_call(name, flops) for name, flops in DERIVATIVE_FLOPS.items()),
    Call("bias_gradient", "", lambda a: (a.dlogits,), lambda s: s.B * s.D, out={"out": "D"}),
]

# ---------------------------------------------------------------------------------------------------------
# The latent variable and the likelihoods

TWO_HEADS = {"dmu": "BK", "dlogvar": "BK"}
LATENT = [
    step_call(
        "reparameterize_forward", "", lambda a: (a.mu, a.logvar, a.eps), lambda s: 4 * s.B * s.K, out={"out": "BK"}
    ),
    step_call("reparameterize_backward", "", lambda a: (a.dz, a.logvar, a.eps), lambda s: 5 * s.B * s.K, out=TWO_HEADS),
    step_call("gaussian_kl_forward", "", lambda a: (a.mu, a.logvar), lambda s: 6 * s.B * s.K, out={"out": "B"}),
    step_call("gaussian_kl_backward", "", lambda a: (a.dnll, a.mu, a.logvar), lambda s: 4 * s.B * s.K, out=TWO_HEADS),
    Call("free_bits_forward", "", lambda a: (a.mu, 0.1), lambda s: s.B * s.K, returns=("K",)),
    Call("free_bits_backward", "", lambda a: (a.dz[0], a.mu, 0.1), lambda s: s.B * s.K, returns=("BK",)),
    Call("log_weights", "", lambda a: (a.dnll, a.z, a.logvar, a.eps), lambda s: 5 * s.B * s.K, returns=("B",)),
    Call("importance_bound", "", lambda a: (a.z,), lambda s: 5 * s.B * s.K, returns=("B", "BK")),
    Call(
        "path_gradient",
        "",
        lambda a: (a.dz, a.dnll, a.z, a.logvar, a.eps, a.dnll),
        lambda s: 11 * s.B * s.K,
        returns=("BK", "BK"),
    ),
]


def gaussian_call(logvar: str, shape: str) -> Call:
    """Value and gradient; all dimensions share one variance, or have one each."""
    return Call(
        "gaussian_nll",
        f"gradient {logvar}",
        lambda a: (a.logits, getattr(a, logvar), a.x, a.dnll),
        lambda s: 11 * s.B * s.D,
        out={"nll": "B", "dmean": "BD", "dlogvar": shape},
    )


NLL, PIXELS = {"nll": "B"}, {"nll": "B", "dlogits": "BD"}
LIKELIHOODS = [
    Call("bernoulli_nll", "value", lambda a: (a.logits, a.binary), lambda s: 10 * s.B * s.D, out=NLL),
    step_call("bernoulli_nll", "gradient", lambda a: (a.logits, a.grey, a.dnll), lambda s: 14 * s.B * s.D, out=PIXELS),
    Call("bernoulli_mean", "", lambda a: (a.logits,), lambda s: 4 * s.B * s.D, returns=("BD",)),
    Call("gaussian_nll", "value", lambda a: (a.logits, a.logvar_one, a.x), lambda s: 6 * s.B * s.D, out=NLL),
    gaussian_call("logvar_one", "1"),
    gaussian_call("logvar_each", "D"),
    Call("categorical_nll", "value", lambda a: (a.logits, a.one_hot, a.groups), lambda s: 7 * s.B * s.D, out=NLL),
    Call(
        "categorical_nll",
        "gradient",
        lambda a: (a.logits, a.one_hot, a.groups, a.dnll),
        lambda s: 10 * s.B * s.D,
        out=PIXELS,
    ),
    Call(
        "lognormal_nll",
        "gradient",
        lambda a: (a.logits, a.logvar_each, a.positive, a.dnll),
        lambda s: 13 * s.B * s.D,
        out={"nll": "B", "dmean": "BD", "dlogvar": "D"},
    ),
    Call(
        "poisson_nll",
        "gradient",
        lambda a: (a.logits, a.counts, a.dnll),
        lambda s: 11 * s.B * s.D,
        out={"nll": "B", "dlog_rate": "BD"},
    ),
    Call(
        "negative_binomial_nll",
        "gradient",
        lambda a: (a.logits, a.logvar_each, a.counts, a.dnll),
        lambda s: 30 * s.B * s.D,
        out={"nll": "B", "dlog_rate": "BD", "dlog_size": "D"},
    ),
    Call("poisson_mean", "", lambda a: (a.logits,), lambda s: 2 * s.B * s.D, returns=("BD",)),
    Call("categorical_mean", "", lambda a: (a.logits, a.groups), lambda s: 6 * s.B * s.D, returns=("BD",)),
]

# ---------------------------------------------------------------------------------------------------------
# Noise and data; optimizers

NOISE = [
    Call("take_rows", "", lambda a: (a.x, a.rows), lambda s: 0, out={"out": "BD"}),
    Call("uniform", "", lambda a: (SEED, Stream.CORRUPTION, STEP, a.rows), lambda s: 2 * s.B * s.D, out={"out": "BD"}),
    step_call(
        "standard_normal", "", lambda a: (SEED, Stream.EPS, STEP, a.rows), lambda s: 6 * s.B * s.K, out={"out": "BK"}
    ),
    Call("binarize", "", lambda a: (a.grey, SEED, STEP, a.rows), lambda s: 3 * s.B * s.D, out={"out": "BD"}),
]
OPTIMIZERS = [
    Call("sgd_update", "", lambda a: (a.w, a.g, a.m), lambda s: 4 * s.P, changes=(0, 2), options=SGD),
    Call("adagrad_update", "", lambda a: (a.w, a.g, a.v), lambda s: 7 * s.P, changes=(0, 2), options=ADAGRAD),
    step_call(
        "adam_update", "", lambda a: (a.w, a.g, a.m, a.v, 4), lambda s: 12 * s.P, changes=(0, 2, 3), options=ADAM
    ),
    Call("add_penalty", "", lambda a: (a.w, a.g), lambda s: 9 * s.P, changes=(1,), options={"l1": 0.3, "l2": 0.7}),
]

CALLS = [*LINEAR, *LATENT, *LIKELIHOODS, *NOISE, *OPTIMIZERS]


def calls_of(backend: str) -> list[Call]:
    """The calls that the backend of this name has: all of them, but on a GPU."""
    of_tables = ("lognormal_nll", "poisson_nll", "poisson_mean", "negative_binomial_nll")
    of_objectives = ("free_bits_forward", "free_bits_backward", "importance_bound", "path_gradient")
    not_on_a_gpu = (*of_tables, *of_objectives)
    return [call for call in CALLS if backend != "cupy" or call.function not in not_on_a_gpu]
