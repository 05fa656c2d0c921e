"""Exercise 44 (lesson 23): which latent dimensions of a linear VAE stay alive, before it is trained.

A linear VAE with fixed sigma^2 = variance has its optimum on the principal axes of the data. Along an axis with the
eigenvalue lambda of the covariance matrix (the mean of squares and products: divide by N), the posterior at the optimum
has the variance s^2 = beta * sigma^2 / lambda, and the mean of mu^2 is 1 - s^2, if lambda is above beta * sigma^2.
Otherwise the dimension is dead: mu = 0, s^2 = 1.

Wanted, for the K largest eigenvalues, the largest first: the mean KL of each dimension, in nats.
"""

import numpy as np


def kl_of_dimensions(x, beta, variance, K):
    """x (N, D), which is not centred, two numbers, K at most D -> kl (K,)."""
    # Your code, about four lines:
    centred = x - x.mean(axis=0)
    eigenvalues = np.linalg.eigvalsh(centred.T @ centred / len(x))[::-1][:K]
    kl = 0.5 * np.log(np.maximum(eigenvalues / (beta * variance), 1))
    # End of your code.
    return kl
