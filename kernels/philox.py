"""Noise as a pure function: Philox4x32-10 in plain NumPy.

A counter-based generator keeps no state. It scrambles a 128-bit counter with a 64-bit key and returns
four 32-bit words, so the noise of any (dimension, example, step, stream) can be had at any time, in any
order, on any backend:

    key      the 64-bit seed, low half first
    counter  (dimension // 4, example, step, stream)

One call therefore serves four neighbouring dimensions of one example.

    n   number of examples      D   number of dimensions (words, uniforms or normals per example)

Source: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC 2011; known answers from its library Random123 (tests/kernels/test_philox.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Stream(IntEnum):
    """Each use of randomness has a stream of its own, so that no two uses share bits."""

    EPS = 0
    BINARIZE = 1
    CORRUPTION = 2
    IMPORTANCE = 3
    PRIOR = 4
    SHUFFLE = 5
    INITIALISATION = 6
    GAN_ROWS = 7
    GAN_LATENT = 8
    GAN_PENALTY = 9
    IMPUTATION = 10


MULTIPLIERS = np.array([[0xD2511F53], [0xCD9E8D57]], dtype=np.uint64)
WEYL = np.array([[0x9E3779B9], [0xBB67AE85]], dtype=np.uint64)  # the golden ratio, sqrt(3) - 1
ROUNDS = np.arange(10, dtype=np.uint64)[:, None, None]
LOW_32 = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)

COUNTERS_PER_BLOCK = 2048  # at most 64 KB for a temporary: they stay in the cache


def philox4x32(counter: tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike], seed: int) -> NDArray:
    """Scramble a counter ten times over: Philox4x32-10.

    A round multiplies the even words (c0, c2) by constants, and puts the halves of the products back crosswise:
    (c0, c1, c2, c3) <- (high_2 ^ c1 ^ k0, low_2, high_0 ^ c3 ^ k1, low_0).

    Parameters
    ----------
    counter : four ints or arrays of int that broadcast to one shape (n,)
        The 32-bit words of the counter.
    seed : int
        The 64-bit key.

    Returns
    -------
    words : ndarray of uint64, shape (n, 4)
        Each below 2^32.
    """
    n = np.broadcast(*counter).size
    even, odd = np.empty((2, 2, n), dtype=np.uint64)
    even[0], odd[0], even[1], odd[1] = counter
    key = np.array([[seed & 0xFFFFFFFF], [seed >> 32]], dtype=np.uint64)
    for round_key in (key + ROUNDS * WEYL) & LOW_32:
        product = MULTIPLIERS * even
        even = (product >> HALF)[::-1] ^ odd ^ round_key
        odd = (product & LOW_32)[::-1]
    return np.stack((even[0], odd[0], even[1], odd[1]), axis=-1)


def word_blocks(seed: int, stream: int, step: int, examples: NDArray, dims: int) -> Iterator[tuple[slice, NDArray]]:
    """Yield ``(rows, words)``, where ``words`` is (len(rows), 4 * ceil(dims / 4)) of uint64, a few rows at a time."""
    quads = np.arange((dims + 3) // 4, dtype=np.uint64)
    rows_per_block = max(1, COUNTERS_PER_BLOCK // len(quads))
    for start in range(0, len(examples), rows_per_block):
        rows = slice(start, start + rows_per_block)
        example = np.asarray(examples[rows], dtype=np.uint64)
        counter = (np.tile(quads, len(example)), np.repeat(example, len(quads)), step, stream)
        yield rows, philox4x32(counter, seed).reshape(len(example), 4 * len(quads))


def to_unit_interval(words: NDArray) -> NDArray:
    """Words (uint32 values) to float64 uniforms u = (r + 1/2) / 2^32, strictly between 0 and 1."""
    return (words + 0.5) * 2.0**-32


def box_muller(u: NDArray) -> NDArray:
    """Uniforms (n, 4q) to standard normals (n, 4q): words (0, 1) and (2, 3) of each four; cosine first, then sine.

    Two normals have the radius sqrt(-2 log u_0) and the angle 2 pi u_1.
    Source: G. E. P. Box and M. E. Muller, Annals of Mathematical Statistics 29 (1958).
    """
    radius = np.sqrt(-2.0 * np.log(u[:, 0::2]))
    angle = (2.0 * np.pi) * u[:, 1::2]
    return np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=-1).reshape(u.shape)


def uniform(seed: int, stream: int, step: int, examples: NDArray, *, out: NDArray) -> NDArray:
    """Fill ``out`` with uniforms on (0, 1).

    Parameters
    ----------
    seed, stream, step : int
        The key and two words of the counter; below 2^64, 2^32 and 2^32.
    examples : ndarray of int, shape (n,)
        The row of each example in the full data set.
    out : ndarray of float32 or float64, shape (n, D)
        In float32, values above 1 - 2^-25 round to 1.

    Returns
    -------
    out : ndarray, shape (n, D)
    """
    dims = out.shape[1]
    for rows, words in word_blocks(seed, stream, step, examples, dims):
        out[rows] = to_unit_interval(words[:, :dims])
    return out


def standard_normal(seed: int, stream: int, step: int, examples: NDArray, *, out: NDArray) -> NDArray:
    """Fill ``out`` with draws from N(0, 1); see :func:`uniform` for the arguments.

    Computed in float64 and rounded once, so that float32 and float64 models train on the same noise.
    Derived in lesson 8.
    """
    dims = out.shape[1]
    for rows, words in word_blocks(seed, stream, step, examples, dims):
        out[rows] = box_muller(to_unit_interval(words))[:, :dims]
    return out


def binarize(x: NDArray, seed: int, step: int, examples: NDArray, *, out: NDArray) -> NDArray:
    """Draw each pixel as a coin with the grey value as its probability: ``out = (u < x)``, stream 1.

    Parameters
    ----------
    x : ndarray, shape (n, D)
        Values in [0, 1]; 0 always gives 0 and 1 always gives 1.
    seed, step, examples
        As in :func:`uniform`.
    out : ndarray, shape (n, D)
        Zeros and ones; may be ``x`` itself.

    Returns
    -------
    out : ndarray, shape (n, D)
    """
    dims = x.shape[1]
    for rows, words in word_blocks(seed, Stream.BINARIZE, step, examples, dims):
        out[rows] = to_unit_interval(words[:, :dims]) < x[rows]
    return out


def permutation(seed: int, epoch: int, n: int) -> NDArray:
    """The order of ``n`` examples in an epoch: an ndarray of int64, shape (n,), a function of (seed, epoch) alone.

    Every example draws one 64-bit ticket (stream 5), and the tickets are sorted. Two that are equal, which one epoch
    in 30 million has of a million examples, may come in either order.
    """
    tickets = np.empty(n, dtype=np.uint64)
    for rows, words in word_blocks(seed, Stream.SHUFFLE, epoch, np.arange(n), dims=2):
        tickets[rows] = (words[:, 0] << HALF) | words[:, 1]
    return np.argsort(tickets)  # a stable sort takes two and a half times as long
