"""The reference's functions on an NVIDIA GPU, by CuPy: the kernels are in cuda/*.cu. Not yet run on a GPU.

Shapes, units and formulas are those of reference.py. The products are cuBLAS's (cuda_blas.py); everything else is one
launch of a kernel of ours. A number that changes from step to step, ``step``, ``t`` or ``learning_rate``, may be an
array of one element on the device: a CUDA graph that has captured the call reads it afresh in each replay.

Every function also takes NumPy arrays, and then answers with NumPy arrays: for checks and tests, not for speed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from types import SimpleNamespace
from typing import Any

import cupy
import numpy as np

from .cuda_blas import matmul
from .cuda_graph import Graph, on_stream, stream_of_this_thread
from .cuda_launch import (
    blocks_for,
    for_hosts_too,
    indices,
    int32,
    launch,
    number,
    or_null,
    strided,
    strided_or_null,
    to_device,
)

Array = Any  # a cupy.ndarray

ACTIVATIONS = {"identity": 0, "relu": 1, "tanh": 2, "sigmoid": 3, "softplus": 4, "leaky_relu": 5}
COLUMNS, TALL = 8, 512  # columns and threads of a block that sums columns; common.cuh says the same
PENALTY_BLOCKS = 256


def sizes(matrix: Array) -> tuple[np.int32, np.int32]:
    """Rows and columns, as the kernels take them."""
    return int32(matrix.shape[0]), int32(matrix.shape[1])


def like(array: Array, out: Array | None) -> Array:
    """``out``, or a new array of the shape of ``array``."""
    return cupy.empty(array.shape, array.dtype) if out is None else out


# ---------------------------------------------------------------------------------------------------------
# Arrays, in and out of the device


def asarray(x: Any, dtype: str) -> Array:
    """``x`` as a C-contiguous array on the device; no copy where it is one already."""
    return to_device(x, dtype)


def to_numpy(x: Array) -> np.ndarray:
    """``x`` as a NumPy array; waits for what is still being computed."""
    return cupy.asnumpy(x)


def zeros(shape: int | tuple[int, ...], dtype: str) -> Array:
    """A new array of zeros on the device."""
    return cupy.zeros(shape, dtype)


@for_hosts_too
def take_rows(x: Array, rows: Array, *, out: Array) -> Array:
    """Gather ``out = x[rows]``; one launch."""
    launch("take_rows", out.dtype, blocks_for(out.size), *sizes(out), *strided(x), indices(rows), *strided(out))
    return out


# ---------------------------------------------------------------------------------------------------------
# Noise: the integers of philox.py, drawn where they are needed


def draw(kernel: str, seed: int, stream: int, step: Any, examples: Array, out: Array) -> Array:
    """One thread for four neighbouring dimensions of an example."""
    n, dims = out.shape
    key = (np.uint64(seed), np.uint32(stream), *number(step, np.uint32))
    blocks = blocks_for(n * blocks_for(dims, 4))
    launch(kernel, out.dtype, blocks, *key, indices(examples), int32(n), int32(dims), *strided(out))
    return out


@for_hosts_too
def uniform(seed: int, stream: int, step: Any, examples: Array, *, out: Array) -> Array:
    """Fill ``out`` (n, D) with uniforms on (0, 1); ``step`` may be on the device."""
    return draw("fill_uniform", seed, stream, step, examples, out)


@for_hosts_too
def standard_normal(seed: int, stream: int, step: Any, examples: Array, *, out: Array) -> Array:
    """Fill ``out`` (n, D) with draws from N(0, 1); ``step`` may be on the device."""
    return draw("fill_normal", seed, stream, step, examples, out)


@for_hosts_too
def binarize(x: Array, seed: int, step: Any, examples: Array, *, out: Array) -> Array:
    """Draw each pixel as a coin with the grey value as its probability; ``step`` may be on the device."""
    n, dims = out.shape
    blocks = blocks_for(n * blocks_for(dims, 4))
    key = (np.uint64(seed), *number(step, np.uint32))
    launch("binarize", out.dtype, blocks, *key, indices(examples), int32(n), int32(dims), *strided(x), *strided(out))
    return out


# ---------------------------------------------------------------------------------------------------------
# Linear layer with bias and activation


@for_hosts_too
def linear_forward(x: Array, W: Array, b: Array, activation: str = "identity", *, out: Array | None = None) -> Array:
    """y = act(x W + b): cuBLAS, then bias and activation in one pass."""
    y = cupy.empty((x.shape[0], W.shape[1]), W.dtype) if out is None else out
    matmul(x, W, y)
    launch("bias_activation", y.dtype, blocks_for(y.size), *sizes(y), *strided(y), b, int32(ACTIVATIONS[activation]))
    return y


@for_hosts_too
def activation_backward(dy: Array, y: Array, activation: str, *, out: Array | None = None) -> Array:
    """da = dy * act'(a), from the output y; ``out`` may be ``dy``."""
    da, code = like(dy, out), int32(ACTIVATIONS[activation])
    launch(
        "activation_backward",
        da.dtype,
        blocks_for(da.size),
        *sizes(da),
        *strided(dy),
        *strided(y),
        code,
        *strided(da),
    )
    return da


