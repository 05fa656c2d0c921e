"""Exercise 35 (lesson 19): a penalty on a slope, and its gradient without a second derivative.

D(x) = tanh(x W) v. With g[b] = dD/dx at x[b], (D,), the penalty is

    R1 = gamma/2 * 1/B * sum over b of |g[b]|^2

Its gradient needs d g / d W. But with u[b] = gamma/B * g[b] held fixed, it is the derivative, for eps at 0, of the
gradient of sum over b of D(x[b] + eps * u[b]): a difference of two first-order passes. backward(x) below gives the
gradients of sum over b of D(x[b]) with respect to x, W and v. Wanted: the penalty, and its gradients for W and v by
the central difference, with eps = h and eps = -h.
"""

import numpy as np


def r1_penalty(x, W, v, gamma, h):
    """Inputs (B, D), W (D, H), v (H,), two numbers -> penalty, dW (D, H), dv (H,)."""

    def backward(x):
        hidden = np.tanh(x @ W)
        da = v * (1 - hidden**2)
        return da @ W.T, x.T @ da, hidden.sum(axis=0)

    # Your code, about six lines:
    g, _, _ = backward(x)
    penalty = gamma / 2 * np.sum(g**2) / len(x)
    u = gamma / len(x) * g
    _, dW_plus, dv_plus = backward(x + h * u)
    _, dW_minus, dv_minus = backward(x - h * u)
    dW, dv = (dW_plus - dW_minus) / (2 * h), (dv_plus - dv_minus) / (2 * h)
    # End of your code.
    return penalty, dW, dv
