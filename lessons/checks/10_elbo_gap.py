"""Exercise 10: judged by plain loops over the values of z in 50-digit arithmetic, and by elbo + gap = log p(x)."""

from decimal import Context, Decimal

import numpy as np

from minivae.learn import Exercise, Wrong

DIGITS = Context(prec=50)


def draw(rng, sizes):
    prior = rng.dirichlet(np.ones(sizes.H))
    likelihood = rng.uniform(0.05, 0.95, (sizes.B, sizes.H))
    q = rng.dirichlet(2 * np.ones(sizes.H), sizes.B) + 0.01
    return {"log_joint": np.log(prior * likelihood), "q": q / q.sum(axis=1, keepdims=True)}


def by_enumeration(log_joint, q):
    """Value by value, and with quotients of probabilities in the place of differences of logarithms."""
    rows = [_one_example(a, b) for a, b in zip(log_joint.tolist(), q.tolist(), strict=True)]
    return tuple(np.array(rows).T)


def _one_example(log_joint, q):
    weights = [Decimal(value) for value in q]
    joint = [DIGITS.exp(Decimal(value)) for value in log_joint]
    elbo = sum(w * DIGITS.ln(p / w) for w, p in zip(weights, joint, strict=True))
    gap = sum(w * DIGITS.ln(w / (p / sum(joint))) for w, p in zip(weights, joint, strict=True))
    return float(elbo), float(gap)


def log_softmax(log_joint, axis=1):
    return log_joint - np.logaddexp.reduce(log_joint, axis=axis, keepdims=True)


def reversed_kl(log_joint, q):
    log_posterior = log_softmax(log_joint)
    return np.sum(np.exp(log_posterior) * (log_posterior - np.log(q)), axis=1)


def add_up_to_log_px(function):
    """Whatever q is, the two have one sum; and where q is the posterior, nothing is left of the gap."""
    rng = np.random.default_rng(1)
    log_joint = np.repeat(np.log(rng.dirichlet(np.ones(6))[None] * rng.uniform(size=6)), 200, axis=0)
    q = rng.dirichlet(np.ones(6), 200)
    q[0] = np.exp(log_softmax(log_joint))[0]
    elbo, gap = map(np.asarray, function(log_joint, q))
    log_px = np.log(np.sum(np.exp(log_joint[0])))
    worst = np.argmax(np.abs(elbo + gap - log_px))
    if abs(elbo[worst] + gap[worst] - log_px) > 1e-9:
        return f"elbo + gap has to be log p(x) = {log_px:.6g} for every q; for one it is {elbo[worst] + gap[worst]:.6g}"
    return "" if abs(gap[0]) < 1e-9 else f"if q is the posterior, the gap has to be 0, and is {gap[0]:.6g}"


exercise = Exercise(
    title="The ELBO, and the gap to log p(x)",
    lesson=6,
    function="elbo_and_gap",
    returns=("elbo", "gap"),
    draw=draw,
    oracle=by_enumeration,
    laws=(add_up_to_log_px,),
    hints=(
        "Both are averages under q. Of which two quantities? And what turns exp(log_joint[b]) into probabilities?",
        "log p(z|x) = log p(x, z) - log p(x), where p(x) is the sum of exp(log_joint) over g.",
        "elbo = np.sum(q * (log_joint - ...), axis=1);  gap = np.sum(q * (np.log(q) - ...), axis=1)",
    ),
    why="elbo + gap = log p(x), for every q: what raises the ELBO by a better q closes the gap by just as much, and "
    "since a KL is never negative, the ELBO never exceeds log p(x).",
    wrong=(
        Wrong(
            "elbo",
            "the logarithm stands outside the sum: that is log p(x) itself",
            lambda log_joint, q: np.logaddexp.reduce(log_joint, axis=1),
        ),
        Wrong("gap", "the two sides of the KL are exchanged: that is KL(posterior || q)", reversed_kl),
    ),
)
