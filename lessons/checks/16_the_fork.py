"""Exercise 16: judged by finite differences of the whole loss, sum of dz z plus beta times the mean KL."""

import numpy as np

from minivae.gradcheck.differences import numerical_gradient
from minivae.learn import Exercise, Wrong


def draw(rng, sizes):
    dz, mu, logvar, eps = rng.standard_normal((4, sizes.B, sizes.K))
    return {"dz": dz, "mu": mu, "logvar": logvar, "eps": eps, "beta": 1 + float(rng.uniform(0.3, 0.9))}


def by_differences(dz, mu, logvar, eps, beta):
    """A reconstruction that is linear in z has the gradient dz everywhere, and says so to any finite difference."""

    def loss(_):
        z = mu + np.sqrt(np.exp(logvar)) * eps
        kl = 0.5 * np.sum(mu**2 + np.exp(logvar) - 1 - logvar, axis=1)
        return np.sum(dz * z) + beta * np.mean(kl)

    return numerical_gradient(loss, mu), numerical_gradient(loss, logvar)


def through_z(dz, logvar, eps):
    return dz * eps * np.exp(logvar / 2) / 2


def through_kl(logvar, beta):
    return beta / len(logvar) * (np.exp(logvar) - 1) / 2


exercise = Exercise(
    title="The fork: dmu and dlogvar of the whole loss",
    lesson=9,
    function="fork_backward",
    returns=("dmu", "dlogvar"),
    draw=draw,
    oracle=by_differences,
    hints=(
        "If mu[b,k] is nudged by a little, which two things move, and by how much does each move the loss?",
        "Add what comes back on both ways: dz * dz/dmu and dkl * dkl/dmu, where dkl = d loss / d kl[b] = beta / B.",
        "dmu = dz + beta / B * ...;  dlogvar = dz * eps * ... / 2 + beta / B * (... - 1) / 2",
    ),
    why="What is copied on the way forward is summed on the way back. Each of your four terms is right on its own, and "
    "passes a check of its own; only a check of the whole loss sees that all four are there.",
    wrong=(
        Wrong(
            "dmu",
            "both ways are divided by B: dz holds its 1/B already",
            lambda dz, mu, logvar, eps, beta: (dz + beta * mu) / len(mu),
        ),
        Wrong(
            "dlogvar",
            "both ways are divided by B: dz holds its 1/B already",
            lambda dz, mu, logvar, eps, beta: through_z(dz, logvar, eps) / len(mu) + through_kl(logvar, beta),
        ),
    ),
)
