"""Exercise 26: judged pixel by pixel, by where u falls between two thresholds, and by the share of 200,000 pixels."""

from bisect import bisect

import numpy as np

from minivae.learn import Exercise, Wrong


def draw(rng, sizes):
    """Uniform draws that leave no stretch of [0, 1) out, however few they are, and both thresholds at rate 1/2."""
    n = sizes.B * sizes.D
    u = rng.permutation(np.arange(n) + rng.random(n)) / n
    if sizes.K == 5:
        u[:2] = 0.25, 0.75
    shape = (sizes.B, sizes.D)
    x = 0.1 + 0.8 * rng.random(shape)
    return {"x": x, "u": u.reshape(shape), "rate": sizes.K / 10, "denoise": sizes.B != 4}


def by_thresholds(x, u, rate, denoise):
    def pixel(value, draw):
        return (0.0, value, 1.0)[bisect([rate / 2, 1 - rate / 2], draw)]

    noisy = [[pixel(*pair) for pair in zip(*rows, strict=True)] for rows in zip(x.tolist(), u.tolist(), strict=True)]
    return np.array(noisy), x if denoise else np.array(noisy)


def hits_its_share(function):
    """Half of it each: five standard errors."""
    n, rate = 200_000, 0.3
    u = np.random.default_rng(0).random((n, 1))
    noisy, _ = function(np.full((n, 1), 0.5), u, rate, True)
    allowed = 5 * np.sqrt(rate / 2 * (1 - rate / 2) / n)
    for name, value in (("pepper", 0), ("salt", 1)):
        share = np.mean(np.equal(noisy, value))
        if abs(share - rate / 2) > allowed:
            return f"at rate 0.3, a share of {share:.3f} of 200,000 pixels became {name}, not 0.15"
    return ""


def put(pepper, salt):
    """A mistake in what is hit: two functions of (u, rate), each of which says where."""
    return lambda x, u, rate, denoise: np.where(pepper(u, rate), 0.0, np.where(salt(u, rate), 1.0, x))


def low(u, rate):
    return u < rate / 2


def nowhere(u, rate):
    return u < 0


MASKING = "every pixel that is hit becomes 0: that is masking"

exercise = Exercise(
    title="Salt and pepper, and what the loss is compared with",
    lesson=16,
    function="corrupt",
    returns=("noisy", "target"),
    draw=draw,
    oracle=by_thresholds,
    laws=(hits_its_share,),
    hints=(
        "At rate 0.3, how often is u below 0.15? And how often is it 0.85 or more? Can one u be both?",
        "np.where(condition, a, b) takes a where the condition is true and b elsewhere, and makes a new array. "
        "Here it is needed twice, one inside the other.",
        "noisy = np.where(u < ..., 0.0, np.where(u >= ..., 1.0, x));  target = ... if denoise else ...",
    ),
    why="All the randomness came in from outside, as with eps in exercise 13: give the same u again, and the same "
    "pixels are hit. That is why a training run with noise can be repeated, cut short and resumed.",
    wrong=(
        Wrong("noisy", MASKING, put(lambda u, rate: u < rate, nowhere)),
        Wrong(
            "noisy",
            "salt is put where rate/2 <= u < rate: as good a noise, but not the one of the formula, whose salt is "
            "where u is largest",
            put(low, lambda u, rate: u < rate),
        ),
    ),
)