@for_hosts_too
def linear_backward(
    da: Array,
    x: Array,
    W: Array,
    *,
    need_dx: bool = True,
    dx: Array | None = None,
    dW: Array | None = None,
    db: Array | None = None,
) -> tuple[Array | None, Array, Array]:
    """dx = da W^T, dW = x^T da, db = sum_B da."""
    dx = matmul(da, W, like(x, dx), transpose_b=True) if need_dx else None
    dW = matmul(x, da, like(W, dW), transpose_a=True)
    return dx, dW, bias_gradient(da, out=db)


@for_hosts_too
def bias_gradient(da: Array, *, out: Array | None = None) -> Array:
    """db = sum_B da: (B, O) -> (O,)."""
    db = cupy.empty(da.shape[1], da.dtype) if out is None else out
    blocks = blocks_for(da.shape[1], COLUMNS)
    launch("column_sums", da.dtype, blocks, *sizes(da), *strided(da), db, threads=TALL)
    return db


# ---------------------------------------------------------------------------------------------------------
# The latent variable


@for_hosts_too
def reparameterize_forward(mu: Array, logvar: Array, eps: Array, *, out: Array | None = None) -> Array:
    """z = mu + exp(logvar / 2) * eps."""
    z = like(mu, out)
    matrices = (*strided(mu), *strided(logvar), *strided(eps), *strided(z))
    launch("reparameterize", z.dtype, blocks_for(z.size), *sizes(z), *matrices)
    return z


@for_hosts_too
def reparameterize_backward(
    dz: Array, logvar: Array, eps: Array, *, dmu: Array | None = None, dlogvar: Array | None = None
) -> tuple[Array, Array]:
    """dmu = dz, dlogvar = dz * eps * exp(logvar / 2) / 2."""
    dmu, dlogvar = like(dz, dmu), like(dz, dlogvar)
    matrices = (*strided(dz), *strided(logvar), *strided(eps), *strided(dmu), *strided(dlogvar))
    launch("reparameterize_backward", dz.dtype, blocks_for(dz.size), *sizes(dz), *matrices)
    return dmu, dlogvar


@for_hosts_too
def gaussian_kl_forward(mu: Array, logvar: Array, *, out: Array | None = None) -> Array:
    """KL to the standard normal in nats, one value per example; a block for each."""
    kl = cupy.empty(len(mu), mu.dtype) if out is None else out
    launch("gaussian_kl", mu.dtype, len(mu), *sizes(mu), *strided(mu), *strided(logvar), kl)
    return kl


@for_hosts_too
def gaussian_kl_backward(
    dkl: Array, mu: Array, logvar: Array, *, dmu: Array | None = None, dlogvar: Array | None = None
) -> tuple[Array, Array]:
    """dmu = dkl * mu, dlogvar = dkl * (exp(logvar) - 1) / 2."""
    dmu, dlogvar = like(mu, dmu), like(mu, dlogvar)
    matrices = (*strided(mu), *strided(logvar), *strided(dmu), *strided(dlogvar))
    launch("gaussian_kl_backward", mu.dtype, blocks_for(mu.size), *sizes(mu), dkl, *matrices)
    return dmu, dlogvar


