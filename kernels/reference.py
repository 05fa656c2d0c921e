"""The mathematics of the VAE in plain NumPy: every formula of the project stands here, once.

    B   batch size                      x        data                       (B, D)
    D   data dimensions                 mu       mean of q(z|x)             (B, K)
    H   hidden units                    logvar   log sigma^2 of q(z|x)      (B, K)
    K   latent dimensions               eps      noise from N(0, I)         (B, K)
    a   pre-activation, x W + b         z        mu + exp(logvar/2) * eps   (B, K)
                                        observed 1 where x is known, else 0 (B, D)

A hole in the data, NaN for whoever holds them, comes here as x = 0 and observed = 0 (lesson 17). ``observed=None``
means that everything was observed. What was not adds nothing to a likelihood, nor to any of its gradients.

Examples are rows and ``y = x @ W + b`` with ``W`` (in, out). The gradient of the loss with respect to an
array ``v`` is called ``dv`` and has its shape; the upstream gradient of ``y`` is ``dy``. Each ``_backward``
stands below its ``_forward`` and returns gradients in the order of the forward's arguments. All values are
in nats, summed over dimensions, one per example; only the model averages over the batch.

``out=`` and its like name arrays to fill; without them, new ones are made. Elementwise work goes through
the rows in blocks: the temporaries of a NumPy expression then stay small enough for the cache, and a
training step allocates nothing large. float32 and float64 both work and are kept.

A faster backend holds the same functions with the same signatures and must agree with these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
from numpy.typing import NDArray

from .philox import binarize, standard_normal, uniform

__all__ = [
    "activation_backward",
    "adagrad_update",
    "adam_update",
    "add_penalty",
    "asarray",
    "bernoulli_mean",
    "bernoulli_nll",
    "bias_gradient",
    "binarize",
    "categorical_mean",
    "categorical_nll",
    "free_bits_backward",
    "free_bits_forward",
    "gaussian_kl_backward",
    "gaussian_kl_forward",
    "gaussian_nll",
    "importance_bound",
    "linear_backward",
    "linear_forward",
    "log_weights",
    "lognormal_nll",
    "negative_binomial_nll",
    "path_gradient",
    "poisson_mean",
    "poisson_nll",
    "reparameterize_backward",
    "reparameterize_forward",
    "session",
    "sgd_update",
    "standard_normal",
    "take_rows",
    "to_numpy",
    "uniform",
    "zeros",
]

BLOCK_BYTES = 2**17  # a few of them fit the L2 cache; 2^15 made a training step a third slower
LOG_2PI = float(np.log(2 * np.pi))
LEAK = 0.2  # the slope of leaky_relu below zero
LOG_2 = float(np.log(2))
LARGEST_LOG_RATE = 30.0  # a rate of 10^13: from here on exp goes on as its tangent, and nothing overflows
LARGEST_LOG_SIZE = 20.0  # a mean of 10^5 then varies 0.02 % more than a Poisson's; terms near 10^10 err by 10^-6


def blocks(array: NDArray) -> Iterator[slice]:
    """Slices of the first axis of ``array``, each of about ``BLOCK_BYTES``."""
    row_bytes = max(1, array.nbytes // max(1, len(array)))
    size = max(1, BLOCK_BYTES // row_bytes)
    for start in range(0, len(array), size):
        yield slice(start, start + size)


def session() -> AbstractContextManager:
    """A context for a series of calls, such as a training step, in which a backend may hold its threads; here none."""
    return nullcontext()


# ---------------------------------------------------------------------------------------------------------
# Arrays, in and out of the device (here: none)


def asarray(x: NDArray, dtype: str) -> NDArray:
    """``x`` as a C-contiguous array of this backend; no copy where it is one already."""
    return np.ascontiguousarray(x, dtype=dtype)


def to_numpy(x: NDArray) -> NDArray:
    """``x`` as a NumPy array."""
    return x


def zeros(shape: int | tuple[int, ...], dtype: str) -> NDArray:
    """A new array of zeros."""
    return np.zeros(shape, dtype)


def take_rows(x: NDArray, rows: NDArray, *, out: NDArray) -> NDArray:
    """Gather ``out = x[rows]``: (N, D), (B,) -> (B, D)."""
    # Without mode="clip" NumPy gathers into a buffer of its own first, to leave `out` whole after a bad index.
    return np.take(x, rows, axis=0, out=out, mode="clip")


# ---------------------------------------------------------------------------------------------------------
# Activations (lesson 3). Each derivative is written in terms of the output y, so a is never stored.


def relu(a: NDArray) -> NDArray:
    """max(a, 0)."""
    return np.maximum(a, 0)


def relu_derivative(y: NDArray) -> NDArray:
    """1 where the unit is on. At the kink a = 0 it is 0, as everywhere in the field."""
    return y > 0


def leaky_relu(a: NDArray) -> NDArray:
    """a where it is positive, LEAK a elsewhere: no unit is ever off for good (Maas, Hannun and Ng 2013)."""
    return np.maximum(a, LEAK * a)


def leaky_relu_derivative(y: NDArray) -> NDArray:
    """1 where the unit is on, else LEAK; at the kink a = 0 too."""
    return np.maximum((y > 0).astype(y.dtype), LEAK)


def tanh(a: NDArray) -> NDArray:
    """Hyperbolic tangent."""
    return np.tanh(a)


def tanh_derivative(y: NDArray) -> NDArray:
    """1 - tanh^2."""
    return 1 - y * y


def sigmoid(a: NDArray) -> NDArray:
    """1 / (1 + exp(-a)) = exp(-softplus(-a)): right to rounding at both ends, and nothing in it can overflow."""
    return np.exp(-softplus(-a))


def sigmoid_derivative(y: NDArray) -> NDArray:
    """y (1 - y)."""
    return y * (1 - y)


def softplus(a: NDArray) -> NDArray:
    """log(1 + exp(a)), as max(a, 0) + log(1 + exp(-|a|)), where nothing can overflow.

    Not log1p: here its argument is at most 1, so that both are right to one rounding of 1, and NumPy has a
    vectorised float32 log but no vectorised log1p (7 times slower).
    """
    return np.maximum(a, 0) + np.log(1 + np.exp(-np.abs(a)))


def softplus_derivative(y: NDArray) -> NDArray:
    """sigmoid(a) = 1 - exp(-y), because exp(y) = 1 + exp(a)."""
    return -np.expm1(-y)


def identity(a: NDArray) -> NDArray:
    """No activation."""
    return a


def identity_derivative(y: NDArray) -> float:
    """One everywhere."""
    return 1.0


ACTIVATIONS: dict[str, tuple[Callable, Callable]] = {
    "relu": (relu, relu_derivative),
    "leaky_relu": (leaky_relu, leaky_relu_derivative),
    "tanh": (tanh, tanh_derivative),
    "sigmoid": (sigmoid, sigmoid_derivative),
    "softplus": (softplus, softplus_derivative),
    "identity": (identity, identity_derivative),
}


# ---------------------------------------------------------------------------------------------------------
# Linear layer with bias and activation (lessons 2 and 3)


def linear_forward(
    x: NDArray, W: NDArray, b: NDArray, activation: str = "identity", *, out: NDArray | None = None
) -> NDArray:
    """Affine map, then activation: y = act(x W + b).

    Parameters
    ----------
    x : ndarray, shape (B, I)
    W : ndarray, shape (I, O)
    b : ndarray, shape (O,)
    activation : {"identity", "relu", "leaky_relu", "tanh", "sigmoid", "softplus"}
    out : ndarray, shape (B, O), optional

    Returns
    -------
    y : ndarray, shape (B, O)
    """
    y = np.matmul(x, W, out=out)
    act, _ = ACTIVATIONS[activation]
    for rows in blocks(y):
        a = y[rows]
        a += b
        if act is not identity:
            a[...] = act(a)
    return y


def activation_backward(dy: NDArray, y: NDArray, activation: str, *, out: NDArray | None = None) -> NDArray:
    """Gradient through the activation: da = dy * act'(a), with act' computed from the output y.

    Parameters
    ----------
    dy, y : ndarray, shape (B, O)
        The upstream gradient and the layer's output.
    activation : {"identity", "relu", "leaky_relu", "tanh", "sigmoid", "softplus"}
    out : ndarray, shape (B, O), optional
        May be ``dy`` itself.

    Returns
    -------
    da : ndarray, shape (B, O)
        d loss / d a, where a = x W + b.
    """
    da = np.empty_like(dy) if out is None else out
    _, derivative = ACTIVATIONS[activation]
    for rows in blocks(dy):
        np.multiply(dy[rows], derivative(y[rows]), out=da[rows])
    return da


def linear_backward(
    da: NDArray,
    x: NDArray,
    W: NDArray,
    *,
    need_dx: bool = True,
    dx: NDArray | None = None,
    dW: NDArray | None = None,
    db: NDArray | None = None,
) -> tuple[NDArray | None, NDArray, NDArray]:
    """Gradient of the affine map a = x W + b: dx = da W^T, dW = x^T da, db = sum_B da.

    Parameters
    ----------
    da : ndarray, shape (B, O)
        The upstream gradient, from :func:`activation_backward`.
    x : ndarray, shape (B, I)
    W : ndarray, shape (I, O)
    need_dx : bool
        False for the first layer: nobody asks for the gradient of the data.
    dx, dW, db : ndarrays of the shapes of x, W, b, optional
        Overwritten.

    Returns
    -------
    dx : ndarray, shape (B, I), or None
    dW : ndarray, shape (I, O)
    db : ndarray, shape (O,)
        Summed, not averaged, over the batch: the loss holds the 1/B.
    """
    dx = np.matmul(da, W.T, out=dx) if need_dx else None
    dW = np.matmul(x.T, da, out=dW)
    db = bias_gradient(da, out=db)
    return dx, dW, db


def bias_gradient(da: NDArray, *, out: NDArray | None = None) -> NDArray:
    """Sum over the batch, db = sum_B da: (B, O) -> (O,)."""
    return np.sum(da, axis=0, out=out)


# ---------------------------------------------------------------------------------------------------------
# The latent variable: reparameterization (lesson 8) and Gaussian KL (lesson 7)


def reparameterize_forward(mu: NDArray, logvar: NDArray, eps: NDArray, *, out: NDArray | None = None) -> NDArray:
    """Sample from N(mu, exp(logvar)): z = mu + sigma * eps with sigma = exp(logvar / 2).

    Parameters
    ----------
    mu, logvar, eps : ndarray, shape (B, K)
        ``logvar`` is log sigma^2; ``eps`` comes from N(0, I).
    out : ndarray, shape (B, K), optional

    Returns
    -------
    z : ndarray, shape (B, K)

    References
    ----------
    Kingma and Welling, "Auto-encoding variational Bayes", arXiv:1312.6114, section 2.4.
    """
    std = np.exp(0.5 * logvar)
    return np.add(mu, std * eps, out=out)


def reparameterize_backward(
    dz: NDArray, logvar: NDArray, eps: NDArray, *, dmu: NDArray | None = None, dlogvar: NDArray | None = None
) -> tuple[NDArray, NDArray]:
    """Gradient of z = mu + exp(logvar/2) eps: dmu = dz, dlogvar = dz * eps * sigma / 2.

    Parameters
    ----------
    dz, logvar, eps : ndarray, shape (B, K)
    dmu, dlogvar : ndarray, shape (B, K), optional
        Overwritten.

    Returns
    -------
    dmu : ndarray, shape (B, K)
    dlogvar : ndarray, shape (B, K)
        d loss / d logvar; not d sigma, not d sigma^2.
    """
    std = np.exp(0.5 * logvar)
    dmu = np.positive(dz, out=dmu)
    dlogvar = np.multiply(dz, 0.5 * std * eps, out=dlogvar)
    return dmu, dlogvar


def gaussian_kl_forward(mu: NDArray, logvar: NDArray, *, out: NDArray | None = None) -> NDArray:
    """KL( N(mu, sigma^2) || N(0, I) ) = 1/2 sum_k [ mu_k^2 + sigma_k^2 - 1 - log sigma_k^2 ], in nats.

    Parameters
    ----------
    mu, logvar : ndarray, shape (B, K)
    out : ndarray, shape (B,), optional

    Returns
    -------
    kl : ndarray, shape (B,)
        Summed over the latent dimensions; one value per example; never negative, up to rounding.

    References
    ----------
    Kingma and Welling, arXiv:1312.6114, appendix B.
    """
    # expm1(v) is exp(v) - 1 without the cancellation near the prior, where v is small.
    return np.sum(0.5 * (mu * mu + np.expm1(logvar) - logvar), axis=1, out=out)


def gaussian_kl_backward(
    dkl: NDArray, mu: NDArray, logvar: NDArray, *, dmu: NDArray | None = None, dlogvar: NDArray | None = None
) -> tuple[NDArray, NDArray]:
    """Gradient of the KL: dmu = dkl * mu, dlogvar = dkl * (exp(logvar) - 1) / 2.

    Parameters
    ----------
    dkl : ndarray, shape (B,)
        d loss / d kl, one value per example.
    mu, logvar : ndarray, shape (B, K)
    dmu, dlogvar : ndarray, shape (B, K), optional
        Overwritten.

    Returns
    -------
    dmu, dlogvar : ndarray, shape (B, K)
    """
    dmu = np.multiply(dkl[:, None], mu, out=dmu)
    dlogvar = np.multiply(dkl[:, None], 0.5 * np.expm1(logvar), out=dlogvar)
    return dmu, dlogvar


def free_bits_forward(kl: NDArray, free_bits: float) -> NDArray:
    """What each latent dimension costs, max(free_bits, mean_b kl_bk) in nats: (B, K) -> (K,) (lesson 22).

    The maximum of the batch mean: Kingma et al., arXiv:1606.04934, section C.8.
    """
    return np.maximum(free_bits, kl.mean(axis=0))


def free_bits_backward(dcost: NDArray, kl: NDArray, free_bits: float) -> NDArray:
    """dkl_bk = dcost_k / B where the batch mean is above free_bits, else exactly 0: (K,), (B, K) -> (B, K)."""
    return np.where(kl.mean(axis=0) > free_bits, dcost / len(kl), np.zeros_like(kl))


# ---------------------------------------------------------------------------------------------------------
# Several draws of z for each example (lesson 21): a row is one of R = B S. Arrays so small that Numba uses these too.


def log_weights(recon_nll: NDArray, z: NDArray, logvar: NDArray, eps: NDArray) -> NDArray:
    """log w = log p(x|z) + log p(z) - log q(z|x) = -recon_nll + 1/2 sum_k [ eps_k^2 + logvar_k - z_k^2 ], in nats.

    The log 2 pi of p(z) and q(z|x) cancel. (R,) and three of (R, K) -> (R,). The mean of w over q(z|x) is p(x).
    """
    return 0.5 * (eps * eps + logvar - z * z).sum(axis=1) - recon_nll


def importance_bound(log_w: NDArray) -> tuple[NDArray, NDArray]:
    """The bound log [ 1/S sum_s w_s ] <= log p(x) in expectation, and its gradient, the weights w_s / sum_t w_t.

    (B, S) -> bound (B,), in nats, which rises with S, and d bound / d log_w (B, S), whose rows add up to 1. It is
    not sum_s w_s log w_s: that has the same gradient where w is held fixed, but may exceed log p(x).
    Source: Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders", arXiv:1509.00519.
    """
    largest = log_w.max(axis=1, keepdims=True)  # taken off first, so that nothing overflows
    w = np.exp(log_w - largest)
    bound = largest[:, 0] + np.log(w.mean(axis=1))
    return bound, w / w.sum(axis=1, keepdims=True)


def path_gradient(
    dz: NDArray, dnll: NDArray, z: NDArray, logvar: NDArray, eps: NDArray, factor: NDArray | None = None
) -> tuple[NDArray, NDArray]:
    """Gradient of loss = -sum_r dnll_r log w_r with respect to mu and logvar of each row: IWAE, STL or DReG.

    Through log p(x|z) and log p(z) the gradient of z is g = dz + dnll z. IWAE: dmu = g, dlogvar = g eps sigma/2 -
    dnll/2, for of log q(z|x) only logvar is left. The others let log q(z|x) count through z alone, with the gradient
    factor (g - dnll eps / sigma) of z and no 1/2: what is left out has the mean zero for S = 1 (STL), and for any S is
    worth another w on this path (DReG).

    Parameters
    ----------
    dz, z, logvar, eps : ndarray, shape (R, K)
        ``dz`` is what came back through the decoder, with ``dnll`` as its upstream gradient.
    dnll : ndarray, shape (R,)
        d loss / d recon_nll = w / B.
    factor : ndarray, shape (R,), optional
        None: IWAE. Ones: STL. The weights w: DReG, without dividing by a w that may underflow.

    Returns
    -------
    dmu, dlogvar : ndarray, shape (R, K)

    References
    ----------
    Roeder, Wu and Duvenaud, arXiv:1703.09194 (STL). Tucker, Lawson, Gu and Maddison, arXiv:1810.04152 (DReG).
    """
    weight = dnll[:, None]
    g = dz + weight * z
    if factor is not None:
        g = factor[:, None] * (g - weight * eps / np.exp(0.5 * logvar))
    dmu, dlogvar = reparameterize_backward(g, logvar, eps)
    return dmu, dlogvar if factor is not None else dlogvar - 0.5 * weight


# ---------------------------------------------------------------------------------------------------------
# Likelihoods (lessons 4 and 17): the value and, given its upstream gradient dnll, the gradient in the same pass.


def where_observed(terms: NDArray, observed: NDArray | None, rows: slice, columns: slice = slice(None)) -> NDArray:
    """``terms`` (b, D) or (b, 1) of these rows, with 0 for what was not observed."""
    return terms if observed is None else terms * observed[rows, columns]


def bernoulli_nll(
    logits: NDArray,
    x: NDArray,
    dnll: NDArray | None = None,
    *,
    observed: NDArray | None = None,
    nll: NDArray | None = None,
    dlogits: NDArray | None = None,
) -> tuple[NDArray, NDArray | None]:
    """Bernoulli -log p(x|z) from logits l: sum_d [ log(1 + exp(l_d)) - x_d l_d ]; gradient sigmoid(l) - x.

    Parameters
    ----------
    logits, x : ndarray, shape (B, D)
        x in [0, 1]; a probability, -log p(x|z), only where x is 0 or 1.
    dnll : ndarray, shape (B,), optional
        d loss / d nll. Without it no gradient is computed.
    observed : ndarray, shape (B, D), optional
        See the head of this file.
    nll : ndarray, shape (B,), optional
    dlogits : ndarray, shape (B, D), optional
        Overwritten.

    Returns
    -------
    nll : ndarray, shape (B,)
        In nats, summed over the data dimensions. Finite for every finite logit.
    dlogits : ndarray, shape (B, D), or None
        d loss / d logits (not with respect to the probabilities).
    """
    nll = np.empty(len(x), logits.dtype) if nll is None else nll
    dlogits = np.empty_like(logits) if dlogits is None and dnll is not None else dlogits
    for rows in blocks(logits):
        logit, pixel = logits[rows], x[rows]
        if observed is not None:
            logit = logit * observed[rows]  # a hole: with x = 0 and a logit of 0 it costs log 2, which is taken off
        log_normaliser = softplus(logit)
        nll[rows] = np.sum(log_normaliser - logit * pixel, axis=1)
        if dnll is not None and dlogits is not None:
            p = np.exp(logit - log_normaliser)  # sigmoid(logit)
            np.multiply(dnll[rows, None], p - pixel, out=dlogits[rows])
        if observed is not None:
            nll[rows] -= LOG_2 * np.sum(1 - observed[rows], axis=1)
            if dnll is not None and dlogits is not None:
                dlogits[rows] *= observed[rows]
    return nll, dlogits


def bernoulli_mean(logits: NDArray) -> NDArray:
    """E[x|z] = sigmoid(logits): (B, D) -> (B, D)."""
    return sigmoid(logits)


def gaussian_nll(
    mean: NDArray,
    logvar: NDArray,
    x: NDArray,
    dnll: NDArray | None = None,
    *,
    observed: NDArray | None = None,
    nll: NDArray | None = None,
    dmean: NDArray | None = None,
    dlogvar: NDArray | None = None,
) -> tuple[NDArray, NDArray | None, NDArray | None]:
    """Gaussian -log p(x|z) = 1/2 sum_d [ log 2 pi + logvar_d + (x_d - mean_d)^2 / exp(logvar_d) ].

    With r = (x - mean)^2 / exp(logvar): dmean = dnll (mean - x) / exp(logvar), and
    dlogvar = sum over the examples (and over d, where they share it) of dnll (1 - r) / 2.

    Parameters
    ----------
    mean, x : ndarray, shape (B, D)
    logvar : ndarray, shape (1,) or (D,)
        Log variance of the observation noise: one for all dimensions, or one each.
    dnll : ndarray, shape (B,), optional
        d loss / d nll. Without it no gradient is computed.
    observed : ndarray, shape (B, D), optional
        See the head of this file.
    nll, dmean, dlogvar : ndarrays of shape (B,), (B, D) and that of ``logvar``, optional
        Overwritten.

    Returns
    -------
    nll : ndarray, shape (B,)
        In nats, 1/2 log 2 pi included. A density: it may be negative.
    dmean : ndarray, shape (B, D), or None
    dlogvar : ndarray, shape of ``logvar``, or None
    """
    dtype = np.result_type(mean, logvar, x)
    nll = np.empty(len(x), dtype) if nll is None else nll
    if dnll is not None:
        dmean = np.empty_like(mean) if dmean is None else dmean
        dlogvar = np.empty_like(logvar) if dlogvar is None else dlogvar
        dlogvar[...] = 0
    precision = np.exp(-logvar)
    for rows in blocks(mean):
        difference = mean[rows] - x[rows]
        r = difference * difference * precision
        nll[rows] = np.sum(where_observed(0.5 * (LOG_2PI + logvar + r), observed, rows), axis=1)
        if dnll is not None and dmean is not None and dlogvar is not None:
            upstream = where_observed(dnll[rows, None], observed, rows)
            np.multiply(upstream, difference * precision, out=dmean[rows])
            # Where all dimensions share one logvar, its gradient sums over them too.
            dlogvar += np.sum(np.sum(upstream * 0.5 * (1 - r), axis=0).reshape(-1, len(logvar)), axis=0)
    return nll, dmean, dlogvar


def lognormal_nll(
    mean: NDArray,
    logvar: NDArray,
    x: NDArray,
    dnll: NDArray | None = None,
    *,
    observed: NDArray | None = None,
    nll: NDArray | None = None,
    dmean: NDArray | None = None,
    dlogvar: NDArray | None = None,
) -> tuple[NDArray, NDArray | None, NDArray | None]:
    """Log-normal -log p(x|z) = gaussian_nll(mean, logvar, log x) + sum_d log x_d, for x > 0.

    p(x) dx = p(log x) d log x, and d log x / dx = 1/x: hence the last term. The gradients are those of the Gaussian.

    Parameters
    ----------
    mean : ndarray, shape (B, D)
        Of log x.
    logvar, x, dnll, observed, nll, dmean, dlogvar
        As in :func:`gaussian_nll`; logvar is that of log x.

    Returns
    -------
    nll, dmean, dlogvar
        As from :func:`gaussian_nll`.
    """
    log_x = np.log(x if observed is None else np.where(observed, x, 1))  # log 1 = 0 for a hole
    nll, dmean, dlogvar = gaussian_nll(
        mean, logvar, log_x, dnll, observed=observed, nll=nll, dmean=dmean, dlogvar=dlogvar
    )
    nll += np.sum(log_x, axis=1)
    return nll, dmean, dlogvar


def poisson_nll(
    log_rate: NDArray,
    x: NDArray,
    dnll: NDArray | None = None,
    *,
    observed: NDArray | None = None,
    nll: NDArray | None = None,
    dlog_rate: NDArray | None = None,
) -> tuple[NDArray, NDArray | None]:
    """Poisson -log p(x|z) from log rates l: sum_d [ exp(l_d) - x_d l_d + log(x_d!) ]; gradient exp(l) - x.

    In float64: for x = 10^5 the three terms are near 10^6, and what is left of them is near 7. Beyond
    l = LARGEST_LOG_RATE exp goes on as its tangent, in the value as in the gradient.

    Parameters
    ----------
    log_rate, x : ndarray, shape (B, D)
        x in 0, 1, 2, ...
    dnll, observed, nll, dlog_rate
        As in :func:`bernoulli_nll`.

    Returns
    -------
    nll : ndarray, shape (B,)
        In nats, summed over the data dimensions. A probability; finite for every finite log rate and count.
    dlog_rate : ndarray, shape (B, D), or None
    """
    from scipy.special import gammaln  # here, because importing it takes longer than all the rest

    nll = np.empty(len(x), log_rate.dtype) if nll is None else nll
    dlog_rate = np.empty_like(log_rate) if dlog_rate is None and dnll is not None else dlog_rate
    for rows in blocks(log_rate):
        l, count = log_rate[rows].astype(np.float64), x[rows].astype(np.float64)
        rate = np.exp(np.minimum(l, LARGEST_LOG_RATE))
        beyond = np.maximum(l - LARGEST_LOG_RATE, 0)
        terms = rate * (1 + beyond) - count * l + gammaln(count + 1)
        nll[rows] = np.sum(where_observed(terms, observed, rows), axis=1)
        if dnll is not None and dlog_rate is not None:
            dlog_rate[rows] = where_observed(dnll[rows, None], observed, rows) * (rate - count)
    return nll, dlog_rate


def negative_binomial_nll(
    log_rate: NDArray,
    log_size: NDArray,
    x: NDArray,
    dnll: NDArray | None = None,
    *,
    observed: NDArray | None = None,
    nll: NDArray | None = None,
    dlog_rate: NDArray | None = None,
    dlog_size: NDArray | None = None,
) -> tuple[NDArray, NDArray | None, NDArray | None]:
    """Negative binomial -log p(x|z): a Poisson whose rate is itself Gamma, with mean m = exp(l) and shape r.

    With t = l - log r, sp(t) = log(1 + e^t) and s(t) = 1/(1 + e^-t), its derivative, the variance is m + m^2/r and

        nll = sum_d [ log Gamma(r_d) + log x_d! - log Gamma(x_d + r_d) + r_d sp(t_d) + x_d sp(-t_d) ]

    d nll / d l = r s(t) - x s(-t), and d nll / d log r = r [psi(r) - psi(x + r) + sp(t)] - d nll / d l with psi the
    derivative of log Gamma. m itself is never computed, so that nothing overflows. In float64, as
    :func:`poisson_nll`; log r is held between -LARGEST_LOG_SIZE and LARGEST_LOG_SIZE, and has no gradient beyond.

    Parameters
    ----------
    log_rate, x : ndarray, shape (B, D)
        x in 0, 1, 2, ...
    log_size : ndarray, shape (D,)
        log r of each dimension.
    dnll, observed, nll, dlog_rate, dlog_size
        As in :func:`gaussian_nll`.

    Returns
    -------
    nll : ndarray, shape (B,)
        In nats, summed over the data dimensions. A probability.
    dlog_rate, dlog_size : ndarrays, shape (B, D) and (D,), or None
    """
    from scipy.special import digamma, expit, gammaln  # here, because importing it takes longer than all the rest

    nll = np.empty(len(x), log_rate.dtype) if nll is None else nll
    if dnll is not None:
        dlog_rate = np.empty_like(log_rate) if dlog_rate is None else dlog_rate
        dlog_size = np.empty_like(log_size) if dlog_size is None else dlog_size
        dlog_size[...] = 0
    log_r = np.clip(log_size.astype(np.float64), -LARGEST_LOG_SIZE, LARGEST_LOG_SIZE)
    r = np.exp(log_r)
    for rows in blocks(log_rate):
        t, count = log_rate[rows].astype(np.float64) - log_r, x[rows].astype(np.float64)
        above, below = np.logaddexp(0, t), np.logaddexp(0, -t)
        terms = gammaln(r) + gammaln(count + 1) - gammaln(count + r) + r * above + count * below
        nll[rows] = np.sum(where_observed(terms, observed, rows), axis=1)
        if dnll is not None and dlog_rate is not None and dlog_size is not None:
            upstream = where_observed(dnll[rows, None], observed, rows)
            of_rate = r * expit(t) - count * expit(-t)
            dlog_rate[rows] = upstream * of_rate
            of_size = r * (digamma(r) - digamma(count + r) + above) - of_rate
            dlog_size += np.sum(upstream * np.where(log_r == log_size, of_size, 0), axis=0)
    return nll, dlog_rate, dlog_size


def poisson_mean(log_rate: NDArray) -> NDArray:
    """E[x|z] = exp(log rate), up to exp(LARGEST_LOG_RATE): (B, D) -> (B, D)."""
    return np.exp(np.minimum(log_rate, LARGEST_LOG_RATE))


def categorical_nll(
    logits: NDArray,
    x: NDArray,
    groups: Sequence[int],
    dnll: NDArray | None = None,
    *,
    observed: NDArray | None = None,
    nll: NDArray | None = None,
    dlogits: NDArray | None = None,
) -> tuple[NDArray, NDArray | None]:
    """Categorical -log p(x|z) = -sum_d x_d log softmax(l)_d, a softmax for each group; gradient softmax(l) - x.

    Parameters
    ----------
    logits, x : ndarray, shape (B, D)
        x is one-hot within each group of columns.
    groups : sequence of int
        The number of columns of each group; they add up to D.
    dnll, observed, nll, dlogits
        As in :func:`bernoulli_nll`. A group is observed as a whole, or not at all.

    Returns
    -------
    nll : ndarray, shape (B,)
        In nats, summed over the groups.
    dlogits : ndarray, shape (B, D), or None
    """
    nll = np.empty(len(x), logits.dtype) if nll is None else nll
    dlogits = np.empty_like(logits) if dlogits is None and dnll is not None else dlogits
    for rows in blocks(logits):
        nll[rows] = 0
        for columns in group_columns(groups):
            one_hot = x[rows, columns]
            log_p = log_softmax(logits[rows, columns])
            nll[rows] -= np.sum(one_hot * log_p, axis=1)  # of a group that was not observed, x is 0 everywhere
            if dnll is not None and dlogits is not None:
                upstream = where_observed(dnll[rows, None], observed, rows, columns)
                dlogits[rows, columns] = upstream * (np.exp(log_p) - one_hot)
    return nll, dlogits


def categorical_mean(logits: NDArray, groups: Sequence[int]) -> NDArray:
    """E[x|z]: a softmax within each group, (B, D) -> (B, D)."""
    mean = np.empty_like(logits)
    for columns in group_columns(groups):
        mean[:, columns] = np.exp(log_softmax(logits[:, columns]))
    return mean


def log_softmax(logits: NDArray) -> NDArray:
    """log softmax over the last axis; the largest logit is taken off first, so that nothing overflows."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))


