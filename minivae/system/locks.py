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
def locked(folder: Path) -> Iterator[Callable[[], None]]:
    """Be the only one who writes into a folder, which is made if it is not there yet.

    The lock is the kernel's, on the file ``.lock``. A crash leaves that file behind, but nothing that holds it. An
    orderly end takes the file away, where the folder can still be written then.

    Yields
    ------
    renew : callable
        To be called before each write: it locks anew if another program, such as one that synchronises folders, has
        removed the file, and raises MinivaeError if another process was quicker.

    Raises
    ------
    MinivaeError
        If another process holds the lock.
    OSError
        If the folder cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file, lock = folder / LOCK, acquire(folder)
    mark = os.stat(file) if lock else None

    def renew() -> None:
        nonlocal lock, mark
        if lock and mark and not (file.exists() and os.path.samestat(os.stat(file), mark)):
            lock.release(force=True)
            lock = acquire(folder)
            mark = os.stat(file)

    try:
        yield renew
    finally:
        if lock:
            # Before the lock is given back: a file that somebody else has locked in the meantime must stay. Windows
            # deletes no open file; there filelock does it afterwards.
            if os.name != "nt":
                with suppress(OSError):
                    if mark and os.path.samestat(os.stat(file), mark):
                        file.unlink()
            lock.release()


def acquire(folder: Path) -> Any:
    """The lock of a folder, or None, with a note, on a file system that knows no locks."""
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