# ---------------------------------------------------------------------------------------------------------
# Likelihoods: the value and, given its upstream gradient dnll, the gradient in the same pass; a block for each row


@for_hosts_too
def bernoulli_nll(
    logits: Array, x: Array, dnll: Array | None = None, *, nll: Array | None = None, dlogits: Array | None = None
) -> tuple[Array, Array | None]:
    """Bernoulli -log p(x|z) from logits, and (sigmoid(l) - x) dnll."""
    nll = cupy.empty(len(x), logits.dtype) if nll is None else nll
    dlogits = None if dnll is None else like(logits, dlogits)
    matrices = (*strided(logits), *strided(x))
    launch(
        "bernoulli_nll",
        logits.dtype,
        len(x),
        *sizes(logits),
        *matrices,
        or_null(dnll),
        nll,
        *strided_or_null(dlogits),
    )
    return nll, dlogits


@for_hosts_too
def bernoulli_mean(logits: Array) -> Array:
    """E[x|z] = sigmoid(logits)."""
    mean = like(logits, None)
    launch("bernoulli_mean", mean.dtype, blocks_for(mean.size), *sizes(mean), *strided(logits), *strided(mean))
    return mean


@for_hosts_too
def gaussian_nll(
    mean: Array,
    logvar: Array,
    x: Array,
    dnll: Array | None = None,
    *,
    nll: Array | None = None,
    dmean: Array | None = None,
    dlogvar: Array | None = None,
) -> tuple[Array, Array | None, Array | None]:
    """Gaussian -log p(x|z), and its gradients; a logvar that all dimensions share takes a second launch."""
    nll = cupy.empty(len(x), mean.dtype) if nll is None else nll
    is_shared, dlogvar_rows = len(logvar) == 1, None
    if dnll is not None:
        dmean, dlogvar = like(mean, dmean), like(logvar, dlogvar)
        dlogvar_rows = cupy.empty(len(x), np.float64) if is_shared else None
    else:
        dmean = dlogvar = None
    launch(
        "gaussian_nll",
        mean.dtype,
        len(x),
        *sizes(mean),
        *strided(mean),
        logvar,
        int32(len(logvar)),
        *strided(x),
        or_null(dnll),
        nll,
        *strided_or_null(dmean),
        or_null(dlogvar_rows),
    )
    if dnll is not None and is_shared:
        launch("sum_to", mean.dtype, 1, int32(len(x)), dlogvar_rows, dlogvar)
    elif dnll is not None:
        blocks, matrices = blocks_for(mean.shape[1], COLUMNS), (*strided(mean), logvar, *strided(x))
        launch("gaussian_dlogvar", mean.dtype, blocks, *sizes(mean), *matrices, dnll, dlogvar, threads=TALL)
    return nll, dmean, dlogvar


@for_hosts_too
def categorical_nll(
    logits: Array,
    x: Array,
    groups: Sequence[int],
    dnll: Array | None = None,
    *,
    nll: Array | None = None,
    dlogits: Array | None = None,
) -> tuple[Array, Array | None]:
    """Categorical -log p(x|z), a softmax for each group, and (softmax(l) - x) dnll."""
    nll = cupy.empty(len(x), logits.dtype) if nll is None else nll
    dlogits = None if dnll is None else like(logits, dlogits)
    columns = (first_columns(tuple(groups)), int32(len(groups)))
    matrices = (*strided(logits), *strided(x))
    launch(
        "categorical_nll",
        logits.dtype,
        len(x),
        *sizes(logits),
        *matrices,
        *columns,
        or_null(dnll),
        nll,
        *strided_or_null(dlogits),
    )
    return nll, dlogits


@for_hosts_too
def categorical_mean(logits: Array, groups: Sequence[int]) -> Array:
    """E[x|z]: a softmax within each group."""
    mean, columns = like(logits, None), (first_columns(tuple(groups)), int32(len(groups)))
    launch("categorical_mean", mean.dtype, len(mean), *sizes(mean), *strided(logits), *columns, *strided(mean))
    return mean


