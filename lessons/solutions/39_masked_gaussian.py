"""Exercise 39 (lesson 17): a Gaussian likelihood of columns with holes.

Each column d has its own log variance v[d]. observed[b,d] is 1 where x[b,d] is known, and 0 where it is not: there
x[b,d] holds 0, which means nothing. In nats, for each example b:

    nll[b] = sum over d of observed[b,d] * 1/2 * ( log(2 pi) + v[d] + (x[b,d] - mean[b,d])^2 / exp(v[d]) )

Given dnll, where dnll[b] is d loss / d nll[b]. Wanted:

    dmean[b,d] = dnll[b] * d nll[b] / d mean[b,d]
    dlogvar[d] = sum over b of dnll[b] * d nll[b] / d v[d]
"""

import numpy as np


def masked_gaussian_backward(dnll, mean, logvar, x, observed):
    """Gradients of mean and logvar: (B,), (B, D), (D,), (B, D), (B, D) -> (B, D), (D,)."""
    # Your code, about four lines:
    upstream = dnll[:, None] * observed
    error = mean - x
    dmean = upstream * error / np.exp(logvar)
    dlogvar = np.sum(upstream * 0.5 * (1 - error**2 / np.exp(logvar)), axis=0)
    # End of your code.
    return dmean, dlogvar
