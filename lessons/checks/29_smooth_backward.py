"""Exercise 29: judged by finite differences of the sigmoid and the softplus, at the a that has this output."""

import numpy as np

from minivae.learn import Exercise, Wrong, finite_differences

FORWARD = {"sigmoid": lambda a: 1 / (1 + np.exp(-a)), "softplus": lambda a: np.logaddexp(0, a)}
INVERSE = {"sigmoid": lambda y: np.log(y / (1 - y)), "softplus": lambda y: np.log(np.expm1(y))}


def draw(rng, sizes):
    activation = "softplus" if sizes.B == 4 else "sigmoid"
    y = FORWARD[activation](2 * rng.standard_normal((sizes.B, sizes.H)))
    return {"dy": rng.standard_normal(y.shape), "y": y, "activation": activation}


def oracle(dy, y, activation):
    differences = finite_differences(FORWARD[activation], of=("a",), upstream="dy")
    return differences(dy=dy, a=INVERSE[activation](y))


def by_case(sigmoid, softplus):
    return lambda dy, y, activation: dy * (sigmoid(y) if activation == "sigmoid" else softplus(y))


def of_sigmoid(y):
    return y * (1 - y)


def of_softplus(y):
    return 1 - np.exp(-y)


exercise = Exercise(
    title="Backwards through sigmoid and softplus, from their outputs",
    lesson=3,
    function="smooth_backward",
    returns=("da",),
    draw=draw,
    oracle=oracle,
    upstream="dy",
    hints=(
        "The derivative of the softplus is exp(a) / (1 + exp(a)). You know 1 + exp(a): what is exp(a), then?",
        "sigmoid: y (1 - y). softplus: (exp(y) - 1) / exp(y) = 1 - exp(-y).",
        'derivative = y * (1 - ...) if activation == "sigmoid" else -np.expm1(...);  return dy * derivative',
    ),
    why="With exercise 04 that is every activation of minivae, and none of them needs to keep a.",
    wrong=(
        Wrong(
            "da",
            "y is put through the sigmoid once more: it is the sigmoid already",
            by_case(lambda y: of_sigmoid(FORWARD["sigmoid"](y)), of_softplus),
        ),
        Wrong("da", "the factor 1 - y of the sigmoid is missing", by_case(lambda y: y, of_softplus)),
        Wrong(
            "da",
            "the slope of the softplus is the sigmoid of a, not of y",
            by_case(of_sigmoid, lambda y: FORWARD["sigmoid"](y)),
        ),
        Wrong("da", "the sign of y in the exp of the softplus is lost", by_case(of_sigmoid, lambda y: 1 - np.exp(y))),
        Wrong("da", "the slope of the sigmoid is used for the softplus too", by_case(of_sigmoid, of_sigmoid)),
    ),
)
