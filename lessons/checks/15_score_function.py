"""Exercise 15: judged by differences of log q at fixed z, and of z at fixed quantile, and by their averages.

The quantile is what stays when a draw is moved: the chance that another draw lies below it.
"""

import numpy as np
from scipy import stats

from minivae.learn import Exercise, Wrong

STEP = 1e-5


def f_and_slope(z):
    """log p(x|z) for x = 1.5 from the detector that measures the square of z, N(z^2, 0.5^2)."""
    return stats.norm.logpdf(1.5, z**2, 0.5), 8 * z * (1.5 - z**2)


def draw(rng, sizes):
    mu, logvar = 1 + rng.standard_normal(), rng.standard_normal() - 0.5
    z = mu + np.exp(logvar / 2) * rng.standard_normal(2 * sizes.D)
    f, df = f_and_slope(z)
    return {"f": f, "df": df, "z": z, "mu": float(mu), "logvar": float(logvar)}


def slopes(function, mu, logvar):
    """Central differences by mu and by logvar."""
    by_mu = function(mu + STEP, logvar) - function(mu - STEP, logvar)
    by_logvar = function(mu, logvar + STEP) - function(mu, logvar - STEP)
    return by_mu / (2 * STEP), by_logvar / (2 * STEP)


def by_differences(f, df, z, mu, logvar):
    def log_q(m, v):
        return stats.norm.logpdf(z, m, np.sqrt(np.exp(v)))

    def moved(m, v):
        below = stats.norm.cdf(z, mu, np.sqrt(np.exp(logvar)))
        return stats.norm.ppf(below, m, np.sqrt(np.exp(v)))

    scores, paths = slopes(log_q, mu, logvar), slopes(moved, mu, logvar)
    return f * scores[0], f * scores[1], df * paths[0], df * paths[1]


def are_right_on_average(function):
    """f(z) = z^2 has F = mu^2 + sigma^2, so that dF/dmu = 2 mu and dF/dlogvar = sigma^2."""
    n, mu, variance = 200_000, 0.5, 0.8
    z = mu + np.sqrt(variance) * np.random.default_rng(0).standard_normal(n)
    results = function(z**2, 2 * z, z, mu, float(np.log(variance)))
    for name, values, truth in zip(exercise.returns, results, (2 * mu, variance) * 2, strict=True):
        mean, error = np.mean(values), np.std(values) / np.sqrt(n)
        if abs(mean - truth) > 5 * error:
            return f"the mean of {name} over {n:,} draws for f(z) = z^2 is {mean:.3g} +- {error:.1g}, and not {truth:g}"
    return ""


def scatter(function):
    """How far single draws are spread, for f and for f - 100."""
    z = 1 + 0.5 * np.random.default_rng(0).standard_normal(200_000)
    f, df = f_and_slope(z)
    score, _, path, _ = function(f, df, z, 1.0, float(np.log(0.25)))
    lower = function(f - 100, df, z, 1.0, float(np.log(0.25)))[0]
    return (
        f"In the example of lesson 8, one draw's estimate of dF/dmu = -2 scatters by {np.std(path):.0f} (path) and "
        f"{np.std(score):.0f} (score). Take 100 off f, which changes no slope: the score's by {np.std(lower):.0f}."
    )


def standard(z, mu, logvar):
    return (z - mu) / np.exp(logvar / 2)


exercise = Exercise(
    title="Weigh the draws, or move them: two estimators of one gradient",
    lesson=8,
    function="two_estimators",
    returns=("score_dmu", "score_dlogvar", "path_dmu", "path_dlogvar"),
    draw=draw,
    oracle=by_differences,
    laws=(are_right_on_average,),
    reward=scatter,
    hints=(
        "Which terms of log q hold mu, and which hold logvar? And how far does z move if eps stays and mu grows?",
        "d log q / d mu = (z - mu) / sigma^2; d log q / d logvar = ((z - mu)^2 / sigma^2 - 1) / 2; d z / d mu = 1; and "
        "d z / d logvar = sigma eps / 2, where sigma eps is z - mu.",
        "f * (z - mu) / ...;  f * ((z - mu) ** 2 / ... - 1) / 2;  df;  df * (...) / 2",
    ),
    why="Both are right on average. The score needs no slope of f, so that f may jump and z may be discrete; the path "
    "is told the slope, and is much quieter: that is why a VAE reparameterizes.",
    wrong=(
        Wrong(
            "score_dlogvar",
            "it is the derivative with respect to sigma^2, not to its logarithm",
            lambda f, df, z, mu, logvar: f * (standard(z, mu, logvar) ** 2 - 1) / 2 / np.exp(logvar),
        ),
        Wrong(
            "path_dlogvar",
            "the right value is divided by sigma",
            lambda f, df, z, mu, logvar: df * standard(z, mu, logvar) / 2,
        ),
    ),
)
