"""Exercise 44: judged by minimising the loss of one axis numerically, and by singular values for its eigenvalues."""

import numpy as np
from scipy.optimize import minimize_scalar

from minivae.learn import Exercise, Wrong


def draw(rng, sizes):
    scales = np.geomspace(0.2, 2.5, sizes.D)
    x = rng.standard_normal((8 * sizes.D, sizes.D)) * rng.permutation(scales) + rng.standard_normal(sizes.D)
    return {"x": x, "beta": float(rng.uniform(1.1, 1.8)), "variance": float(rng.uniform(1.2, 1.6)), "K": sizes.K}


def best_kl(eigenvalue, beta, variance):
    """For each decoder weight w the best a and s^2 of q = N(a x, s^2) are known; the best w is searched for."""

    def kl_and_loss(w2):
        s2 = beta * variance / (beta * variance + w2)
        a2, product = w2 / (w2 + beta * variance) ** 2, w2 / (w2 + beta * variance)
        kl = 0.5 * (a2 * eigenvalue + s2 - 1 - np.log(s2))
        return kl, (eigenvalue * (1 - product) ** 2 + w2 * s2) / (2 * variance) + beta * kl

    found = minimize_scalar(
        lambda w2: kl_and_loss(w2)[1], bounds=(0, 2 * eigenvalue), method="bounded", options={"xatol": 1e-12}
    )
    return min(((loss, kl) for kl, loss in (kl_and_loss(found.x), kl_and_loss(0.0))))[1]


def by_search(x, beta, variance, K):
    values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2 / len(x)
    return np.array([best_kl(value, beta, variance) for value in values[:K]])


def mistake(centre=True, of=lambda N: N, threshold=lambda beta, variance: beta * variance, order=-1, factor=0.5):
    def outcome(x, beta, variance, K):
        centred = x - x.mean(axis=0) * centre
        values = np.linalg.eigvalsh(centred.T @ centred / of(len(x)))[::order][:K]
        return factor * np.log(np.maximum(values / threshold(beta, variance), 1))

    return outcome


def negative(x, beta, variance, K):
    values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2 / len(x)
    return 0.5 * np.log(values[:K] / (beta * variance))


exercise = Exercise(
    title="Which dimensions stay alive",
    lesson=23,
    function="kl_of_dimensions",
    returns=("kl",),
    draw=draw,
    oracle=by_search,
    tolerance=1e-5,  # of a search
    hints=(
        "Put the mean of mu^2 and the variance s^2 into the KL of lesson 7. What cancels?",
        "1/2 (1 - s^2 + s^2 - 1 - log s^2), with s^2 at most 1. np.linalg.eigvalsh sorts from small to large.",
        "kl = 0.5 * np.log(np.maximum(eigenvalues / (...), 1)), of the covariance of x - x.mean(axis=0)",
    ),
    why="Count the entries above 0 before you train: so many dimensions can be in use. Only the product of beta and sigma^2 "
    "decides, which is why a learned variance that starts too high can look like a beta that is too large.",
    wrong=(
        Wrong("kl", "x is not centred", mistake(centre=False)),
        Wrong("kl", "the covariance is divided by N - 1", mistake(of=lambda N: N - 1)),
        Wrong("kl", "beta is missing", mistake(threshold=lambda beta, variance: variance)),
        Wrong("kl", "sigma^2 is missing", mistake(threshold=lambda beta, variance: beta)),
        Wrong("kl", "the smallest eigenvalues are taken", mistake(order=1)),
        Wrong("kl", "the 1/2 of the KL is missing", mistake(factor=1.0)),
        Wrong("kl", "a dead dimension costs nothing: its KL is 0, not negative", negative),
    ),
)
