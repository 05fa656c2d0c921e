"""Exercise 31: judged by differences of logits, nll = log sum over d of exp(l[d] - l[right]), in decimal arithmetic."""

from decimal import Context, Decimal

import numpy as np

from minivae.learn import Exercise, Wrong

DIGITS = Context(prec=400)


def draw(rng, sizes):
    logits = 2 * rng.standard_normal((sizes.B, sizes.D))
    logits[1] += 800.0
    classes = rng.integers(sizes.D, size=sizes.B)
    logits[2, (classes[2] + 1) % sizes.D] = 800.0  # sure of a wrong class, whose p is then 1 and the right one's 0
    return {"logits": logits, "x": np.eye(sizes.D)[classes]}


def surprise(logits, right):
    total = Decimal(0)
    for logit in logits.tolist():
        total = DIGITS.add(total, DIGITS.exp(DIGITS.subtract(Decimal(logit), Decimal(float(right)))))
    return float(DIGITS.ln(total))


def by_decimals(logits, x):
    def of_row(row, weights):
        return sum(weight * surprise(row, right) for weight, right in zip(weights, row, strict=True) if weight)

    return np.array([of_row(*pair) for pair in zip(logits, x, strict=True)])


def log_softmax(logits, axis=1):
    shifted = logits - logits.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


exercise = Exercise(
    title="The softmax loss, safe at 800",
    lesson=4,
    function="categorical_nll",
    returns=("nll",),
    draw=draw,
    oracle=by_decimals,
    hints=(
        "If every logit of a row becomes 800 larger, what happens to p?",
        "log p = s - log sum exp s, with s the logits minus the largest of their row: no exp then sees more than 0.",
        "shifted = logits - logits.max(axis=1, keepdims=True);  log_p = shifted - np.log(...);  return -np.sum(...)",
    ),
    why="The loss of a classifier, and of every categorical column. Exercise 08 is its gradient.",
    wrong=(
        Wrong("nll", "it is log p(x|z) itself, without the minus sign", lambda logits, x: -by_decimals(logits, x)),
        Wrong(
            "nll",
            "the softmax runs over the examples, not over the classes",
            lambda logits, x: -np.sum(x * log_softmax(logits, axis=0), axis=1),
        ),
        Wrong(
            "nll",
            "every class is counted, not the right one alone: x is missing",
            lambda logits, x: -np.sum(log_softmax(logits), axis=1),
        ),
    ),
)
