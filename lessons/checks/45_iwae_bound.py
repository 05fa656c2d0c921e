"""Exercise 45: judged with scipy's densities and logsumexp; and it may not exceed a log p(x) that is known."""

import numpy as np
from scipy import stats
from scipy.special import logsumexp, softmax

from minivae.learn import Exercise, Wrong


def draw(rng, sizes):
    mu, logvar = rng.standard_normal((2, sizes.B, sizes.K))
    eps = rng.standard_normal((sizes.B, sizes.H, sizes.K))
    return {"recon_nll": 2000 + 2 * rng.standard_normal((sizes.B, sizes.H)), "mu": mu, "logvar": logvar, "eps": eps}


def log_weights(recon_nll, mu, logvar, eps):
    mu, sigma = mu[:, None], np.sqrt(np.exp(logvar))[:, None]
    z = mu + sigma * eps
    return -recon_nll + stats.norm.logpdf(z).sum(axis=2) - stats.norm.logpdf(z, mu, sigma).sum(axis=2)


def by_scipy(recon_nll, mu, logvar, eps):
    log_w = log_weights(recon_nll, mu, logvar, eps)
    return log_w, logsumexp(log_w, axis=1) - np.log(log_w.shape[1])


def is_a_bound(function):
    """x given z is N(z, 1), so that x is N(0, 2); q is wide of the posterior N(x/2, 1/2)."""
    x, rows = 1.3, (4000, 1)
    eps = np.random.default_rng(0).standard_normal((4000, 10, 1))
    mu, logvar = np.full(rows, 0.2), np.full(rows, 0.3)
    recon_nll = -stats.norm.logpdf(x, 0.2 + np.exp(0.15) * eps[:, :, 0])
    bound, log_px = np.mean(function(recon_nll, mu, logvar, eps)[1]), stats.norm.logpdf(x, 0, np.sqrt(2))
    if bound < log_px:
        return ""
    return f"log p(x) is {log_px:.3f} in a model where that is known, and your bound is {bound:.3f} on average"


def of_log_w(formula):
    return lambda **arguments: formula(log_weights(**arguments))


def with_analytic_kl(recon_nll, mu, logvar, eps):
    return -recon_nll - 0.5 * np.sum(mu**2 + np.exp(logvar) - 1 - logvar, axis=1)[:, None]


exercise = Exercise(
    title="The bound of several draws",
    lesson=21,
    function="iwae_bound",
    returns=("log_w", "bound"),
    draw=draw,
    oracle=by_scipy,
    laws=(is_a_bound,),
    chain=True,
    hints=(
        "Which parts of log p(z) - log q(z|x) are left once log(2 pi) has cancelled, in z, eps and logvar?",
        "log_w = -recon_nll + 1/2 sum over k of (eps^2 + logvar - z^2). Then take each row's largest out of the exp.",
        "largest = log_w.max(axis=1);  bound = largest + np.log(np.mean(np.exp(... - ...[:, None]), axis=1))",
    ),
    why="With S = 1 it is the ELBO of one draw. With more it is higher on average, and closer to log p(x).",
    wrong=(
        Wrong("log_w", "the KL of lesson 7 stands in the weights, where each draw has its own", with_analytic_kl),
        Wrong(
            "log_w",
            "log q(z|x) lacks its eps^2",
            lambda recon_nll, mu, logvar, eps: log_weights(recon_nll, mu, logvar, eps) - 0.5 * np.sum(eps**2, axis=2),
        ),
        Wrong("bound", "logarithms are averaged: that is the ELBO", of_log_w(lambda log_w: log_w.mean(axis=1))),
        Wrong("bound", "the weights are added, without the 1/S", of_log_w(lambda log_w: logsumexp(log_w, axis=1))),
        Wrong(
            "bound",
            "the log weights are averaged with the normalised weights, which exceeds the bound",
            of_log_w(lambda log_w: np.sum(softmax(log_w, axis=1) * log_w, axis=1)),
        ),
        Wrong(
            "bound",
            "-recon_nll is averaged like a weight, without the prior and q",
            lambda recon_nll, mu, logvar, eps: logsumexp(-recon_nll, axis=1) - np.log(recon_nll.shape[1]),
        ),
    ),
)
