"""Exercise 14 (lesson 8): the gradient that gets through a random number.

    z[b,k] = mu[b,k] + sigma[b,k] * eps[b,k],    sigma[b,k] = exp(logvar[b,k] / 2)

eps is held fixed. Given dz, where dz[b,k] is d loss / d z[b,k]. Wanted, by the chain rule:

    dmu[b,k]     = dz[b,k] * d z[b,k] / d mu[b,k]
    dlogvar[b,k] = dz[b,k] * d z[b,k] / d logvar[b,k]

The second is with respect to logvar itself: neither to sigma nor to sigma^2.
"""

import numpy as np


def reparameterize_backward(dz, logvar, eps):
    """d loss / d mu and d loss / d logvar: three times (B, K) -> (B, K), (B, K)."""
    # Your code, two lines:
    dmu = dz
    dlogvar = dz * (np.exp(logvar / 2) * eps) / 2
    # End of your code.
    return dmu, dlogvar
