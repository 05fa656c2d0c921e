"""How odd rows are, and which of their columns make them so (lesson 17)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minivae.backend import Stream
from minivae.model import importance
from minivae.model.network import Network
from minivae.model.workspace import pieces

ODD = 3  # columns that are named for a row
SAMPLES_OF_A_COLUMN = 50
REFERENCE = 1000  # training rows that others are compared with


def score(vae: Any, x: Any, train: Any, n_samples: int, seed: int) -> Any:
    """How odd rows are, and which of their columns make them so.

    Parameters
    ----------
    vae : VAE
    x, train : array-like of shape (N, D) and (M, D), or frames where the model has ``columns``
        The rows, and rows of the training data to compare with, of which at most 1000 are used.
    n_samples : int
        Importance samples of each row.
    seed : int

    Returns
    -------
    scores : dict of name -> ndarray of shape (N,), or DataFrame if ``x`` is one
        "log_px", "standard_error", "effective_sample_size": see :func:`minivae.evaluation.log_likelihood`. "quantile":
        the share of the training rows whose log p(x) is no higher. "odd_1": the column that is most surprising given
        the others: of all -log p(x_j | other columns) the one that lies most standard deviations above its mean over
        the training rows; "odd_1_nats": that -log p. Then "odd_2" and "odd_3".

    Notes
    -----
    log p(x) is that of what was observed, so that rows with other holes have another scale.
    """
    x_scaled, known = vae.check(x), vae.check(train)
    known = known[np.linspace(0, len(known) - 1, min(len(known), REFERENCE)).astype(int)]
    columns = [(i, 1) for i in range(vae.input_dim)] if vae.columns is None else vae.columns.widths
    names, widths = zip(*columns, strict=True)
    estimate, usual = (importance.log_likelihood(vae, part, n_samples, seed) for part in (x_scaled, known))
    of_rows, of_train = (contributions(vae, part, widths, seed) for part in (x_scaled, known))
    scores = {name: getattr(estimate, name) for name in ("log_px", "standard_error", "effective_sample_size")}
    scores["quantile"] = np.searchsorted(np.sort(usual.log_px), estimate.log_px, side="right") / len(known)
    spread = np.maximum(np.nanstd(of_train, axis=0), 1e-6)
    excess = np.nan_to_num((of_rows - np.nanmean(of_train, axis=0)) / spread, nan=-np.inf)
    for i, odd in enumerate(np.argsort(-excess, axis=1, kind="stable")[:, :ODD].T, 1):
        scores |= {f"odd_{i}": np.array(names, object)[odd], f"odd_{i}_nats": of_rows[np.arange(len(odd)), odd]}
    if not hasattr(x, "iloc"):
        return scores
    import pandas

    return pandas.DataFrame(scores, index=x.index)


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
        output = network.output(z, others)
        log_ratio = 0.5 * (eps * eps + logvar - z * z).sum(axis=1)  # of p(z) and q(z|x_others)
        log_w[s] = k.to_numpy(log_ratio - network.recon_nll(output, others))
        log_w_p[s] = log_w[s] - k.to_numpy(network.recon_nll(output, alone))
    return np.logaddexp.reduce(log_w) - np.logaddexp.reduce(log_w_p)
