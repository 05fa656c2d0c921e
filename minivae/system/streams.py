"""Lines for a reader. Work never ends because nobody reads on, the log's disk is full, or a stream is missing."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import TextIO


def print_line(line: str, *, to_stderr: bool = False) -> None:
    """Print one line, and flush it; where that cannot be done, nothing happens.

    What would move a terminal's cursor, or begin another line, is escaped: names come from files.
    """
    stream = sys.stderr if to_stderr else sys.stdout
    if stream is None:  # closed by whoever started this process; print() would take the other stream
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
    """The line with its control characters escaped, so that it is one line and moves no cursor."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def flush_or_forget(stream: TextIO | None) -> None:
    """Flush a stream; where that fails, send the rest nowhere: at exit Python would fail again, with status 120."""
    try:
        if stream is not None:
            stream.flush()
    except (OSError, ValueError):
        forget(stream)


def forget(stream: TextIO | None) -> None:
    """Let whatever is still written to a stream go nowhere."""
    # A stream may have no descriptor, as in a notebook.
    with suppress(OSError, ValueError, AttributeError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())  # type: ignore[union-attr]
