"""Exercise 24: judged with scipy's densities."""

import numpy as np
from scipy import stats

from minivae.learn import Exercise, Wrong

STUB = """\
kl = 0.5 * np.sum(mu**2 + np.exp(logvar) - 1 - logvar, axis=1)
return -recon_nll - kl"""


def draw(rng, sizes):
    mu, logvar, eps = rng.standard_normal((3, sizes.B, sizes.K))
    return {
        "recon_nll": 80 + rng.standard_normal(sizes.B),
        "z": mu + np.exp(logvar / 2) * eps,
        "mu": mu,
        "logvar": logvar,
    }


def log_prior(z):
    return stats.norm.logpdf(z).sum(axis=1)


def log_q(z, mu, variance):
    return stats.norm.logpdf(z, mu, np.sqrt(variance)).sum(axis=1)


def by_scipy(recon_nll, z, mu, logvar):
    return -recon_nll + log_prior(z) - log_q(z, mu, np.exp(logvar))


def is_constant_under_the_posterior(function):
    """x given z is N(z, 1), so that q = N(x/2, 1/2) is the posterior: every weight is p(x), a N(0, 2)."""
    x, z = 1.3, 0.65 + np.sqrt(0.5) * np.random.default_rng(0).standard_normal((1000, 1))
    recon_nll = -stats.norm.logpdf(x, z[:, 0], 1)
    log_w = function(recon_nll, z, np.full_like(z, x / 2), np.full_like(z, np.log(0.5)))
    if np.allclose(log_w, stats.norm.logpdf(x, 0, np.sqrt(2))):
        return ""
    return f"with the exact posterior all weights are equal; yours scatter by {np.std(log_w):.2g} nats"


def kl(mu, logvar):
    return 0.5 * np.sum(mu**2 + np.exp(logvar) - 1 - logvar, axis=1)


exercise = Exercise(
    title="A bug hunt: weights that are right on average, and wrong",
    lesson=14,
    function="log_weight",
    returns=("log_w",),
    draw=draw,
    oracle=by_scipy,
    stub=STUB,
    laws=(is_constant_under_the_posterior,),
    hints=(
        "Which of the numbers in the formula depend on the draw z, and which of those in the code do?",
        "The KL is an average of log q - log p over all draws. A weight belongs to one draw: use its own.",
        "log_prior = -0.5 * np.sum(np.log(2 * np.pi) + ..., axis=1);  log_q = ...;  return -recon_nll + ... - ...",
    ),
    why="On average both are the ELBO. But the log of a mean of weights needs the weights, not their average.",
    wrong=(
        Wrong(
            "log_w",
            "it is as you found it: two draws for one x with equal recon_nll get equal weights, wherever they are",
            lambda recon_nll, z, mu, logvar: -recon_nll - kl(mu, logvar),
        ),
        Wrong(
            "log_w",
            "sigma stands where sigma squared belongs in log q(z|x)",
            lambda recon_nll, z, mu, logvar: -recon_nll + log_prior(z) - log_q(z, mu, np.exp(logvar / 2)),
        ),
    ),
)
