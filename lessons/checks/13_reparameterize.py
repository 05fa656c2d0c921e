"""Exercise 13: judged by quantiles (z lies as far up in N(mu, sigma^2) as eps in N(0, 1)), and by many draws."""

import numpy as np
from scipy import stats

from minivae.learn import Exercise, Wrong


def draw(rng, sizes):
    """One draw has a very small sigma, one a very large one: nothing may be clipped."""
    mu, logvar, eps = rng.standard_normal((3, sizes.B, sizes.K))
    logvar[0, 0] += {6: 0, 4: -24, 5: 24}[sizes.B]
    return {"mu": mu, "logvar": logvar, "eps": eps}


def by_quantiles(mu, logvar, eps):
    return stats.norm.ppf(stats.norm.cdf(eps), loc=mu, scale=np.sqrt(np.exp(logvar)))


def has_the_mean_and_variance_asked_for(function):
    """What no gradient check can see: five standard errors of 200,000 draws."""
    n, eps = 200_000, np.random.default_rng(0).standard_normal((200_000, 2))
    for mean, variance in ((1.0, 4.0), (-3.0, 0.25)):
        z = np.asarray(function(np.full((n, 2), mean), np.full((n, 2), np.log(variance)), eps))
        if np.max(np.abs(z.var(axis=0) - variance)) > 5 * variance * np.sqrt(2 / n):
            return f"asked for a variance of {variance:g}, {n:,} draws have the variance {z.var():.3g}"
        if np.max(np.abs(z.mean(axis=0) - mean)) > 5 * np.sqrt(variance / n):
            return f"asked for a mean of {mean:g}, {n:,} draws have the mean {z.mean():.3g}"
    return ""


def with_std(std):
    """The mistakes in sigma."""
    return lambda mu, logvar, eps: mu + std(logvar) * eps


exercise = Exercise(
    title="z from mu, logvar and noise",
    lesson=8,
    function="reparameterize",
    returns=("z",),
    draw=draw,
    oracle=by_quantiles,
    laws=(has_the_mean_and_variance_asked_for,),
    hints=(
        "If logvar is log 4, what is the variance, and what is sigma?",
        "sigma is the root of the variance: sqrt(exp(logvar)) = exp(logvar / 2).",
        "std = np.exp(...);  return mu + ... * eps",
    ),
    why="200,000 draws had the mean and the variance that were asked for. No gradient check would have told you: "
    "the wrong sampler, mu + exp(logvar) * eps, has a perfectly right gradient of its own.",
    wrong=(
        Wrong(
            "z",
            "the root is taken of logvar, not of exp(logvar): no number where logvar is negative",
            with_std(np.sqrt),
        ),
    ),
)
