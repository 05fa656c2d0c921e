"""Exercise 06: judged by finite differences of the loss, with a random upstream gradient."""

import numpy as np
from scipy.special import expit

from minivae.learn import Exercise, Wrong, finite_differences


def draw(rng, sizes):
    logits = 2 * rng.standard_normal((sizes.B, sizes.D))
    logits[0, 0] = -800.0
    x = (rng.random(logits.shape) < 0.5).astype(float)
    return {"dnll": rng.standard_normal(sizes.B), "logits": logits, "x": x}


def nll(logits, x):
    return np.sum(np.logaddexp(0, logits) - x * logits, axis=1)


def times(formula):
    return lambda dnll, logits, x: dnll[:, None] * formula(logits, x)


exercise = Exercise(
    title="The gradient of the Bernoulli loss",
    lesson=4,
    function="bernoulli_backward",
    returns=("dlogits",),
    draw=draw,
    oracle=finite_differences(nll, of=("logits",), upstream="dnll"),
    upstream="dnll",
    hints=(
        "What is the derivative of log(1 + exp(l)) with respect to l? You know this function under another name.",
        "It is the sigmoid of l: d nll / d l = sigmoid(l) - x. Each row is multiplied by its own dnll[b].",
        "return dnll[:, None] * (expit(logits) - ...)",
    ),
    why="What the model said minus what it saw: the gradient is bounded by 1, however wrong the model was.",
    wrong=(
        Wrong(
            "dlogits",
            "the derivative of the sigmoid, p (1 - p), is multiplied in: that belongs to a squared error",
            times(lambda logits, x: (expit(logits) - x) * expit(logits) * (1 - expit(logits))),
        ),
        Wrong(
            "dlogits",
            "it is the gradient with respect to the probability p, not to the logit",
            times(lambda logits, x: (1 - x) / (1 - expit(logits)) - x / expit(logits)),
        ),
        Wrong(
            "dlogits",
            "the pixels are averaged: there is a 1/D too many",
            times(lambda logits, x: (expit(logits) - x) / x.shape[1]),
        ),
    ),
)
