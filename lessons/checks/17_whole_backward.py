"""Exercise 17: judged by finite differences of the whole loss, by each weight and by a nudge at each place between."""

import numpy as np

from minivae.gradcheck.differences import numerical_gradient
from minivae.learn import Exercise, Wrong


def draw(rng, sizes):
    W_mu, W_logvar = 0.5 * rng.standard_normal((2, sizes.D, sizes.K))
    return {
        "x": (rng.random((sizes.B, sizes.D)) < 0.5).astype(float),
        "eps": rng.standard_normal((sizes.B, sizes.K)),
        "W_mu": W_mu,
        "W_logvar": W_logvar,
        "W_dec": 0.5 * rng.standard_normal((sizes.K, sizes.D)),
        "beta": 1 + float(rng.uniform(0.3, 0.9)),
    }


def loss(x, eps, W_mu, W_logvar, W_dec, beta, mu=0.0, logvar=0.0, z=0.0, logits=0.0):
    """In nats per example; the last four arguments are added to what they name, and are zero."""
    mu = mu + x @ W_mu
    logvar = logvar + x @ W_logvar
    z = z + mu + np.sqrt(np.exp(logvar)) * eps
    logits = logits + z @ W_dec
    surprise = np.logaddexp(0, np.where(x == 1, -logits, logits))
    kl = 0.5 * (mu**2 + np.exp(logvar) - 1 - logvar)
    return np.mean(surprise.sum(axis=1) + beta * kl.sum(axis=1))


def by_differences(**arguments):
    (B, D), K = arguments["x"].shape, arguments["eps"].shape[1]
    nudges = {name: np.zeros((B, K)) for name in ("mu", "logvar", "z")} | {"logits": np.zeros((B, D))}
    handles = {**arguments, **nudges}
    return tuple(numerical_gradient(lambda _: loss(**handles), handles[name[1:]]) for name in exercise.returns)


def forward(x, eps, W_mu, W_logvar, W_dec):
    mu, logvar = x @ W_mu, x @ W_logvar
    return mu, logvar, (mu + np.exp(logvar / 2) * eps) @ W_dec


def mistake(formula):
    """A wrong gradient, from the forward pass and the gradients of logits and of z as they should be."""

    def outcome(x, eps, W_mu, W_logvar, W_dec, beta):
        mu, logvar, logits = forward(x, eps, W_mu, W_logvar, W_dec)
        dlogits = (1 / (1 + np.exp(-logits)) - x) / len(x)
        known = {"x": x, "mu": mu, "logvar": logvar, "logits": logits, "dlogits": dlogits, "dz": dlogits @ W_dec.T}
        return formula(dkl=beta / len(x), B=len(x), through_z=known["dz"] * eps * np.exp(logvar / 2) / 2, **known)

    return outcome


def training(function):
    """Gradient descent with the learner's gradients, on images of twelve pixels of which one third is white."""
    rng = np.random.default_rng(0)
    x = np.kron(np.eye(3), np.ones(4))[rng.integers(3, size=60)]
    weights = {"W_mu": (12, 2), "W_logvar": (12, 2), "W_dec": (2, 12)}
    weights = {name: 0.1 * rng.standard_normal(shape) for name, shape in weights.items()}
    losses = []
    for _ in range(300):
        eps = rng.standard_normal((60, 2))
        losses.append(loss(x, eps, *weights.values(), 1.0))
        _, dW_dec, _, _, _, dW_mu, dW_logvar = function(x, eps, *weights.values(), 1.0)
        for name, gradient in (("W_mu", dW_mu), ("W_logvar", dW_logvar), ("W_dec", dW_dec)):
            weights[name] = weights[name] - 0.3 * np.asarray(gradient)
    return (
        f"300 steps of gradient descent with your gradients, on 60 images of three kinds: the loss went from "
        f"{losses[0]:.2f} to {np.mean(losses[-20:]):.2f} nats. You have trained a VAE."
    )


exercise = Exercise(
    title="The whole backward pass of a small VAE",
    lesson=9,
    function="whole_backward",
    returns=("dlogits", "dW_dec", "dz", "dmu", "dlogvar", "dW_mu", "dW_logvar"),
    draw=draw,
    oracle=by_differences,
    chain=True,
    reward=training,
    hints=(
        "Begin at the loss. What is d loss / d recon_nll[b], and what d loss / d kl[b]? Then go back line by line.",
        "dlogits = (sigmoid(logits) - x) / B. A linear layer y = x W has dW = x^T dy and dx = dy W^T. At mu and logvar "
        "two ways meet, as in exercise 16.",
        "dlogits = (... - x) / B;  dW_dec = z.T @ ...;  dz = dlogits @ ...;  dmu = dz + beta / B * ...;  "
        "dlogvar = as in exercise 16;  dW_mu = x.T @ ...;  dW_logvar = x.T @ ...",
    ),
    why="That is all that an autograd library would have done for you here. Deeper networks repeat the lines you have.",
    wrong=(
        Wrong(
            "dlogits",
            "the logits themselves stand where their sigmoid belongs",
            mistake(lambda logits, x, B, **_: (logits - x) / B),
        ),
    ),
)
