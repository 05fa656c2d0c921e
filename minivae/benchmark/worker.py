"""The process of one contender: ``python -m minivae.benchmark.worker NAME PROBLEM``, which processes.py talks to.

PROBLEM is the fields of a Problem in JSON. A line on standard input is a request, a line on standard output its answer,
both JSON: {"command": "run", "steps": 50} is answered by {"answer": 1.6}, by {"skipped": reason} if the contender
cannot run here, or by {"error": sentence}. What a framework prints goes to standard error.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from typing import Any

from minivae import backend
from minivae.benchmark import contenders, facts, game, gpu, roofs
from minivae.benchmark.problem import SMALL, Problem
from minivae.benchmark.verify import ODD, verify
from minivae.errors import BackendError


class Worker:
    """Answers requests; each public method is a command.

    Parameters
    ----------
    name : str
        The contender's.
    problem : Problem
    """

    facts, memory = staticmethod(facts.facts), staticmethod(facts.peak_memory)
    peak, device_facts = staticmethod(gpu.peak), staticmethod(gpu.device_facts)

    def __init__(self, name: str, problem: Problem):
        self.name, self.problem = name, problem

    def load(self) -> None:
        """Import what the contender needs."""
        contenders.load(self.name)

    def ready(self) -> dict[str, Any]:
        """Build the contender and let it train for an epoch: how long its first step took, its losses."""
        self.contender = contenders.make(self.name, self.problem)
        start = time.perf_counter()
        first, last = self.contender.run(self.contender.at_once)
        seconds = time.perf_counter() - start
        steps = self.contender.at_once
        for rest in (self.problem.batches - steps, *[self.problem.batches] * 3):
            if rest > 0 and (steps < self.problem.batches or not last < first):  # one batch of few rows has luck
                steps, (_, last) = steps + rest, self.contender.run(rest)
        return {"first_step_seconds": seconds, "first_loss": first, "loss": last, "steps": steps}

    def run(self, steps: int, pause: float = 0.0, warm_up: int = 1) -> float:
        """Wait, take some steps to wake up, then time at least ``steps``: milliseconds per step."""
        time.sleep(pause)
        self.contender.run(self.round_up(warm_up))
        steps = self.round_up(steps)
        start = time.perf_counter()
        self.contender.run(steps)
        return (time.perf_counter() - start) / steps * 1e3

    def round_up(self, steps: int) -> int:
        """The next number of steps that the contender can take."""
        return -(-steps // self.contender.at_once) * self.contender.at_once

    def epoch(self, pause: float = 0.0) -> float:
        """Wait, then time an epoch: seconds."""
        time.sleep(pause)
        start = time.perf_counter()
        self.contender.epoch()
        return time.perf_counter() - start

    def passes(self) -> dict[str, float]:
        """Seconds for each other thing that the contender can do, such as to encode a test set."""
        return {name: roofs.seconds_of(action) for name, action in self.contender.passes().items()}

    def verify(self) -> str | None:
        """Compare every kernel with the reference: a sentence about the first that is wrong, or None."""
        if self.name.startswith(game.PREFIX):
            return game.mismatch()
        return verify(backend.load(self.name), ODD, self.problem.sizes, *(small.sizes for small in SMALL.values()))

    def kernels(self) -> list[dict[str, Any]]:
        """Time every kernel."""
        return roofs.kernel_rows(backend.load(self.name), self.problem.sizes)

    def roofs(self) -> dict[str, Any]:
        """Time what the machine can do, and NumPy's matrix products."""
        return {"roofs": roofs.roofs(self.problem.sizes), "rows": roofs.product_rows(self.problem.sizes)}


def answer(worker: Worker, command: str, **arguments: Any) -> dict[str, Any]:
    """Do what is asked."""
    try:
        return {"answer": getattr(worker, command)(**arguments)}
    except (ImportError, BackendError) as error:
        return {"skipped": first_line(error)}
    except Exception as error:
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {first_line(error)}"}


def first_line(error: Exception) -> str:
    """The first line of its message that says something; compilers write pages."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")


def main() -> None:
    """Answer until the input ends."""
    name, problem = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks; it ends this one
    os.dup2(2, 1)  # what a framework prints does not get among the answers
    worker = Worker(name, Problem(**json.loads(problem)))
    for line in sys.stdin:
        print(json.dumps(answer(worker, **json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
