"""Exercise 40 (lesson 17): the gradient of a Poisson loss.

x holds counts 0, 1, 2, ..., and the decoder's output l[b,d] is the log of their rate. In nats, for each example b:

    nll[b] = sum over d of ( exp(l[b,d]) - x[b,d] * l[b,d] + log(x[b,d]!) )

Given dnll, where dnll[b] is d loss / d nll[b]. Wanted, with respect to the log rates:

    dlog_rate[b,d] = dnll[b] * d nll[b] / d l[b,d]
"""

import numpy as np


def poisson_backward(dnll, log_rate, x):
    """d loss / d log_rate: (B,), (B, D), (B, D) -> (B, D)."""
    # Your code, one line:
    return dnll[:, None] * (np.exp(log_rate) - x)
    # End of your code.
