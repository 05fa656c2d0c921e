"""Log variances that run away are reported before they overflow, never clipped.

The encoder's grow until exp(logvar), and the KL with it, overflows: too large a step, or data that are not scaled.
The likelihood's fall: a column that is constant, or that the latents explain exactly, has an unbounded density, so that
the loss falls without end.
"""

from __future__ import annotations

import warnings

from minivae.backend import Array
from minivae.errors import RunawayVarianceWarning
from minivae.model.vae import VAE

HIGHEST = 20.0  # of the encoder: a posterior 22,000 times as wide as the prior
LOWEST = -10.0  # of the likelihood: a standard deviation of 0.7 % of a scaled unit


def largest_logvar(vae: VAE, x: Array) -> float:
    """The largest log variance of q(z|x) for a batch (B, D)."""
    return float(vae.encoder.forward(x)[1].max())


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


class Watch:
    """Warns of a runaway variance, once in a training."""

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
