"""Exercise 37: judged by a batch in which each shard's mean stands once for each of its rows."""

import numpy as np

from minivae.learn import Exercise, Wrong


def draw(rng, sizes):
    rows = rng.integers(1, 9, size=sizes.B).astype(float)
    rows[rng.integers(sizes.B)] = 0
    there = rows > 0
    return {
        "losses": (40 + 10 * rng.random(sizes.B)) * there,
        "gradients": rng.standard_normal((sizes.B, sizes.D)) * there[:, None],
        "rows": rows,
    }


def by_rows(losses, gradients, rows):
    of_row = np.repeat(np.arange(len(rows)), rows.astype(int))
    return losses[of_row].mean(), gradients[of_row].mean(axis=0)


def weighted(which, weights):
    """A mistake in the weights, for one of the two outputs."""
    return lambda losses, gradients, rows: weights(rows) @ (losses, gradients)[which]


MEAN = "it is the mean of the shards' means: rows of a small shard then count more than others"
OF_THOSE = "it is the mean over the shards that have rows, whatever their number"
SUM = "the shards' means are added up, and not averaged"
NOT_DIVIDED = "the sum over all rows is not divided by their number"


def equal(rows):
    return np.full(len(rows), 1 / len(rows))


def of_those(rows):
    return (rows > 0) / np.sum(rows > 0)


exercise = Exercise(
    title="The mean of a batch, from shards of unequal size",
    lesson=18,
    function="batch_gradient",
    returns=("loss", "gradient"),
    draw=draw,
    oracle=by_rows,
    hints=(
        "Two shards have 3 rows and 1 row, with mean losses 40 and 60. What is the mean of the four?",
        "The sum over the rows of shard i is rows[i] * losses[i]. Add these, and divide once by the number of all.",
        "weights = rows / np.sum(...);  loss = weights @ ...;  gradient = weights @ ...",
    ),
    why="A sum over examples splits at any place; a mean does not. So minivae divides each example's loss by the B of "
    "the whole batch, in whatever shard it is, and only adds after that.",
    wrong=tuple(
        Wrong(name, says, weighted(which, weights))
        for which, name in enumerate(("loss", "gradient"))
        for says, weights in (
            (MEAN, equal),
            (OF_THOSE, of_those),
            (SUM, np.ones_like),
            (NOT_DIVIDED, lambda rows: rows),
        )
    ),
)
