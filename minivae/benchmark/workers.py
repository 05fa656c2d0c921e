"""Workers against each other: the time of a step by their number, and a model of it that says when to stop adding."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minivae.benchmark.problem import Problem
from minivae.benchmark.processes import BenchmarkError, environment
from minivae.system.machine import available_cores

WIDTHS, TIMES = (50, 200, 800), (1, 4)  # of the hidden layers; the batch size and so many times it
HELD_OUT = 3  # every third measurement has no say in the model's constants, but is predicted with them
PAYS = 1.2  # twice as many workers must at least be so much faster
MOST = 1024


@dataclass(frozen=True)
class Setting:
    """What is timed: ``workers`` that share batches of ``batch_size``, of a model with P ``parameters``."""

    workers: int
    batch_size: int
    parameters: int
    cores: int

    @property
    def bytes(self) -> float:
        """What each worker receives in a step, if the gradients are summed around a ring."""
        return 2 * (self.workers - 1) / self.workers * 4 * self.parameters

    def causes(self) -> np.ndarray:
        """What a step's time is made of, (6,): products, examples, update, what each step costs, messages, bytes.

        A worker multiplies its share of the batch with all parameters, draws its noise and computes its loss, which the
        width of the data decides and not that of the layers, and updates all parameters; workers that have no core of
        their own wait for each other.
        """
        waiting, share = max(1.0, self.workers / self.cores), self.batch_size / self.workers
        work = np.array([self.parameters * share, share, self.parameters, 1.0]) * waiting
        return np.r_[work, np.log2(self.workers), self.bytes]


NAMES = ("per product of parameter and example", "per example", "per parameter", "per step", "per message", "per byte")


def problems(batch_size: int) -> list[Problem]:
    """What each number of workers is timed with."""
    return [
        Problem(batch_size * times, 4 * batch_size * times, hidden_dim=width) for width in WIDTHS for times in TIMES
    ]


def measure(numbers: Sequence[int], batch_size: int, rounds: int) -> dict[str, Any]:
    """Time all numbers of workers; a dict for JSON. BenchmarkError if they cannot be started."""
    timed = [row for n in numbers for row in start(n, batch_size, rounds)]
    settings, seconds = [Setting(**row["setting"]) for row in timed], np.array([row["seconds"] for row in timed])
    known = np.arange(len(timed)) % HELD_OUT != 1
    constants = fitted(settings, seconds, known)
    predicted = np.array([setting.causes() for setting in settings]) @ constants
    single = {(s.batch_size, s.parameters): t for s, t in zip(settings, seconds, strict=True) if s.workers == 1}
    rows = []
    for setting, found, guess, is_known in zip(settings, seconds, predicted, known, strict=True):
        alone = single.get((setting.batch_size, setting.parameters))
        rows.append(
            asdict(setting)
            | {"bytes": setting.bytes, "ms": 1e3 * found, "predicted_ms": 1e3 * guess, "held_out": not is_known}
            | {"efficiency": None if alone is None else alone / found / setting.workers}
        )
    error = np.abs(predicted / seconds - 1)[~known]
    return {
        "rows": rows,
        "seconds": dict(zip(NAMES, constants, strict=True)),
        "error_on_held_out": {"median": float(np.median(error)), "max": float(error.max())} if error.size else None,
        "more_stop_paying": limits(constants, batch_size),
    }


def fitted(settings: Sequence[Setting], seconds: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The seconds that each cause costs, none below 0, with the least squares of relative errors."""
    from scipy.optimize import nnls

    causes = np.array([setting.causes() for setting in settings])[known] / seconds[known, None]
    scale = np.maximum(causes.max(axis=0), 1e-300)  # the causes differ by many powers of ten
    return nnls(causes / scale, np.ones(len(causes)))[0] / scale


