"""Estimating log p(x): importance sampling with the encoder as the proposal, or a mixture (lesson 14)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from minivae.backend import Array, Stream
from minivae.errors import UntrustedEstimateWarning
from minivae.model.network import Network
from minivae.model.proposals import Mixture, find_mixture, log_joint, rows_astray
from minivae.model.workspace import ROWS_AT_ONCE, pieces
from minivae.system.progress import Advance, samples_shown
from minivae.workers.group import Alone, Group, share_out

MOST_SAMPLES = 2**32  # the number of a sample is a word of the noise's counter
PARTS = 4  # the samples are dealt out to so many sums, whose differences show the bias


class LogLikelihood(NamedTuple):
    """What importance sampling says about each of N examples: arrays of shape (N,), the first six float64.

    Attributes
    ----------
    log_px
        The estimate of log p(x), a lower bound in expectation; in nats, as all but ``effective_sample_size``.
    standard_error
        Of ``log_px``, by the delta method; NaN for one sample.
    effective_sample_size
        (sum w)^2 / sum w^2, from 1 (one sample holds all the weight) to S (all weigh the same).
    bias
        An estimate of how far ``log_px`` still lies below log p(x) in expectation; NaN for one sample.
    recon_nll, kl
        The two terms of the negative ELBO: the mean of -log p(x|z) over S samples from q, and the exact KL.
    from_mixture
        Bool: q looked in the wrong place, so ``log_px`` and its errors come from a mixture with the posterior's modes.
    trusted
        Bool: enough effective samples for the errors to mean something: 10, from a mixture S/10 between 10 and 100.
    """

    log_px: np.ndarray
    standard_error: np.ndarray
    effective_sample_size: np.ndarray
    bias: np.ndarray
    recon_nll: np.ndarray
    kl: np.ndarray
    from_mixture: np.ndarray
    trusted: np.ndarray


def log_likelihood(
    network: Network,
    x: np.ndarray,
    n_samples: int,
    seed: int,
    progress: bool = False,
    examples: np.ndarray | None = None,
    group: Group | None = None,
) -> LogLikelihood:
    """:func:`minivae.evaluation.log_likelihood` of rows (N, D) that are scaled, with the noise of ``examples``."""
    examples = np.arange(len(x)) if examples is None else examples
    group, parts = group or Alone(), [(slice(None), rows) for rows in pieces(len(x))]

    def of_part(part: tuple[slice, slice]) -> np.ndarray:
        return np.array(estimate_rows(network, x[part[1]], examples[part[1]], n_samples, seed, advance))

    # Weights that are not finite, of a model that has diverged, show in the numbers.
    here = sum(len(x[rows]) for rank in group.ranks for _, rows in parts[rank :: group.size])
    quiet, shown = np.errstate(all="ignore"), samples_shown(here * n_samples, progress)
    with network.lock, network.kernels.session(), quiet, shown as advance:
        found = share_out(group, np.zeros((8, len(x))), parts, of_part)
    return LogLikelihood(*found[:6], *(found[6:] == 1))  # the last two are bool


def warn_of_outliers(estimate: LogLikelihood) -> None:
    """Warn, with UntrustedEstimateWarning, for a caller who sees nothing but ``log_px``."""
    doubtful = np.flatnonzero(estimate.from_mixture & ~estimate.trusted)
    if len(doubtful):
        warnings.warn(
            f"log p(x) of {len(doubtful)} of {len(estimate.trusted)} rows is not to be trusted, first of row "
            f"{doubtful[0]}: the model knows nothing like them; take more samples, or see minivae.log_likelihood",
            UntrustedEstimateWarning,
            stacklevel=4,
        )


def estimate_rows(
    network: Network, x: np.ndarray, examples: np.ndarray, n_samples: int, seed: int, advance: Advance
) -> LogLikelihood:
    """:func:`log_likelihood` of a few rows, x (B, D), with the noise of ``examples`` (B,)."""
    k, n_rows = network.kernels, len(x)
    copies = k.asarray(np.tile(x, (samples_at_once(n_rows, n_samples), 1)), network.dtype)
    filled, observed = network.filled(copies)  # once, and not for each sample
    mu, logvar = network.posterior(copies)
    mu_of_rows, logvar_of_rows = (k.to_numpy(array[:n_rows]).astype(np.float64) for array in (mu, logvar))
    kl = k.to_numpy(k.gaussian_kl_forward(mu[:n_rows], logvar[:n_rows]))

    def from_encoder(samples: range, eps: Array) -> tuple[np.ndarray, np.ndarray]:
        n = len(eps)
        given = filled[:n], None if observed is None else observed[:n]
        terms = log_weights(network, copies[:n], mu[:n], logvar[:n], eps, given)
        advance(n)
        log_w, recon_nll = (k.to_numpy(term).reshape(-1, n_rows).astype(np.float64) for term in terms)
        return log_w, recon_nll

    estimate = sample(network, examples, n_samples, seed, from_encoder).estimate(kl)
    gradient = network.store.gradient.copy()
    for astray in rows_astray(network, x, mu_of_rows, logvar_of_rows, ROWS_AT_ONCE):
        found = find_mixture(network, x[astray], mu_of_rows[astray], logvar_of_rows[astray], seed)
        draw = partial(log_weights_of_mixture, network, x[astray], found, n_samples)
        better = sample(network, examples[astray], n_samples, seed, draw).estimate(kl[astray])
        for whole, part in zip(estimate[:4], better[:4], strict=True):
            whole[astray] = part
        estimate.from_mixture[astray] = True
    network.store.gradient[...] = gradient  # the search has passed through decoder.backward
    enough = np.where(estimate.from_mixture, np.clip(n_samples / 10, 10, 100), 10)
    return estimate._replace(trusted=estimate.effective_sample_size >= enough)


def samples_at_once(n_rows: int, n_samples: int) -> int:
    """The fewer rows, the more samples of each go through the decoder together."""
    return min(n_samples, max(1, ROWS_AT_ONCE // n_rows))


Draw = Callable[[range, Array], tuple[np.ndarray, np.ndarray]]


def sample(network: Network, examples: np.ndarray, n_samples: int, seed: int, draw: Draw) -> Sums:
    """The sums of ``n_samples`` weights for each of B rows, with the noise of ``examples`` (B,).

    ``draw(samples, eps)`` returns log w and -log p(x|z), each (samples, B). Pass by pass, the rows of eps are
    row 0 to B - 1 of one sample, then row 0 to B - 1 of the next, ...
    """
    n_rows = len(examples)
    at_once, sums = samples_at_once(n_rows, n_samples), Sums(n_rows)
    for first in range(0, n_samples, at_once):
        samples = range(first, min(first + at_once, n_samples))
        eps = network.workspace.rows("eps", len(samples) * n_rows, network.latent_dim)
        for i, number in enumerate(samples):
            out = eps[i * n_rows : (i + 1) * n_rows]
            network.kernels.standard_normal(seed, Stream.IMPORTANCE, number, examples, out=out)
        sums.add(samples, *draw(samples, eps))
    return sums


def log_weights_of_mixture(
    network: Network, x: np.ndarray, mixture: Mixture, n_samples: int, samples: range, eps: Array
) -> tuple[np.ndarray, np.ndarray]:
    """log w and -log p(x|z), each (samples, B), of draws that the Gaussians of a mixture take in turn.

    Of S draws, n_c come from q_c. The balance heuristic weighs all of them as if from one density,
    w = p(x, z) / sum_c (n_c / S) q_c(z). The mean of all weights is unbiased whatever the q_c are:
    (1/S) sum_c n_c E_c[w] = int [sum_c (n_c / S) q_c(z)] w(z) dz = int p(x, z) dz = p(x).
    (Veach and Guibas, "Optimally combining sampling techniques for Monte Carlo rendering", SIGGRAPH 1995.)
    """
    eps = network.kernels.to_numpy(eps).reshape(len(samples), len(x), -1).astype(np.float64)
    z, log_q = draws_of_mixture(mixture, n_samples, samples, eps)
    flat = z.reshape(-1, z.shape[2])
    of_joint = log_joint(network, flat, np.tile(x, (len(samples), 1))).reshape(log_q.shape)
    return of_joint - log_q, -of_joint - 0.5 * (z * z).sum(axis=2)


def draws_of_mixture(
    mixture: Mixture, n_samples: int, samples: range, eps: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """These of ``n_samples`` draws, z (samples, B, K), and log sum_c (n_c / S) q_c(z), plus K/2 log 2 pi."""
    C = mixture.mean.shape[1]  # they take PARTS draws each in turn, so that every part of the sum has all of them
    rounds, rest = divmod(n_samples, PARTS * C)
    shares = (rounds * PARTS + np.clip(rest - PARTS * np.arange(C), 0, PARTS)) / n_samples
    z = mixture.draw(np.array(samples) // PARTS % C, eps)
    return z, np.logaddexp.reduce(mixture.log_densities(z) + np.log(shares)[:, None, None])


def log_weights(
    network: Network,
    x: Array,
    mu: Array,
    logvar: Array,
    eps: Array,
    filled: tuple[Array, np.ndarray | None] | None = None,
) -> tuple[Array, Array]:
    """log w = log p(x|z) + log p(z) - log q(z|x) and -log p(x|z), each (B,), for one z of each row.

    ``filled`` is what ``recon_nll`` of the network may be told.
    """
    z = network.kernels.reparameterize_forward(
        mu, logvar, eps, out=network.workspace.rows("z", len(x), network.latent_dim)
    )
    recon_nll = network.recon_nll(network.output(z, x), x, filled=filled)
    return network.kernels.log_weights(recon_nll, z, logvar, eps), recon_nll


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
        no = np.zeros(len(ess), bool)
        return LogLikelihood(log_px, standard_error, ess, bias, self.recon_nll / S, kl, no, no.copy())
