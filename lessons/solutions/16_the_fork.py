"""Exercise 16 (lesson 9): where two ways meet, on the way back.

mu and logvar go two ways into the loss: through z into the reconstruction, and straight into the KL:

    z[b,k] = mu[b,k] + exp(logvar[b,k] / 2) * eps[b,k]
    kl[b]  = 1/2 * sum over k of ( mu[b,k]^2 + exp(logvar[b,k]) - 1 - logvar[b,k] )
    loss   = reconstruction(z) + beta * ( 1/B * sum over b of kl[b] )

Given dz, where dz[b,k] is d reconstruction / d z[b,k]: it has come back through the decoder, and its 1/B is in it.
Wanted are dmu = d loss / d mu and dlogvar = d loss / d logvar, of the whole loss: two terms each.

np.expm1(v) is exp(v) - 1, with all its digits where v is close to zero.
"""

import numpy as np


def fork_backward(dz, mu, logvar, eps, beta):
    """d loss / d mu and d loss / d logvar: four times (B, K), a number -> (B, K), (B, K)."""
    B = len(mu)
    # Your code, two to four lines:
    dmu = dz + beta / B * mu
    dlogvar = dz * (np.exp(logvar / 2) * eps) / 2 + beta / B * np.expm1(logvar) / 2
    # End of your code.
    return dmu, dlogvar
