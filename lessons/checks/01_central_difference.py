"""Exercise 01: judged by a function whose differences can be worked out exactly, for one, two and three axes."""

import numpy as np

from minivae.learn import Exercise, Wrong

H = 0.25


def f(x):
    """A cubic in which neighbouring entries mix, so that a step that is not taken back shows."""
    flat = np.ravel(x)
    return float(np.sum(flat**3) + np.sum(flat[1:] * flat[:-1]))


def draw(rng, sizes):
    shape = {6: (6, 7), 4: (9,), 5: (2, 3, 2)}[sizes.B]
    return {"f": f, "x": rng.standard_normal(shape), "h": H}


def mixed(x):
    """What the neighbours add to the derivative of f."""
    flat, sums = x.ravel(), np.zeros(x.size)
    sums[1:] += flat[:-1]
    sums[:-1] += flat[1:]
    return sums.reshape(x.shape)


def exact(f, x, h):
    """For a cubic the central difference is the derivative, 3 x^2 + neighbours, plus h^2."""
    return 3 * x**2 + h**2 + mixed(x)


def steps_pile_up(f, x, h):
    """Every earlier entry has stayed h lower."""
    x, gradient = x.copy(), np.zeros_like(x)
    for index in np.ndindex(x.shape):
        x[index] += h
        above = f(x)
        x[index] -= 2 * h
        gradient[index] = (above - f(x)) / (2 * h)
    return gradient


def forward(f, x, h):
    return 3 * x**2 + 3 * x * h + h**2 + mixed(x)


exercise = Exercise(
    title="The gradient of any function, by central differences",
    lesson=1,
    function="central_difference",
    returns=("gradient",),
    draw=draw,
    oracle=exact,
    hints=(
        "What has to change between the two calls of f, and what must not? How is x put back?",
        "An array of zeros with h at one index is a step: one call gets x plus it, the other x minus it.",
        "step = np.zeros_like(x);  step[index] = ...;  gradient[index] = (f(x + step) - f(...)) / (...)",
    ),
    why="These four lines judge every gradient of this project, and most of your own exercises from here on.",
    wrong=(
        Wrong("gradient", "only the step up is taken, f(x + h) - f(x): a forward difference", forward),
        Wrong(
            "gradient",
            "only the step down is taken, f(x) - f(x - h): a backward difference",
            lambda f, x, h: forward(f, x, -h),
        ),
        Wrong("gradient", "the entries that were moved before are not put back, and stay h lower", steps_pile_up),
    ),
)
