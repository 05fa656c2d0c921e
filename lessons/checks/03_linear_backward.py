"""Exercise 03: judged by finite differences of the layer, with a random upstream gradient."""

import numpy as np

from minivae.learn import Exercise, Wrong, finite_differences

differences = finite_differences(lambda x, W, b: x @ W + b, of=("x", "W", "b"), upstream="dy")


def draw(rng, sizes):
    return {
        "dy": rng.standard_normal((sizes.B, sizes.H)),
        "x": rng.standard_normal((sizes.B, sizes.D)),
        "W": rng.standard_normal((sizes.D, sizes.H)),
    }


def oracle(dy, x, W):
    return differences(dy=dy, x=x, W=W, b=np.zeros(W.shape[1]))


exercise = Exercise(
    title="dx, dW and db of a linear layer",
    lesson=2,
    function="linear_backward",
    returns=("dx", "dW", "db"),
    draw=draw,
    oracle=oracle,
    upstream="dy",
    hints=(
        "dW has the shape (I, O). How can x of shape (B, I) and dy of shape (B, O) make that, with a sum over b?",
        "A product sums over the last index of one and the first of the other; .T swaps the two.",
        "dx = dy @ W.T;  dW = x.T @ ...;  db = np.sum(..., axis=0)",
    ),
    why="Three lines, and nearly all the arithmetic of a neural network: this is what GPUs are built for.",
    wrong=(
        Wrong(
            "dW",
            "the gradient is averaged over the batch: the 1/B belongs to the loss",
            lambda dy, x, W: x.T @ dy / len(x),
        ),
        Wrong("db", "only the last example counts", lambda dy, x, W: dy[-1]),
        Wrong("dW", "only the last example counts", lambda dy, x, W: np.outer(x[-1], dy[-1])),
        Wrong("dx", "it is x W, the forward product, and holds no dy", lambda dy, x, W: x @ W),
    ),
)
