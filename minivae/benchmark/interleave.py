"""Fair timings: the contenders take turns, round after round, and ratios compare what was measured side by side.

A machine gets slower and faster for reasons of its own. Blocks of the same round share its mood, so that a ratio is
taken pair by pair in each round, and only then is the median over the rounds taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median

Timings = Mapping[str, Sequence[float]]


def in_turns(measures: Mapping[str, Callable[[], float]], rounds: Iterable[int]) -> dict[str, list[float]]:
    """Measure A B C, A B C, ...: one value per contender and round."""
    values: dict[str, list[float]] = {name: [] for name in measures}
    for _ in rounds:
        for name, measure in measures.items():
            values[name].append(measure())
    return values


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, smallest and largest."""
    return {"median": median(values), "min": min(values), "max": max(values)}


def ratios(timings: Timings, backends: Sequence[str], groups: Mapping[str, Sequence[str]]) -> dict[str, list[float]]:
    """How many times as long one contender takes as another, in each round.

    Parameters
    ----------
    timings : mapping of str to sequence of float
        One value per round of each contender.
    backends : sequence of str
        The contenders that are ours. Each is compared with those before it, and with every peer.
    groups : mapping of str to sequence of str
        Peers that belong together, of which the faster one counts in each round: "jax" becomes "best jax".

    Returns
    -------
    ratios : dict of str -> list of float
        "torch eager / numba": above 1 where numba is faster.
    """
    ours = [name for name in backends if name in timings]
    peers = [name for name in timings if name not in backends]
    slower = {name: timings[name] for name in peers}
    slower |= {f"best {group}": best(timings, names) for group, names in groups.items() if {*names} <= {*peers}}
    if len(peers) > 1:
        slower["best peer"] = best(timings, peers)
    compared = {f"{name} / {us}": divided(values, timings[us]) for us in ours for name, values in slower.items()}
    for i, us in enumerate(ours):
        compared |= {f"{before} / {us}": divided(timings[before], timings[us]) for before in ours[:i]}
    return compared


def best(timings: Timings, names: Sequence[str]) -> list[float]:
    """The fastest of several, round by round."""
    return [min(values) for values in zip(*(timings[name] for name in names), strict=True)]


def divided(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Pair by pair."""
    return [a / b for a, b in zip(above, below, strict=True)]
