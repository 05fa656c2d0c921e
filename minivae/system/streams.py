"""Lines of text that never raise: a reader may have gone, a disk be full, a stream be missing."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import TextIO


def print_line(line: str, *, to_stderr: bool = False) -> None:
    """Print one line, with control characters escaped, and flush it; do nothing if that fails."""
    stream = sys.stderr if to_stderr else sys.stdout
    if stream is None:  # closed by the parent process; print() would take the other stream
        return
    try:
        stream.write(harmless(line) + "\n")
        stream.flush()
    except (OSError, ValueError):  # a reader that went away, a full disk, a closed stream
        forget(stream)


class Printer(logging.Handler):
    """Prints each line that is logged."""

    def __init__(self, to_stderr: bool):
        super().__init__()
        self.to_stderr = to_stderr

    def emit(self, record: logging.LogRecord) -> None:
        """Print it."""
        print_line(record.getMessage(), to_stderr=self.to_stderr)


def harmless(line: str) -> str:
    """The line with control characters escaped: a name from a file moves no cursor, and begins no line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def flush_or_forget(stream: TextIO | None) -> None:
    """Flush a stream; discard its content if that fails."""
    # Otherwise Python would fail again at exit, with status 120.
    try:
        if stream is not None:
            stream.flush()
    except (OSError, ValueError):
        forget(stream)


def silence() -> None:
    """Discard what this process prints from now on: one of several prints for all."""
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the process ends


def forget(stream: TextIO | None) -> None:
    """Discard all further output of a stream."""
    # A stream may have no descriptor, as in a notebook.
    with suppress(OSError, ValueError, AttributeError), open(os.devnull, "wb") as null:
        os.dup2(null.fileno(), stream.fileno())  # type: ignore[union-attr]
