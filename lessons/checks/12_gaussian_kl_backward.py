"""Exercise 12: judged by finite differences of the KL, with a random upstream gradient."""

import numpy as np

from minivae.learn import Exercise, Wrong, finite_differences


def draw(rng, sizes):
    mu, logvar = rng.standard_normal((2, sizes.B, sizes.K))
    return {"dkl": rng.standard_normal(sizes.B), "mu": mu, "logvar": logvar}


def kl(mu, logvar):
    return 0.5 * np.sum(mu**2 + np.exp(logvar) - 1 - logvar, axis=1)


exercise = Exercise(
    title="The gradient of the Gaussian KL",
    lesson=7,
    function="gaussian_kl_backward",
    returns=("dmu", "dlogvar"),
    draw=draw,
    oracle=finite_differences(kl, of=("mu", "logvar"), upstream="dkl"),
    upstream="dkl",
    hints=(
        "Differentiate the four terms with respect to mu, then with respect to logvar. Which terms hold which?",
        "d kl / d mu = mu, and d kl / d logvar = (exp(logvar) - 1) / 2. Each row is multiplied by its own dkl[b].",
        "dmu = dkl[:, None] * ...;  dlogvar = dkl[:, None] * 0.5 * (... - 1)",
    ),
    why="Both gradients vanish exactly at the prior, mu = 0 and logvar = 0: that is where the KL pulls.",
    wrong=(
        Wrong(
            "dmu",
            "the 1/2 is left in front of mu: d(mu^2 / 2) / d mu is mu",
            lambda dkl, mu, logvar: dkl[:, None] * mu / 2,
        ),
        Wrong(
            "dlogvar",
            "it is the gradient with respect to sigma^2, not to log sigma^2",
            lambda dkl, mu, logvar: dkl[:, None] * 0.5 * (1 - np.exp(-logvar)),
        ),
        Wrong(
            "dlogvar",
            "it is the gradient with respect to sigma, not to log sigma^2",
            lambda dkl, mu, logvar: dkl[:, None] * (np.exp(logvar / 2) - np.exp(-logvar / 2)),
        ),
        Wrong(
            "dlogvar",
            "sigma stands where sigma^2 belongs: exp(logvar / 2) for exp(logvar)",
            lambda dkl, mu, logvar: dkl[:, None] * 0.5 * (np.exp(logvar / 2) - 1),
        ),
    ),
)
