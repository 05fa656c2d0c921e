"""Exercise 38: judged by dealing one shuffled list out, and by whether all ranks together have every example once."""

import numpy as np

from minivae.learn import Exercise, Wrong

STUB = """\
order = np.random.default_rng([seed, epoch, rank]).permutation(n)
whole = order[batch * batch_size : (batch + 1) * batch_size]
first, last = rank * len(whole) // size, (rank + 1) * len(whole) // size
mine = whole[first:last]"""


def draw(rng, sizes):
    size, batch_size = sizes.K, 8 * sizes.D
    values = {"rank": 1 + int(rng.integers(size - 1)), "size": size, "n": 3 * batch_size + sizes.H}
    return values | {
        "batch_size": batch_size,
        "batch": 1,
        "epoch": 1 + int(rng.integers(9)),
        "seed": int(rng.integers(99)),
    }


def by_dealing(rank, size, n, batch_size, batch, epoch, seed, key=None):
    """Row number i of a batch of B goes to the rank r with r B / size <= i < (r + 1) B / size, rounded down."""
    order = np.random.default_rng([seed, epoch] if key is None else key).permutation(n).tolist()
    whole = [example for i, example in enumerate(order) if i // batch_size == batch]
    return np.array(
        [x for i, x in enumerate(whole) if rank * len(whole) // size <= i < (rank + 1) * len(whole) // size]
    )


def every_example_once(function):
    n, batch_size = 22, 8
    for size in (2, 3):
        seen = [
            int(row)
            for batch in range(3)
            for rank in range(size)
            for row in function(rank, size, n, batch_size, batch, 1, 0)
        ]
        if sorted(seen) != list(range(n)):
            missing = sorted(set(range(n)) - set(seen))
            return f"{size} ranks together have not each example of an epoch once: {len(missing)} of {n} are never seen"
    return ""


def shuffled_by(key):
    """A mistake in what the order depends on."""
    return lambda **arguments: by_dealing(**arguments, key=key(**arguments))


exercise = Exercise(
    title="A bug hunt: whose shuffle is it?",
    lesson=18,
    function="rows_of",
    returns=("mine",),
    draw=draw,
    oracle=by_dealing,
    laws=(every_example_once,),
    stub=STUB,
    hints=(
        "Print what ranks 0 and 1 of 2 get of the same batch. Do they have an example in common? May they?",
        "Which of the four lines must give the same on every rank, and which must not?",
        "The order belongs to the epoch. Only the cut, first to last, belongs to the rank.",
    ),
    why="Each rank had a good shuffle of its own, and its loss fell. Nothing crashed; but examples were seen twice or "
    "not at all. The cure is to make everything random a function of what all ranks know.",
    wrong=(
        Wrong("mine", "the order depends on the rank", shuffled_by(lambda seed, epoch, rank, **_: [seed, epoch, rank])),
        Wrong("mine", "the order is the same in each epoch", shuffled_by(lambda seed, **_: [seed])),
        Wrong(
            "mine",
            "every size-th row is taken, and not a part of neighbours: as good, but not what others take",
            lambda rank, size, **more: by_dealing(0, 1, **more)[rank::size],
        ),
    ),
)
