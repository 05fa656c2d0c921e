"""Exercise 06 (lesson 4): the gradient of the Bernoulli loss.

For each example b, in nats:

    nll[b] = sum over d of ( log(1 + exp(l[b,d])) - x[b,d] * l[b,d] )

Given dnll, where dnll[b] is d loss / d nll[b]. Wanted, with respect to the logits l (not the probabilities):

    dlogits[b,d] = dnll[b] * d nll[b] / d l[b,d]

Where logits are below -700, exp(-l) overflows: scipy.special.expit is a sigmoid that does not.
"""

from scipy.special import expit


def bernoulli_backward(dnll, logits, x):
    """d loss / d logits: (B,), (B, D), (B, D) -> (B, D)."""
    # Your code, one line:
    return dnll[:, None] * (expit(logits) - x)
    # End of your code.
