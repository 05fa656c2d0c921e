"""Files that are whole or not there: written beside, then renamed; and the one before, kept."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path


@contextmanager
def named(path: str | os.PathLike) -> Iterator[None]:
    """Let an OSError, such as a full disk, say which file it is about."""
    try:
        yield
    except OSError as error:
        if error.strerror is None:  # it says so already
            raise
        raise OSError(f"cannot write {path}: {error.strerror}") from None


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` at the end, or remove it after an error.

    A crash at any moment leaves the old file or the new one, never half of one. Raises OSError where the folder
    cannot be written.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: there is no folder {path.parent}")
    with _beside(path) as beside, named(path):
        yield beside
        _give_default_permissions(beside)
        flush_to_disk(beside)
        os.replace(beside, path)


@contextmanager
def keeping(path: Path, older: Path) -> Iterator[None]:
    """Keep the file that is at ``path`` now as ``older``, once the block has replaced it; not if the block fails.

    Both are whole at every moment, and never the same file: what damages one of them leaves the other.
    """
    if not path.exists():
        yield
        return
    with _beside(older) as beside:
        with named(older):
            _link_or_copy(path, beside)
        yield
        os.replace(beside, older)


def remove_leftovers(folder: Path, names: Iterable[str]) -> None:
    """Remove what a crash in :func:`replacing` or :func:`keeping` left beside these files; nobody may be writing."""
    for name in map(Path, names):
        for leftover in folder.glob(f".{escape(name.stem)}-*{escape(name.suffix)}"):
            shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """The same name in a hidden folder beside ``path``: libraries, such as safetensors, make files of their own there.

    The name is kept, because matplotlib and others choose the format by its ending.
    """
    with tempfile.TemporaryDirectory(
        prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder) / path.name


def _link_or_copy(source: Path, target: Path) -> None:
    """Make ``target`` the same file as ``source``, or an equal one where a file system knows no hard links."""
    with suppress(OSError):
        os.link(source, target)
        return
    shutil.copy(source, target)
    flush_to_disk(target)


def _give_default_permissions(path: Path) -> None:
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(0o666 & ~umask)


def source_root() -> Path:
    """The folder that holds this package: a clone of the repository, or site-packages."""
    return Path(__file__).resolve().parents[2]


def flush_to_disk(path: Path) -> None:
    """Wait until the content of a file would survive a power cut."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def read_text(path: str | os.PathLike) -> str:
    """The text of a regular file; OSError for anything else: a pipe or a device might never end."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(f"{path} is not a regular file")
    return Path(path).read_text(encoding="utf-8-sig")


def write_text(path: str | os.PathLike, text: str) -> None:
    """Replace the file by ``text`` in UTF-8, with plain line ends."""
    write_bytes(path, text.encode())


def write_bytes(path: str | os.PathLike, content: bytes | memoryview) -> None:
    """Replace the file by ``content``."""
    with replacing(path) as beside:
        beside.write_bytes(content)
