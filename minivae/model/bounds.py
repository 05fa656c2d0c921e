"""Several draws of z for each example: the mean of their ELBOs, or a tighter bound on log p(x) (lesson 21).

    x (B, D) -> encoder -> mu, logvar (B, K) -> z (B S, K), S for each example -> decoder -> output (B S, D)
    log_w = log p(x|z) + log p(z) - log q(z|x), (B, S);  bound = log 1/S sum_s exp(log_w_s), (B,);  loss = -mean bound

"iwae", "stl" and "dreg" are one bound with three gradients of the encoder, which differ in a factor and a term
(``path_gradient``); the decoder's is the same. "elbo" weighs all draws alike, and keeps the exact KL.

The draws of an example are neighbouring rows. A few whole examples at a time go through the decoder: besides the noise,
(B, S K), memory is that of ``ROWS_OF_DRAWS`` rows, or of one example's draws if they are more, whatever the batch is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minivae.errors import BackendError
from minivae.validation import check_choice, check_int

Network = Any  # that of network.py, which imports this file

OBJECTIVES = ("elbo", "iwae", "stl", "dreg")
ROWS_OF_DRAWS, MOST_DRAWS = 2048, 2**16


def check_objective(objective: str, draws: int, beta: float, free_bits: float, backend: str) -> int:
    """The draws; ValueError, TypeError or BackendError for what makes no bound, or what the backend lacks."""
    check_choice(objective, "objective", OBJECTIVES)
    draws = check_int(draws, "draws", 1, MOST_DRAWS)
    if objective != "elbo" and beta != 1:
        raise ValueError(
            f"beta={beta:g} belongs to the objective 'elbo': {objective!r} holds the KL in its weights: leave it at 1"
        )
    if free_bits and (objective, draws) != ("elbo", 1):
        raise ValueError(f"free_bits={free_bits:g} belongs to the objective 'elbo' with one draw: leave it at 0")
    if backend == "cupy" and (objective, draws) != ("elbo", 1):
        raise BackendError(
            f"the cupy backend does not compute objective={objective!r} with draws={draws} yet: use numpy or numba"
        )
    return draws


def terms_of_draws(
    network: Network,
    x: np.ndarray,
    eps: np.ndarray,
    target: np.ndarray,
    upstream: float | None = None,
    weight: float = 1.0,
) -> np.ndarray:
    """recon_nll, kl and loss of each example, (3, B): x, target (B, D), eps (B, S, K).

    The first two are means over the draws, but that the kl of "elbo" is exact.
    With ``upstream``, d loss of the batch / d loss of an example, also the gradients of all parameters, in which
    ``weight`` is a factor on beta.
    """
    eps = eps.reshape(len(x), network.draws, network.latent_dim)
    at_once, terms, gradient = max(1, ROWS_OF_DRAWS // network.draws), np.empty((3, len(x))), None
    for start in range(0, len(x), at_once):
        rows = slice(start, start + at_once)
        terms[:, rows] = terms_of_piece(network, x[rows], eps[rows], target[rows], upstream, weight)
        if upstream is not None and len(x) > at_once:
            gradient = network.store.gradient + (0 if gradient is None else gradient)
    if gradient is not None:
        network.store.gradient[...] = gradient
    return terms


def terms_of_piece(
    network: Network, x: np.ndarray, eps: np.ndarray, target: np.ndarray, upstream: float | None, weight: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """:func:`terms_of_draws` of so few examples that all their draws are in memory together; eps (B, S, K)."""
    k, is_elbo, (B, S, K) = network.kernels, network.objective == "elbo", eps.shape
    D, width = network.input_dim, network.row_dim
    b = network.workspace.named(B * S, z=(K,), mu=(K,), logvar=(K,), target=(width,), doutput=(D,))
    mu, logvar = network.posterior(x)
    for rows, array in ((b.mu, mu), (b.logvar, logvar), (b.target, target)):
        rows.reshape(B, S, -1)[...] = array[:, None]
    eps = eps.reshape(B * S, K)
    z = k.reparameterize_forward(b.mu, b.logvar, eps, out=b.z)
    output = network.output(z, b.target)
    filled = network.filled(b.target)
    recon_nll, kl = network.recon_nll(output, b.target, filled=filled), k.gaussian_kl_forward(mu, logvar)
    of_example = recon_nll.reshape(B, S).mean(axis=1)
    if is_elbo:
        w, loss = np.full((B, S), 1 / S, network.dtype), of_example + network.beta * kl
    else:
        log_w = k.log_weights(recon_nll, z, b.logvar, eps)
        kl = -(log_w + recon_nll).reshape(B, S).mean(axis=1)  # of these draws, so that the loss is never above -elbo
        bound, w = k.importance_bound(log_w.reshape(B, S))
        loss = -bound
    if upstream is None:
        return of_example, kl, loss

    # The weights are known only now: hence the likelihood's second pass.
    weights = w.reshape(-1)
    dnll = upstream * weights
    of_variance = network.store.gradients.get("decoder.output.logvar")
    network.recon_nll(output, b.target, dnll, filled=filled, doutput=b.doutput, dlogvar=of_variance)
    dz = network.output_backward(b.doutput)
    if is_elbo:
        ways = k.reparameterize_backward(dz, b.logvar, eps)
    else:
        factor = {"iwae": None, "stl": np.ones_like(weights), "dreg": weights}[network.objective]
        ways = k.path_gradient(dz, dnll, z, b.logvar, eps, factor)
    dmu, dlogvar = (array.reshape(B, S, K).sum(axis=1) for array in ways)
    if is_elbo:
        dkl = np.full(B, upstream * weight * network.beta, network.dtype)
        dmu_kl, dlogvar_kl = k.gaussian_kl_backward(dkl, mu, logvar)
        dmu, dlogvar = dmu + dmu_kl, dlogvar + dlogvar_kl
    network.encoder.backward(dmu, dlogvar)
    return of_example, kl, loss
