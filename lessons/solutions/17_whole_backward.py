"""Exercise 17 (lesson 9): every gradient of a small VAE.

The encoder is one linear layer for mu and one for logvar, the decoder one linear layer. (There are no biases, to
have fewer names.) The function begins with the forward pass; the loss, in nats, is

    1/B * sum over b of [ sum over d of ( log(1 + exp(logits[b,d])) - x[b,d] * logits[b,d] )
                          + beta/2 * sum over k of ( mu[b,k]^2 + exp(logvar[b,k]) - 1 - logvar[b,k] ) ]

Wanted are d loss / d name for the seven names in the last line, in the shapes of what they name. Each is judged in
this order, from the loss backwards: look at the first that is wrong, since those after it may inherit its mistake.
"""

import numpy as np


def whole_backward(x, eps, W_mu, W_logvar, W_dec, beta):
    """All gradients: (B, D), (B, K), (D, K), (D, K), (K, D), a number -> seven arrays."""
    B = len(x)
    mu, logvar = x @ W_mu, x @ W_logvar
    z = mu + np.exp(logvar / 2) * eps
    logits = z @ W_dec
    # Your code, about seven lines:
    dlogits = (1 / (1 + np.exp(-logits)) - x) / B
    dW_dec, dz = z.T @ dlogits, dlogits @ W_dec.T
    dmu = dz + beta / B * mu
    dlogvar = dz * eps * np.exp(logvar / 2) / 2 + beta / B * (np.exp(logvar) - 1) / 2
    dW_mu, dW_logvar = x.T @ dmu, x.T @ dlogvar
    # End of your code.
    return dlogits, dW_dec, dz, dmu, dlogvar, dW_mu, dW_logvar
