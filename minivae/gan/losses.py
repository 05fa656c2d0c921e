"""What the two players minimise, and the penalties that keep the discriminator smooth (lesson 19).

D is a classifier of real against fake that gives logits, so that its loss is the Bernoulli likelihood's, of
kernels/reference.py, with 1 for real and 0 for fake. All losses are means over the batch, in nats.
"""

from __future__ import annotations

from minivae.backend import Array, Backend
from minivae.gan.networks import Cache, FeedForward
from minivae.model.network import mean

LOSSES = ("nonsaturating", "saturating", "relativistic")
PENALTIES = ("none", "approximate-r1", "r1", "r1-r2")
STEP = {"float32": 1e-3, "float64": 1e-4}  # of the difference in r1, in the units of the data
FLOOR = 1e-6  # of the norm of a gradient that is divided by


def cross_entropy(kernels: Backend, logits: Array, label: float) -> tuple[float, Array]:
    """-log p(label) under these logits (B, 1), and its gradient (B, 1)."""
    labels = kernels.zeros(logits.shape, logits.dtype) + label
    dnll = kernels.zeros(len(logits), logits.dtype) + 1 / len(logits)
    nll, dlogits = kernels.bernoulli_nll(logits, labels, dnll)
    return mean(nll), dlogits


def of_discriminator(kernels: Backend, loss: str, real: Array, fake: Array) -> tuple[float, Array, Array]:
    """The discriminator's loss of logits (B, 1) each, and their gradients.

    -log D(x) - log(1 - D(G(z))); relativistic: -log sigmoid(real - fake), of pairs.
    """
    if loss == "relativistic":
        value, dreal = cross_entropy(kernels, real - fake, 1)
        return value, dreal, -dreal
    of_real, dreal = cross_entropy(kernels, real, 1)
    of_fake, dfake = cross_entropy(kernels, fake, 0)
    return of_real + of_fake, dreal, dfake


def of_generator(kernels: Backend, loss: str, real: Array, fake: Array) -> tuple[float, Array]:
    """The generator's loss, and its gradient with respect to the logits of the fakes (B, 1).

    Nonsaturating: -log D(G(z)); saturating: log(1 - D(G(z))); relativistic: -log sigmoid(fake - real).
    """
    if loss == "saturating":
        value, dfake = cross_entropy(kernels, fake, 0)
        return -value, -dfake
    return cross_entropy(kernels, fake - real if loss == "relativistic" else fake, 1)


def approximate_r1(
    D: FeedForward, x: Array, logits: Array, noise: Array, gamma: float, std: float
) -> tuple[float, Array]:
    """gamma / (2 std^2) mean (D(x) - D(x + std noise))^2, which goes to R1 as std goes to 0.

    ``logits`` (B, 1) are D's at x (B, D); ``noise`` (B, D) is from N(0, I). Adds the gradients of the noisy pass, and
    returns the gradient with respect to ``logits``, for the pass that they come from.

    References
    ----------
    Lin et al., "Diffusion adversarial post-training for one-step video generation", arXiv:2501.08316.
    """
    noisy_logits, noisy_cache = D.forward(x + std * noise)
    difference = logits - noisy_logits
    dlogits = (gamma / std**2 / len(x)) * difference
    D.backward(-dlogits, noisy_cache)
    return gamma / 2 / std**2 * mean(difference * difference), dlogits


def r1(D: FeedForward, x: Array, cache: Cache, gamma: float) -> float:
    """gamma / 2 mean |dD/dx|^2 at x (B, D), for real x or (R2) for fakes; adds its gradients.

    With g = dD/dx, the gradient is that of ``sum_b gamma/B g_b dD/dx_b`` for a fixed g: the derivative of D's own
    gradient along g. It is taken as the difference of two backward passes, at x + h and x - h along g. For piecewise
    linear activations that is exact if no unit switches between the two points; else its error grows like h^2.

    References
    ----------
    Mescheder, Geiger and Nowozin, "Which training methods for GANs do actually converge?", arXiv:1801.04406.
    """
    h = STEP[D.dtype]
    g = D.input_gradient(D.kernels.zeros((len(x), 1), D.dtype) + 1, cache)
    squared = (g * g).sum(axis=1, keepdims=True)
    norm = (squared + FLOOR**2) ** 0.5  # without the floor, 0/0 where all units are off and g is zero
    for side in (h, -h):
        _, moved = D.forward(x + side * g / norm)
        D.backward(gamma / len(x) / (2 * side) * norm, moved)
    return gamma / 2 * mean(squared)
