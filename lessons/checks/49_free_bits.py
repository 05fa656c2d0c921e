"""Exercise 49: judged by finite differences of the cost, with dimensions on both sides of the threshold."""

import numpy as np

from minivae.learn import Exercise, Wrong, finite_differences


def kl(mu, logvar):
    return 0.5 * (mu**2 + np.exp(logvar) - 1 - logvar)


def draw(rng, sizes):
    """Half of the dimensions are below the threshold, but each has an example above it and one below."""
    mu, logvar = 0.3 * rng.standard_normal((2, sizes.B, sizes.K))
    mu[0] += np.where(np.arange(sizes.K) % 2, 1.2, 3.5)
    means = np.sort(kl(mu, logvar).mean(axis=0))
    low, high = means[sizes.K // 2 - 1 : sizes.K // 2 + 1]
    return {"dcost": rng.standard_normal(sizes.K), "mu": mu, "logvar": logvar, "free_bits": float((low + high) / 2)}


def cost(mu, logvar, free_bits):
    return np.maximum(free_bits, kl(mu, logvar).mean(axis=0))


def mistake(name, mask=lambda kl, free_bits: kl.mean(axis=0) > free_bits, of_batch=lambda B: B, half=0.5):
    def outcome(dcost, mu, logvar, free_bits):
        dkl = mask(kl(mu, logvar), free_bits) * dcost / of_batch(len(mu))
        return dkl * mu if name == "dmu" else dkl * half * (np.exp(logvar) - 1)

    return outcome


def both(text, **changes):
    return [Wrong(name, text, mistake(name, **changes)) for name in ("dmu", "dlogvar")]


def below_the_threshold_it_is_exactly_zero(function):
    rng = np.random.default_rng(0)
    gradients = function(np.ones(2), *rng.standard_normal((2, 5, 2)), 1e9)
    return "" if not np.any(gradients) else "below the threshold a gradient is not exactly 0"


exercise = Exercise(
    title="The gradient of free bits",
    lesson=22,
    function="free_bits_backward",
    returns=("dmu", "dlogvar"),
    draw=draw,
    oracle=finite_differences(cost, of=("mu", "logvar"), upstream="dcost"),
    upstream="dcost",
    laws=(below_the_threshold_it_is_exactly_zero,),
    hints=(
        "The maximum of a number and a constant: what is its derivative on either side? And that of the mean?",
        "d cost[k] / d kl[b,k] is 1/B where the mean over the batch is above free_bits, else 0. Then exercise 12.",
        "dkl = np.where(kl.mean(axis=0) > free_bits, dcost / len(kl), 0)",
    ),
    why="The mean decides, so all examples of a dimension are let go together. Max and mean do not commute: with the "
    "maximum inside it is another objective, which holds each example above the threshold by itself.",
    wrong=(
        *both("each example is compared with the threshold by itself; the mean is", mask=lambda kl, t: kl > t),
        *both("dimensions below the threshold are pulled to the prior, too", mask=lambda kl, t: np.ones(kl.shape[1])),
        *both("the threshold is held against the sum over the batch", mask=lambda kl, t: kl.sum(axis=0) > t),
        *both("the 1/B of the batch mean is missing", of_batch=lambda B: 1),
        *both("the two sides are exchanged", mask=lambda kl, t: kl.mean(axis=0) <= t),
        Wrong("dlogvar", "the 1/2 of the KL is missing", mistake("dlogvar", half=1.0)),
    ),
)