def group_columns(groups: Sequence[int]) -> Iterator[slice]:
    """Slices of neighbouring columns: (3, 2) gives 0:3, 3:5."""
    start = 0
    for size in groups:
        yield slice(start, start + size)
        start += size


# ---------------------------------------------------------------------------------------------------------
# Optimizers (lesson 10), over the flat vector of P parameters, in place


def sgd_update(
    parameters: NDArray, gradients: NDArray, velocity: NDArray, *, learning_rate: float, momentum: float
) -> None:
    """Gradient descent with momentum: u <- momentum * u + g; w <- w - learning_rate * u. All (P,).

    References
    ----------
    Sutskever, Martens, Dahl and Hinton, ICML 2013, in the form used by PyTorch.
    """
    for part in blocks(parameters):
        velocity[part] = momentum * velocity[part] + gradients[part]
        parameters[part] -= learning_rate * velocity[part]


def adagrad_update(
    parameters: NDArray, gradients: NDArray, sum_of_squares: NDArray, *, learning_rate: float, epsilon: float
) -> None:
    """One step of Adagrad: s <- s + g^2; w <- w - learning_rate * g / (sqrt(s) + epsilon). All arrays (P,).

    References
    ----------
    Duchi, Hazan and Singer, JMLR 12 (2011), with a diagonal matrix, in the form used by PyTorch.
    """
    for part in blocks(parameters):
        g, s = gradients[part], sum_of_squares[part]
        s += g * g
        parameters[part] -= learning_rate * g / (np.sqrt(s) + epsilon)


