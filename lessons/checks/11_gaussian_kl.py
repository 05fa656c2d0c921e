"""Exercise 11: judged by the integral that defines the KL, taken numerically."""

import numpy as np
from scipy import stats

from minivae.learn import Exercise, Wrong


def draw(rng, sizes):
    mu, logvar = rng.standard_normal((2, sizes.B, sizes.K))
    return {"mu": mu, "logvar": logvar}


def by_integration(mu, logvar):
    """Sum over k of the integral of q (log q - log p), by the trapezoidal rule: exact to rounding for such bells."""
    std = np.exp(logvar / 2)
    t, dt = np.linspace(-12, 12, 241, retstep=True)
    z = mu[..., None] + std[..., None] * t
    log_q = stats.norm.logpdf(z, mu[..., None], std[..., None])
    integrand = np.exp(log_q) * (log_q - stats.norm.logpdf(z))
    return np.sum(integrand.sum(axis=-1) * dt * std, axis=-1)


def terms(mu, logvar):
    return mu**2 + np.exp(logvar) - 1 - logvar


exercise = Exercise(
    title="The KL from N(mu, sigma^2) to N(0, I), without a loop",
    lesson=7,
    function="gaussian_kl",
    returns=("kl",),
    draw=draw,
    oracle=by_integration,
    hints=(
        "Which two averages under q did lesson 7 need, and what are they?",
        "1/2 of the sum over k of mu^2 + sigma^2 - 1 - log sigma^2; logvar is log sigma^2.",
        "return 0.5 * np.sum(mu**2 + ... - 1 - logvar, axis=...)",
    ),
    why="Four terms in the place of an integral: this is why nearly every VAE has a Gaussian posterior and prior.",
    wrong=(
        Wrong(
            "kl",
            "sigma stands where sigma^2 belongs: exp(logvar / 2) for exp(logvar)",
            lambda mu, logvar: 0.5 * (mu**2 + np.exp(logvar / 2) - 1 - logvar).sum(axis=1),
        ),
        Wrong(
            "kl",
            "logvar is taken for log sigma: exp(2 logvar) for sigma^2, and 2 logvar for log sigma^2",
            lambda mu, logvar: 0.5 * terms(mu, 2 * logvar).sum(axis=1),
        ),
    ),
)
