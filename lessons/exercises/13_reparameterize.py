"""Exercise 13 (lesson 8): a draw from N(mu, sigma^2), made of a draw from N(0, 1).

The encoder gives mu and logvar, where logvar[b,k] is log sigma[b,k]^2, the logarithm of the variance. The noise eps has
been drawn from N(0, 1) already; draw none of your own. Wanted:

    z[b,k] = mu[b,k] + sigma[b,k] * eps[b,k]
"""

import numpy as np


def reparameterize(mu, logvar, eps):
    """A draw from N(mu, exp(logvar)): three times (B, K) -> (B, K)."""
    # Your code, one or two lines:
    raise NotImplementedError("exercise 13 is waiting for your lines")
    # End of your code.
