"""Exercise 42: judged by scipy's softmax, example by example; and by a model whose answer is known."""

import numpy as np
from scipy import stats
from scipy.special import softmax

from minivae.learn import Exercise, Wrong


def draw(rng, sizes):
    S = 2 * sizes.H
    log_w = rng.standard_normal((S, sizes.B)) + np.linspace(-2000, 5, sizes.B)
    return {"log_w": log_w, "means": rng.standard_normal((S, sizes.B, sizes.D))}


def by_rows(log_w, means):
    weights = np.column_stack([softmax(column) for column in log_w.T])
    return weights, np.array([weights[:, b] @ means[:, b] for b in range(means.shape[1])])


def finds_the_conditional_mean(function):
    """z is N(0, 1), and x and y given z are N(z, 1). Draws come from the prior. E[y|x] = x/2."""
    z = np.random.default_rng(0).standard_normal(20_000)
    _, filled = function(stats.norm.logpdf(1.3, z)[:, None], z[:, None, None])
    if abs(filled[0, 0] - 0.65) < 0.03:
        return ""
    return f"of x = 1.3 it should conclude that y is 0.65 on average, and it says {filled[0, 0]:.3g}"


exercise = Exercise(
    title="Fill a hole: self-normalised importance weights",
    lesson=17,
    function="impute",
    returns=("weights", "filled"),
    draw=draw,
    oracle=by_rows,
    laws=(finds_the_conditional_mean,),
    chain=True,
    hints=(
        "Over which axis do the weights of one example stand?",
        "weights = exp(log_w - max) / sum of the same, over the samples; it is a softmax.",
        "w = np.exp(log_w - log_w.max(axis=0)); then divide by w.sum(axis=0); then a weighted sum over axis 0",
    ),
    why="p(x_observed), which nobody knows, is about the mean of the weights: dividing by it makes them the posterior.",
    wrong=(
        Wrong(
            "weights",
            "all draws count alike: that is the mean under q, which has only guessed at the posterior",
            lambda log_w, means: np.full(log_w.shape, 1 / len(log_w)),
        ),
        Wrong(
            "weights",
            "they are normalised over the examples; each example has weights of its own, over the samples",
            lambda log_w, means: softmax(log_w, axis=1),
        ),
        Wrong(
            "filled",
            "the draw with the largest weight is taken alone",
            lambda log_w, means: means[log_w.argmax(axis=0), np.arange(log_w.shape[1])],
        ),
    ),
)
