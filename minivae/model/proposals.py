"""Where else to draw z from, for rows where the encoder's q looks in the wrong place (lesson 14).

For a row unlike the training data the encoder extrapolates. Its q may then miss the posterior altogether, and no weight
of a draw from it can tell: what was never drawn has no weight. The gradient of log p(x, z) can.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minivae.backend import Stream, load
from minivae.model.network import Network

RISE = 1.0  # nats by which log p(x, z) may rise in a few steps from mu, and a tenth of it more for each dimension
FAR, HEAVY = 4.0, 5.0  # so many standard deviations of q away from mu, no weight may be larger by so many nats
FEW_STEPS, STEPS = 5, 20  # of the climb from mu, for every row; and of the search, for the rows that need one
POINTS, STARTS, MODES = 128, 24, 6  # of the prior looked at, climbed from (shared by K), made Gaussians of the mixture
A_BIT = 1e-3  # of z, for the curvature by differences of gradients


class Mixture(NamedTuple):
    """C Gaussians for each of B rows: z = mean + factor eps, so that eps = inverse (z - mean).

    ``mean`` (B, C, K); ``factor``, ``inverse`` (B, C, K, K); ``log_det`` (B, C), log |det factor|.
    """

    mean: np.ndarray
    factor: np.ndarray
    inverse: np.ndarray
    log_det: np.ndarray

    def draw(self, components: np.ndarray, eps: np.ndarray) -> np.ndarray:
        """z for noise eps, both (S, B, K), of which sample s comes from Gaussian ``components[s]`` of each row."""
        moved = np.einsum("bskl,sbl->sbk", self.factor[:, components], eps)
        return self.mean[:, components].swapaxes(0, 1) + moved

    def log_densities(self, z: np.ndarray) -> np.ndarray:
        """log of each Gaussian at z (S, B, K), plus K/2 log 2 pi: (C, S, B)."""
        by_gaussian = zip(*(array.swapaxes(0, 1) for array in self), strict=True)
        return np.array(
            [
                -0.5 * (np.einsum("bkl,sbl->sbk", inverse, z - mean) ** 2).sum(axis=2) - log_det
                for mean, _, inverse, log_det in by_gaussian
            ]
        )


def log_joint(network: Network, z: np.ndarray, x: np.ndarray) -> np.ndarray:
    """log p(x|z) + log p(z), plus K/2 log 2 pi: z (B, K), x (B, D) -> (B,)."""
    k = network.kernels
    z_here, x_here = k.asarray(z, network.dtype), k.asarray(x, network.dtype)
    recon_nll = network.recon_nll(network.output(z_here, x_here), x_here)
    return -k.to_numpy(recon_nll).astype(np.float64) - 0.5 * (z * z).sum(axis=1)


def log_joint_and_slope(network: Network, z: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """:func:`log_joint`, and its gradient for z, (B, K). The gradients of the parameters are overwritten."""
    k, buffers = network.kernels, network.workspace.named(len(z), drecon_nll=(), doutput=(network.input_dim,))
    buffers.drecon_nll[:] = 1
    z_here, x_here = k.asarray(z, network.dtype), k.asarray(x, network.dtype)
    recon_nll = network.recon_nll(
        network.output(z_here, x_here),
        x_here,
        buffers.drecon_nll,
        doutput=buffers.doutput,
        dlogvar=network.store.gradients.get("decoder.output.logvar"),
    )
    value = -k.to_numpy(recon_nll).astype(np.float64) - 0.5 * (z * z).sum(axis=1)
    return value, -k.to_numpy(network.output_backward(buffers.doutput)).astype(np.float64) - z  # -z: the prior


def climb(network: Network, z: np.ndarray, x: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradient ascent on log p(x, z): the best z of each row, (B, K), with its value and slope.

    The step of each row is that of the curvature along its last one (Barzilai and Borwein, "Two-point step size
    gradient methods", 1988), at most about as long as z itself, and shorter after one that did not lead upwards.
    """
    value, slope = log_joint_and_slope(network, z, x)
    rate = 0.3 / (norm(slope) + 1e-30)
    for _ in range(steps):
        move = rate[:, None] * slope
        new_value, new_slope = log_joint_and_slope(network, z + move, x)
        up, bend = new_value > value, (move * (slope - new_slope)).sum(axis=1)
        secant = np.where(bend > 0, (move * move).sum(axis=1) / np.where(bend > 0, bend, 1), 2 * rate)
        rate = np.where(up, secant, np.minimum(secant, rate / 2))
        z = np.where(up[:, None], z + move, z)
        value, slope = np.where(up, new_value, value), np.where(up[:, None], new_slope, slope)
        rate = np.minimum(rate, (2 + norm(z)) / (norm(slope) + 1e-30))
    return z, value, slope


def norm(vectors: np.ndarray) -> np.ndarray:
    """Of each row: (B, K) -> (B,)."""
    return np.sqrt((vectors * vectors).sum(axis=1))


