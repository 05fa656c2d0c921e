"""Exercise 43 (lesson 23): the beta of a loss made of means, and the same loss in nats per example.

Somebody minimises, with a mean over all entries of each array,

    written = mean of (x - reconstruction)^2  +  weight * mean of 1/2 (mu^2 + exp(logvar) - 1 - logvar)

Squared error without its 1/2 is, up to a constant, -log p(x|z) of a Gaussian with sigma^2 = 1/2. So for some beta

    D * written = mean over b of ( recon_nll[b] + beta * kl[b] )  -  a constant

Wanted: that beta, and loss[b] = recon_nll[b] + beta * kl[b] in nats, with log p(x|z) complete: its constant is there.
"""

import numpy as np


def nats_per_example(x, reconstruction, mu, logvar, weight):
    """x, reconstruction (B, D), mu, logvar (B, K), a number -> beta, loss (B,)."""
    D, K = x.shape[1], mu.shape[1]
    kl = 0.5 * np.sum(mu**2 + np.exp(logvar) - 1 - logvar, axis=1)
    # Your code, about three lines:
    beta = weight * D / K
    recon_nll = np.sum((x - reconstruction) ** 2, axis=1) + D / 2 * np.log(np.pi)
    loss = recon_nll + beta * kl
    # End of your code.
    return beta, loss
