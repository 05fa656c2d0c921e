"""Exercise 33 (lesson 19): what a generator learns, and from where.

The generator is linear, y = z A; D(y) = tanh(y W) v is a logit of "real" for each fake. The generator minimises the
loss that everybody uses, in nats:

    loss = 1/B * sum over b of log(1 + exp(-logits[b])),    logits = D(y)

Wanted: d loss / d logits (B,); d loss / d y (B, D), which is the gradient of D with respect to its *input*; and
d loss / d A (K, D). W and v belong to the other player and get nothing.
"""

import numpy as np


def generator_backward(z, A, W, v):
    """Noise z (B, K), A (K, D), W (D, H), v (H,) -> dlogits (B,), dy (B, D), dA (K, D)."""
    B = len(z)
    y = z @ A
    h = np.tanh(y @ W)
    logits = h @ v
    # Your code, about three lines:
    dlogits = (1 / (1 + np.exp(-logits)) - 1) / B
    dy = (np.outer(dlogits, v) * (1 - h**2)) @ W.T
    dA = z.T @ dy
    # End of your code.
    return dlogits, dy, dA
