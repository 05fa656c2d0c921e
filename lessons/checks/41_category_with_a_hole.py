"""Exercise 41: judged by finite differences of the loss, with categories that are missing."""

import numpy as np
from scipy.special import log_softmax, softmax

from minivae.learn import Exercise, Wrong, finite_differences


def draw(rng, sizes):
    observed = np.ones(sizes.B)
    observed[[1, -1]] = 0
    x = np.eye(sizes.D)[rng.integers(sizes.D, size=sizes.B)] * observed[:, None]
    return {
        "dnll": rng.standard_normal(sizes.B),
        "logits": rng.standard_normal((sizes.B, sizes.D)),
        "x": x,
        "observed": observed,
    }


def nll(logits, x, observed):
    return -observed * np.sum(x * log_softmax(logits, axis=1), axis=1)


exercise = Exercise(
    title="The gradient of a softmax loss, where a category is missing",
    lesson=17,
    function="category_with_a_hole_backward",
    returns=("dlogits",),
    draw=draw,
    oracle=finite_differences(nll, of=("logits",), upstream="dnll"),
    upstream="dnll",
    hints=(
        "Where x is 0 everywhere the value of nll is 0 by itself. Is its gradient, as exercise 08 has it, too?",
        "p - x does not vanish where x is 0: the probabilities add up to 1, whatever x is. Multiply by observed[b].",
        "(dnll * observed)[:, None] * (p - x)",
    ),
    why="A value that takes care of itself may hide a gradient that does not.",
    wrong=(
        Wrong(
            "dlogits",
            "the holes are left in: p - x is p there, and pushes every logit down",
            lambda dnll, logits, x, observed: dnll[:, None] * (softmax(logits, axis=1) - x),
        ),
    ),
)
