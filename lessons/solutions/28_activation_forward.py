"""Exercise 28 (lesson 3): four nonlinearities, for every a.

    relu(a)     = max(a, 0)
    tanh(a)     = np.tanh(a)
    softplus(a) = log(1 + exp(a))  = max(a, 0) + log(1 + exp(-|a|))
    sigmoid(a)  = 1 / (1 + exp(-a)) = exp(-softplus(-a))

Some a are 800 and some -800: no exp may get a large positive argument. The sigmoid is also what makes pixels, from
logits, when your VAE draws samples.
"""

import numpy as np


def activation_forward(a, activation):
    """(B, H), and "relu", "tanh", "softplus" or "sigmoid" -> (B, H)."""
    # Your code, about six lines:
    if activation == "relu":
        return np.maximum(a, 0)
    if activation == "tanh":
        return np.tanh(a)
    v = a if activation == "softplus" else -a
    softplus = np.maximum(v, 0) + np.log(1 + np.exp(-np.abs(v)))
    return softplus if activation == "softplus" else np.exp(-softplus)
    # End of your code.
