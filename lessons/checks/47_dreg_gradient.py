"""Exercise 47: judged by finite differences with fixed weights, and by the two laws that an estimator has to keep."""

import numpy as np
from scipy import stats
from scipy.special import logsumexp, softmax

from minivae.gradcheck.differences import numerical_gradient
from minivae.learn import Exercise, Wrong


def draw(rng, sizes):
    mu, logvar = rng.standard_normal((2, sizes.B, sizes.K))
    dnll, eps = rng.standard_normal((2, sizes.B, sizes.H, sizes.K))
    weights = softmax(rng.standard_normal((sizes.B, sizes.H)), axis=1)
    return {"weights": weights, "dnll": dnll, "mu": mu, "logvar": logvar, "eps": eps}


def by_differences(weights, dnll, mu, logvar, eps):
    """A recon_nll that is linear in z, scipy's densities, and squared weights that do not move."""
    q = stats.norm(mu.copy()[:, None], np.sqrt(np.exp(logvar))[:, None])

    def drawn():
        return mu[:, None] + np.sqrt(np.exp(logvar))[:, None] * eps

    def loss(z):
        return -np.sum(weights[:, :, None] ** 2 * (stats.norm.logpdf(z) - q.logpdf(z) - dnll * z)) / len(weights)

    dz = numerical_gradient(loss, drawn())
    return dz, numerical_gradient(lambda _: loss(drawn()), mu), numerical_gradient(lambda _: loss(drawn()), logvar)


X = 1.3  # x given z is N(z, 1), so that the posterior is N(x/2, 1/2)


def of_model(function, mu, logvar, eps):
    """The gradient of one example of this model for each row of eps (B, S, 1): dmu, dlogvar (B,)."""
    rows, z = np.ones((len(eps), 1)), mu + np.exp(logvar / 2) * eps
    log_w = stats.norm.logpdf(X, z[:, :, 0]) + (0.5 * (eps**2 + logvar - z**2))[:, :, 0]
    _, dmu, dlogvar = function(softmax(log_w, axis=1), z - X, mu * rows, logvar * rows, eps)
    return len(eps) * dmu[:, 0], len(eps) * dlogvar[:, 0]


def is_zero_at_the_posterior(function):
    eps = np.random.default_rng(0).standard_normal((50, 4, 1))
    largest = np.max(np.abs(of_model(function, X / 2, np.log(0.5), eps)))
    if largest < 1e-9:
        return ""
    return f"where q is the posterior, each draw's gradient is 0; the largest of yours is {largest:.2g}"


def has_the_right_mean(function):
    """Against differences of the mean bound of two draws, with the same noise."""
    eps, mu = np.random.default_rng(0).standard_normal((40_000, 2, 1)), X / 2 + 0.3

    def bound(mu):
        z = mu + np.sqrt(0.5) * eps
        log_w = stats.norm.logpdf(X, z[:, :, 0]) + (0.5 * (eps**2 + np.log(0.5) - z**2))[:, :, 0]
        return np.mean(logsumexp(log_w, axis=1))

    wanted = -(bound(mu + 1e-4) - bound(mu - 1e-4)) / 2e-4
    found = np.mean(of_model(function, mu, np.log(0.5), eps)[0])
    if abs(found - wanted) < 0.03:
        return ""
    return f"over many draws of S = 2, the gradient for mu should be {wanted:.2f} on average; yours is {found:.2f}"


def mistake(of="dz", factor=np.square, path=1.0, prior=1.0, power=1.0, kept=0.0, batch=len):
    """One of the three with one of its parts wrong."""

    def outcome(weights, dnll, mu, logvar, eps):
        sigma, B = np.exp(logvar / 2)[:, None], batch(weights)
        inside = dnll + prior * (mu[:, None] + sigma * eps) - path * eps / sigma**power
        dz = factor(weights)[:, :, None] / B * inside
        return dz if of == "dz" else np.sum(dz * eps * sigma / 2, axis=1) - kept / (2 * B)

    return outcome


exercise = Exercise(
    title="DReG: the gradient whose noise falls with the signal",
    lesson=21,
    function="dreg_backward",
    returns=("dz", "dmu", "dlogvar"),
    draw=draw,
    oracle=by_differences,
    laws=(is_zero_at_the_posterior, has_the_right_mean),
    chain=True,
    hints=(
        "log q(z|x) is the density of a Gaussian. What is its derivative for z, if mu and sigma do not move?",
        "-d log_w / dz = dnll + z - (z - mu) / sigma^2, and z - mu is sigma eps.",
        "dz = weights[:, :, None] ** 2 / B * (... + ... - eps / ...);  dmu, dlogvar: as through z in exercise 46",
    ),
    why="At the exact posterior the bracket is 0 for every draw: no noise is left. Nothing was divided by a weight; "
    "and the decoder still gets plain weights: one backward pass serves both.",
    wrong=(
        Wrong(
            "dz",
            "plain weights stand where squared ones belong: that is STL, whose mean is right for S = 1 only",
            mistake(factor=lambda w: w),
        ),
        Wrong("dz", "w (1 - w) stands where w^2 belongs: another estimator", mistake(factor=lambda w: w * (1 - w))),
        Wrong("dz", "log q(z|x) is left out, though z stands in it", mistake(path=0.0)),
        Wrong("dz", "the path through log q(z|x) has the wrong sign", mistake(path=-1.0)),
        Wrong("dz", "sigma^2 stands where sigma belongs, under eps", mistake(power=2.0)),
        Wrong("dz", "the prior's z is missing", mistake(prior=0.0)),
        Wrong("dz", "1/B is missing", mistake(batch=lambda _: 1)),
        Wrong("dlogvar", "the -1/(2B) of exercise 46 is kept", mistake("dlogvar", kept=1.0)),
    ),
)
