"""Exercise 28: judged entry by entry in 400-digit decimal arithmetic, at a of 800 and -800 too; relu by a law."""

from decimal import Context, Decimal

import numpy as np

from minivae.learn import Exercise, Wrong

DIGITS = Context(prec=400)
KINDS = ("tanh", "softplus", "sigmoid", "relu")


def draw(rng, sizes):
    a = 2 * rng.standard_normal((sizes.B, sizes.H))
    a[:2, 0] = 800.0, -800.0
    return {"a": a, "activation": KINDS[sizes.B % 4]}


def entry(a, activation):
    e = DIGITS.exp(Decimal(a))
    if activation == "softplus":
        return float(DIGITS.ln(DIGITS.add(Decimal(1), e)))
    if activation == "sigmoid":
        return float(DIGITS.divide(e, DIGITS.add(Decimal(1), e)))
    square = DIGITS.multiply(e, e)
    return float(DIGITS.divide(DIGITS.subtract(square, Decimal(1)), DIGITS.add(square, Decimal(1))))


def by_decimals(a, activation):
    return np.where(a > 0, a, 0) if activation == "relu" else np.vectorize(entry)(a, activation)


def keeps_what_is_positive(function):
    """The fourth of the four, which needs no decimals."""
    y = np.asarray(function(np.array([[-800.0, -0.5, 0.0, 3.0]]), "relu"))
    if y.shape == (1, 4) and np.array_equal(y, [[0, 0, 0, 3]]):
        return ""
    return f"the relu of -800, -0.5, 0, 3 comes out as {y.tolist()}, expected 0, 0, 0, 3"


def by_case(**changed):
    """A mistake in some of them; the others are right."""
    return lambda a, activation: changed.get(activation, lambda a: by_decimals(a, activation))(a)


def softplus(a):
    return by_decimals(a, "softplus")


exercise = Exercise(
    title="relu, tanh, softplus and sigmoid, safe at 800",
    lesson=3,
    function="activation_forward",
    returns=("y",),
    draw=draw,
    oracle=by_decimals,
    laws=(keeps_what_is_positive,),
    hints=(
        "What is exp(800)? And log(1 + exp(800)), nearly?",
        "max(a, 0) + log(1 + exp(-|a|)) is the softplus of every a; the sigmoid of a is exp(-softplus(-a)).",
        "v = a or -a;  softplus = np.maximum(v, 0) + np.log(1 + np.exp(...));  the sigmoid is np.exp(-...)",
    ),
    why="Hidden layers take one of them. The sigmoid also turns logits into pixels, so your samples go through it.",
    wrong=(
        Wrong(
            "y",
            "max(a, 0) is missing, which holds nearly all of the softplus where a is large",
            by_case(softplus=lambda a: np.log1p(np.exp(-np.abs(a)))),
        ),
        Wrong(
            "y",
            "the sign of a is turned round in the sigmoid: it is that of -a",
            by_case(sigmoid=lambda a: by_decimals(-a, "sigmoid")),
        ),
        Wrong("y", "the minus in front of the softplus is missing", by_case(sigmoid=lambda a: np.exp(softplus(-a)))),
    ),
)
