"""Ctrl-C and SIGTERM as exceptions, one of them at most: what is being saved then is saved to the end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Terminated(KeyboardInterrupt):
    """SIGTERM came; handled like Ctrl-C."""


@contextmanager
def as_exceptions() -> Iterator[None]:
    """Raise KeyboardInterrupt at the first SIGINT and Terminated at the first SIGTERM, and ignore all that follow.

    A signal that is ignored already, as SIGINT is in the background jobs of a shell, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():  # only there can handlers be set
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    ours = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]

    def handle(number: int, frame: Any) -> None:
        for signal_number in ours:
            signal.signal(signal_number, signal.SIG_IGN)
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    for number in ours:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])
