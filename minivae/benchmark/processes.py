"""The processes of the contenders, seen from the one that times them.

Each contender has a process of its own, because thread pools and their settings get in each other's way. It starts
with the user's environment, but without two variables that choose other kernels in OpenBLAS than it would itself.

Not multiprocessing: a spawned process has the streams of its parent, so that what it writes before it can redirect
them is lost to :meth:`Child.last_words`, and it runs the main module again, so that a script would need a guard.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from threading import Timer
from typing import Any

from minivae.benchmark.problem import Problem
from minivae.errors import MinivaeError
from minivae.system import files

PINS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
PATIENCE = 300.0  # seconds for one answer: a compiler may take minutes


class BenchmarkError(MinivaeError):
    """A benchmark that has no result: a kernel is wrong, or a contender fails, hangs or does not train."""


class Failed(BenchmarkError):
    """A contender has raised an error, and said so."""


class Skipped(BenchmarkError):
    """A contender cannot run here; the message says why."""


class Child:
    """A process for one contender, and the conversation with it.

    Parameters
    ----------
    name : str
        The contender's.
    problem : Problem
    patience : float, default 300.0
        Seconds to wait for an answer.
    settings : mapping of str to str, optional
        More variables for its environment.
    """

    def __init__(
        self, name: str, problem: Problem, patience: float = PATIENCE, settings: Mapping[str, str] | None = None
    ):
        self.name, self.patience, self.hung = name, patience, False
        self.start_time = time.perf_counter()
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        # -P: a folder that happens to be the current one must not shadow what is imported.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "minivae.benchmark.worker", name, json.dumps(asdict(problem))],
            env=environment() | dict(settings or {}),
            encoding="utf-8",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
        )

    def __enter__(self) -> Child:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:  # else it may be in the middle of something long
            with suppress(OSError, subprocess.TimeoutExpired):
                self.process.communicate(timeout=5)  # it ends with its input
        self.process.kill()
        self.process.wait()
        self.errors.close()

    def ask(self, command: str, **arguments: Any) -> Any:
        """The answer to a request.

        Raises
        ------
        Skipped
            If the contender cannot run here.
        BenchmarkError
            If it fails, dies or hangs.
        """
        assert self.process.stdout is not None
        timer = Timer(self.patience, self.give_up)
        timer.start()
        try:
            with suppress(BrokenPipeError):  # from a process that is dead, no line comes either
                print(json.dumps({"command": command, **arguments}), file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            how = f"gave no answer in {self.patience:g} s and was ended" if self.hung else "died"
            raise BenchmarkError(f"the process of {self.name} {how}{self.last_words()}")
        reply = json.loads(line)
        if "skipped" in reply:
            raise Skipped(reply["skipped"])
        if "error" in reply:
            raise Failed(f"{self.name} fails: {reply['error']}")
        return reply["answer"]

    def give_up(self) -> None:
        """End a process that does not answer."""
        self.hung = True
        self.process.kill()

    def last_words(self) -> str:
        """How the process ended, and the last line that it wrote on standard error."""
        status = self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().decode("utf-8", "replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing on standard error")
        return f" (exit status {status}): {last}"


def environment() -> dict[str, str]:
    """That of a child: the user's without the pins; it finds the minivae that is running now, also in a checkout."""
    variables = {name: value for name, value in os.environ.items() if name not in PINS}
    here = files.source_root()
    if (here / "pyproject.toml").is_file():  # what is installed is found anyway
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, (str(here), os.environ.get("PYTHONPATH"))))
    return variables
