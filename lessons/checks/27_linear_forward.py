"""Exercise 27: judged output by output, with exactly rounded sums over plain Python numbers."""

import math

import numpy as np

from minivae.learn import Exercise, Wrong


def draw(rng, sizes):
    return {
        "x": rng.standard_normal((sizes.B, sizes.D)),
        "W": rng.standard_normal((sizes.D, sizes.H)),
        "b": rng.standard_normal(sizes.H),
    }


def one_by_one(x, W, b):
    columns = list(zip(W.T.tolist(), b.tolist(), strict=True))

    def output(row, weights, bias):
        return math.fsum([*(value * weight for value, weight in zip(row, weights, strict=True)), bias])

    return np.array([[output(row, *column) for column in columns] for row in x.tolist()])


exercise = Exercise(
    title="y = x W + b for a whole batch",
    lesson=2,
    function="linear_forward",
    returns=("y",),
    draw=draw,
    oracle=one_by_one,
    hints=(
        "x has the shape (B, I) and W (I, O). Which product sums over I, and what shape does it leave?",
        "x @ W is (B, O). Adding an array (O,) to it adds that array to every row.",
        "return x @ ... + ...",
    ),
    why="The first line of your own VAE: every layer of encoder and decoder begins with it.",
    wrong=(
        Wrong("y", "b is missing", lambda x, W, b: x @ W),
        Wrong("y", "b is taken off, not added", lambda x, W, b: x @ W - b),
        Wrong(
            "y", "b is added once for each input: it stands inside the sum over i", lambda x, W, b: x @ W + len(W) * b
        ),
        Wrong("y", "b multiplies the product", lambda x, W, b: x @ W * b),
    ),
)
