"""Exercise 06 (lesson 4): the gradient of the Bernoulli loss.

For each example b, in nats:

    nll[b] = sum over d of ( log(1 + exp(l[b,d])) - x[b,d] * l[b,d] )

Given dnll, where dnll[b] is d loss / d nll[b]. Wanted, with respect to the logits l (not the probabilities):

    dlogits[b,d] = dnll[b] * d nll[b] / d l[b,d]

Where logits are below -700, exp(-l) overflows. Two sigmoids that do not: SciPy's expit(l), and exp(l - log(1 + exp(l)))
with the logarithm of exercise 05, as the project has it.
"""

import numpy as np
from scipy.special import expit


def bernoulli_backward(dnll, logits, x):
    """d loss / d logits: (B,), (B, D), (B, D) -> (B, D)."""
    # Your code, one to three lines:
    softplus = np.maximum(logits, 0) + np.log(1 + np.exp(-np.abs(logits)))
    p = np.exp(logits - softplus)
    return dnll[:, None] * (p - x)
    # End of your code.
