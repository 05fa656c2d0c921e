"""Exercise 14: judged by finite differences of the draw at fixed noise, with a random upstream gradient."""

import numpy as np

from minivae.learn import Exercise, Wrong, finite_differences

differences = finite_differences(
    lambda mu, logvar, eps: mu + np.sqrt(np.exp(logvar)) * eps, of=("mu", "logvar"), upstream="dz"
)


def draw(rng, sizes):
    dz, logvar, eps = rng.standard_normal((3, sizes.B, sizes.K))
    return {"dz": dz, "logvar": logvar, "eps": eps}


def oracle(dz, logvar, eps):
    return differences(dz=dz, mu=np.zeros_like(eps), logvar=logvar, eps=eps)


def dlogvar(slope):
    """Its mistakes: a wrong d z / d logvar, times the upstream gradient."""
    return lambda dz, logvar, eps: dz * slope(np.exp(logvar / 2), eps)


exercise = Exercise(
    title="The gradient through a random draw",
    lesson=8,
    function="reparameterize_backward",
    returns=("dmu", "dlogvar"),
    draw=draw,
    oracle=oracle,
    upstream="dz",
    hints=(
        "Nudge mu by a little while eps stays: how far does z move? And what does sigma do when logvar is nudged?",
        "d z / d mu = 1. The derivative of sigma = exp(logvar / 2) is sigma / 2, and eps multiplies it.",
        "dmu = ...;  dlogvar = dz * eps * np.exp(...) / 2",
    ),
    why="The noise comes from outside, so that the draw is an ordinary function of mu and logvar. On average eps * dz "
    "says how much the loss suffers from noise, and this is the only way by which the decoder can ask for less of it.",
    wrong=(
        Wrong("dmu", "mu is treated as if sigma multiplied it", lambda dz, logvar, eps: dz * np.exp(logvar / 2)),
        Wrong("dmu", "dz is multiplied by eps: that belongs to sigma", lambda dz, logvar, eps: dz * eps),
        Wrong("dlogvar", "it is the gradient with respect to sigma, not to log sigma^2", dlogvar(lambda std, eps: eps)),
    ),
)
