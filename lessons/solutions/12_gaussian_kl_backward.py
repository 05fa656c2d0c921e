"""Exercise 12 (lesson 7): the gradient of the Gaussian KL.

    kl[b] = 1/2 * sum over k of ( mu[b,k]^2 + exp(logvar[b,k]) - 1 - logvar[b,k] )

The loss depends on each kl[b], and dkl[b] says how much: it is d loss / d kl[b]. Wanted, by the chain rule:

    dmu[b,k]     = dkl[b] * d kl[b] / d mu[b,k]
    dlogvar[b,k] = dkl[b] * d kl[b] / d logvar[b,k]

np.expm1(v) is exp(v) - 1, with all its digits where v is close to zero.
"""

import numpy as np


def gaussian_kl_backward(dkl, mu, logvar):
    """d loss / d mu and d loss / d logvar: (B,), (B, K), (B, K) -> (B, K), (B, K)."""
    # Your code, two lines:
    dmu = dkl[:, None] * mu
    dlogvar = dkl[:, None] * np.expm1(logvar) / 2
    # End of your code.
    return dmu, dlogvar
