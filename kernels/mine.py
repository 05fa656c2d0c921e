"""The backend "mine": what a learner has solved, in the places of the reference's functions.

No formula stands here. Each function has the signature and the types of its namesake in reference.py, hands its arrays
to the exercises in their order, and lets what they return be copied into the buffers of the step. What is not solved is
the reference's: whole functions by ``from_module`` in minivae/backend.py, parts of one below.

An answer is called as ``mine["13"](mu, logvar, eps, into=(z,))``: see ``Answer`` in minivae/answers.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial, wraps
from types import SimpleNamespace

import numpy as np

from . import reference

NAMES = {
    "03": "linear_backward",
    "04": "activation_backward",
    "05": "bernoulli_nll",
    "06": "bernoulli_backward",
    "07": "gaussian_nll_backward",
    "08": "categorical_backward",
    "11": "gaussian_kl",
    "12": "gaussian_kl_backward",
    "13": "reparameterize",
    "14": "reparameterize_backward",
    "16": "fork_backward",
    "18": "adam",
    "27": "linear_forward",
    "28": "activation_forward",
    "29": "smooth_backward",
    "30": "gaussian_nll",
    "31": "categorical_nll",
}
Answers = Mapping[str, Callable[..., None]]
KERNELS: dict[str, tuple[frozenset[str], Callable]] = {}


def kernels(answers: Answers) -> SimpleNamespace:
    """The functions that compute with one of these answers or more."""
    chosen = {name: kernel for name, (numbers, kernel) in KERNELS.items() if numbers & answers.keys()}
    return SimpleNamespace(**{name: partial(kernel, answers) for name, kernel in chosen.items()})


def made_of(*numbers: str) -> Callable[[Callable], Callable]:
    """Note which exercises a function computes with."""

    def note(kernel: Callable) -> Callable:
        @wraps(kernel)
        def of_complete_data(mine, *args, observed=None, **options):
            if observed is not None:  # the exercises know of no holes
                return getattr(reference, kernel.__name__)(*args, observed=observed, **options)
            return kernel(mine, *args, **options)

        KERNELS[kernel.__name__] = frozenset(numbers), of_complete_data
        return kernel

    return note


def new(out, like):
    """The buffer, or an array like the other."""
    return np.empty_like(like) if out is None else out


# ---------------------------------------------------------------------------------------------------------
# Layers


OF_28 = ("relu", "tanh", "sigmoid", "softplus")  # those that the exercise asks for


@made_of("27", "28")
def linear_forward(mine, x, W, b, activation="identity", *, out=None):
    """Affine map by 27, activation by 28."""
    if "27" in mine:
        y = np.empty((len(x), len(b)), W.dtype) if out is None else out
        mine["27"](x, W, b, into=(y,))
    else:
        y = reference.linear_forward(x, W, b, out=out)
    if activation in OF_28 and "28" in mine:
        mine["28"](y, activation, into=(y,))
    elif activation != "identity":
        y[...] = reference.ACTIVATIONS[activation][0](y)
    return y


@made_of("04", "29")
def activation_backward(mine, dy, y, activation, *, out=None):
    """Relu and tanh by 04, sigmoid and softplus by 29."""
    number = {"relu": "04", "tanh": "04", "sigmoid": "29", "softplus": "29"}.get(activation, "")
    if number not in mine:
        return reference.activation_backward(dy, y, activation, out=out)
    da = new(out, dy)
    mine[number](dy, y, activation, into=(da,))
    return da


@made_of("03")
def linear_backward(mine, da, x, W, *, need_dx=True, dx=None, dW=None, db=None):
    """All three by 03."""
    dx, dW = new(dx, x) if need_dx else None, new(dW, W)
    db = np.empty(W.shape[1], W.dtype) if db is None else db
    mine["03"](da, x, W, into=(dx, dW, db))
    return dx, dW, db


# ---------------------------------------------------------------------------------------------------------
# The latent variable


@made_of("13")
def reparameterize_forward(mine, mu, logvar, eps, *, out=None):
    """Z by 13."""
    z = new(out, eps)
    mine["13"](mu, logvar, eps, into=(z,))
    return z


@made_of("14")
def reparameterize_backward(mine, dz, logvar, eps, *, dmu=None, dlogvar=None):
    """Both by 14."""
    dmu, dlogvar = new(dmu, dz), new(dlogvar, dz)
    mine["14"](dz, logvar, eps, into=(dmu, dlogvar))
    return dmu, dlogvar


@made_of("11")
def gaussian_kl_forward(mine, mu, logvar, *, out=None):
    """KL by 11."""
    kl = np.empty(len(mu), mu.dtype) if out is None else out
    mine["11"](mu, logvar, into=(kl,))
    return kl


@made_of("12")
def gaussian_kl_backward(mine, dkl, mu, logvar, *, dmu=None, dlogvar=None):
    """Both by 12."""
    dmu, dlogvar = new(dmu, mu), new(dlogvar, mu)
    mine["12"](dkl, mu, logvar, into=(dmu, dlogvar))
    return dmu, dlogvar


@made_of("16")
def fork(mine, dz, dkl, mu, logvar, eps, *, dmu, dlogvar):
    """Where the two ways meet, by 16, in the place of what network.py adds up from 12 and 14.

    Exercise 16 asks for beta, and divides by B: where dkl is beta/B everywhere, that is B dkl. Where examples have
    weights of their own, each of them is a batch of one.
    """
    B = len(dkl)
    for rows in [slice(B)] if np.all(dkl == dkl[0]) else [slice(b, b + 1) for b in range(B)]:
        beta = float(dkl[rows][0]) * len(dkl[rows])
        mine["16"](dz[rows], mu[rows], logvar[rows], eps[rows], beta, into=(dmu[rows], dlogvar[rows]))
    return dmu, dlogvar


# ---------------------------------------------------------------------------------------------------------
# Likelihoods: the value and, where it is asked for, the gradient


@made_of("05", "06")
def bernoulli_nll(mine, logits, x, dnll=None, *, nll=None, dlogits=None):
    """Value by 05, gradient by 06."""
    if "05" in mine and (dnll is None or "06" in mine):
        nll = np.empty(len(x), logits.dtype) if nll is None else nll
        dlogits = dlogits if dnll is None else new(dlogits, logits)
    else:
        nll, dlogits = reference.bernoulli_nll(logits, x, dnll, nll=nll, dlogits=dlogits)
    if "05" in mine:
        mine["05"](logits, x, into=(nll,))
    if "06" in mine and dnll is not None:
        mine["06"](dnll, logits, x, into=(dlogits,))
    return nll, dlogits


@made_of("28")
def bernoulli_mean(mine, logits):
    """The sigmoid of 28."""
    mean = np.empty_like(logits)
    mine["28"](logits, "sigmoid", into=(mean,))
    return mean


@made_of("07", "30")
def gaussian_nll(mine, mean, logvar, x, dnll=None, *, nll=None, dmean=None, dlogvar=None):
    """Value by 30, gradients by 07: column by column where each has a variance of its own."""
    if "30" in mine and (dnll is None or "07" in mine):
        nll = np.empty(len(x), mean.dtype) if nll is None else nll
        dmean, dlogvar = (dmean, dlogvar) if dnll is None else (new(dmean, mean), new(dlogvar, logvar))
    else:
        nll, dmean, dlogvar = reference.gaussian_nll(mean, logvar, x, dnll, nll=nll, dmean=dmean, dlogvar=dlogvar)
    if "30" in mine:
        mine["30"](mean, logvar, x, into=(nll,))
    if "07" in mine and dnll is not None:
        for d in [slice(None)] if len(logvar) == 1 else [slice(d, d + 1) for d in range(len(logvar))]:
            mine["07"](dnll, mean[:, d], logvar[d], x[:, d], into=(dmean[:, d], dlogvar[d]))
    return nll, dmean, dlogvar


@made_of("08", "31")
def categorical_nll(mine, logits, x, groups, dnll=None, *, nll=None, dlogits=None):
    """Value by 31, gradient by 08, for each group of columns."""
    if "31" in mine and (dnll is None or "08" in mine):
        nll = np.empty(len(x), logits.dtype) if nll is None else nll
        dlogits = dlogits if dnll is None else new(dlogits, logits)
    else:
        nll, dlogits = reference.categorical_nll(logits, x, groups, dnll, nll=nll, dlogits=dlogits)
    of_group = np.empty_like(nll)
    if "31" in mine:
        nll[...] = 0
    for d in reference.group_columns(groups):
        if "31" in mine:
            mine["31"](logits[:, d], x[:, d], into=(of_group,))
            nll += of_group
        if "08" in mine and dnll is not None:
            mine["08"](dnll, logits[:, d], x[:, d], into=(dlogits[:, d],))
    return nll, dlogits


# ---------------------------------------------------------------------------------------------------------
# The update


@made_of("18")
def adam_update(mine, parameters, gradients, m, v, t, *, learning_rate, beta1, beta2, epsilon):
    """Parameters, m and v by 18."""
    settings = (t, learning_rate, beta1, beta2, epsilon)
    mine["18"](parameters, gradients, m, v, *settings, into=(parameters, m, v))
