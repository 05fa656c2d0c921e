"""Exercise 02 (lesson 1): how different are two gradients?

Given two arrays a and n of the same shape, any shape, in float64. Wanted is one number:

                  |a - n|
    error = ---------------------
            max(|a| + |n|, 1e-8)

where |v| is the norm of the whole array: the root of the sum of the squares of all its entries. The 1e-8 keeps two
gradients that are both zero from dividing by zero.
"""

import numpy as np


def relative_error(a, n):
    """Norm-wise relative error: any shape, the same shape -> a number."""
    # Your code, one or two lines:
    return np.linalg.norm((a - n).ravel()) / max(np.linalg.norm(a.ravel()) + np.linalg.norm(n.ravel()), 1e-8)
    # End of your code.
