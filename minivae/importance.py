"""Estimating log p(x): importance sampling with the encoder as the proposal (lesson 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minivae.backend import Array, Stream
from minivae.progress import Advance, samples_shown
from minivae.validation import check_int, check_seed
from minivae.workspace import ROWS_AT_ONCE, pieces

if TYPE_CHECKING:
    from minivae.vae import VAE

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


def log_likelihood(
    vae: VAE, x: Any, n_samples: int = 5000, seed: int | None = None, progress: bool = False
) -> LogLikelihood:
    """log p(x) of each example by importance sampling, and how far it can be trusted.

    log p(x) ~ log (1/S) sum_s w_s,  w_s = p(x|z_s) p(z_s) / q(z_s|x),  z_s drawn from q(z|x).

    In expectation it is a lower bound that grows with S; S = 1 is the ELBO. With ESS = (sum w)^2 / sum w^2:

    - standard_error^2 = (1/ESS - 1/S) S / (S - 1), the sample variance of w over S mean(w)^2 (delta method);
    - bias = log_px - sum_q (S_q/S) log mean_q(w) over four quarters q (or S, if S < 4), every fourth sample
      each: the growth of the estimate from S/4 to S samples, which is what is still missing where the bias falls
      like 1/sqrt(S). In the end it falls like 1/S, and this is three times too much; but as long as the effective
      sample size is not in the hundreds it falls more slowly.

    Both are made of the weights that were seen. Where q misses a part of the posterior, the few samples that would
    carry the sum have not come up yet: then the effective sample size is a handful and both are too small (binary
    MNIST, 784-400-20 after 3 epochs, 500 samples: half of the examples below 7, and 0.42 nats of bias where 0.65
    were missing). The standard error never exceeds 1 nat, however far off the estimate is: only more samples tell.

    The sums are kept in log space, and a few hundred decoded samples are in memory at a time.

    Parameters
    ----------
    vae : VAE
    x : array-like of shape (N, D)
        In the units of the data, as is the density.
    n_samples : int, default 5000
        S.
    seed : int, optional
        Default: the model's. The noise is stream 3, a function of (seed, sample number, row, dimension).
    progress : bool, default False
        Show on standard error how it goes: a bar on a terminal, about ten plain lines elsewhere.

    Returns
    -------
    estimate : LogLikelihood
        Every normalising constant is included.

    Raises
    ------
    DataError, TypeError, ValueError
        As :meth:`minivae.VAE.loss`.

    References
    ----------
    Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders", arXiv:1509.00519. The bias: Nowozin,
    "Debiasing evidence approximations", ICLR 2018. The effective sample size: Kong, "A note on importance sampling
    using standardized weights", technical report 348, University of Chicago, 1992.

    Examples
    --------
    >>> vae = VAE(input_dim=4, hidden_dims=(), latent_dim=1)
    >>> log_likelihood(vae, np.eye(4), n_samples=100).log_px.shape
    (4,)
    """
    n_samples = check_int(n_samples, "n_samples", 1, 2**32)  # the sample number is a word of the noise's counter
    seed = vae.seed if seed is None else check_seed(seed)
    return log_likelihood_checked(vae, vae.check(x), n_samples, seed, progress)


def log_likelihood_checked(vae: VAE, x: np.ndarray, n_samples: int, seed: int, progress: bool) -> LogLikelihood:
    """:func:`log_likelihood` of what :meth:`minivae.VAE.check` has returned, (N, D)."""
    estimate = LogLikelihood(*np.empty((len(LogLikelihood._fields), len(x))))
    # Weights that are not finite, of a model that has diverged, show in the numbers.
    quiet, shown = np.errstate(all="ignore"), samples_shown(len(x) * n_samples, progress)
    with vae.lock, vae.kernels.session(), quiet, shown as advance:
        for rows in pieces(len(x)):
            examples = np.arange(rows.start, rows.stop)
            of_rows = estimate_rows(vae, x[rows], examples, n_samples, seed, advance)
            for whole, part in zip(estimate, of_rows, strict=True):
                whole[rows] = part
    return estimate


def estimate_rows(
    vae: VAE, x: np.ndarray, examples: np.ndarray, n_samples: int, seed: int, advance: Advance
) -> LogLikelihood:
    """:func:`log_likelihood` of a few rows, x (B, D), with the noise of ``examples`` (B,).

    The fewer rows, the more samples go through the decoder at once: pass by pass its rows are row 0 to B - 1 with
    one z each, then row 0 to B - 1 with the next, ...
    """
    k, n_rows = vae.kernels, len(x)
    at_once = min(n_samples, max(1, ROWS_AT_ONCE // n_rows))
    copies = k.asarray(np.tile(x, (at_once, 1)), vae.dtype)
    mu, logvar = vae.encoder.forward(copies)
    sums = Sums(n_rows)
    for first in range(0, n_samples, at_once):
        samples = range(first, min(first + at_once, n_samples))
        n = len(samples) * n_rows
        eps = vae.workspace.rows("eps", n, vae.latent_dim)
        for i, number in enumerate(samples):
            k.standard_normal(seed, Stream.IMPORTANCE, number, examples, out=eps[i * n_rows : (i + 1) * n_rows])
        terms = log_weights(vae, copies[:n], mu[:n], logvar[:n], eps)
        sums.add(samples, *(k.to_numpy(term).reshape(-1, n_rows).astype(np.float64) for term in terms))
        advance(n)
    return sums.estimate(k.to_numpy(k.gaussian_kl_forward(mu[:n_rows], logvar[:n_rows])))


def log_weights(vae: VAE, x: Array, mu: Array, logvar: Array, eps: Array) -> tuple[Array, Array]:
    """log w = log p(x|z) + log p(z) - log q(z|x) and -log p(x|z), each (B,), for one z of each row.

    The last two terms of log w are -1/2 sum_k z^2 and +1/2 sum_k (eps^2 + logvar); their log 2 pi cancel.
    """
    z = vae.kernels.reparameterize_forward(mu, logvar, eps, out=vae.workspace.rows("z", len(x), vae.latent_dim))
    recon_nll = vae.recon_nll(vae.decoder.forward(z), x)
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
