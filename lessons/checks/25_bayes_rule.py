"""Exercise 25: judged species by species in 50-digit decimals, and by a change of units, which moves log p(x) only."""

from decimal import Context, Decimal

import numpy as np

from minivae.learn import Exercise, Wrong

DIGITS = Context(prec=50)


def draw(rng, sizes):
    log_px_y = 3 * rng.standard_normal((sizes.B, sizes.H))
    log_px_y[0] -= 800
    log_px_y[1] += 780
    prior = rng.dirichlet(2 * np.ones(sizes.H)) + 0.05
    return {"log_px_y": log_px_y, "prior": prior / prior.sum()}


def in_decimals(log_px_y, prior):
    """The rule as it stands on paper, with numbers that neither overflow nor vanish."""
    posteriors, log_px = [], []
    for row in log_px_y.tolist():
        joint = [Decimal(p) * DIGITS.exp(Decimal(value)) for p, value in zip(prior.tolist(), row, strict=True)]
        posteriors.append([float(value / sum(joint)) for value in joint])
        log_px.append(float(DIGITS.ln(sum(joint))))
    return np.array(posteriors), np.array(log_px)


def softmax(v, axis=1):
    e = np.exp(v - v.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def joint(log_px_y, prior):
    return log_px_y + np.log(prior)


def normalised(p):
    return p / p.sum(axis=1, keepdims=True)


def over_examples(p):
    return p / p.sum(axis=0)


def without_largest(log_px_y, prior):
    v = joint(log_px_y, prior)
    return np.exp(v - v.max(axis=1, keepdims=True))


def keeps_to_its_units(function):
    """In millimetres in place of centimetres every density of 4 lengths is 10^4 times smaller; nothing else changes."""
    rng = np.random.default_rng(1)
    log_px_y, prior, change = rng.standard_normal((6, 3)), np.array([0.2, 0.5, 0.3]), np.log(1e-4)
    (before, log_before), (after, log_after) = function(log_px_y, prior), function(log_px_y + change, prior)
    if not np.allclose(before, after):
        return "the probabilities change when all densities are given in other units, which may not be"
    if not np.allclose(np.subtract(log_after, log_before), change):
        moved = np.mean(np.subtract(log_after, log_before))
        return f"densities 10^4 times smaller have to move log_px by {change:.4g}, and move it by {moved:.4g}"
    return ""


AXIS = "the sum runs over the examples (axis 0), and not over the species of each"
LARGEST = "the largest term of each row stands where the sum of the row belongs"

exercise = Exercise(
    title="Bayes' rule for classes, in log space",
    lesson=15,
    function="bayes_rule",
    returns=("posterior", "log_px"),
    draw=draw,
    oracle=in_decimals,
    laws=(keeps_to_its_units,),
    hints=(
        "What is the logarithm of prior * density? And what happens to the posterior if every density of one example "
        "is multiplied by the same number?",
        "With log_joint = log p(x|y) + log prior and m its largest value in each row: "
        "log_px = m + log(sum over c of exp(log_joint - m)), and posterior = exp(log_joint - log_px).",
        "log_joint = log_px_y + ...;  log_px = np.logaddexp.reduce(log_joint, axis=...);  "
        "posterior = np.exp(log_joint - log_px[:, ...])",
    ),
    why="The same sum gives both answers: divide by it, and you know which species is probable; look at its "
    "logarithm, and you know whether the flower is one of them at all.",
    wrong=(
        Wrong("posterior", AXIS, lambda log_px_y, prior: softmax(joint(log_px_y, prior), axis=0)),
        Wrong("posterior", AXIS, lambda log_px_y, prior: over_examples(without_largest(log_px_y, prior))),
        Wrong("posterior", LARGEST, without_largest),
        Wrong(
            "posterior",
            "the logarithms themselves are normalised, and not their exponentials",
            lambda log_px_y, prior: normalised(joint(log_px_y, prior)),
        ),
        Wrong(
            "log_px",
            "the largest value of the row is taken off, and never added again",
            lambda log_px_y, prior: np.log(without_largest(log_px_y, prior).sum(axis=1)),
        ),
        Wrong("log_px", LARGEST, lambda log_px_y, prior: joint(log_px_y, prior).max(axis=1)),
        Wrong("log_px", AXIS, lambda log_px_y, prior: np.logaddexp.reduce(joint(log_px_y, prior), axis=0)),
    ),
)
