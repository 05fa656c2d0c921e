"""Exercise 49 (lesson 22): the gradient of free bits.

kl[b,k] is the KL of example b and dimension k (exercise 11, before the sum). What dimension k costs is

    cost[k] = max( free_bits, 1/B * sum over b of kl[b,k] )

Given dcost, where dcost[k] is d loss / d cost[k]; in training it is beta. Wanted:

    dmu[b,k]     = d loss / d mu[b,k]
    dlogvar[b,k] = d loss / d logvar[b,k]
"""

import numpy as np


def free_bits_backward(dcost, mu, logvar, free_bits):
    """(K,), (B, K), (B, K), a number -> dmu, dlogvar, each (B, K)."""
    # Your code, about four lines:
    kl = 0.5 * (mu**2 + np.exp(logvar) - 1 - logvar)
    dkl = np.where(kl.mean(axis=0) > free_bits, dcost / len(kl), 0)
    dmu = dkl * mu
    dlogvar = dkl * 0.5 * (np.exp(logvar) - 1)
    # End of your code.
    return dmu, dlogvar