@cache
def first_columns(groups: tuple[int, ...]) -> Array:
    """The first column of each group, and the end of the last."""
    return cupy.asarray(np.array([0, *accumulate(groups)], np.int32))


# ---------------------------------------------------------------------------------------------------------
# Optimizers, over the flat vector of P parameters, in place


def update(kernel: str, parameters: Array, *arguments: Any) -> None:
    """One thread for each parameter."""
    launch(kernel, parameters.dtype, blocks_for(parameters.size), int32(parameters.size), parameters, *arguments)


@for_hosts_too
def sgd_update(parameters: Array, gradients: Array, velocity: Array, *, learning_rate: Any, momentum: float) -> None:
    """Gradient descent with momentum; ``learning_rate`` may be on the device."""
    rate = number(learning_rate, np.float64)
    update("sgd", parameters, gradients, velocity, *rate, np.float64(momentum))


@for_hosts_too
def adagrad_update(
    parameters: Array, gradients: Array, sum_of_squares: Array, *, learning_rate: Any, epsilon: float
) -> None:
    """One step of Adagrad; ``learning_rate`` may be on the device."""
    rate = number(learning_rate, np.float64)
    update("adagrad", parameters, gradients, sum_of_squares, *rate, np.float64(epsilon))


@for_hosts_too
def adam_update(
    parameters: Array,
    gradients: Array,
    m: Array,
    v: Array,
    t: Any,
    *,
    learning_rate: Any,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> None:
    """One step of Adam; ``t`` and ``learning_rate`` may be on the device."""
    rates = (*number(t, np.uint32), *number(learning_rate, np.float64))
    memory = (np.float64(beta1), np.float64(beta2), np.float64(epsilon))
    update("adam", parameters, gradients, m, v, *rates, *memory)


@for_hosts_too
def add_penalty(weights: Array, dweights: Array, *, l1: float, l2: float) -> float:
    """L1 and L2 penalty; adds its gradient to ``dweights``. Waits for the value."""
    return float(add_penalty_on_device(weights, dweights, l1=l1, l2=l2)[0])


def add_penalty_on_device(weights: Array, dweights: Array, *, l1: float, l2: float) -> Array:
    """The same, without waiting: the value is an array (1,) of float64 on the device."""
    blocks = min(PENALTY_BLOCKS, blocks_for(weights.size))
    partial, total = cupy.empty(blocks, np.float64), cupy.empty(1, np.float64)
    levels = (np.float64(l1), np.float64(l2))
    launch("penalty", weights.dtype, blocks, int32(weights.size), weights, dweights, *levels, partial)
    launch("sum_to", "float64", 1, int32(blocks), partial, total)
    return total


# ---------------------------------------------------------------------------------------------------------
# What captured training steps need beside: the order of the epoch, the place in it, and the sums of the losses


def permutation(seed: int, epoch: int, n: int) -> Array:
    """The order of philox.py, (n,) of uint32, sorted on the device; the sort cannot be captured."""
    tickets = cupy.empty(n, np.uint64)
    launch("draw_tickets", "float32", blocks_for(n), np.uint64(seed), np.uint32(epoch), int32(n), tickets)
    return cupy.argsort(tickets).astype(np.uint32)


def next_rows(order: Array, counts: Array, *, out: Array) -> Array:
    """The next row numbers of an epoch's order: ``out = order[counts[2]:][:n]``, all uint32."""
    launch("next_rows", "float32", blocks_for(len(out)), int32(len(out)), order, counts, out)
    return out


def count_step(recon_nll: Array, kl: Array, penalty: Array | None, counts: Array, sums: Array) -> None:
    """Add the losses of a batch to ``sums`` (3,) of float64; count step, t and place in ``counts`` (3,) of uint32."""
    launch("count_step", kl.dtype, 1, int32(len(kl)), recon_nll, kl, or_null(penalty), counts, sums)


graph = SimpleNamespace(
    stream=stream_of_this_thread,
    on_stream=on_stream,
    Graph=Graph,
    permutation=permutation,
    next_rows=next_rows,
    count_step=count_step,
    add_penalty=add_penalty_on_device,
    matmul=matmul,
)
