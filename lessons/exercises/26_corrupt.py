"""Exercise 26 (lesson 16): salt and pepper, and what the loss is compared with.

x[n,d] are pixels from 0 to 1, u[n,d] are draws from the uniform distribution on [0, 1), one for each pixel, and rate is
the share of the pixels that shall be hit on average. Draw nothing of your own. Wanted:

    noisy[n,d]  = 0        where u[n,d] <  rate / 2            pepper
                  1        where u[n,d] >= 1 - rate / 2        salt
                  x[n,d]   elsewhere
    target      = x        if denoise, which is True or False: the clean pixels have to come out
                  noisy    if not: augmentation

x itself stays as it is: other steps of training will need it.
"""

import numpy as np


def corrupt(x, u, rate, denoise):
    """Input of the encoder and target of the decoder: (N, D), (N, D), number, bool -> (N, D), (N, D)."""
    # Your code, about three lines:
    raise NotImplementedError("exercise 26 is waiting for your lines")
    # End of your code.
    return noisy, target
