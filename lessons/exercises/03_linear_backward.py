"""Exercise 03 (lesson 2): a linear layer backwards.

Forwards, for every example b and output o:

    y[b,o] = sum over i of x[b,i] * W[i,o]  +  b[o]

Given dy, where dy[b,o] is d loss / d y[b,o]. Wanted, each with the shape of its array:

    dx[b,i] = sum over o of dy[b,o] * W[i,o]
    dW[i,o] = sum over b of x[b,i] * dy[b,o]
    db[o]   = sum over b of dy[b,o]

No loops: two matrix products and a sum.
"""

import numpy as np


def linear_backward(dy, x, W):
    """Gradients of x, W and b: (B, O), (B, I), (I, O) -> (B, I), (I, O), (O,)."""
    # Your code, three lines:
    raise NotImplementedError("exercise 03 is waiting for your lines")
    # End of your code.
    return dx, dW, db
