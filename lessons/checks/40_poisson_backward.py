"""Exercise 40: judged by finite differences of scipy's log-probabilities."""

import numpy as np
from scipy import stats

from minivae.learn import Exercise, Wrong, finite_differences


def draw(rng, sizes):
    log_rate = rng.standard_normal((sizes.B, sizes.D))
    return {
        "dnll": rng.standard_normal(sizes.B),
        "log_rate": log_rate,
        "x": rng.poisson(2.0, (sizes.B, sizes.D)).astype(float),
    }


def nll(log_rate, x):
    return -stats.poisson.logpmf(x, np.exp(log_rate)).sum(axis=1)


exercise = Exercise(
    title="The gradient of a Poisson loss",
    lesson=17,
    function="poisson_backward",
    returns=("dlog_rate",),
    draw=draw,
    oracle=finite_differences(nll, of=("log_rate",), upstream="dnll"),
    upstream="dnll",
    hints=(
        "Which of the three terms of nll hold l at all?",
        "The derivative of exp(l) - x l is exp(l) - x: what was expected, minus what came.",
        "dnll[:, None] * (np.exp(...) - ...)",
    ),
    why="Expected minus seen: the same form as for a Bernoulli and a softmax. Lesson 17 says why.",
    wrong=(
        Wrong(
            "dlog_rate",
            "this is the gradient with respect to the rate, not to its logarithm: a factor exp(l) is missing",
            lambda dnll, log_rate, x: dnll[:, None] * (1 - x / np.exp(log_rate)),
        ),
        Wrong(
            "dlog_rate",
            "exp is left out: the rate is exp of what the decoder says",
            lambda dnll, log_rate, x: dnll[:, None] * (log_rate - x),
        ),
    ),
)
