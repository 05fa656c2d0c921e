"""Exercise 08: judged by finite differences of the loss, with a random upstream gradient."""

import numpy as np
from scipy.special import logsumexp

from minivae.learn import Exercise, Wrong, finite_differences


def draw(rng, sizes):
    logits = 2 * rng.standard_normal((sizes.B, sizes.D))
    logits[1] += 800.0
    x = np.eye(sizes.D)[rng.integers(sizes.D, size=sizes.B)]
    return {"dnll": rng.standard_normal(sizes.B), "logits": logits, "x": x}


def nll(logits, x):
    return np.sum(x * (logsumexp(logits, axis=1, keepdims=True) - logits), axis=1)


def softmax(logits, axis=1):
    return np.exp(logits - logsumexp(logits, axis=axis, keepdims=True))


def times(formula):
    return lambda dnll, logits, x: dnll[:, None] * formula(logits, x)


def through_the_diagonal(logits, x):
    """Only d p_d / d l_d = p_d (1 - p_d) is used; the other classes' share of the sum is forgotten."""
    return -x * (1 - softmax(logits))


exercise = Exercise(
    title="The gradient of the softmax loss",
    lesson=4,
    function="categorical_backward",
    returns=("dlogits",),
    draw=draw,
    oracle=finite_differences(nll, of=("logits",), upstream="dnll"),
    upstream="dnll",
    hints=(
        "log p[b,d] = l[b,d] - log sum exp l[b]. Which logits does each of the two parts depend on?",
        "d nll / d l[b,d] = p[b,d] - x[b,d]: the softmax minus the one-hot row. Take the row's maximum off before exp.",
        "e = np.exp(logits - logits.max(axis=1, keepdims=True));  p = e / ...;  return dnll[:, None] * (p - ...)",
    ),
    why="As for Bernoulli pixels: what the model said minus what it saw. Each row of this gradient sums to zero.",
    wrong=(
        Wrong(
            "dlogits",
            "only the right class gets a gradient, though every logit is in the sum of the softmax",
            times(through_the_diagonal),
        ),
        Wrong(
            "dlogits",
            "the classes are treated as independent pixels, with a sigmoid each",
            times(lambda logits, x: np.exp(-np.logaddexp(0, -logits)) - x),
        ),
    ),
)
