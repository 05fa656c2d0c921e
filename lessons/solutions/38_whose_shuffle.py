"""Exercise 38 (lesson 18): a bug hunt, among several processes.

Each of `size` processes calls this function for every minibatch, with its own `rank` from 0 to size - 1, and trains on
the rows that it returns. Together the processes shall train on what a single one would have: the examples in an order
that is drawn anew for each epoch, `batch_size` of them at a time, of which rank r takes part r. With one process all is
well. With two, the loss falls more slowly, and some examples are never seen in an epoch. One line is wrong. Mend it.
"""

import numpy as np


def rows_of(rank, size, n, batch_size, batch, epoch, seed):
    """Numbers of the examples, from 0 to n - 1, that a rank takes of a minibatch: seven whole numbers -> (rows,)."""
    # Your code, four lines, of which one has to be mended:
    order = np.random.default_rng([seed, epoch]).permutation(n)
    whole = order[batch * batch_size : (batch + 1) * batch_size]
    first, last = rank * len(whole) // size, (rank + 1) * len(whole) // size
    mine = whole[first:last]
    # End of your code.
    return mine
