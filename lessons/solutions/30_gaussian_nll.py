"""Exercise 30 (lesson 4): the Gaussian negative log likelihood.

The decoder's output is the mean; logvar is the logarithm of the variance, one for all pixels, shape (1,), or one for
each, shape (D,). For each example n, in nats:

    nll[n] = 1/2 * sum over d of ( log(2 pi) + logvar[d] + (x[n,d] - mean[n,d])^2 / exp(logvar[d]) )

The sum has D terms in either case: a logvar that all pixels share is counted once for each.
"""

import numpy as np


def gaussian_nll(mean, logvar, x):
    """-log p(x|z) in nats, summed over the pixels: (B, D), (1,) or (D,), (B, D) -> (B,)."""
    # Your code, one or two lines:
    log_2pi = float(np.log(2 * np.pi))
    return np.sum(0.5 * (log_2pi + logvar + (mean - x) ** 2 * np.exp(-logvar)), axis=1)
    # End of your code.
