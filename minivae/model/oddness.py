"""How odd rows are, and which of their columns make them so (lesson 17)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minivae.backend import Stream
from minivae.model import importance
from minivae.model.network import Network
from minivae.model.workspace import pieces

ODD = 3  # columns that are named for a row
SAMPLES_OF_A_COLUMN = 50
REFERENCE = 1000  # training rows that others are compared with


def score(
    network: Network, x: np.ndarray, train: np.ndarray, widths: Sequence[int], n_samples: int, seed: int
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """:meth:`minivae.VAE.score` of checked rows (N, D), of which the columns are ``widths`` wide.

    Returns the four numbers of each row by name, and the columns that make it odd, the oddest first, and their
    contributions in nats, each (N, ODD) or as many as there are.
    """
    rows = np.linspace(0, len(train) - 1, min(len(train), REFERENCE)).astype(int)
    estimate, known = (importance.log_likelihood(network, part, n_samples, seed) for part in (x, train[rows]))
    quantile = np.searchsorted(np.sort(known.log_px), estimate.log_px, side="right") / len(rows)
    of_rows, of_train = (contributions(network, part, widths, seed) for part in (x, train[rows]))
    usual, spread = np.nanmean(of_train, axis=0), np.nanstd(of_train, axis=0)
    excess = np.nan_to_num((of_rows - usual) / np.maximum(spread, 1e-6), nan=-np.inf)
    odd = np.argsort(-excess, axis=1, kind="stable")[:, :ODD]
    numbers = {name: getattr(estimate, name) for name in ("log_px", "standard_error", "effective_sample_size")}
    return numbers | {"quantile": quantile}, odd, np.take_along_axis(of_rows, odd, axis=1)


def contributions(network: Network, x: np.ndarray, widths: Sequence[int], seed: int) -> np.ndarray:
    """-log p(x_j | all other columns of the row) for each column j, (N, D) -> (N, columns), in nats; NaN for a hole.

    With w = p(x_others|z) p(z) / q(z|x_others) and z from q, which is shown the row without column j,
    p(x_j | x_others) ~ sum_s w_s p(x_j|z_s) / sum_s w_s.
    """
    found, ends = np.full((len(x), len(widths)), np.nan), np.cumsum(widths)
    with network.lock, network.kernels.session(), np.errstate(all="ignore"):
        for rows in pieces(len(x)):
            for j, (end, width) in enumerate(zip(ends, widths, strict=True)):
                part = slice(end - width, end)
                found[rows, j] = np.where(np.isnan(x[rows, part.start]), np.nan, surprise(network, x[rows], part, seed))
    return found


def surprise(network: Network, x: np.ndarray, part: slice, seed: int) -> np.ndarray:
    """:func:`contributions` of the columns in ``part``, (B, D) -> (B,)."""
    k, S = network.kernels, SAMPLES_OF_A_COLUMN
    others, alone = x.copy(), np.full_like(x, np.nan)
    others[:, part], alone[:, part] = np.nan, x[:, part]
    mu, logvar = network.posterior(k.asarray(others, network.dtype))
    mu, logvar = mu.copy(), logvar.copy()
    others, alone = k.asarray(others, network.dtype), k.asarray(alone, network.dtype)
    log_w, log_w_p = np.empty((2, S, len(x)))
    eps = network.workspace.rows("eps", len(x), network.latent_dim)
    for s in range(S):
        k.standard_normal(seed, Stream.IMPORTANCE, s, np.zeros(len(x), np.int64), out=eps)
        z = k.reparameterize_forward(mu, logvar, eps)
        output = network.decoder.forward(z)
        log_ratio = 0.5 * (eps * eps + logvar - z * z).sum(axis=1)  # of p(z) and q(z|x_others)
        log_w[s] = k.to_numpy(log_ratio - network.recon_nll(output, others))
        log_w_p[s] = log_w[s] - k.to_numpy(network.recon_nll(output, alone))
    return np.logaddexp.reduce(log_w) - np.logaddexp.reduce(log_w_p)
