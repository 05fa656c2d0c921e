"""Exercise 20: judged by finite differences of sum(dz z) plus beta times the mean KL, through the heads."""

import numpy as np

from minivae.gradcheck.differences import numerical_gradient
from minivae.learn import Exercise, Wrong

STUB = """\
std = np.exp(logvar / 2)
dkl = beta / len(h)
dmu = dz + dkl * mu
dlogvar = dz * eps * std / 2 + dkl * (std - 1) / 2
dheads = np.hstack([dmu, dlogvar])
return dheads @ W.T, h.T @ dheads, dheads.sum(axis=0)"""


def draw(rng, sizes):
    h, W = rng.standard_normal((sizes.B, sizes.H)), 0.5 * rng.standard_normal((sizes.H, 2 * sizes.K))
    heads = h @ W
    dz, eps = rng.standard_normal((2, sizes.B, sizes.K))
    mu, logvar = heads[:, : sizes.K].copy(), heads[:, sizes.K :].copy()
    return {"dz": dz, "h": h, "W": W, "mu": mu, "logvar": logvar, "eps": eps, "beta": 1.5}


def by_differences(dz, h, W, mu, logvar, eps, beta):
    """mu and logvar are those of these heads; here they are computed anew at every step of a difference."""
    c, K = np.zeros(W.shape[1]), mu.shape[1]

    def loss(_):
        heads = h @ W + c
        m, v = heads[:, :K], heads[:, K:]
        kl = 0.5 * np.sum(m**2 + np.exp(v) - 1 - v, axis=1)
        return np.sum(dz * (m + np.exp(v / 2) * eps)) + beta * np.mean(kl)

    return tuple(numerical_gradient(loss, array) for array in (h, W, c))


def backward(h, W, dmu, dlogvar):
    dheads = np.hstack([dmu, dlogvar])
    return dheads @ W.T, h.T @ dheads, dheads.sum(axis=0)


def mistaken(output, dmu, dlogvar):
    """One output, where dmu or dlogvar has come out wrong."""

    def outcome(dz, h, W, mu, logvar, eps, beta):
        names = {"dz": dz, "mu": mu, "eps": eps, "std": np.exp(logvar / 2), "dkl": beta / len(h)}
        return backward(h, W, dmu(**names), dlogvar(**names))[output]

    return outcome


def right_dmu(dz, dkl, mu, **_):
    return dz + dkl * mu


def squared_twice(dz, eps, std, dkl, **_):
    return dz * eps * std**2 / 2 + dkl * (std**2 - 1) / 2


exercise = Exercise(
    title="A bug hunt: one line of this backward pass is wrong",
    lesson=11,
    function="heads_backward",
    returns=("dh", "dW", "dc"),
    draw=draw,
    oracle=by_differences,
    stub=STUB,
    hints=(
        "Which of the 2K columns of dW are wrong? So which of the two lines above dheads makes them?",
        "Two terms are added there, one of the way through z and one of the KL. Derive each anew and compare.",
        "d kl / d logvar = (exp(logvar) - 1) / 2, and exp(logvar) is sigma squared.",
    ),
    why="It vanished at sigma = 1 as the right one does, and pulled the same way: a bug like this trains, only worse.",
    wrong=(
        Wrong(
            "dc",
            "the variance stands in the way through z, where sigma belongs",
            mistaken(2, right_dmu, squared_twice),
        ),
    ),
)
