"""Exercise 43: judged by SciPy's normal distribution, and by a beta that is measured on the loss as it was written."""

import numpy as np
from scipy import stats

from minivae.learn import Exercise, Wrong


def draw(rng, sizes):
    shapes = {"x": (sizes.B, sizes.D), "reconstruction": (sizes.B, sizes.D), "mu": (sizes.B, sizes.K)}
    arrays = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    return arrays | {"logvar": rng.standard_normal((sizes.B, sizes.K)), "weight": float(rng.uniform(0.3, 0.9))}


def terms(mu, logvar):
    return 0.5 * (mu**2 + np.exp(logvar) - 1 - logvar)


def written(x, reconstruction, mu, logvar, weight):
    return np.mean((x - reconstruction) ** 2) + weight * np.mean(terms(mu, logvar))


def by_measurement(x, reconstruction, mu, logvar, weight):
    """What a nat of KL costs, in units in which the squared error of a row counts once."""
    kl, none = terms(mu, logvar).sum(axis=1), np.zeros_like(mu)
    cost = written(x, reconstruction, mu, logvar, weight) - written(x, reconstruction, none, none, weight)
    beta = cost * x.shape[1] / kl.mean()
    return beta, -stats.norm(reconstruction, np.sqrt(0.5)).logpdf(x).sum(axis=1) + beta * kl


def mistake(beta=lambda weight, D, K: weight * D / K, squares=1.0, constant=lambda D: D / 2 * np.log(np.pi)):
    """The loss with one of its three parts wrong."""

    def outcome(x, reconstruction, mu, logvar, weight):
        D, kl = x.shape[1], terms(mu, logvar).sum(axis=1)
        squared = squares * ((x - reconstruction) ** 2).sum(axis=1)
        return squared + constant(D) + beta(weight, D, mu.shape[1]) * kl

    return outcome


def beta_of(formula):
    return lambda x, reconstruction, mu, logvar, weight: formula(weight, x.shape[1], mu.shape[1])


exercise = Exercise(
    title="The beta of a loss made of means",
    lesson=23,
    function="nats_per_example",
    returns=("beta", "loss"),
    draw=draw,
    oracle=by_measurement,
    hints=(
        "Multiply what is written by D, so that the squared error is a sum over columns. What stands before the KL?",
        "The mean of K entries is their sum over K. And log p(x|z) of a Gaussian: lesson 4, with sigma^2 = 1/2.",
        "beta = weight * ... / ...;  recon_nll = np.sum((x - reconstruction) ** 2, axis=1) + D / 2 * np.log(...)",
    ),
    why="With 784 pixels and 20 dimensions, weight 1 is beta = 39.2. The loss looks fair, a mean beside a mean, and the "
    "posterior collapses.",
    wrong=(
        Wrong("beta", "D and K are exchanged", beta_of(lambda weight, D, K: weight * K / D)),
        Wrong("beta", "the mean over K dimensions is taken for a sum", beta_of(lambda weight, D, K: weight * D)),
        Wrong("beta", "that is the beta beside sigma^2 = 1", beta_of(lambda weight, D, K: weight * D / K / 2)),
        Wrong("loss", "a 1/2 stands before the squared error: that is sigma^2 = 1", mistake(squares=0.5)),
        Wrong("loss", "the constant of log p(x|z) is missing", mistake(constant=lambda D: 0)),
        Wrong("loss", "the constant is that of sigma^2 = 1", mistake(constant=lambda D: D / 2 * np.log(2 * np.pi))),
    ),
)
