"""Files that are always whole: written under another name, then renamed; and the version before, kept."""

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
    """Add the file's name to an OSError, such as that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.strerror is None:  # one of ours, which has the name
            raise
        raise OSError(f"cannot write {path}: {error.strerror}") from None


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path; rename it to ``path`` at the end, or remove it after an error.

    A crash at any moment leaves the old file or the new one, never half of one.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: there is no folder {path.parent}")
    with _beside(path) as beside, named(path):
        yield beside
        # Some libraries make private files. A new one has the permissions of the umask, which cannot be read without
        # changing it for all threads.
        example = beside.with_name(".new")
        example.touch(0o666)
        shutil.copymode(example, beside)
        flush_to_disk(beside)
        os.replace(beside, path)


@contextmanager
def keeping(path: Path, older: Path) -> Iterator[None]:
    """Keep the present file at ``path`` as ``older`` when the block has replaced it; not if the block fails.

    Both are whole at every moment, and never the same file: damage to one leaves the other.
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
    """Remove the temporary folders of a crash in :func:`replacing` or :func:`keeping`; nobody may be writing."""
    for name in map(Path, names):
        for leftover in folder.glob(f".{escape(name.stem)}-*{escape(name.suffix)}"):
            shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """The same name in a hidden folder beside ``path``."""
    # A folder, because safetensors makes temporary files of its own; the same name, because endings decide formats.
    with tempfile.TemporaryDirectory(
        prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder) / path.name


def _link_or_copy(source: Path, target: Path) -> None:
    """Make ``target`` the same file as ``source``, or a copy where a file system has no hard links."""
    with suppress(OSError):
        os.link(source, target)
        return
    shutil.copy(source, target)
    flush_to_disk(target)


def source_root() -> Path:
    """The folder of this package: a clone of the repository, or site-packages."""
    return Path(__file__).resolve().parents[2]


def flush_to_disk(path: Path) -> None:
    """Wait until the content of a file is on disk."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def read_text(path: str | os.PathLike) -> str:
    """The text of a regular file; OSError for anything else."""
    # A pipe or a device might never end.
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(f"{path} is not a regular file")
    return Path(path).read_text(encoding="utf-8-sig")


def write_text(path: str | os.PathLike, text: str) -> None:
    """Replace the file by ``text`` in UTF-8."""
    write_bytes(path, text.encode())


def write_bytes(path: str | os.PathLike, content: bytes | memoryview) -> None:
    """Replace the file by ``content``."""
    with replacing(path) as beside:
        beside.write_bytes(content)
