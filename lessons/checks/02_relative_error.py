"""Exercise 02: judged by plain Python sums over the entries, for arrays that nearly agree, disagree, and are zero."""

import math

import numpy as np

from minivae.learn import Exercise, Wrong


def draw(rng, sizes):
    if sizes.B == 5:
        return {"a": np.zeros((sizes.B, sizes.K)), "n": np.full((sizes.B, sizes.K), 1e-9)}
    n = rng.standard_normal((sizes.B, sizes.D))
    return {"a": n + 0.1 * rng.standard_normal(n.shape), "n": n}


def length(array):
    return math.sqrt(math.fsum(value * value for value in array.ravel().tolist()))


def by_sums(a, n):
    return length(a - n) / max(length(a) + length(n), 1e-8)


exercise = Exercise(
    title="One number for how different two gradients are",
    lesson=1,
    function="relative_error",
    returns=("error",),
    draw=draw,
    oracle=by_sums,
    hints=(
        "How long is an array, if you take it for one long vector?",
        "The norm of the difference, divided by the sum of the two norms, but never by less than 1e-8.",
        "np.linalg.norm(v.ravel()) is the norm of all entries; max(..., 1e-8) guards the quotient.",
    ),
    why="The norms are of whole arrays: entry by entry, one tiny gradient with a rounding error would cry wolf.",
    wrong=(
        Wrong(
            "error",
            "the 1e-8 is added where the larger of the two is meant",
            lambda a, n: length(a - n) / (length(a) + length(n) + 1e-8),
        ),
        Wrong(
            "error",
            "each entry is divided by itself, and the worst is taken: that is the element-wise error",
            lambda a, n: np.max(np.abs(a - n) / np.maximum(np.abs(a) + np.abs(n), 1e-8)),
        ),
        Wrong(
            "error",
            "the squares are averaged or summed without taking the root",
            lambda a, n: length(a - n) ** 2 / max(length(a) ** 2 + length(n) ** 2, 1e-8),
        ),
    ),
)
