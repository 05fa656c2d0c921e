"""Exercise 47 (lesson 21): DReG, the doubly reparameterized gradient of the same bound.

As in exercise 46, z[b,s,:] = mu[b,:] + sigma[b,:] eps[b,s,:] with sigma = exp(logvar / 2), weights[b,s] are the
normalised weights, and dnll[b,s,:] is d recon_nll[b,s] / d z[b,s,:]. The loss is minus the mean over b of the bound.
Averaged over the draws, its gradient for mu and logvar is also what comes, through z, from

    dz[b,s,:] = (weights[b,s]^2 / B) * ( - d log_w[b,s] / d z[b,s,:] )
    log_w     = -recon_nll + log p(z) - log q(z|x),      in which mu and sigma of log q are held fixed

dmu and dlogvar then come from dz alone, through z.
"""

import numpy as np


def dreg_backward(weights, dnll, mu, logvar, eps):
    """(B, S), (B, S, K), twice (B, K), (B, S, K) -> dz (B, S, K), dmu (B, K), dlogvar (B, K)."""
    B = len(weights)
    sigma = np.exp(logvar / 2)[:, None]
    z = mu[:, None] + sigma * eps
    # Your code, about three lines:
    dz = weights[:, :, None] ** 2 / B * (dnll + z - eps / sigma)
    dmu = dz.sum(axis=1)
    dlogvar = np.sum(dz * eps * sigma / 2, axis=1)
    # End of your code.
    return dz, dmu, dlogvar
