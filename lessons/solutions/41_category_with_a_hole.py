"""Exercise 41 (lesson 17): the gradient of a softmax loss, where the category of some examples is not known.

observed[b] is 1 where the category of example b is known; then row b of x is one-hot. Where it is 0, row b of x is 0
everywhere. With p the softmax of the row of logits l, in nats:

    nll[b] = - observed[b] * sum over d of x[b,d] * log p[b,d]

Given dnll, where dnll[b] is d loss / d nll[b]. Wanted, with respect to the logits:

    dlogits[b,d] = dnll[b] * d nll[b] / d l[b,d]
"""

import numpy as np


def category_with_a_hole_backward(dnll, logits, x, observed):
    """d loss / d logits: (B,), (B, D), (B, D), (B,) -> (B, D)."""
    # Your code, about three lines:
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return (dnll * observed)[:, None] * (p - x)
    # End of your code.
