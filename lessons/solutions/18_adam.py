"""Exercise 18 (lesson 10): one step of Adam.

w are the parameters and g their gradients, arrays of the same shape (P,). m and v are running means, of g and of g^2,
that start at zero; t is the number of this step, and counts from 1.

    m_new = beta1 * m + (1 - beta1) * g
    v_new = beta2 * v + (1 - beta2) * g^2
    m_hat = m_new / (1 - beta1^t)             undo that both have started at zero
    v_hat = v_new / (1 - beta2^t)
    w_new = w - learning_rate * m_hat / ( sqrt(v_hat) + epsilon )

Return new arrays; the old ones belong to the caller.
"""

import numpy as np


def adam(w, g, m, v, t, learning_rate, beta1, beta2, epsilon):
    """One step: four arrays (P,), five numbers -> new w, m, v, each (P,)."""
    # Your code, about five lines:
    m = m + (1 - beta1) * (g - m)
    v = v + (1 - beta2) * (g**2 - v)
    root = (1 - beta2**t) ** 0.5  # both hats multiplied out, so that no array is divided by them
    w = w - learning_rate * root / (1 - beta1**t) * (m / (np.sqrt(v) + root * epsilon))
    # End of your code.
    return w, m, v
