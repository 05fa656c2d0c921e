"""Exercise 18: judged one parameter at a time, with the sums over the past written out and no running mean at all."""

import math

import numpy as np

from minivae.learn import Exercise, Wrong


def draw(rng, sizes):
    """Somewhere on the way: m and v are what t - 1 steps have left."""
    t, beta1, beta2 = sizes.B - 3, 0.8, 0.9
    w, *past = rng.standard_normal((t + 1, sizes.D))
    weights = range(t - 2, -1, -1)
    m = sum(((1 - beta1) * beta1**k * g for k, g in zip(weights, past, strict=False)), np.zeros(sizes.D))
    v = sum(((1 - beta2) * beta2**k * g**2 for k, g in zip(weights, past, strict=False)), np.zeros(sizes.D))
    settings = {"t": t, "learning_rate": 0.1, "beta1": beta1, "beta2": beta2, "epsilon": 0.01}
    return {"w": w, "g": past[-1], "m": m, "v": v, **settings}


def one_by_one(w, g, m, v, t, learning_rate, beta1, beta2, epsilon):
    """In plain Python numbers. The weights of a mean over t steps add up to 1 - beta^t: here they are summed."""
    total1 = math.fsum((1 - beta1) * beta1**k for k in range(t))
    total2 = math.fsum((1 - beta2) * beta2**k for k in range(t))
    results = []
    for w_, g_, m_, v_ in zip(w.tolist(), g.tolist(), m.tolist(), v.tolist(), strict=True):
        m_ += (1 - beta1) * (g_ - m_)
        v_ += (1 - beta2) * (g_ * g_ - v_)
        results.append((w_ - learning_rate * (m_ / total1) / (math.sqrt(v_ / total2) + epsilon), m_, v_))
    return tuple(np.array(column) for column in zip(*results, strict=True))


def step(change):
    """A wrong w: ``change`` gets the new m and v, and all the arguments, and returns what is taken off w."""

    def outcome(**arguments):
        _, m, v = one_by_one(**arguments)
        return arguments["w"] - arguments["learning_rate"] * change(**{**arguments, "m": m, "v": v})

    return outcome


def corrected(m, v, t, beta1, beta2, epsilon, **_):
    return m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + epsilon)


def uncorrected(m, v, epsilon, **_):
    return m / (np.sqrt(v) + epsilon)


def from_zero(t, **arguments):
    """t counted from 0; the first step would divide by zero, and is infinite or no number."""
    return corrected(t=t - 1.0, **arguments)


exercise = Exercise(
    title="One step of Adam",
    lesson=10,
    function="adam",
    returns=("w", "m", "v"),
    draw=draw,
    oracle=one_by_one,
    hints=(
        "After one step from m = 0, what is m? By what must it be divided to be g?",
        "Divide m by 1 - beta1^t and v by 1 - beta2^t for the step only; the means that are kept are not divided.",
        "m = beta1 * m + ... * g;  v = beta2 * v + ... * g**2;  w = w - learning_rate * m / (1 - beta1**t) / (...)",
    ),
    why="Make all gradients a thousand times larger: m_hat / sqrt(v_hat) stays, and so does the size of the step.",
    wrong=(
        Wrong("w", "the start at zero is not undone: m and v are not divided by 1 - beta^t", step(uncorrected)),
        Wrong("w", "t is counted from 0: the exponent is t - 1", step(from_zero)),
    ),
)
