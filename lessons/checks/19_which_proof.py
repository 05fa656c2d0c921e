"""Exercise 19: judged by planting each bug in the functions below and running each proof on them."""

import itertools
from types import SimpleNamespace

import numpy as np

from minivae.gradcheck import numerical_gradient, relative_error
from minivae.learn import Exercise

# ---- the functions of a small VAE; each bug replaces some of them


def relu(a):
    return np.maximum(a, 0)


def relu_backward(dy, a):
    return (dy * (a > 0),)


def sampler(mu, logvar, eps):
    return mu + np.exp(logvar / 2) * eps


def sampler_backward(dz, mu, logvar, eps):
    return dz, dz * eps * np.exp(logvar / 2) / 2


def kl(mu, logvar):
    return 0.5 * np.sum(mu**2 + np.exp(logvar) - 1 - logvar, axis=1)


def kl_backward(dkl, mu, logvar):
    return dkl[:, None] * mu, dkl[:, None] * (np.exp(logvar) - 1) / 2


def nll(logits, x):
    return np.sum(np.logaddexp(0, logits) - x * logits, axis=1)


def nll_backward(dnll, logits, x):
    return (dnll[:, None] * (np.exp(-np.logaddexp(0, -logits)) - x),)


def from_probabilities(logits, x):
    p = 1 / (1 + np.exp(-logits))
    return -np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=1)


RIGHT = {name: globals()[name] for name in ("relu", "sampler", "kl", "nll")}
RIGHT |= {f"{name}_backward": globals()[f"{name}_backward"] for name in RIGHT}
BUGS = {
    "relu passes back its slope, without dy": {"relu_backward": lambda dy, a: (1.0 * (a > 0),)},
    "the 1/2 is lost in the gradient of the sampler": {
        "sampler_backward": lambda dz, mu, logvar, eps: (dz, dz * eps * np.exp(logvar / 2))
    },
    "the variance for sigma in the sampler, in value and gradient": {
        "sampler": lambda mu, logvar, eps: mu + np.exp(logvar) * eps,
        "sampler_backward": lambda dz, mu, logvar, eps: (dz, dz * eps * np.exp(logvar)),
    },
    "the KL averaged over the latents, in value and gradient": {
        "kl": lambda mu, logvar: kl(mu, logvar) / mu.shape[1],
        "kl_backward": lambda dkl, mu, logvar: kl_backward(dkl / mu.shape[1], mu, logvar),
    },
    "the loss averaged over the pixels, in value and gradient": {
        "nll": lambda logits, x: nll(logits, x) / x.shape[1],
        "nll_backward": lambda dnll, logits, x: nll_backward(dnll / x.shape[1], logits, x),
    },
    "the loss from probabilities: x log p + (1 - x) log(1 - p)": {"nll": from_probabilities},
}

# ---- the proofs: each returns whether it is green, and a fact


def gradient_check(f, upstream_of):
    rng = np.random.default_rng(0)
    mu, logvar, eps, a = rng.standard_normal((4, 6, 3))
    x = (rng.random((6, 3)) < 0.5).astype(float)
    errors = []
    for name, arrays in {"relu": [a], "sampler": [mu, logvar, eps], "kl": [mu, logvar], "nll": [a, x]}.items():
        forward, backward = getattr(f, name), getattr(f, f"{name}_backward")
        upstream = upstream_of(rng, forward(*arrays).shape)
        for array, gradient in zip(arrays, backward(upstream, *arrays), strict=False):
            numeric = numerical_gradient(lambda _, f=forward, v=arrays, dy=upstream: np.sum(dy * f(*v)), array)
            errors.append(relative_error(gradient, numeric))
    return max(errors) < 1e-6, f"the largest relative error is {max(errors):.0e}"


def ones(f):
    return gradient_check(f, lambda rng, shape: np.ones(shape))


def random(f):
    return gradient_check(f, lambda rng, shape: rng.standard_normal(shape))


