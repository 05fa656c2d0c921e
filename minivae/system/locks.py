"""One writer at a time in a run folder, by a lock that dies with its process."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from minivae.errors import MinivaeError

LOCK = ".lock"

log = logging.getLogger("minivae")


@contextmanager
def locked(folder: Path) -> Iterator[Callable[[], bool]]:
    """Make a folder if it does not exist, and lock it; MinivaeError if another process has the lock.

    Yields a function to call before each write: it locks again if another program, such as one that synchronises
    folders, has removed the file, and returns True then; MinivaeError if another process was faster.
    """
    # The lock is the kernel's, on the file .lock. A crash leaves the file, but no lock.
    folder.mkdir(parents=True, exist_ok=True)
    file, lock = folder / LOCK, acquire(folder)
    mark = os.stat(file) if lock else None

    def renew() -> bool:
        nonlocal lock, mark
        if not lock or not mark or (file.exists() and os.path.samestat(os.stat(file), mark)):
            return False
        lock.release(force=True)
        lock = acquire(folder)
        mark = os.stat(file)
        return True

    try:
        yield renew
    finally:
        if lock:
            # Before the release, because afterwards the file may be another process's. Windows deletes no open file;
            # there filelock does it.
            if os.name != "nt":
                with suppress(OSError):
                    if mark and os.path.samestat(os.stat(file), mark):
                        file.unlink()
            lock.release()


def acquire(folder: Path) -> Any:
    """The lock of a folder, or None, with a note, on a file system without locks."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise MinivaeError(
            f"another minivae is training in {folder} just now: wait until it has ended, or choose another --out"
        ) from None
    except NotImplementedError:
        log.info("note        the file system of %s knows no locks: train only once at a time there", folder)
        return None
    return lock
