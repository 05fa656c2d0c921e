"""Filling holes: draws from p(what is missing | what was observed) by importance resampling (lesson 17).

With z_s from q(z|x_observed) and w_s = p(x_observed, z_s) / q(z_s|x_observed), normalised to add up to 1, the mean of a
missing value is sum_s w_s E[x|z_s]. A draw chooses a z_s with probability w_s and draws from p(x|z_s). Where q looks in
the wrong place, z comes from the mixture of proposals.py.

Mattei and Frellsen, "MIWAE: deep generative modelling and imputation of incomplete data sets", ICML 2019.
"""

from __future__ import annotations

import numpy as np

from minivae.backend import Stream, load
from minivae.model.importance import MOST_SAMPLES, draws_of_mixture
from minivae.model.network import Network
from minivae.model.proposals import find_mixture, log_joint, rows_astray
from minivae.model.workspace import ROWS_AT_ONCE
from minivae.validation import check_int

SAMPLES_AT_ONCE = 8 * ROWS_AT_ONCE


@np.errstate(all="ignore")  # what is not finite, of a model that has diverged, shows in the numbers
def impute(network: Network, x: np.ndarray, n_draws: int | None, seed: int, n_samples: int) -> np.ndarray:
    """Complete rows in scaled units, (N, D), each value a mean, or (n_draws, N, D), each value a draw.

    A mean is the best guess by squared error, for a category its probabilities. The spread of draws, in which a
    category is one-hot, says how much is not known. ``n_samples`` is S; the result is a function of ``seed``.
    """
    check_int(n_samples, "n_samples", 1, MOST_SAMPLES)
    check_int(1 if n_draws is None else n_draws, "n_draws", 1, MOST_SAMPLES)
    filled = np.tile(x[:, : network.input_dim], (n_draws or 1, 1, 1))
    with_holes = np.flatnonzero(np.isnan(x).any(axis=1))
    at_once = max(1, SAMPLES_AT_ONCE // n_samples)
    gradient = network.store.gradient.copy()
    for start in range(0, len(with_holes), at_once):
        rows = with_holes[start : start + at_once]
        z, log_w = posterior_samples(network, x[rows], rows, n_samples, seed)
        weights = np.exp(log_w - np.logaddexp.reduce(log_w))  # (S, B), each column adds up to 1
        if n_draws is None:
            copies = np.tile(x[rows], (n_samples, 1))
            means = mean_of_data(network, z.reshape(-1, z.shape[2]), copies).reshape(*weights.shape, -1)
            filled[0, rows] = np.einsum("sb,sbd->bd", weights, means)
        else:
            for draw in range(n_draws):
                filled[draw, rows] = draw_of_data(network, z, x[rows], weights, rows, draw, seed)
    network.store.gradient[...] = gradient  # the search for a mixture has passed through decoder.backward
    return filled[0] if n_draws is None else filled


def posterior_samples(
    network: Network, x: np.ndarray, examples: np.ndarray, n_samples: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """z (S, B, K) and log w = log p(x, z) - log q(z) (S, B), but for a constant of each row, for rows x (B, D)."""
    k, B, K = network.kernels, len(x), network.latent_dim
    mu, logvar = (k.to_numpy(a).astype(np.float64) for a in network.posterior(k.asarray(x, network.dtype)))
    # One row of noise holds all samples of an example.
    eps = load("numpy").standard_normal(seed, Stream.IMPUTATION, 0, examples, out=np.empty((B, n_samples * K)))
    eps = eps.reshape(B, n_samples, K).swapaxes(0, 1)
    z, log_q = mu + np.exp(logvar / 2) * eps, -0.5 * (eps * eps + logvar).sum(axis=2)
    for astray in rows_astray(network, x, mu, logvar, ROWS_AT_ONCE):
        mixture = find_mixture(network, x[astray], mu[astray], logvar[astray], seed)
        z[:, astray], log_q[:, astray] = draws_of_mixture(mixture, n_samples, range(n_samples), eps[:, astray])
    of_joint = log_joint(network, z.reshape(-1, K), np.tile(x, (n_samples, 1))).reshape(log_q.shape)
    return z, of_joint - log_q


def mean_of_data(network: Network, z: np.ndarray, x: np.ndarray) -> np.ndarray:
    """E[x|z] in scaled units, (n, K) -> (n, D), under the condition of the rows x (n, D + C)."""
    k = network.kernels
    output = network.output(k.asarray(z, network.dtype), k.asarray(x, network.dtype))
    return k.to_numpy(network.likelihood.mean_given(k, output, network.logvar)).astype(np.float64)


def draw_of_data(
    network: Network, z: np.ndarray, x: np.ndarray, weights: np.ndarray, examples: np.ndarray, draw: int, seed: int
) -> np.ndarray:
    """New rows (B, D) from p(x|z), for a z of each that is drawn with the ``weights`` (S, B) of its z (S, B, K)."""
    noise, B = load("numpy"), len(examples)
    u = noise.uniform(seed, Stream.IMPUTATION, 2 * draw + 1, examples, out=np.empty((B, 1)))[:, 0]
    chosen = np.minimum((np.cumsum(weights, axis=0) <= u).sum(axis=0), len(weights) - 1)
    mean = mean_of_data(network, z[chosen, np.arange(B)], x)
    where = (seed, Stream.IMPUTATION, 2 * draw + 2, examples)
    return network.draw(
        mean,
        lambda: noise.uniform(*where, out=np.empty(mean.shape)),
        lambda: noise.standard_normal(*where, out=np.empty(mean.shape)),
    )
