"""Exercise 33: judged by finite differences of the loss, by A and by a nudge of each fake and of each logit."""

import numpy as np

from minivae.gradcheck.differences import numerical_gradient
from minivae.learn import Exercise, Wrong


def draw(rng, sizes):
    shapes = {"z": (sizes.B, sizes.K), "A": (sizes.K, sizes.D), "W": (sizes.D, sizes.H), "v": (sizes.H,)}
    return {name: 0.7 * rng.standard_normal(shape) for name, shape in shapes.items()}


def loss(z, A, W, v, y=0.0, logits=0.0):
    """In nats; the last two arguments are added to what they name."""
    return np.mean(np.logaddexp(0, -(logits + np.tanh((y + z @ A) @ W) @ v)))


def by_differences(z, A, W, v):
    handles = {"z": z, "A": A, "W": W, "v": v, "y": np.zeros((len(z), len(W))), "logits": np.zeros(len(z))}
    return tuple(numerical_gradient(lambda _: loss(**handles), handles[name]) for name in ("logits", "y", "A"))


def mistake(formula):
    """A wrong gradient, from the forward pass and the gradients as they should be."""

    def outcome(z, A, W, v):
        h = np.tanh(z @ A @ W)
        p = 1 / (1 + np.exp(-h @ v))
        dlogits = (p - 1) / len(z)
        dy = (np.outer(dlogits, v) * (1 - h**2)) @ W.T
        return formula(z=z, W=W, v=v, h=h, p=p, dlogits=dlogits, dy=dy, B=len(z))

    return outcome


def training(function):
    """Gradient descent against a D that knows one thing: larger is more real."""
    rng = np.random.default_rng(0)
    z, A, W, v = rng.standard_normal((200, 3)), np.zeros((3, 2)), np.eye(2), np.ones(2)
    losses = []
    for _ in range(200):
        losses.append(loss(z, A, W, v))
        A = A - np.asarray(function(z, A, W, v)[2])
    return f"200 steps with your gradients, D standing still: from {losses[0]:.2f} to {losses[-1]:.2f} nats."


exercise = Exercise(
    title="The generator's upstream gradient",
    lesson=19,
    function="generator_backward",
    returns=("dlogits", "dy", "dA"),
    draw=draw,
    oracle=by_differences,
    reward=training,
    hints=(
        "The generator never sees x. Through which arrays does a change of A reach the loss, and in which order?",
        "dlogits is that of the label 1. D is a network like any other: dx of its first layer is what is wanted, and "
        "its dW is not.",
        "dlogits = (... - 1) / B;  dy = (np.outer(dlogits, v) * (1 - h**2)) @ ...;  dA = z.T @ ...",
    ),
    why="Everything that a generator ever learns of the data is in dy: the direction in which D finds this fake more "
    "real. A VAE's decoder is told by x itself.",
    wrong=(
        Wrong("dlogits", "the generator minimises the discriminator's loss: label 0", mistake(lambda p, B, **_: p / B)),
        Wrong(
            "dlogits",
            "this is the saturating loss, log(1 - D): right, but another loss",
            mistake(lambda p, B, **_: -p / B),
        ),
        Wrong("dlogits", "the 1/B of the mean is missing", mistake(lambda p, **_: p - 1)),
        Wrong(
            "dy",
            "dlogits is handed on as it is, past D and its weights",
            mistake(lambda dlogits, W, **_: np.repeat(dlogits[:, None], len(W), axis=1)),
        ),
        Wrong("dy", "the slope of tanh is missing", mistake(lambda dlogits, v, W, **_: np.outer(dlogits, v) @ W.T)),
        Wrong("dy", "the sign is wrong: the fakes would flee from what is real", mistake(lambda dy, **_: -dy)),
        Wrong("dA", "the sign is wrong: the fakes would flee from what is real", mistake(lambda z, dy, **_: -z.T @ dy)),
        Wrong("dA", "the 1/B is there twice: dlogits holds it already", mistake(lambda z, dy, B, **_: z.T @ dy / B)),
    ),
)
