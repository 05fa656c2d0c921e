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
from minivae.learn.judge import Report, unjudged
from minivae.system.files import source_root

MOST_SAID = 10_000  # bytes


def grade(entry: Entry, file: Path | None = None) -> Report:
    """Judge the learner's file of this exercise, or another one."""
    report = _grade(entry, file or entry.file)
    report.outputs = report.outputs or unjudged(entry.exercise)
    return report


def _grade(entry: Entry, file: Path) -> Report:
    if not file.is_file():
        return Report(complaints=[f"{entry.file} is missing: minivae reset {entry.number} puts it back"])
    # The errors go into a file: a program that is left running would keep a pipe open.
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as errors:
        report = Path(folder) / "report.json"
        status = _run([str(file), str(entry.check), str(report)], entry.exercise, errors)
        if report.is_file():
            return Report.from_dict(json.loads(report.read_text(encoding="utf-8")))
        if status is None:
            seconds = f"{entry.exercise.seconds:g} seconds"
            return Report(complaints=[f"it had not finished after {seconds}: is there a loop that never ends?"])
        errors.seek(max(0, errors.seek(0, os.SEEK_END) - MOST_SAID))
        said = "".join(f": {line}" for line in errors.read().decode(errors="replace").strip().splitlines()[-1:])
        return Report(complaints=[f"the process that ran your file ended early, with status {status}{said}"])


def _run(arguments: list[str], exercise: Exercise, errors: IO[bytes]) -> int | None:
    """The exit status of the child, or None if it had to be stopped; what it has started ends with it."""
    pipe, ours = os.pipe()  # our end closes when this process ends, however it ends: then the child ends too
    groups = hasattr(os, "killpg")
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "minivae.learn.child", *arguments, *([str(pipe)] if groups else [])],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        start_new_session=True,
        pass_fds=(pipe,) if groups else (),
        env={**os.environ, "PYTHONUTF8": "1", "PYTHONPATH": _import_path(), **exercise.environment},
    )
    try:
        return child.wait(timeout=exercise.seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        _stop(child)
        os.close(pipe)
        os.close(ours)


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
