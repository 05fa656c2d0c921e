"""Exercise 04: judged by finite differences of max(a, 0) and tanh(a), at places a tenth and more away from the kink."""

import numpy as np

from minivae.learn import Exercise, Wrong, finite_differences

FORWARD = {"relu": lambda a: np.maximum(a, 0), "tanh": lambda a: np.tanh(a)}
INVERSE = {"relu": lambda y: np.where(y > 0, y, -1.0), "tanh": np.arctanh}


def draw(rng, sizes):
    activation = "relu" if sizes.B == 4 else "tanh"
    a = rng.standard_normal((sizes.B, sizes.H))
    a += 0.1 * np.sign(a)
    return {"dy": rng.standard_normal(a.shape), "y": FORWARD[activation](a), "activation": activation}


def oracle(dy, y, activation):
    """Back to some a that has this output; off units of a relu may be anywhere below zero."""
    differences = finite_differences(FORWARD[activation], of=("a",), upstream="dy")
    return differences(dy=dy, a=INVERSE[activation](y))


def by_case(relu, tanh):
    return lambda dy, y, activation: relu(dy, y) if activation == "relu" else tanh(dy, y)


def right_relu(dy, y):
    return dy * (y > 0)


exercise = Exercise(
    title="Backwards through relu and tanh, from their outputs",
    lesson=3,
    function="activation_backward",
    returns=("da",),
    draw=draw,
    oracle=oracle,
    upstream="dy",
    hints=(
        "If a relu's output is 3.2, what was a, and what is the slope there? And if the output is 0?",
        "relu: the slope is 1 where y > 0 and 0 elsewhere. tanh: the slope is 1 - y^2, because y is tanh(a).",
        'derivative = ... if activation == "relu" else 1 - ...;  return dy * derivative',
    ),
    why="Written in terms of y, the derivative needs no a: one array less to keep for every layer.",
    wrong=(
        Wrong(
            "da",
            "the slope of the tanh is 1 - tanh(y)^2: y is the tanh already",
            by_case(right_relu, lambda dy, y: dy * (1 - np.tanh(y) ** 2)),
        ),
        Wrong("da", "the slope of the relu is used for the tanh too", by_case(right_relu, right_relu)),
    ),
)
