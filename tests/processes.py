"""Processes of ``minivae`` that tests start, disturb and wait for, and how the folders that they leave are compared."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from minivae.system.locks import LOCK

ROOT = Path(__file__).parents[1]
RESULTS = ("model.safetensors", "checkpoint.safetensors", "history.csv")  # of equal runs they are equal
OFFER = "checkpoint-older.safetensors beside it is intact: rename it to checkpoint.safetensors to go on after epoch"
PATIENCE = 300  # seconds until a process counts as hanging


def start(*arguments, before=lambda: None, environment=None, stdout=subprocess.DEVNULL):
    """A process of its own, with signals as a terminal would start it: a shell's background job ignores SIGINT."""

    def prepare():
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        before()

    return subprocess.Popen(
        [sys.executable, "-m", "minivae", *[str(argument) for argument in arguments]],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | (environment or {}),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=prepare,
    )


@contextmanager
def running(*arguments, **options):
    """A process that does not outlive the block."""
    process = start(*arguments, **options)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(process, ready):
    """Until ``ready()``, and the process must not end before."""
    while not ready():
        time.sleep(0.01)
        assert process.poll() is None, process.stderr.read()


def ended(process):
    """The exit status, and the lines on standard error that are no progress."""
    _, err = process.communicate(timeout=PATIENCE)
    return process.returncode, [line for line in err.splitlines() if not line.startswith("epoch ")]


def same(one, other):
    """True if two run folders hold the same model, checkpoint and history, to the last byte."""
    return all((Path(one) / name).read_bytes() == (Path(other) / name).read_bytes() for name in RESULTS)


def contents(folder):
    """Every file of a folder but the lock, with its bytes."""
    files = [path for path in Path(folder).rglob("*") if path.is_file() and path.name != LOCK]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
