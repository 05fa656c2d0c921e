"""Exercise 05: judged pixel by pixel, with the logarithm of the probability itself, in 400-digit decimal arithmetic."""

from decimal import Context, Decimal

import numpy as np

from minivae.learn import Exercise, Wrong

DIGITS = Context(prec=400)


def draw(rng, sizes):
    logits = 3 * rng.standard_normal((sizes.B, sizes.D))
    logits[:2, 0] = 800.0, -800.0
    x = (rng.random(logits.shape) < 0.5).astype(float)
    return {"logits": logits, "x": x}


def surprise(logit, pixel):
    """-log of the probability of this pixel; that of a 0 is that of a 1 with the sign of the logit turned."""
    sign = -1 if pixel else 1
    odds = DIGITS.exp(Decimal(sign * logit))
    return float(DIGITS.ln(DIGITS.add(Decimal(1), odds)))


def by_decimals(logits, x):
    return np.vectorize(surprise)(logits, x).sum(axis=1)


def softplus(v):
    return np.logaddexp(0, v)


def clipped(logits, x):
    p = np.clip(1 / (1 + np.exp(-logits)), 1e-7, 1 - 1e-7)
    return -np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=1)


exercise = Exercise(
    title="The Bernoulli loss from logits, safe at 800",
    lesson=4,
    function="bernoulli_nll",
    returns=("nll",),
    draw=draw,
    oracle=by_decimals,
    hints=(
        "Which part of log(1 + exp(l)) overflows when l is 800, and what is the whole thing then, nearly?",
        "max(l, 0) + log(1 + exp(-|l|)) is the same number, and exp only ever sees arguments below zero.",
        "softplus = np.maximum(logits, 0) + np.log1p(np.exp(...));  return np.sum(softplus - ..., axis=1)",
    ),
    why="A pixel that the model is sure of, and wrong about, costs 800 nats and not infinity: training survives it.",
    wrong=(
        Wrong(
            "nll",
            "the probabilities are clipped to [1e-7, 1 - 1e-7], so that no pixel costs more than 16 nats",
            clipped,
        ),
    ),
)
