"""Exercise 39: judged by finite differences of the loss, with random holes and a random upstream gradient."""

import numpy as np

from minivae.learn import Exercise, Wrong, finite_differences


def draw(rng, sizes):
    mean, x = rng.standard_normal((2, sizes.B, sizes.D))
    observed = (rng.random((sizes.B, sizes.D)) < 0.6).astype(float)
    logvar = rng.standard_normal(sizes.D) - 1
    return {
        "dnll": rng.standard_normal(sizes.B),
        "mean": mean,
        "logvar": logvar,
        "x": x * observed,
        "observed": observed,
    }


def nll(mean, logvar, x, observed):
    return 0.5 * np.sum(observed * (np.log(2 * np.pi) + logvar + (x - mean) ** 2 / np.exp(logvar)), axis=1)


def dlogvar(weights):
    """Its mistakes: other weights of the terms of a column."""

    def formula(dnll, mean, logvar, x, observed):
        terms = dnll[:, None] * 0.5 * (1 - (mean - x) ** 2 / np.exp(logvar))
        return np.sum(weights(observed) * terms, axis=0)

    return formula


exercise = Exercise(
    title="The gradients of a Gaussian loss, where some values are missing",
    lesson=17,
    function="masked_gaussian_backward",
    returns=("dmean", "dlogvar"),
    draw=draw,
    oracle=finite_differences(nll, of=("mean", "logvar"), upstream="dnll"),
    upstream="dnll",
    hints=(
        "observed is a factor of each term of the sum. What becomes of a constant factor in a derivative?",
        "Wherever exercise 07 has dnll[b], there now stands dnll[b] observed[b,d], in dmean and in dlogvar alike.",
        "upstream = dnll[:, None] * observed, and then dlogvar = np.sum(upstream * 0.5 * (1 - ...), axis=0)",
    ),
    why="A column that nobody observed in this batch moves nothing: neither its mean nor its variance.",
    wrong=(
        Wrong(
            "dmean",
            "the holes are read as zeros: they pull the mean towards 0",
            lambda dnll, mean, logvar, x, observed: dnll[:, None] * (mean - x) / np.exp(logvar),
        ),
        Wrong(
            "dlogvar",
            "the mask is forgotten here: a hole is read as a 0 that was observed",
            dlogvar(lambda observed: np.ones_like(observed)),
        ),
        Wrong(
            "dlogvar",
            "the sum is divided by the number of observed values: the terms add up, however many they are",
            dlogvar(lambda observed: observed / np.maximum(observed.sum(axis=0), 1)),
        ),
    ),
)
