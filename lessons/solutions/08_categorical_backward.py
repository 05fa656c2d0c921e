"""Exercise 08 (lesson 4): the gradient of the softmax loss.

Each row of x is one-hot: a 1 at the class of the example, 0 elsewhere. With p the softmax of the row of logits l,

    p[b,d] = exp(l[b,d]) / sum over e of exp(l[b,e])
    nll[b] = - sum over d of x[b,d] * log p[b,d]          (in nats)

Given dnll, where dnll[b] is d loss / d nll[b]. Wanted, with respect to the logits:

    dlogits[b,d] = dnll[b] * d nll[b] / d l[b,d]

Some logits are 800: take the largest of its row off every logit first, which changes no p.
"""

import numpy as np


def categorical_backward(dnll, logits, x):
    """d loss / d logits: (B,), (B, D), (B, D) -> (B, D)."""
    # Your code, about three lines:
    shifted = logits - logits.max(axis=1, keepdims=True)
    p = np.exp(shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True)))
    return dnll[:, None] * (p - x)
    # End of your code.
