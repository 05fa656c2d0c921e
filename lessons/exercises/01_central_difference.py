"""Exercise 01 (lesson 1): a gradient without calculus.

f takes an array x of any shape and returns one number. Wanted: an array of the shape of x whose entry at index i is

    ( f(x with h added at i) - f(x with h taken off at i) ) / (2 h)

Nothing else moves while one entry does, and x is afterwards what it was before.
"""

import numpy as np


def central_difference(f, x, h):
    """Gradient of f at x: callable, any shape, float -> shape of x."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        # Your code, about four lines:
        raise NotImplementedError("exercise 01 is waiting for your lines")
        # End of your code.
    return gradient
