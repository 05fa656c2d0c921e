"""Exercise 46: judged by finite differences of the whole bound, and by scipy's softmax."""

import numpy as np
from scipy.special import logsumexp, softmax

from minivae.gradcheck.differences import numerical_gradient
from minivae.learn import Exercise, Wrong


def draw(rng, sizes):
    mu, logvar = rng.standard_normal((2, sizes.B, sizes.K))
    dnll, eps = rng.standard_normal((2, sizes.B, sizes.H, sizes.K))
    log_w = rng.standard_normal((sizes.B, sizes.H)) + np.linspace(-2000, 5, sizes.B)[:, None]
    return {"log_w": log_w, "dnll": dnll, "mu": mu, "logvar": logvar, "eps": eps}


def by_differences(log_w, dnll, mu, logvar, eps):
    """A recon_nll that is linear in z has the gradient dnll everywhere, and says so to any finite difference."""

    def drawn():
        return mu[:, None] + np.sqrt(np.exp(logvar))[:, None] * eps

    def without_nll(z):
        return 0.5 * np.sum(logvar[:, None] - z**2, axis=2)

    z_here = drawn()
    rest_here = without_nll(z_here)

    def loss(_):
        z = drawn()
        moved = log_w - np.sum(dnll * (z - z_here), axis=2) + without_nll(z) - rest_here
        return -np.mean(logsumexp(moved, axis=1) - np.log(log_w.shape[1]))

    return softmax(log_w, axis=1), numerical_gradient(loss, mu), numerical_gradient(loss, logvar)


def gradient(of, weights=lambda log_w: softmax(log_w, axis=1), prior=1.0, own=1.0, scale=0.5, batch=len):
    """dmu or dlogvar with one of its parts wrong."""

    def outcome(log_w, dnll, mu, logvar, eps):
        sigma, B = np.exp(logvar / 2)[:, None], batch(log_w)
        dz = weights(log_w)[:, :, None] / B * (dnll + prior * (mu[:, None] + sigma * eps))
        if of == "dmu":
            return dz.sum(axis=1)
        return np.sum(dz * eps * sigma * scale, axis=1) - own / (2 * B)

    return outcome


def equal(log_w):
    return np.full(log_w.shape, 1 / log_w.shape[1])


def weights_of(formula):
    return lambda log_w, dnll, mu, logvar, eps: formula(log_w)


exercise = Exercise(
    title="The gradient of the bound of several draws",
    lesson=21,
    function="iwae_backward",
    returns=("weights", "dmu", "dlogvar"),
    draw=draw,
    oracle=by_differences,
    chain=True,
    hints=(
        "What is the derivative of log mean exp(log_w) with respect to one log_w? And log_w with respect to z?",
        "loss has the gradient -weights / B for log_w, and log_w has -(dnll + z) for z. And log_w holds logvar itself.",
        "dz = weights[:, :, None] / B * (... + ...);  dlogvar = np.sum(dz * eps * sigma / 2, axis=1) - ... / (2 * B)",
    ),
    why="The decoder gets the same weights: multiply d loss / d recon_nll by them, and it is trained. They "
    "add up to one, so that the logvar in log_w leaves -1/(2B) whatever the weights are.",
    wrong=(
        Wrong("weights", "all draws count alike", weights_of(equal)),
        Wrong("weights", "they are normalised over the examples", weights_of(lambda log_w: softmax(log_w, axis=0))),
        Wrong(
            "weights",
            "the worst draw gets the largest weight: a softmax of losses",
            weights_of(lambda log_w: softmax(-log_w, axis=1)),
        ),
        Wrong("dmu", "the prior's z is missing", gradient("dmu", prior=0.0)),
        Wrong("dmu", "all draws count alike: that is the gradient of the ELBO", gradient("dmu", weights=equal)),
        Wrong("dmu", "1/B is missing", gradient("dmu", batch=lambda _: 1)),
        Wrong("dlogvar", "the logvar that stands in log_w itself is missing", gradient("dlogvar", own=0.0)),
        Wrong("dlogvar", "the prior's z is missing", gradient("dlogvar", prior=0.0)),
        Wrong("dlogvar", "the 1/2 of d sigma / d logvar is missing", gradient("dlogvar", scale=1.0)),
    ),
)
