"""Exercise 25 (lesson 15): from the densities of C species to the probability of each.

log_px_y[b,c] = log p(x_b | y = c) says how dense species c is at example b, in nats; prior[c] = p(y = c) how frequent
it is (positive; the prior sums to 1). Wanted, for each example b:

    posterior[b,c] = p(y = c | x_b) = prior[c] * p(x_b | y = c) / p(x_b)
    log_px[b]      = log p(x_b),  where  p(x_b) = sum over c of prior[c] * p(x_b | y = c)

A density has units, and may be as large or as small as it likes: here some logarithms are near 780, where exp is
infinite, and some near -800, where it is 0. So stay with logarithms until nothing can overflow.
"""

import numpy as np


def bayes_rule(log_px_y, prior):
    """p(y|x) and log p(x): (B, C), (C,) -> (B, C), (B,)."""
    # Your code, three to six lines:
    log_joint = log_px_y + np.log(prior)
    log_px = np.logaddexp.reduce(log_joint, axis=1)
    posterior = np.exp(log_joint - log_px[:, None])
    # End of your code.
    return posterior, log_px
