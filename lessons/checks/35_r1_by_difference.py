"""Exercise 35: judged by finite differences of the penalty itself, each slope of D being a finite difference too."""

import numpy as np

from minivae.gradcheck.differences import numerical_gradient
from minivae.learn import Exercise, Wrong


def draw(rng, sizes):
    shapes = {"x": (sizes.B, sizes.D), "W": (sizes.D, sizes.H), "v": (sizes.H,)}
    arrays = {name: 0.6 * rng.standard_normal(shape) for name, shape in shapes.items()}
    return arrays | {"gamma": 1 + float(rng.uniform(0.3, 0.9)), "h": 1e-3}


def slopes(x, W, v):
    return (v / np.cosh(x @ W) ** 2) @ W.T


def penalty(x, W, v, gamma):
    return gamma / 2 * np.mean(np.sum(slopes(x, W, v) ** 2, axis=1))


def by_differences(x, W, v, gamma, h):
    value = penalty(x, W, v, gamma)
    return value, *(numerical_gradient(lambda _: penalty(x, W, v, gamma), array) for array in (W, v))


def weights(x, W, v):
    """The gradients of the sum of D(x) for W and v."""
    hidden = np.tanh(x @ W)
    return x.T @ (v * (1 - hidden**2)), hidden.sum(axis=0)


def difference(which, factor=lambda **_: 1.0, divide=lambda h: 2 * h):
    """The difference with a mistake: ``factor`` times the right u, or another divisor."""

    def outcome(x, W, v, gamma, h):
        u = factor(gamma=gamma, B=len(x)) * gamma / len(x) * slopes(x, W, v)
        plus, minus = (weights(x + side * u, W, v)[which] for side in (h, -h))
        return (plus - minus) / divide(h)

    return outcome


NO_B = "the 1/B of the mean is missing in u"
NO_GAMMA = "gamma is missing in u"
BY_H = "the difference is divided by h: from x - h u to x + h u it is 2 h"
PLAIN = "that is the gradient of D itself: nothing was moved, and no difference taken"

exercise = Exercise(
    title="R1, by the difference of two backward passes",
    lesson=19,
    function="r1_penalty",
    returns=("penalty", "dW", "dv"),
    draw=draw,
    oracle=by_differences,
    tolerance=1e-5,  # a difference of differences
    hints=(
        "Which of the three results of backward(x) is g? And how does the gradient for W change if x is moved along g?",
        "u = gamma / B * g; the gradient for W at x + h u, minus that at x - h u, over 2 h.",
        "g, _, _ = backward(x);  u = gamma / len(x) * g;  _, dW_plus, dv_plus = backward(x + h * u);  ...",
    ),
    why="d/dW of u . dD/dx is d/dx of dD/dW along u: their order does not matter, and one of them is a "
    "backward pass that you have. For relu the difference is exact as long as no unit switches.",
    wrong=(
        Wrong(
            "penalty",
            "the 1/2 is missing",
            lambda x, W, v, gamma, h: 2 * penalty(x, W, v, gamma),
        ),
        Wrong(
            "penalty",
            "it is summed over the batch, and not averaged",
            lambda x, W, v, gamma, h: len(x) * penalty(x, W, v, gamma),
        ),
        Wrong(
            "penalty",
            "the norm is not squared",
            lambda x, W, v, gamma, h: gamma / 2 * np.mean(np.sqrt(np.sum(slopes(x, W, v) ** 2, axis=1))),
        ),
        Wrong("dW", NO_B, difference(0, lambda B, **_: B)),
        Wrong("dv", NO_B, difference(1, lambda B, **_: B)),
        Wrong("dW", NO_GAMMA, difference(0, lambda gamma, **_: 1 / gamma)),
        Wrong("dv", NO_GAMMA, difference(1, lambda gamma, **_: 1 / gamma)),
        Wrong("dW", BY_H, difference(0, divide=lambda h: h)),
        Wrong("dv", BY_H, difference(1, divide=lambda h: h)),
        Wrong("dW", PLAIN, lambda x, W, v, gamma, h: weights(x, W, v)[0]),
        Wrong("dv", PLAIN, lambda x, W, v, gamma, h: weights(x, W, v)[1]),
    ),
)
