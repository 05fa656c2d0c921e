"""Exercise 32 (lesson 19): every gradient of a discriminator.

D(x) = tanh(x W) v is a logit of "real" for each row of x. Real examples x have the label 1, fakes the label 0:

    loss = 1/B * sum over b of [ log(1 + exp(-real[b])) + log(1 + exp(fake[b])) ],    real = D(x), fake = D(y)

The weights are used twice. Wanted are d loss / d name for real and fake, (B,), and for W and v. They are judged in the
order of the last line: look at the first that is wrong, since those after it may inherit its mistake.
"""

import numpy as np


def discriminator_backward(x, y, W, v):
    """Real x (B, D), fake y (B, D), W (D, H), v (H,) -> gradients (B,), (B,), (H,), (D, H)."""
    B = len(x)
    h_real, h_fake = np.tanh(x @ W), np.tanh(y @ W)
    real, fake = h_real @ v, h_fake @ v
    # Your code, about six lines:
    dreal = (1 / (1 + np.exp(-real)) - 1) / B
    dfake = 1 / (1 + np.exp(-fake)) / B
    dv = h_real.T @ dreal + h_fake.T @ dfake
    da_real = np.outer(dreal, v) * (1 - h_real**2)
    da_fake = np.outer(dfake, v) * (1 - h_fake**2)
    dW = x.T @ da_real + y.T @ da_fake
    # End of your code.
    return dreal, dfake, dv, dW
