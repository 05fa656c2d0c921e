"""Run the check of one exercise in a child process, and outlive whatever the learner's file does."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

from minivae.learn.catalogue import Entry
from minivae.learn.exercise import Exercise
from minivae.learn.judge import Report
from minivae.system.files import source_root

MOST_SAID = 10_000  # bytes


def grade(entry: Entry, file: Path | None = None) -> Report:
    """Judge the learner's file of this exercise, or another one."""
    file = file or entry.file
    if not file.is_file():
        return Report(complaints=[f"{entry.file} is missing: minivae reset {entry.number} puts it back"])
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        status, errors = _run([str(file), str(entry.check), str(report)], entry.exercise)
        if status is None and not report.is_file():
            seconds = f"{entry.exercise.seconds:g} seconds"
            return Report(complaints=[f"it had not finished after {seconds}: is there a loop that never ends?"])
        if not report.is_file():
            said = "".join(f": {line}" for line in errors.strip().splitlines()[-1:])
            return Report(complaints=[f"the process that ran your file ended early, with status {status}{said}"])
        return Report.from_dict(json.loads(report.read_text(encoding="utf-8")))


def _run(arguments: list[str], exercise: Exercise) -> tuple[int | None, str]:
    """The exit status of the child, or None if it had to be stopped, with all that it has started; and its errors."""
    with tempfile.TemporaryFile() as errors:  # not a pipe, which a program that is left running would keep open
        status = _status(arguments, exercise, errors)
        errors.seek(max(0, errors.seek(0, os.SEEK_END) - MOST_SAID))
        return status, errors.read().decode(errors="replace")


def _status(arguments: list[str], exercise: Exercise, errors: IO[bytes]) -> int | None:
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "minivae.learn.child", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        start_new_session=True,
        env={**os.environ, "PYTHONUTF8": "1", "PYTHONPATH": _import_path(), **exercise.environment},
    )
    try:
        return child.wait(timeout=exercise.seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        _stop(child)


def _import_path() -> str:
    """The child imports the minivae that runs here, wherever it was started."""
    here = str(source_root())
    return os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH", "")]))


def _stop(child: subprocess.Popen) -> None:
    """End it, and whatever it has left running."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    elif child.poll() is None:
        child.kill()
    child.wait()