def mean_and_variance(f):
    z = f.sampler(1.0, np.log(4.0), np.random.default_rng(1).standard_normal(20_000))
    well = abs(z.mean() - 1) < 0.1 and abs(z.var() - 4) < 0.3
    return well, f"asked for mean 1 and variance 4, z has {z.mean():.2f} and {z.var():.1f}"


def monte_carlo(f):
    rng = np.random.default_rng(2)
    mu, logvar = np.array([[0.5, -1.0, 2.0]]), np.array([[1.0, -1.0, 0.5]])
    z = mu + np.exp(logvar / 2) * rng.standard_normal((50_000, 3))
    average = np.mean(np.sum(0.5 * (z**2 - (z - mu) ** 2 / np.exp(logvar) - logvar), axis=1))
    value = float(f.kl(mu, logvar)[0])
    return abs(value - average) < 0.1, f"the formula gives {value:.2f}, the draws {average:.2f}"


def sums_to_one(f):
    images = np.array(list(itertools.product((0.0, 1.0), repeat=3)))
    total = np.exp(-f.nll(np.tile([0.3, -2.0, 1.0], (8, 1)), images)).sum()
    return abs(total - 1) < 1e-9, f"all images together have the probability {total:.3f}"


def at_800(f):
    value = f.nll(np.array([[800.0, -800.0]]), np.array([[0.0, 1.0]]))[0]
    return bool(np.isfinite(value)), f"the loss is {value:.0f} there"


PROOFS = {
    "ones": ones,
    "random": random,
    "sampler": mean_and_variance,
    "monte carlo": monte_carlo,
    "sums to one": sums_to_one,
    "at 800": at_800,
}


def outcomes(bug):
    """Each proof, run on the functions with this bug."""
    with np.errstate(all="ignore"):
        return {name: proof(SimpleNamespace(**{**RIGHT, **BUGS[bug]})) for name, proof in PROOFS.items()}


# ---- the verdict


def judge(function):
    answer = function()
    if not isinstance(answer, dict) or set(answer) != set(BUGS):
        return ["which_proof has to return a dict with exactly the six bugs as its keys, each with a set of proofs"]
    if not any(answer.values()):
        return ["exercise 19: all six sets are empty, and each of these bugs is seen by something"]
    return [complaint for bug in BUGS for complaint in complaints(bug, answer[bug])]


def complaints(bug, claimed):
    """What the claim gets wrong; a proof that was not named is not named here either."""
    if not isinstance(claimed, (set, frozenset, list, tuple)) or not all(name in [*PROOFS] for name in claimed):
        yield f"{bug}: give a set of names of proofs, out of {', '.join(PROOFS)}"
        return
    green = {name: fact for name, (is_green, fact) in outcomes(bug).items() if is_green}
    for name in sorted(set(claimed) & set(green)):
        yield f'{bug}: you say that "{name}" goes red, but it stays green: {green[name]}'
    missing = len(set(PROOFS) - set(green) - set(claimed))
    if missing:
        yield f"{bug}: {missing} more goes red" if missing == 1 else f"{bug}: {missing} more go red"


STUB = "caught = {\n" + "".join(f'    "{bug}": set(),\n' for bug in BUGS) + "}"

exercise = Exercise(
    title="Which proof sees which bug?",
    lesson=11,
    function="which_proof",
    returns=(),
    draw=lambda rng, sizes: {},
    oracle=lambda: (),
    judge=judge,
    stub=STUB,
    hints=(
        "Ask two things of each bug: does the gradient still belong to the value? Is the value still the right one?",
        "A gradient check sees only a gradient that does not belong to its value. Ones for dy hide a forgotten dy.",
        'Two bugs are in a gradient alone: one is seen by {"ones", "random"}, one by "random" only. No gradient check '
        "sees the other four; each of them breaks exactly one property of the value.",
    ),
    why="Four of six real mistakes pass every gradient check: the gradient is right, for the wrong function.",
)
