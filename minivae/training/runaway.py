"""Log variances that run away are reported before they overflow, never clipped.

The encoder's grow until exp(logvar), and the KL with it, overflows: too large a step, or data that are not scaled.
The likelihood's fall: a column that is constant, or that the latents explain exactly, has an unbounded density, so that
the loss falls without end.
"""

from __future__ import annotations

import warnings

import numpy as np

from minivae.backend import Array
from minivae.errors import PoorFitWarning, RunawayVarianceWarning
from minivae.model.likelihoods import LIKELIHOODS
from minivae.model.vae import VAE

FAR_ABOVE = 3.0  # nats for each column: by so much may a loss exceed the cost of the mean
HIGHEST = 20.0  # of the encoder: a posterior 22,000 times as wide as the prior
LOWEST = -10.0  # of the likelihood: a standard deviation of 0.7 % of a scaled unit


def largest_logvar(vae: VAE, x: Array) -> float:
    """The largest log variance of q(z|x) for a batch (B, D)."""
    with vae.lock:
        return float(vae.posterior(x)[1].max())


def of_the_encoder(vae: VAE, x: Array) -> str | None:
    """A sentence if a log variance of q(z|x) for a batch (B, D) is too large."""
    largest = largest_logvar(vae, x)
    if not largest > HIGHEST:
        return None
    return (
        f"the encoder's logvar has run up to {largest:.3g}, so that exp(logvar) will overflow: "
        "try a smaller learning rate, or data scaled to about unit size"
    )


def of_the_likelihood(vae: VAE) -> str | None:
    """A sentence if a learned variance of a Gaussian likelihood is too small."""
    logvar = vae.parameters.get("decoder.output.logvar")
    if logvar is None or not float(logvar.min()) < LOWEST:
        return None
    column = f" of column {int(logvar.argmin())}" if len(logvar) > 1 else ""
    return (
        f"the likelihood's logvar{column} has run down to {float(logvar.min()):.3g}: where data are constant, repeated "
        "or far below unit size, log p(x) grows without bound and says nothing about the model; drop such columns, "
        "scale the data, or fix the variance, such as Gaussian(variance=0.01)"
    )


def of_the_loss(vae: VAE, x: Array, loss: float) -> str | None:
    """A sentence if a training on examples x (N, D), or some of them, has ended at a loss far above their mean's.

    A model that answers every z with the mean of the data has no KL, and the cost of that mean: whatever beta is, a
    loss that training can reach.
    """
    if type(vae.likelihood) not in LIKELIHOODS.values():
        return None
    k = vae.kernels
    output, logvar = vae.likelihood.constant(k.to_numpy(x)[:, : vae.input_dim])
    outputs = k.asarray(np.tile(output, (len(x), 1)), vae.dtype)
    logvar = None if logvar is None else k.asarray(logvar, vae.dtype)
    cost = float(vae.recon_nll(outputs, k.asarray(x, vae.dtype), logvar=logvar).mean(dtype="float64"))
    if not loss > cost + FAR_ABOVE * vae.input_dim:
        return None
    return (
        f"the loss has ended at {loss:,.6g} nats, and to answer with the mean of the data would cost only {cost:,.6g}: "
        "train longer, scale the data to about unit size, or use a smaller beta or learning rate"
    )


class Watch:
    """Warns of a runaway variance, once in a training, and of a loss that is far too high in the end."""

    def __init__(self, vae: VAE):
        self.vae = vae
        self.has_warned = False

    def look(self, x: Array) -> None:
        """Warn with RunawayVarianceWarning if there is a reason; ``x`` (B, D) is the last batch."""
        if not self.has_warned:
            sentence = of_the_likelihood(self.vae) or of_the_encoder(self.vae, x)
            if sentence is not None:
                self.has_warned = True
                warnings.warn(sentence, RunawayVarianceWarning, stacklevel=3)

    def look_back(self, x: Array, loss: float) -> None:
        """Warn, with PoorFitWarning, if a training on ``x`` (N, D) that is over has come to too high a loss."""
        sentence = of_the_loss(self.vae, x, loss)
        if sentence is not None:
            warnings.warn(sentence, PoorFitWarning, stacklevel=4)
