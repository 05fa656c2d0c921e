"""Estimating log p(x): importance sampling with the encoder as the proposal (lesson 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minivae.backend import Array, Stream
from minivae.validation import check_int
from minivae.workspace import pieces

if TYPE_CHECKING:
    from minivae.vae import VAE


def log_likelihood(vae: VAE, x: Any, n_samples: int = 5000) -> np.ndarray:
    """log p(x) of each example, by importance sampling.

    log p(x) ~ log (1/S) sum_s w_s,  w_s = p(x|z_s) p(z_s) / q(z_s|x),  z_s drawn from q(z|x).

    In expectation it is a lower bound that grows with S; S = 1 is the ELBO. The sum is kept in log space, and
    one sample of a few hundred rows is in memory at a time.

    Parameters
    ----------
    vae : VAE
    x : array-like of shape (N, D)
    n_samples : int, default 5000
        S. The noise is stream 3, a function of (the model's seed, sample number, row, dimension).

    Returns
    -------
    log_px : ndarray of float64, shape (N,)
        In nats; every normalising constant is included.

    Raises
    ------
    DataError, TypeError, ValueError
        As :meth:`minivae.VAE.loss`.

    References
    ----------
    Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders", arXiv:1509.00519.
    """
    n_samples = check_int(n_samples, "n_samples", 1)
    x = vae.check(x)
    log_px = np.empty(len(x))
    for rows in pieces(len(x)):
        batch = vae.kernels.asarray(x[rows], vae.dtype)
        examples = np.arange(rows.start, rows.stop)
        mu, logvar = vae.encoder.forward(batch)
        log_sum = np.full(len(batch), -np.inf)
        for sample in range(n_samples):
            log_sum = np.logaddexp(log_sum, log_weight(vae, batch, mu, logvar, examples, sample))
        log_px[rows] = log_sum - np.log(n_samples)
    return log_px


def log_weight(vae: VAE, x: Array, mu: Array, logvar: Array, examples: np.ndarray, sample: int) -> np.ndarray:
    """log w = log p(x|z) + log p(z) - log q(z|x) for one z of each example: x (B, D) -> (B,) of float64.

    The last two terms are -1/2 sum_k z^2 and +1/2 sum_k (eps^2 + logvar); their log 2 pi cancel.
    """
    k = vae.kernels
    eps = k.standard_normal(
        vae.seed, Stream.IMPORTANCE, sample, examples, out=vae.workspace.rows("eps", len(x), vae.latent_dim)
    )
    z = k.reparameterize_forward(mu, logvar, eps)
    output = vae.decoder.forward(z)
    recon_nll = vae.likelihood.nll(k, output, x, vae.parameters.get("decoder.output.logvar"))
    log_ratio = 0.5 * (eps * eps + logvar - z * z).sum(axis=1)
    return k.to_numpy(log_ratio - recon_nll).astype(np.float64)
