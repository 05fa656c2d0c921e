"""Exercise 46 (lesson 21): the gradient of the IWAE bound, back to mu and logvar.

loss = -mean over b of log mean_s w[b,s], with z[b,s,:] = mu[b,:] + sigma[b,:] eps[b,s,:], sigma = exp(logvar / 2), and

    log_w[b,s] = -recon_nll[b,s] + 1/2 sum over k of ( eps[b,s,k]^2 + logvar[b,k] - z[b,s,k]^2 )

dnll[b,s,:] is d recon_nll[b,s] / d z[b,s,:], which the decoder has sent back. Wanted: weights[b,s], the w of each
example divided by their sum; and the gradients of the loss. Some log weights are near -2000.
"""

import numpy as np


def iwae_backward(log_w, dnll, mu, logvar, eps):
    """(B, S), (B, S, K), twice (B, K), (B, S, K) -> weights (B, S), dmu (B, K), dlogvar (B, K)."""
    B = len(log_w)
    sigma = np.exp(logvar / 2)[:, None]
    z = mu[:, None] + sigma * eps
    # Your code, about five lines:
    w = np.exp(log_w - log_w.max(axis=1, keepdims=True))
    weights = w / w.sum(axis=1, keepdims=True)
    dz = weights[:, :, None] / B * (dnll + z)
    dmu = dz.sum(axis=1)
    dlogvar = np.sum(dz * eps * sigma / 2, axis=1) - 1 / (2 * B)
    # End of your code.
    return weights, dmu, dlogvar
