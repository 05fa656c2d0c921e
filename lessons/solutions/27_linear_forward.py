"""Exercise 27 (lesson 2): a linear layer, forwards.

For every example n and output o:

    y[n,o] = sum over i of x[n,i] * W[i,o]  +  b[o]

Examples are rows, W is (in, out), and every example gets the same b. No loops: one matrix product and a sum.
"""


def linear_forward(x, W, b):
    """The affine map x W + b: (B, I), (I, O), (O,) -> (B, O)."""
    # Your code, one line:
    return x @ W + b
    # End of your code.
