"""Exercise 21 (lesson 12): log p(x) of a linear latent-variable model, exactly.

    z ~ N(0, I), K numbers          x given z ~ N(z W + b, s2 I), D numbers;   W is (K, D), b is (D,), s2 a number

Then x itself is Gaussian, with mean b and a covariance C of shape (D, D) that you derived in lesson 12. Wanted is, for
each row of x, in nats,

    log p(x) = -1/2 * ( D log(2 pi) + log det C + (x - b) C^-1 (x - b)^T )

np.linalg.slogdet and np.linalg.solve are better than det and inv: they neither overflow nor lose digits.
"""

import numpy as np


def ppca_log_likelihood(x, W, b, s2):
    """log p(x) in nats: (B, D), (K, D), (D,), a number -> (B,)."""
    # Your code, about four lines:
    C = W.T @ W + s2 * np.eye(len(b))
    difference = x - b
    distance = np.sum(difference * np.linalg.solve(C, difference.T).T, axis=1)
    return -0.5 * (len(b) * np.log(2 * np.pi) + np.linalg.slogdet(C)[1] + distance)
    # End of your code.
