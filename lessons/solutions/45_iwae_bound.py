"""Exercise 45 (lesson 21): the bound of several draws, from what a VAE has at hand.

For each of B examples, S draws z[b,s,:] = mu[b,:] + sigma[b,:] * eps[b,s,:], with sigma = exp(logvar / 2). The weight
of a draw is p(x|z) p(z) / q(z|x), and recon_nll[b,s] is -log p(x|z) of this draw. Wanted, in nats,

    log_w[b,s] = -recon_nll[b,s] + log p(z[b,s]) - log q(z[b,s] | x[b])
    bound[b]   = log of the mean over s of exp(log_w[b,s])

The two log(2 pi) cancel, and (z - mu) / sigma is eps. recon_nll is near 2000, and exp(-2000) is 0 for a computer.
"""

import numpy as np


def iwae_bound(recon_nll, mu, logvar, eps):
    """(B, S), twice (B, K), (B, S, K) -> log_w (B, S), bound (B,)."""
    # Your code, about four lines:
    z = mu[:, None] + np.exp(logvar / 2)[:, None] * eps
    log_w = -recon_nll + 0.5 * np.sum(eps**2 + logvar[:, None] - z**2, axis=2)
    largest = log_w.max(axis=1)
    bound = largest + np.log(np.mean(np.exp(log_w - largest[:, None]), axis=1))
    # End of your code.
    return log_w, bound
