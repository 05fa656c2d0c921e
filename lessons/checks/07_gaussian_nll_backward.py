"""Exercise 07: judged by finite differences of the loss, with a random upstream gradient."""

import numpy as np

from minivae.learn import Exercise, Wrong, finite_differences


def draw(rng, sizes):
    mean, x = rng.standard_normal((2, sizes.B, sizes.D))
    return {"dnll": rng.standard_normal(sizes.B), "mean": mean, "logvar": rng.standard_normal(1) - 1, "x": x}


def nll(mean, logvar, x):
    return 0.5 * np.sum(np.log(2 * np.pi) + logvar + (x - mean) ** 2 / np.exp(logvar), axis=1)


def dmean(formula):
    """Its mistakes: a formula for one pixel, times the upstream gradient."""
    return lambda dnll, mean, logvar, x: dnll[:, None] * formula(mean - x, np.exp(logvar))


def dlogvar(formula):
    """Its mistakes: the same, summed over pixels and examples."""
    return lambda dnll, mean, logvar, x: np.array([np.sum(dnll[:, None] * formula((mean - x) ** 2 / np.exp(logvar)))])


exercise = Exercise(
    title="The gradients of a Gaussian loss, with a variance that all pixels share",
    lesson=4,
    function="gaussian_nll_backward",
    returns=("dmean", "dlogvar"),
    draw=draw,
    oracle=finite_differences(nll, of=("mean", "logvar"), upstream="dnll"),
    upstream="dnll",
    hints=(
        "v stands in B times D terms of the loss. What becomes of the gradient of something that is used so often?",
        "dmean = dnll (mean - x) / exp(v). With r = (x - mean)^2 / exp(v): dlogvar = sum of dnll (1 - r) / 2.",
        "dlogvar = np.sum(dnll[:, None] * 0.5 * (1 - ...)).reshape(1), with the sum over everything",
    ),
    why="dlogvar is zero when exp(v) is the mean squared error: the model learns how well it can do, and no more.",
    wrong=(
        Wrong(
            "dmean",
            "the 1/2 is left, though the square has given a 2",
            dmean(lambda error, variance: 0.5 * error / variance),
        ),
        Wrong(
            "dlogvar",
            "the pixels are averaged: each of the D terms holds v, so they add up",
            lambda dnll, mean, logvar, x: np.array(
                [np.sum(dnll * 0.5 * (1 - (mean - x) ** 2 / np.exp(logvar)).mean(axis=1))]
            ),
        ),
    ),
)
