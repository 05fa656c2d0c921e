"""Exercise 34: judged cell by cell, by a search for the logit of the smallest loss, and by V = 2 JS - log 4."""

import numpy as np
from scipy.optimize import brentq

from minivae.learn import Exercise, Wrong


def draw(rng, sizes):
    n, dx = 4 * sizes.B, 0.1 * sizes.K
    p, q = (rng.dirichlet(np.ones(n)) + 0.01 for _ in range(2))
    return {"p": p / p.sum() / dx, "q": q / q.sum() / dx, "dx": dx}


def by_search(p, q, dx):
    """The slope of the loss, cell by cell, has one zero; V is the loss there; JS is made of entropies."""
    logits = np.array([brentq(slope, -30, 30, (a, b), xtol=1e-14) for a, b in zip(p, q, strict=True)])
    V = -np.sum(p * np.logaddexp(0, -logits) + q * np.logaddexp(0, logits)) * dx
    return logits, V, entropy((p + q) / 2, dx) - (entropy(p, dx) + entropy(q, dx)) / 2


def slope(logit, p, q):
    """Of p log(1 + exp(-logit)) + q log(1 + exp(logit))."""
    return q / (1 + np.exp(-logit)) - p / (1 + np.exp(logit))


def entropy(p, dx):
    return -np.sum(p * np.log(p)) * dx


def value_is_bounded(function):
    """-log 4 for two that are the same, nearly 0 for two that share nothing."""
    p = np.array([0.25, 0.75])
    _, V, JS = function(p, p, 1.0)
    if abs(V + np.log(4)) > 1e-9 or abs(JS) > 1e-9:
        return f"for p = q nobody can tell: V has to be -log 4 and JS 0, but they are {V:.6g} and {JS:.6g}"
    _, V, JS = function(np.array([1 - 1e-12, 1e-12]), np.array([1e-12, 1 - 1e-12]), 1.0)
    if abs(V) > 1e-6 or abs(JS - np.log(2)) > 1e-6:
        return f"for p and q that share nothing V has to be 0 and JS log 2, but they are {V:.6g} and {JS:.6g}"
    return ""


def total(values, dx):
    return np.sum(values) * dx


exercise = Exercise(
    title="The optimal discriminator, and the Jensen-Shannon divergence",
    lesson=19,
    function="optimal_discriminator",
    returns=("logits", "V", "JS"),
    draw=draw,
    oracle=by_search,
    laws=(value_is_bounded,),
    hints=(
        "Each cell has a logit of its own. For which D is p log D + q log(1 - D) largest, if p and q are two numbers?",
        "D = p / (p + q): of a hundred points in this cell, how many were real? And what is the logit of that?",
        "logits = np.log(p / ...);  V = np.sum(p * np.log(p / (p + q)) + q * np.log(...)) * dx",
    ),
    why="V = 2 JS - log 4: the best loss of a discriminator is a distance between the distributions, but for a "
    "constant. It is at most log 2 for JS, however far they are apart: then D is sure, and its slope says nothing.",
    wrong=(
        Wrong("logits", "p and q have changed places: D is the probability of real", lambda p, q, dx: np.log(q / p)),
        Wrong("logits", "that is D, a probability, and not its logit", lambda p, q, dx: p / (p + q)),
        Wrong("logits", "that is log D", lambda p, q, dx: np.log(p / (p + q))),
        Wrong(
            "V",
            "the fakes have been left out",
            lambda p, q, dx: total(p * np.log(p / (p + q)), dx),
        ),
        Wrong(
            "V",
            "that is the loss, and V is minus the loss",
            lambda p, q, dx: -total(p * np.log(p / (p + q)) + q * np.log(q / (p + q)), dx),
        ),
        Wrong(
            "V",
            "dx is missing, and a sum over cells is no integral",
            lambda p, q, dx: total(p * np.log(p / (p + q)) + q * np.log(q / (p + q)), 1),
        ),
        Wrong(
            "JS",
            "the 1/2 is missing",
            lambda p, q, dx: total(p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q)), dx),
        ),
        Wrong("JS", "that is KL(p || q)", lambda p, q, dx: total(p * np.log(p / q), dx)),
        Wrong("JS", "m is p + q, and not half of it", lambda p, q, dx: by_search(p, q, dx)[2] - np.log(2)),
    ),
)