def adam_update(
    parameters: NDArray,
    gradients: NDArray,
    m: NDArray,
    v: NDArray,
    t: int,
    *,
    learning_rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> None:
    """One step of Adam: w <- w - learning_rate * m_hat / (sqrt(v_hat) + epsilon). All arrays (P,).

    ``m`` and ``v`` are running means, m <- m + (1 - beta1) (g - m) and v <- v + (1 - beta2) (g^2 - v), updated in
    place; m_hat = m / (1 - beta1^t) and v_hat = v / (1 - beta2^t) undo their start at zero; ``t`` counts from 1.

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", arXiv:1412.6980, algorithm 1, in the order of
    computation given at the end of its section 2.
    """
    root = (1 - beta2**t) ** 0.5
    step_size = learning_rate * root / (1 - beta1**t)
    for part in blocks(parameters):
        g, m_part, v_part = gradients[part], m[part], v[part]
        # m += (1 - beta1) (g - m);  v += (1 - beta2) (g g - v);  w -= step_size m / (sqrt(v) + root epsilon),
        # with one temporary, because this loop is bound by memory.
        change = g - m_part
        change *= 1 - beta1
        m_part += change
        np.multiply(g, g, out=change)
        change -= v_part
        change *= 1 - beta2
        v_part += change
        np.sqrt(v_part, out=change)
        change += root * epsilon
        np.divide(m_part, change, out=change)
        change *= step_size
        parameters[part] -= change


def add_penalty(weights: NDArray, dweights: NDArray, *, l1: float, l2: float) -> float:
    """L1 and L2 penalty, l1 * sum |w| + l2/2 * sum w^2; adds its gradient l1 sign(w) + l2 w to ``dweights``.

    Parameters
    ----------
    weights, dweights : ndarray, shape (P,)
        The weights of all layers, without the biases, and their gradient, which is added to.
    l1, l2 : float

    Returns
    -------
    penalty : float
    """
    penalty = 0.0
    for part in blocks(weights):
        w = weights[part]
        penalty += l1 * float(np.sum(np.abs(w))) + 0.5 * l2 * float(np.sum(w * w))
        dweights[part] += l1 * np.sign(w) + l2 * w
    return penalty
