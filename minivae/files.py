"""Files that are whole or not there: written beside, then renamed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def named(path: str | os.PathLike) -> Iterator[None]:
    """Let an OSError, such as a full disk, say which file it is about."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(f"cannot write {path}: {error.strerror or error}") from None


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` at the end, or remove it after an error.

    A crash at any moment leaves the old file or the new one, never half of one. Raises OSError where the folder
    cannot be written.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: there is no folder {path.parent}")
    # The ending is kept, because matplotlib and others choose the format by it.
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    beside = Path(name)
    try:
        with named(path):
            yield beside
            _give_default_permissions(beside)
            _flush_to_disk(beside)
            os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _give_default_permissions(path: Path) -> None:
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(0o666 & ~umask)


def _flush_to_disk(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def write_text(path: str | os.PathLike, text: str) -> None:
    """Replace the file by ``text`` in UTF-8, with plain line ends."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")
