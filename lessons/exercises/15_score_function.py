"""Exercise 15 (lesson 8): two estimators of one derivative.

F is the average of f(z) over z from N(mu, sigma^2), with logvar = log sigma^2; z, mu and logvar are single numbers.
N values z[n] have been drawn. Given are the values of f there, f[n] = f(z[n]), and its slopes, df[n] = f'(z[n]).
Wanted, for each draw, is its estimate of dF / dmu and of dF / dlogvar, in two ways:

    score_dmu[n]     = f[n]  * d log q(z[n]) / d mu        weigh the draw: z[n] stays where it is
    score_dlogvar[n] = f[n]  * d log q(z[n]) / d logvar
    path_dmu[n]      = df[n] * d z[n] / d mu               move the draw: z = mu + sigma eps, and eps stays
    path_dlogvar[n]  = df[n] * d z[n] / d logvar

where log q(z) = -1/2 * ( log(2 pi) + logvar + (z - mu)^2 / exp(logvar) ). Do not average over the draws.
"""

import numpy as np


def two_estimators(f, df, z, mu, logvar):
    """Both estimates of dF/dmu and dF/dlogvar: (N,), (N,), (N,), two numbers -> four times (N,)."""
    # Your code, four lines:
    raise NotImplementedError("exercise 15 is waiting for your lines")
    # End of your code.
    return score_dmu, score_dlogvar, path_dmu, path_dlogvar
