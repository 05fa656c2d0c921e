"""Ctrl-C and SIGTERM as exceptions, for the command line.

Python loses an exception that a signal raises inside a destructor, and wraps one that it raises during an import: so
the signal is also stored, checked between epochs, and decides the exit status.
"""

from __future__ import annotations

import signal
import sys
import time
from typing import Any

STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143}
PAUSE = 1.0  # seconds in which a second signal is the echo of the first; saving takes less

_arrived: int | None = None
_when = 0.0


class Terminated(KeyboardInterrupt):
    """SIGTERM, handled like Ctrl-C."""


def install() -> None:
    """Raise KeyboardInterrupt at SIGINT and Terminated at SIGTERM.

    A signal that is ignored, as SIGINT is in background jobs of a shell, stays ignored.
    """
    sys.unraisablehook = _say_unless_arrived
    for number in STATUS:
        if signal.getsignal(number) not in (signal.SIG_IGN, None):
            signal.signal(number, _handle)


def _handle(number: int, frame: Any) -> None:
    global _arrived, _when
    is_echo = _arrived is not None and time.monotonic() - _when < PAUSE
    if not is_echo:
        _when = time.monotonic()
        _arrived = _arrived or number
        raise_if_arrived()


def _say_unless_arrived(lost: Any) -> None:
    # An interrupt that Python loses is stored, and need not be printed.
    if _arrived is None or not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)


def raise_if_arrived() -> None:
    """Raise the exception of a signal again, in case it was lost."""
    if _arrived is not None:
        raise Terminated if _arrived == signal.SIGTERM else KeyboardInterrupt


def status_if_arrived() -> int | None:
    """The exit status after a signal, or None."""
    return None if _arrived is None else STATUS[signal.Signals(_arrived)]
