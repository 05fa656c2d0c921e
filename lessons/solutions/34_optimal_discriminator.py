"""Exercise 34 (lesson 19): the best discriminator there is, and what it says of two distributions.

p and q are densities on a grid whose cells have the width dx, so that np.sum(p) * dx = np.sum(q) * dx = 1. For a D
with one logit per cell, D[i] = sigmoid(logit[i]), the discriminator's loss is

    loss(logit) = - sum over i of [ p[i] * log D[i] + q[i] * log(1 - D[i]) ] * dx

Wanted: the logits that make it smallest; the value V = -loss there; and the Jensen-Shannon divergence

    JS = 1/2 * KL(p || m) + 1/2 * KL(q || m),    m = (p + q) / 2
    KL(p || m) = sum over i of p[i] * log(p[i] / m[i]) * dx

Once it passes, look at V - 2 JS.
"""

import numpy as np


def optimal_discriminator(p, q, dx):
    """Densities (N,), (N,) and the width of a cell -> logits (N,), V, JS."""
    # Your code, about five lines:
    logits = np.log(p / q)
    V = np.sum(p * np.log(p / (p + q)) + q * np.log(q / (p + q))) * dx
    m = (p + q) / 2
    JS = np.sum(p * np.log(p / m) + q * np.log(q / m)) * dx / 2
    # End of your code.
    return logits, V, JS
