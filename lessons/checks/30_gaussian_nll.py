"""Exercise 30: judged by SciPy's log density of a normal distribution, pixel by pixel, with one variance and with D."""

import numpy as np
from scipy import stats

from minivae.learn import Exercise, Wrong

LOG_2PI = np.log(2 * np.pi)


def draw(rng, sizes):
    mean, x = rng.standard_normal((2, sizes.B, sizes.D))
    return {"mean": mean, "logvar": rng.standard_normal(1 if sizes.B == 4 else sizes.D) - 1, "x": x}


def by_density(mean, logvar, x):
    return -stats.norm.logpdf(x, loc=mean, scale=np.sqrt(np.exp(logvar))).sum(axis=1)


def terms(formula):
    """A wrong formula for one pixel, from logvar and the squared error."""
    return lambda mean, logvar, x: 0.5 * np.sum(formula(logvar, (x - mean) ** 2), axis=1)


exercise = Exercise(
    title="The Gaussian loss, with one variance or many",
    lesson=4,
    function="gaussian_nll",
    returns=("nll",),
    draw=draw,
    oracle=by_density,
    hints=(
        "What shape has (x - mean)^2, what shape has logvar, and what happens when NumPy adds them?",
        "log(2 pi) + logvar + (x - mean)^2 / exp(logvar) is (B, D) by broadcasting; half of its sum over axis 1.",
        "return np.sum(0.5 * (np.log(2 * np.pi) + logvar + ...), axis=1)",
    ),
    why="A density: it may be above one, and this loss below zero. Exercise 07 is its gradient.",
    wrong=(
        Wrong("nll", "log(2 pi) is missing", terms(lambda logvar, square: logvar + square / np.exp(logvar))),
        Wrong("nll", "the term logvar is missing", terms(lambda logvar, square: LOG_2PI + square / np.exp(logvar))),
        Wrong(
            "nll",
            "it is divided by sigma, not by sigma^2",
            terms(lambda logvar, square: LOG_2PI + logvar + square / np.exp(logvar / 2)),
        ),
        Wrong(
            "nll",
            "logvar divides as it is: it is a logarithm",
            terms(lambda logvar, square: LOG_2PI + logvar + square / logvar),
        ),
        Wrong(
            "nll",
            "the error is not squared",
            lambda mean, logvar, x: 0.5 * np.sum(LOG_2PI + logvar + (x - mean) / np.exp(logvar), axis=1),
        ),
        Wrong(
            "nll",
            "the squared error is multiplied by the variance, not divided",
            terms(lambda logvar, square: LOG_2PI + logvar + square * np.exp(logvar)),
        ),
    ),
)
