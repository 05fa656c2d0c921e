"""The two terms of the negative ELBO, and what is made of them."""

from __future__ import annotations

from typing import NamedTuple

from minivae.backend import Array


class LossTerms(NamedTuple):
    """Batch means in nats per example: ``loss = recon_nll + beta * kl`` and ``elbo = -(recon_nll + kl)``."""

    loss: float
    recon_nll: float
    kl: float
    elbo: float

    @classmethod
    def of(cls, recon_nll: float, kl: float, beta: float) -> LossTerms:
        """The four terms from the two that are computed."""
        return cls(recon_nll + beta * kl, recon_nll, kl, -(recon_nll + kl))


def mean(values: Array) -> float:
    """The mean of (B,), summed in float64."""
    return float(values.mean(dtype="float64"))
