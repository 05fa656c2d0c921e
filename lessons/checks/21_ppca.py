"""Exercise 21: judged by scipy's Gaussian, with a covariance that is added up one latent dimension at a time."""

import numpy as np
from scipy import stats

from minivae.learn import Exercise, Wrong


def draw(rng, sizes):
    return {
        "x": 2 * rng.standard_normal((sizes.B, sizes.D)),
        "W": rng.standard_normal((sizes.K, sizes.D)),
        "b": rng.standard_normal(sizes.D),
        "s2": float(rng.uniform(0.3, 0.7)),
    }


def gaussian(x, mean, covariance):
    return np.atleast_1d(stats.multivariate_normal(mean, covariance).logpdf(x))


def by_scipy(x, W, b, s2):
    """Each latent dimension adds one direction of variance, an outer product, to the noise."""
    covariance = s2 * np.eye(len(b))
    for direction in W:
        covariance = covariance + np.outer(direction, direction)
    return gaussian(x, b, covariance)


def is_a_density(function):
    """For D = 1 the area under p(x) is 1, whatever W, b and s2."""
    grid, dx = np.linspace(-30, 30, 6001, retstep=True)
    area = np.sum(np.exp(function(grid[:, None], np.array([[1.5], [-0.5]]), np.array([0.3]), 0.4))) * dx
    return "" if abs(area - 1) < 1e-6 else f"for D = 1 the area under p(x) is {area:.4f}, and not 1"


def terms(x, W, b, s2):
    C = W.T @ W + s2 * np.eye(len(b))
    return C, np.sum((x - b) * np.linalg.solve(C, (x - b).T).T, axis=1), np.linalg.slogdet(C)[1], len(b)


def forwards(x, W, b, s2):
    return np.sum((x - b) * ((x - b) @ terms(x, W, b, s2)[0]), axis=1)


def assembled(formula):
    def outcome(x, W, b, s2):
        C, distance, logdet, D = terms(x, W, b, s2)
        return formula(C=C, distance=distance, logdet=logdet, D=D)

    return outcome


LOG_2PI = np.log(2 * np.pi)

exercise = Exercise(
    title="The exact log p(x) of a linear VAE",
    lesson=12,
    function="ppca_log_likelihood",
    returns=("log_px",),
    draw=draw,
    oracle=by_scipy,
    laws=(is_a_density,),
    hints=(
        "x = z W + b + noise. What is the covariance of z W, if that of z is the identity? And of the sum?",
        "C = W^T W + s2 I. The quadratic form is the sum over d of (x - b) times the solution of C u = (x - b)^T.",
        "C = W.T @ W + ...;  u = np.linalg.solve(C, (x - b).T).T;  -0.5 * (D * np.log(2 * np.pi) + ... + ...)",
    ),
    why="An answer without any sampling. A linear VAE that is trained well has to reach it.",
    wrong=(
        Wrong(
            "log_px",
            "the determinant stands without its logarithm",
            assembled(lambda distance, logdet, D, **_: -0.5 * (D * LOG_2PI + np.exp(logdet) + distance)),
        ),
        Wrong(
            "log_px",
            "the noise has the variance s2 squared: s2 is a variance already",
            lambda x, W, b, s2: gaussian(x, b, W.T @ W + s2**2 * np.eye(len(b))),
        ),
        Wrong(
            "log_px",
            "the quadratic form multiplies with C, not with its inverse",
            lambda x, W, b, s2: by_scipy(x, W, b, s2) + 0.5 * (terms(x, W, b, s2)[1] - forwards(x, W, b, s2)),
        ),
    ),
)
