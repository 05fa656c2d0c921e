"""One writer at a time in a run folder, by a lock that dies with its process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from minivae.errors import MinivaeError

LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only one who writes into a folder, which is made if it is not there yet.

    The lock is the kernel's, on the file ``.lock``. A crash leaves that file behind, but nothing that holds it. An
    orderly end takes the file away, where the folder can still be written then.

    Raises
    ------
    MinivaeError
        If another process holds the lock.
    OSError
        If the folder cannot be made or written.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    file = folder / LOCK
    lock = FileLock(file, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise MinivaeError(
            f"another minivae is training in {folder} just now: wait until it has ended, or choose another --out"
        ) from None
    try:
        yield
    finally:
        # Before the lock is given back: a file that somebody else has locked in the meantime must stay. Windows
        # deletes no open file; there filelock does it afterwards.
        if os.name != "nt":
            with suppress(OSError):
                file.unlink()
        lock.release()
