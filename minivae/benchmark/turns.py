"""The clock: contenders take turns, round after round, and ratios compare what was measured side by side.

A machine gets slower and faster for reasons of its own. Blocks of the same round share its mood, so that a ratio is
taken pair by pair in each round, and only then is the median over the rounds taken.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from statistics import median
from typing import Any

from minivae.benchmark.processes import BenchmarkError, Child
from minivae.system.streams import print_line

Timings = Mapping[str, Sequence[float]]
PAUSE = 0.1  # seconds: idle threads of the last contender spin for less
BLOCK, WARM_UP = 0.25, 0.1  # seconds of steps in a block, and of steps before it that fill the caches
FEWEST = 5  # steps in a block


def start(child: Child) -> dict[str, Any]:
    """What a contender says of its start; BenchmarkError unless it trains."""
    child.ask("load")
    seconds = time.perf_counter() - child.start_time
    answer = child.ask("ready")
    first, last, steps = answer["first_loss"], answer["loss"], answer["steps"]
    if not last < first:
        raise BenchmarkError(f"{child.name} does not train: its loss was {first:g}, and {last:g} after {steps} steps")
    return answer | {"import_seconds": seconds}


def block_timer(child: Child) -> Callable[[], float]:
    """A function that times a block of steps, about ``BLOCK`` seconds long, and returns milliseconds per step."""
    seconds = child.ask("run", steps=FEWEST, warm_up=FEWEST) / 1e3
    steps = max(FEWEST, math.ceil(BLOCK / seconds))
    return partial(child.ask, "run", steps=steps, pause=PAUSE, warm_up=math.ceil(steps * WARM_UP / BLOCK))


def time_epoch(child: Child) -> float:
    """Seconds for an epoch."""
    return child.ask("epoch", pause=PAUSE)


# ---------------------------------------------------------------------------------------------------------
# Rounds and ratios


def take_turns(measures: Mapping[str, Callable[[], float]], rounds: Iterable[int]) -> dict[str, list[float]]:
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
    compared = {f"{name} / {us}": divide(values, timings[us]) for us in ours for name, values in slower.items()}
    for i, us in enumerate(ours):
        compared |= {f"{before} / {us}": divide(timings[before], timings[us]) for before in ours[:i]}
    return compared


def best(timings: Timings, names: Sequence[str]) -> list[float]:
    """The fastest of several, round by round."""
    return [min(values) for values in zip(*(timings[name] for name in names), strict=True)]


def divide(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Pair by pair."""
    return [a / b for a, b in zip(above, below, strict=True)]


# ---------------------------------------------------------------------------------------------------------
# Progress, on standard error


say = partial(print_line, to_stderr=True)


def show_rounds(rounds: int, what: str) -> Iterator[int]:
    """The rounds, with a bar on a terminal or a line each elsewhere."""
    if sys.stderr is not None and sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(range(rounds), desc=what, unit="round", ascii=True, dynamic_ncols=True)
        return
    for i in range(rounds):
        say(f"{what}: round {i + 1} of {rounds}")
        yield i
