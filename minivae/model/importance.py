"""Estimating log p(x): importance sampling with the encoder as the proposal (lesson 14)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minivae.backend import Array, Stream
from minivae.model.network import Network
from minivae.model.workspace import ROWS_AT_ONCE, pieces
from minivae.system.progress import Advance, samples_shown

MOST_SAMPLES = 2**32  # the number of a sample is a word of the noise's counter
PARTS = 4  # the samples are dealt out to so many sums, whose differences show the bias


class LogLikelihood(NamedTuple):
    """What importance sampling says about each of N examples: float64 arrays of shape (N,), in nats but for the third.

    Attributes
    ----------
    log_px
        The estimate of log p(x), a lower bound in expectation.
    standard_error
        Of ``log_px``, by the delta method; NaN for one sample.
    effective_sample_size
        (sum w)^2 / sum w^2, from 1 (one sample holds all the weight) to S (all weigh the same).
    bias
        An estimate of how far ``log_px`` still lies below log p(x) in expectation; NaN for one sample.
    recon_nll, kl
        The two terms of the negative ELBO: the mean of -log p(x|z) over the same samples, and the exact KL.
    """

    log_px: np.ndarray
    standard_error: np.ndarray
    effective_sample_size: np.ndarray
    bias: np.ndarray
    recon_nll: np.ndarray
    kl: np.ndarray


def log_likelihood(network: Network, x: np.ndarray, n_samples: int, seed: int, progress: bool = False) -> LogLikelihood:
    """:func:`minivae.evaluation.log_likelihood` of rows (N, D) that are scaled already."""
    estimate = LogLikelihood(*np.empty((len(LogLikelihood._fields), len(x))))
    # Weights that are not finite, of a model that has diverged, show in the numbers.
    quiet, shown = np.errstate(all="ignore"), samples_shown(len(x) * n_samples, progress)
    with network.lock, network.kernels.session(), quiet, shown as advance:
        for rows in pieces(len(x)):
            examples = np.arange(rows.start, rows.stop)
            of_rows = estimate_rows(network, x[rows], examples, n_samples, seed, advance)
            for whole, part in zip(estimate, of_rows, strict=True):
                whole[rows] = part
    return estimate


def estimate_rows(
    network: Network, x: np.ndarray, examples: np.ndarray, n_samples: int, seed: int, advance: Advance
) -> LogLikelihood:
    """:func:`log_likelihood` of a few rows, x (B, D), with the noise of ``examples`` (B,).

    The fewer rows, the more samples go through the decoder at once: pass by pass its rows are row 0 to B - 1 with
    one z each, then row 0 to B - 1 with the next, ...
    """
    k, n_rows = network.kernels, len(x)
    at_once = min(n_samples, max(1, ROWS_AT_ONCE // n_rows))
    copies = k.asarray(np.tile(x, (at_once, 1)), network.dtype)
    mu, logvar = network.encoder.forward(copies)
    sums = Sums(n_rows)
    for first in range(0, n_samples, at_once):
        samples = range(first, min(first + at_once, n_samples))
        n = len(samples) * n_rows
        eps = network.workspace.rows("eps", n, network.latent_dim)
        for i, number in enumerate(samples):
            k.standard_normal(seed, Stream.IMPORTANCE, number, examples, out=eps[i * n_rows : (i + 1) * n_rows])
        terms = log_weights(network, copies[:n], mu[:n], logvar[:n], eps)
        sums.add(samples, *(k.to_numpy(term).reshape(-1, n_rows).astype(np.float64) for term in terms))
        advance(n)
    return sums.estimate(k.to_numpy(k.gaussian_kl_forward(mu[:n_rows], logvar[:n_rows])))


def log_weights(network: Network, x: Array, mu: Array, logvar: Array, eps: Array) -> tuple[Array, Array]:
    """log w = log p(x|z) + log p(z) - log q(z|x) and -log p(x|z), each (B,), for one z of each row.

    The last two terms of log w are -1/2 sum_k z^2 and +1/2 sum_k (eps^2 + logvar); their log 2 pi cancel.
    """
    z = network.kernels.reparameterize_forward(
        mu, logvar, eps, out=network.workspace.rows("z", len(x), network.latent_dim)
    )
    recon_nll = network.recon_nll(network.decoder.forward(z), x)
    return 0.5 * (eps * eps + logvar - z * z).sum(axis=1) - recon_nll, recon_nll


class Sums:
    """What is kept of the samples of B rows, however many they are.

    Parameters
    ----------
    n_rows : int
        B.
    """

    def __init__(self, n_rows: int):
        self.n_samples = 0
        self.log_parts = np.full((PARTS, n_rows), -np.inf)  # log sum w over every fourth sample
        self.log_squares = np.full(n_rows, -np.inf)  # log sum w^2
        self.recon_nll = np.zeros(n_rows)

    def add(self, samples: range, log_w: np.ndarray, recon_nll: np.ndarray) -> None:
        """Take in consecutive samples: log w and -log p(x|z), each (samples, B)."""
        for i in range(min(PARTS, len(samples))):
            part = (samples.start + i) % PARTS
            self.log_parts[part] = np.logaddexp(self.log_parts[part], np.logaddexp.reduce(log_w[i::PARTS], axis=0))
        self.log_squares = np.logaddexp(self.log_squares, np.logaddexp.reduce(2 * log_w, axis=0))
        self.recon_nll += recon_nll.sum(axis=0)
        self.n_samples += len(samples)

    def estimate(self, kl: np.ndarray) -> LogLikelihood:
        """The formulas of :func:`log_likelihood`; ``kl`` (B,) is passed on."""
        S = self.n_samples
        log_sum = np.logaddexp.reduce(self.log_parts, axis=0)
        log_px = log_sum - np.log(S)
        ess = np.exp(2 * log_sum - self.log_squares)
        standard_error = bias = np.full_like(log_px, np.nan)
        if S > 1:
            sizes = np.array([[len(range(part, S, PARTS))] for part in range(min(PARTS, S))])
            of_parts = self.log_parts[: len(sizes)] - np.log(sizes)
            # Neither is negative but by rounding (Jensen's inequality).
            standard_error = np.sqrt(np.maximum(1 / ess - 1 / S, 0) * S / (S - 1))
            bias = np.maximum(log_px - (sizes / S * of_parts).sum(axis=0), 0)
        return LogLikelihood(log_px, standard_error, ess, bias, self.recon_nll / S, kl)
