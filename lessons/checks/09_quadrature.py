"""Exercise 09: judged by the sum itself, in 50-digit decimal arithmetic, and by the law that p(x) integrates to 1."""

from decimal import Context, Decimal

import numpy as np
from scipy import stats

from minivae.learn import Exercise, Wrong

DIGITS = Context(prec=50)


def joint(x, z):
    """The detector that measures the square of z: z from N(0, 1), and x given z from N(z^2, 0.5^2)."""
    return stats.norm.logpdf(x[:, None], z**2, 0.5) + stats.norm.logpdf(z)


def draw(rng, sizes):
    z, dz = np.linspace(-7, 7, 40 * sizes.K + 1, retstep=True)
    x = rng.standard_normal(sizes.B) ** 2 + 0.5 * rng.standard_normal(sizes.B)
    if sizes.B == 6:
        x[0] = -31.5  # a row below -1900 among ordinary ones
    if sizes.B == 4:
        x = np.linspace(-29, -20, 4)  # nothing but rows below -800, and some 800 below others
    return {"log_joint": joint(x, z), "dz": float(dz)}


def by_decimals(log_joint, dz):
    """No number is too small for a Decimal, so nothing needs to be subtracted."""
    integrals = [sum(DIGITS.exp(Decimal(value)) for value in row) * Decimal(dz) for row in log_joint.tolist()]
    return [float(DIGITS.ln(integral)) for integral in integrals]


def log_sum(log_joint):
    return np.logaddexp.reduce(log_joint, axis=1)


def integrates_to_one(function):
    """p(x) is a density of x, so that a second sum, over a grid of x, has to give 1."""
    x, dx = np.linspace(-5, 60, 1301, retstep=True)
    z, dz = np.linspace(-8, 8, 401, retstep=True)
    total = float(np.sum(np.exp(function(joint(x, z), float(dz)))) * dx)
    return "" if abs(total - 1) < 1e-6 else f"p(x) over all x has to integrate to 1, and integrates to {total:.6g}"


exercise = Exercise(
    title="log p(x) by a sum over a grid, safe at -2000",
    lesson=5,
    function="log_px_on_grid",
    returns=("log_px",),
    draw=draw,
    oracle=by_decimals,
    laws=(integrates_to_one,),
    hints=(
        "If all entries of a row are made larger by 5, what happens to its log_px? And which 5 would suit exp best?",
        "log sum exp(a) = m + log sum exp(a - m) for every m. With m the largest of the row, exp sees 0 and less.",
        "largest = np.max(log_joint, axis=1, keepdims=True);  "
        "return largest[:, 0] + np.log(np.sum(np.exp(...), axis=1) * ...)",
    ),
    why="This is the true log p(x), to as many digits as you like, but only because z is one number: in 20 dimensions "
    "the same grid would have G^20 points. Hence the ELBO.",
    wrong=(
        Wrong(
            "log_px",
            "dz is added outside the logarithm: it multiplies inside, or log dz is added outside",
            lambda log_joint, dz: log_sum(log_joint) + dz,
        ),
        Wrong(
            "log_px",
            "the grid points are averaged: the sum times dz is meant",
            lambda log_joint, dz: log_sum(log_joint) - np.log(log_joint.shape[1]),
        ),
        Wrong(
            "log_px",
            "the logarithms are summed, not the densities: the log belongs outside the sum",
            lambda log_joint, dz: np.sum(log_joint, axis=1) * dz,
        ),
    ),
)
