"""Exercise 36: judged by the tree written as a recursion, on numbers of which some lose all digits of others."""

import math

import numpy as np

from minivae.learn import Exercise, Wrong

LARGE = 2.0**54  # beside it, a number of about 1 is lost


def draw(rng, sizes):
    """Ordinary numbers, and in each column a few large ones that cancel."""
    M = 16 if sizes.K == 3 else 8
    vectors = rng.standard_normal((M, sizes.D))
    for column in vectors.T:
        column[rng.permutation(M)[:4]] += LARGE * np.array([1, 1, -1, -1])
    return {"vectors": vectors}


def by_recursion(vectors):
    half = len(vectors) // 2
    return vectors[0] if half == 0 else by_recursion(vectors[:half]) + by_recursion(vectors[half:])


def one_after_the_other(vectors):
    return np.add.accumulate(vectors)[-1]


def halves(vectors):
    """Number i to number i + M/2, and so on: a tree as well, with other neighbours."""
    while len(vectors) > 1:
        half = len(vectors) // 2
        vectors = vectors[:half] + vectors[half:]
    return vectors[0]


def leaves_its_argument(function):
    vectors = np.arange(8.0).reshape(4, 2)
    function(vectors)
    return (
        "" if np.array_equal(vectors, np.arange(8.0).reshape(4, 2)) else "it has changed the vectors that it was given"
    )


exercise = Exercise(
    title="A sum by a tree",
    lesson=18,
    function="tree_sum",
    returns=("total",),
    draw=draw,
    oracle=by_recursion,
    laws=(leaves_its_argument,),
    hints=(
        "With four vectors, what are the two sums that can be formed at the same time? And what is left after that?",
        "vectors[0::2] are numbers 0, 2, 4, ..., and vectors[1::2] are their neighbours. One line adds all pairs.",
        "while len(vectors) > 1: vectors = vectors[0::2] + ...",
    ),
    why="A worker that holds shards 4 to 7 can form ((4 + 5) + (6 + 7)) by itself, and it is the same node of the same "
    "tree. And after log2(M) rounds all is added, where one after the other takes M - 1.",
    wrong=(
        Wrong("total", "they are added one after the other, from the first to the last", one_after_the_other),
        Wrong(
            "total",
            "they are added one after the other, from the last to the first",
            lambda vectors: one_after_the_other(vectors[::-1]),
        ),
        Wrong("total", "each is added to the one half the way on, and not to its neighbour", halves),
        Wrong(
            "total",
            "nothing is lost by rounding: that is the exact sum, and not what the tree gives",
            lambda vectors: np.array([math.fsum(column) for column in vectors.T]),
        ),
    ),
)
