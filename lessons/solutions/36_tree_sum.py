"""Exercise 36 (lesson 18): a sum in an order that does not depend on who adds.

vectors[i], (P,), is the gradient of shard i, and the number M of shards is a power of two. Add neighbours first, then
the sums of neighbours, and so on:

    M = 4:   (vectors[0] + vectors[1]) + (vectors[2] + vectors[3])

In what order floating-point numbers are added decides what is lost by rounding. Here large numbers cancel, so that
another order gives another sum, and not only other last digits. vectors itself stays as it is.
"""

import numpy as np


def tree_sum(vectors):
    """M vectors, (M, P) -> their sum, (P,)."""
    # Your code, about three lines:
    while len(vectors) > 1:
        vectors = vectors[0::2] + vectors[1::2]
    total = vectors[0]
    # End of your code.
    return np.array(total)
