"""Exercise 19 (lesson 11): which proof sees which bug?

A small VAE is broken in six ways, one at a time; "in value and gradient" means that the gradient still belongs to the
wrong value. After each, six proofs are run: "ones" and "random", gradient checks of every function by finite
differences with an upstream gradient of ones, and a random one; "sampler", whether z has the mean and the variance
that were asked for; "monte carlo", whether the KL is the average of log q - log p over draws; "sums to one", whether
the probabilities of all images of 3 pixels do; "at 800", whether the loss is finite for logits of +-800.

For each bug, write the set of all proofs that go red, such as {"ones", "sampler"}. The checker plants every bug and
runs every proof; it has no list of answers.
"""


def which_proof():
    """The bugs, each with the set of the proofs that see it."""
    # Your code, six sets:
    caught = {
        "relu passes back its slope, without dy": set(),
        "the 1/2 is lost in the gradient of the sampler": set(),
        "the variance for sigma in the sampler, in value and gradient": set(),
        "the KL averaged over the latents, in value and gradient": set(),
        "the loss averaged over the pixels, in value and gradient": set(),
        "the loss from probabilities: x log p + (1 - x) log(1 - p)": set(),
    }
    # End of your code.
    return caught
