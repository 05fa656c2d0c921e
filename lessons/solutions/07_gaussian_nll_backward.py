"""Exercise 07 (lesson 4): a Gaussian likelihood with one learned variance.

All pixels of all examples share one log variance, v = logvar[0]. For each example b, in nats:

    nll[b] = 1/2 * sum over d of ( log(2 pi) + v + (x[b,d] - mean[b,d])^2 / exp(v) )

Given dnll, where dnll[b] is d loss / d nll[b]. Wanted:

    dmean[b,d] = dnll[b] * d nll[b] / d mean[b,d]
    dlogvar[0] = sum over b of dnll[b] * d nll[b] / d v      (one number, in an array of shape (1,))
"""

import numpy as np


def gaussian_nll_backward(dnll, mean, logvar, x):
    """Gradients of the mean and the shared logvar: (B,), (B, D), (1,), (B, D) -> (B, D), (1,)."""
    # Your code, about four lines:
    error, precision = mean - x, np.exp(-logvar)
    dmean = dnll[:, None] * (error * precision)
    per_pixel = np.sum(dnll[:, None] * 0.5 * (1 - error**2 * precision), axis=0)
    dlogvar = np.sum(per_pixel, keepdims=True)
    # End of your code.
    return dmean, dlogvar
