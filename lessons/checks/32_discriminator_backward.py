"""Exercise 32: judged by finite differences of the loss, by each weight and by a nudge of each logit."""

import numpy as np

from minivae.gradcheck.differences import numerical_gradient
from minivae.learn import Exercise, Wrong


def draw(rng, sizes):
    x, y = rng.standard_normal((2, sizes.B, sizes.D))
    return {"x": x, "y": y + 0.5, "W": 0.5 * rng.standard_normal((sizes.D, sizes.H)), "v": rng.standard_normal(sizes.H)}


def loss(x, y, W, v, real=0.0, fake=0.0):
    """In nats; the last two arguments are added to the logits that they name."""
    real, fake = real + np.tanh(x @ W) @ v, fake + np.tanh(y @ W) @ v
    return np.mean(np.logaddexp(0, -real) + np.logaddexp(0, fake))


def by_differences(**arguments):
    handles = {**arguments, "real": np.zeros(len(arguments["x"])), "fake": np.zeros(len(arguments["x"]))}
    return tuple(numerical_gradient(lambda _: loss(**handles), handles[name[1:]]) for name in exercise.returns)


def mistake(formula):
    """A wrong gradient, from the forward passes and the gradients as they should be."""

    def outcome(x, y, W, v):
        hr, hf = np.tanh(x @ W), np.tanh(y @ W)
        p, q = 1 / (1 + np.exp(-hr @ v)), 1 / (1 + np.exp(-hf @ v))
        B = len(x)
        return formula(x=x, y=y, v=v, hr=hr, hf=hf, p=p, q=q, dreal=(p - 1) / B, dfake=q / B, B=B)

    return outcome


def weights(v, into_real, into_fake, h_real, h_fake, dreal, dfake):
    """dW from what each of the two passes is said to have seen."""
    return into_real.T @ (np.outer(dreal, v) * (1 - h_real**2)) + into_fake.T @ (np.outer(dfake, v) * (1 - h_fake**2))


exercise = Exercise(
    title="The discriminator's gradients",
    lesson=19,
    function="discriminator_backward",
    returns=("dreal", "dfake", "dv", "dW"),
    draw=draw,
    oracle=by_differences,
    hints=(
        "D is a Bernoulli likelihood with the labels as its data. What is the gradient of that with respect to a logit "
        "(lesson 4), for the label 1 and for the label 0?",
        "dreal = (sigmoid(real) - 1) / B and dfake = sigmoid(fake) / B. Each pass goes back through its own hidden "
        "units, and what both say of a weight is added.",
        "dv = h_real.T @ dreal + h_fake.T @ ...;  da_real = np.outer(dreal, v) * (1 - h_real**2);  "
        "dW = x.T @ da_real + ...",
    ),
    why="One network, two passes, and every array of the way back belongs to one of the two. Our code returns the "
    "cache of a pass with its result, so that nothing is there to be confused.",
    wrong=(
        Wrong("dreal", "the label of real examples is 0", mistake(lambda p, B, **_: p / B)),
        Wrong("dreal", "the 1/B of the mean is missing", mistake(lambda p, **_: p - 1)),
        Wrong("dfake", "the label of fakes is 1", mistake(lambda q, B, **_: (q - 1) / B)),
        Wrong("dfake", "the 1/B of the mean is missing", mistake(lambda q, **_: q)),
        Wrong("dv", "only the fakes went back: = in the place of +=", mistake(lambda hf, dfake, **_: hf.T @ dfake)),
        Wrong("dv", "only the real examples have gone back", mistake(lambda hr, dreal, **_: hr.T @ dreal)),
        Wrong(
            "dv",
            "both passes go back through the hidden units of the fakes: one cache for two passes",
            mistake(lambda hf, dreal, dfake, **_: hf.T @ (dreal + dfake)),
        ),
        Wrong(
            "dW",
            "both passes go back through the hidden units of the fakes: one cache for two passes",
            mistake(lambda x, y, v, hf, dreal, dfake, **_: weights(v, x, y, hf, hf, dreal, dfake)),
        ),
        Wrong(
            "dW",
            "only the fakes have gone back: = in the place of +=",
            mistake(lambda y, v, hf, dfake, **_: y.T @ (np.outer(dfake, v) * (1 - hf**2))),
        ),
        Wrong(
            "dW",
            "the slope of tanh is missing",
            mistake(lambda x, y, v, dreal, dfake, **_: x.T @ np.outer(dreal, v) + y.T @ np.outer(dfake, v)),
        ),
    ),
)
