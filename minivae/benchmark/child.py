"""The process of one contender: ``python -m minivae.benchmark.child NAME``, which another process talks to.

A line on standard input is a request, a line on standard output its answer, both JSON: {"command": "run", "steps": 50}
is answered by {"ms": 1.6, ...}. What a framework prints goes to standard error. An answer {"skipped": reason} means
that the contender cannot run here, {"error": sentence} that it failed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from minivae import backend
from minivae.benchmark import contenders, facts, gpu, roofs
from minivae.benchmark.problem import Problem
from minivae.benchmark.verify import ODD, verify
from minivae.errors import BackendError


class Worker:
    """Answers requests; each public method is a command.

    Parameters
    ----------
    name : str
        The contender's.
    problem : Problem
    device : str, default "cpu"
    """

    def __init__(self, name: str, problem: Problem, device: str = "cpu"):
        self.name, self.problem, self.device = name, problem, device

    def load(self) -> dict[str, Any]:
        """Import what the contender needs."""
        contenders.load(self.name)
        return {}

    def ready(self) -> dict[str, Any]:
        """Build the contender and let it train for an epoch: how long its first step took, its losses."""
        self.contender = contenders.make(self.name, self.problem, self.device)
        start = time.perf_counter()
        first, last = self.contender.run(self.contender.at_once)
        stepped = time.perf_counter()
        if self.contender.at_once < self.problem.batches:
            _, last = self.contender.run(self.problem.batches - self.contender.at_once)
        return {
            "first_step_seconds": stepped - start,
            "first_loss": first,
            "loss": last,
            "steps": self.problem.batches,
        }

    def run(self, steps: int, pause: float = 0.0, warm_up: int = 1) -> dict[str, Any]:
        """Wait, take a few steps to wake up, then time some: milliseconds per step."""
        time.sleep(pause)
        self.contender.run(self.whole(warm_up))
        steps = self.whole(steps)
        start = time.perf_counter()
        _, loss = self.contender.run(steps)
        return {"ms": (time.perf_counter() - start) / steps * 1e3, "steps": steps, "loss": loss}

    def whole(self, steps: int) -> int:
        """So many steps, or the next number that the contender can take."""
        return -(-steps // self.contender.at_once) * self.contender.at_once

    def epoch(self, pause: float = 0.0) -> dict[str, Any]:
        """Seconds for an epoch."""
        time.sleep(pause)
        start = time.perf_counter()
        self.contender.epoch()
        return {"seconds": time.perf_counter() - start}

    def passes(self) -> dict[str, float]:
        """Seconds for each other thing that the contender can do, such as to encode a test set."""
        return {name: roofs.seconds_of(action) for name, action in self.contender.passes.items()}

    def verify(self) -> dict[str, Any]:
        """Compare every kernel with the reference."""
        kernels = backend.load(self.name)
        return {"mismatch": verify(kernels, ODD, self.problem.sizes)}

    def kernels(self) -> dict[str, Any]:
        """Time every kernel."""
        return {"rows": roofs.kernel_rows(backend.load(self.name), self.problem.sizes)}

    def roofs(self) -> dict[str, Any]:
        """Time what the machine can do, and NumPy's matrix products."""
        return {"roofs": roofs.roofs(self.problem.sizes), "rows": roofs.product_rows(self.problem.sizes)}

    def peak(self) -> dict[str, float]:
        """Flops per second of large products on the GPU."""
        return {"peak": gpu.peak()}

    def device_facts(self) -> dict[str, Any]:
        """What the GPU says of itself."""
        return gpu.device_facts()

    def facts(self) -> dict[str, Any]:
        """What this process knows of itself."""
        return facts.facts()

    def memory(self) -> dict[str, Any]:
        """Its peak of memory so far."""
        return {"peak_mb": facts.peak_memory()}


def answer(worker: Worker, request: dict[str, Any]) -> dict[str, Any]:
    """Do what is asked."""
    method: Callable[..., dict[str, Any]] = getattr(worker, request.pop("command"))
    try:
        return method(**request)
    except (ImportError, BackendError) as error:
        return {"skipped": first_line(error)}
    except Exception as error:
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {first_line(error)}"}


def first_line(error: Exception) -> str:
    """The first line of its message that says something; compilers write pages."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")


def main() -> None:
    """Answer until "quit" or the end of the input."""
    parser = argparse.ArgumentParser(prog="minivae.benchmark.child")
    parser.add_argument("contender")
    parser.add_argument("--device", default="cpu")
    for field in fields(Problem):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=int, default=field.default)
    options = vars(parser.parse_args())
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks; it ends this one
    os.dup2(2, 1)  # what a framework prints does not get among the answers
    worker = Worker(options.pop("contender"), device=options.pop("device"), problem=Problem(**options))
    for line in sys.stdin:
        request = json.loads(line)
        if request["command"] == "quit":
            break
        print(json.dumps(answer(worker, request)), file=answers, flush=True)


if __name__ == "__main__":
    main()
