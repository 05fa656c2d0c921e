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


def from_probabilities(logits, x):
    p = 1 / (1 + np.exp(-logits))
    return -np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=1)


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
            "exp(l) overflows: at 800 it is infinite",
            lambda logits, x: np.sum(np.log(1 + np.exp(logits)) - x * logits, axis=1),
        ),
        Wrong(
            "nll",
            "the probability is computed first, and rounds to 0 or 1 before its logarithm is taken",
            from_probabilities,
        ),
        Wrong(
            "nll",
            "the probabilities are clipped to [1e-7, 1 - 1e-7], so that no pixel costs more than 16 nats",
            clipped,
        ),
        Wrong(
            "nll",
            "the pixels are averaged, not summed",
            lambda logits, x: np.mean(softplus(logits) - x * logits, axis=1),
        ),
        Wrong(
            "nll",
            "it is log p(x|z) itself, without the minus sign",
            lambda logits, x: np.sum(x * logits - softplus(logits), axis=1),
        ),
        Wrong(
            "nll", "x and 1 - x are exchanged", lambda logits, x: np.sum(softplus(logits) - (1 - x) * logits, axis=1)
        ),
        Wrong("nll", "the term - x l is missing", lambda logits, x: np.sum(softplus(logits), axis=1)),
        Wrong(
            "nll",
            "max(l, 0) is missing, which holds nearly all of it where l is large",
            lambda logits, x: np.sum(np.log1p(np.exp(-np.abs(logits))) - x * logits, axis=1),
        ),
    ),
)
