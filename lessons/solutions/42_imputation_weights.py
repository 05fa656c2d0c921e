"""Exercise 42 (lesson 17): fill a hole with what the rest of the row says.

For each of B examples, S draws z_s from q(z | what was observed) have the log weights, in nats,

    log_w[s,b] = log p(x_observed | z_s) + log p(z_s) - log q(z_s | x_observed)

and means[s,b,d] is what the decoder makes of z_s, E[x_d | z_s]. Wanted: weights that add up to 1 for each example, and
the means averaged with them,

    weights[s,b] = w[s,b] / sum over t of w[t,b]              with w = exp(log_w)
    filled[b,d]  = sum over s of weights[s,b] * means[s,b,d]

Some log weights are near -2000: exp of them is 0. Take the largest of each example off first, which changes no weight.
"""

import numpy as np


def impute(log_w, means):
    """(S, B), (S, B, D) -> weights (S, B), filled (B, D)."""
    # Your code, about three lines:
    w = np.exp(log_w - log_w.max(axis=0))
    weights = w / w.sum(axis=0)
    filled = np.sum(weights[:, :, None] * means, axis=0)
    # End of your code.
    return weights, filled