def limit(constants: np.ndarray, parameters: int, batch_size: int) -> dict[str, Any]:
    """Up to how many workers, each with a core of its own and with links like these, twice as many pay."""

    def seconds(n: int) -> float:
        return float(Setting(n, batch_size, parameters, n).causes() @ constants)

    n = 1
    while n < min(MOST, batch_size) and seconds(2 * n) * PAYS < seconds(n):
        n *= 2
    return {"parameters": parameters, "batch_size": batch_size, "workers": n, "times_as_fast": seconds(1) / seconds(n)}


def limits(constants: np.ndarray, batch_size: int) -> list[dict[str, Any]]:
    """:func:`limit` of a model of MNIST and of one 100 times as large, each with some sizes of the batch."""
    sizes = sorted({batch_size, 4 * batch_size, 2048})
    return [limit(constants, parameters, B) for parameters in (652_824, 65_282_400) for B in sizes]


def start(n: int, batch_size: int, rounds: int) -> list[dict[str, Any]]:
    """What :func:`timings` of ``n`` processes returns."""
    beside = Path(sys.executable).with_name("mpiexec")
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    if n > 1 and mpiexec is None:
        raise BenchmarkError('--workers needs mpiexec: pip install "minivae[mpi]"')
    command = [*([mpiexec, "-n", str(n)] if n > 1 and mpiexec else []), sys.executable, "-P", "-m", __name__]
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run([*command, str(batch_size), str(rounds)], env=environment() | threads, capture_output=True)
    if done.returncode:
        raise BenchmarkError(f"{n} workers failed: {done.stderr.decode(errors='replace').strip()[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])


def timings(batch_size: int, rounds: int) -> list[dict[str, Any]]:
    """The median time of a training step with each problem, by the workers that this process is one of; on rank 0."""
    from minivae.training.optimizers import Adam
    from minivae.training.recipe import Recipe
    from minivae.training.step import training_step
    from minivae.workers import Alone, Group, Mpi
    from minivae.workers.mpi import launched

    group: Group = Mpi() if launched()[1] > 1 else Alone()
    rows = []
    for problem in problems(batch_size):
        vae, x, recipe = problem.model("numpy"), problem.data(), Recipe(problem.batch_size, group=group)
        vae.optimizer, taken = Adam(), []
        for i in range(rounds + 2):  # the first two make buffers
            began = time.perf_counter()
            training_step(vae, x, np.arange(problem.batch_size) + i % 4 * problem.batch_size, recipe)
            taken.append(time.perf_counter() - began)
        setting = Setting(group.size, problem.batch_size, len(vae.store.vector), available_cores())
        rows.append({"setting": asdict(setting), "seconds": float(np.median(taken[2:]))})
    return rows if group.rank == 0 else []


def report(result: dict[str, Any]) -> list[str]:
    """The result of :func:`measure` as lines of text."""
    lines = ["workers   batch  parameters   ms/step  predicted   efficiency   MB received by each"]
    for row in result["rows"]:
        efficiency = "      " if row["efficiency"] is None else f"{row['efficiency']:6.0%}"
        lines.append(
            f"{row['workers']:7} {row['batch_size']:7} {row['parameters']:11,} {row['ms']:9.2f} "
            f"{row['predicted_ms']:9.2f}{'*' if row['held_out'] else ' '} {efficiency:>12} {row['bytes'] / 1e6:12.2f}"
        )
    if result["error_on_held_out"]:
        error = result["error_on_held_out"]
        lines.append(f"*  held out: the model is off by {error['median']:.0%} (median), {error['max']:.0%} at most")
    lines.append("a model: " + ", ".join(f"{seconds:.2g} s {name}" for name, seconds in result["seconds"].items()))
    for row in result["more_stop_paying"]:
        pay = f"up to {row['workers']} workers pay, {row['times_as_fast']:.1f} times as fast as one"
        lines.append(
            f"predicted, not measured: {row['parameters']:,} parameters, batches of {row['batch_size']}: "
            + (pay if row["workers"] > 1 else "a second worker does not pay")
        )
    return lines


if __name__ == "__main__":
    found = timings(int(sys.argv[1]), int(sys.argv[2]))
    if found:
        print(json.dumps(found), flush=True)