def led_astray(network: Network, x: np.ndarray, mu: np.ndarray, logvar: np.ndarray) -> np.ndarray:
    """Which of B rows q(z|x) does not serve, (B,) of bool; without chance, so that the estimates stay unbiased.

    Either log p(x, z) is far higher a few steps from mu than at mu; or q is so narrow that weights grow without bound
    away from mu: at r standard deviations log w exceeds that at mu by r^2/2 (1 - a), where the posterior's variance is
    1/a times that of q. From a = 1/2 down the variance of the weights is infinite; a little below that it is too much.
    """
    K, at_mu = network.latent_dim, log_joint(network, mu, x)
    rise = climb(network, mu, x, FEW_STEPS)[1] - at_mu
    away = np.exp(logvar / 2) * (FAR / np.sqrt(K))
    corners = [sign * away * corner for corner in (np.ones(K), (-1.0) ** np.arange(K)) for sign in (1, -1)]
    log_w = [log_joint(network, mu + corner, x) - at_mu + FAR**2 / 2 for corner in corners]
    return (rise > RISE + 0.1 * RISE * K) | (np.logaddexp.reduce(log_w) - np.log(4) > HEAVY)


def rows_astray(network: Network, x: np.ndarray, mu: np.ndarray, logvar: np.ndarray, at_once: int) -> list[np.ndarray]:
    """The rows that need a mixture, so few at a time that a search decodes ``at_once`` rows and keeps few (K, K)."""
    rows, K = np.flatnonzero(led_astray(network, x, mu, logvar)), network.latent_dim
    size = max(1, at_once // ((1 + starts(K)) * K))
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def starts(latent_dim: int) -> int:
    """Where a search begins besides mu. In many dimensions points of the prior lead nowhere, and cost the most."""
    return max(1, STARTS // latent_dim)


def find_mixture(network: Network, x: np.ndarray, mu: np.ndarray, logvar: np.ndarray, seed: int) -> Mixture:
    """q, the prior, and widened Gaussians at the best modes of p(z|x) that a search finds, for each of B rows.

    The search climbs from mu and from the best of some draws of a widened prior. At each summit z* the Gaussian has the
    covariance of Laplace's approximation, (1 + 2/K) times the inverse curvature of -log p(x, z): wider than the
    posterior, but in K dimensions by no more than costs about half of the draws. The next Gaussian of the mixture
    stands where a draw would have the largest weight p(x, z) / mixture(z) as yet.
    """
    (B, K), rows = mu.shape, np.arange(len(mu))
    # Step 2 of the stream: VAE.sample has 0 and 1.
    points = load("numpy").standard_normal(seed, Stream.PRIOR, 2, np.arange(POINTS), out=np.empty((POINTS, K))) * 2
    values = np.array([log_joint(network, points, np.tile(row, (POINTS, 1))) for row in x])
    best = points[np.argsort(-values, axis=1)[:, : starts(K)]]
    z = np.concatenate([mu[:, None], best], axis=1).reshape(-1, K)
    copies = np.repeat(x, len(z) // B, axis=0)
    z, values, slope = climb(network, z, copies, STEPS)
    steps = A_BIT * np.eye(K)
    curvature = np.stack([slope - log_joint_and_slope(network, z + step, copies)[1] for step in steps], axis=1) / A_BIT
    curvature = np.where(np.isfinite(curvature).all(axis=(1, 2), keepdims=True), curvature, np.eye(K))
    precision, axes = np.linalg.eigh((curvature + curvature.swapaxes(1, 2)) / 2)
    std = np.sqrt((1 + 2 / K) / np.maximum(precision, 1))  # the prior alone has curvature 1
    summit, values = z.reshape(B, -1, K), values.reshape(B, -1)
    summits = Mixture(summit, *gaussians(axes, std, values.shape))

    eye = np.broadcast_to(np.eye(K), (B, K, K))
    mixture = [
        Mixture(mean[:, None], *gaussians(eye, of_q, (B, 1)))
        for mean, of_q in ((mu, np.exp(logvar / 2)), (np.zeros((B, K)), np.ones((B, K))))
    ]
    missing = values - np.logaddexp.reduce([part.log_densities(summit.swapaxes(0, 1))[0].T for part in mixture])
    for _ in range(min(MODES, values.shape[1])):
        chosen = np.argmax(missing, axis=1)
        mixture.append(Mixture(*(array[rows, chosen][:, None] for array in summits)))
        log_density = mixture[-1].log_densities(summit.swapaxes(0, 1))[0].T
        missing = values - np.logaddexp(values - missing, log_density)
    return Mixture(*(np.concatenate(arrays, axis=1) for arrays in zip(*mixture, strict=True)))


def gaussians(axes: np.ndarray, std: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """factor, inverse, log_det of Gaussians with these principal axes, (B C, K, K), and deviations, (B C, K)."""
    K = std.shape[1]
    factor, inverse = axes * std[:, None], (axes / std[:, None]).swapaxes(1, 2)
    return factor.reshape(*shape, K, K), inverse.reshape(*shape, K, K), np.log(std).sum(axis=1).reshape(shape)
