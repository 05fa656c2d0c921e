"""A sum whose bits do not depend on who adds: fixed shards of a batch, added by one binary tree (lesson 18)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minivae.workers.group import Group


def shard(n: int, shards: int, i: int) -> slice:
    """The rows of shard ``i`` of a batch of ``n``: some have one more than others, and with n < shards some none."""
    return slice(i * n // shards, (i + 1) * n // shards)


def shards_of(rank: int, size: int, shards: int) -> range:
    """The shards that one of ``size`` workers computes, which divides ``shards``."""
    return range(rank * shards // size, (rank + 1) * shards // size)


def check_shards(shards: int, size: int) -> None:
    """ValueError unless ``size`` workers can share the shards evenly; names the numbers that can."""
    if shards % size:
        fit = ", ".join(str(n) for n in range(1, shards + 1) if shards % n == 0)
        raise ValueError(f"{shards} shards cannot be shared evenly by {size} workers: start one of {fit}")


class Tree:
    """The sum of vectors 0, 1, 2, ...: (0 + 1) + (2 + 3), and so on, whatever part of it is formed where.

    ``nodes`` are the sums so far, (first, width, vector): those of 2, 4, 8, ... neighbours, aligned like the marks of a
    ruler. Vectors 4 to 7 give the same node to a worker that has only them and to one that has all.
    """

    def __init__(self) -> None:
        self.nodes: list[tuple[int, int, np.ndarray]] = []

    def add(self, first: int, width: int, vector: np.ndarray) -> None:
        """Take in the next node, and add it to its sibling, if that is here, and that sum to its sibling, ..."""
        is_own = False
        while self.nodes and first % (2 * width) == width and self.nodes[-1][:2] == (first - width, width):
            first, _, left = self.nodes.pop()
            left += vector
            vector, width, is_own = left, 2 * width, True
        self.nodes.append((first, width, vector if is_own else vector.copy()))

    def total(self) -> np.ndarray:
        """The sum of all; nodes of different widths, where their number is no power of two, from the right."""
        *rest, (_, _, total) = self.nodes
        for _, _, left in reversed(rest):
            total = left + total
        return total


def of_range(numbers: range, vector_of: Callable[[int], np.ndarray]) -> Tree:
    """The part of the tree over some of the vectors."""
    tree = Tree()
    for i in numbers:
        tree.add(i, 1, vector_of(i))
    return tree


def sum_by_tree(group: Group, shards: int, vector_of: Callable[[int], np.ndarray]) -> np.ndarray:
    """The sum of ``vector_of(i)``, (P,), over all shards, equal to the last bit for every size of the group.

    Each worker forms its part of the tree; then all have all parts, and form the rest.
    """
    parts = [of_range(shards_of(rank, group.size, shards), lambda i: np.zeros(0)).nodes for rank in range(group.size)]
    most = max(map(len, parts))  # 1, where the number of shards is a power of two

    def of(rank: int) -> np.ndarray:
        vectors = [node[2] for node in of_range(shards_of(rank, group.size, shards), vector_of).nodes]
        return np.stack(vectors + [np.zeros_like(vectors[0])] * (most - len(vectors)))

    whole = Tree()
    for nodes, vectors in zip(parts, group.gather(of), strict=True):
        for (first, width, _), vector in zip(nodes, vectors, strict=False):
            whole.add(first, width, vector)
    return whole.total()
