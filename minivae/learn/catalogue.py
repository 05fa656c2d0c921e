"""Where the exercises are, and what belongs to each: the learner's file, the check, the solution.

A learner writes in a workspace, a folder outside git. A solution's own lines stand between two comments; the exercise
is the same file with a stub in their place, made when the workspace is, so that the two cannot drift apart.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from minivae.answers import PROGRESS, find_workspace
from minivae.errors import MinivaeError
from minivae.learn.exercise import YOURS, Exercise
from minivae.learn.progress import Progress
from minivae.system.files import replacing, source_root, write_text

WORKSPACE = "my-vae"
IGNORE = "# git leaves your answers alone; remove this file to keep them in a repository of your own\n*\n"


class LearnError(MinivaeError, ValueError):
    """An exercise that does not exist, or a place where there are none."""


@dataclass(frozen=True)
class Entry:
    """One exercise: ``name`` is such as "11_gaussian_kl", ``folder`` the workspace that it is in, or would be."""

    name: str
    lessons: Path
    folder: Path = Path(WORKSPACE)

    @property
    def number(self) -> str:
        """Its two digits."""
        return self.name[:2]

    @property
    def file(self) -> Path:
        """What the learner edits."""
        return self.folder / f"{self.name}.py"

    @property
    def check(self) -> Path:
        """What judges it."""
        return self.lessons / "checks" / f"{self.name}.py"

    @property
    def solution(self) -> Path:
        """One way to do it."""
        return self.lessons / "solutions" / f"{self.name}.py"

    @cached_property
    def exercise(self) -> Exercise:
        """What the check says."""
        from minivae.learn.child import load_check

        return load_check(self.check)

    @property
    def lesson_file(self) -> Path | None:
        """The lesson it belongs to."""
        return min(self.lessons.glob(f"{self.exercise.lesson:02d}-*.md"), default=None)

    def pristine(self) -> str:
        """The text of the exercise as it was at first, made from the solution."""
        if not self.solution.is_file():
            raise LearnError(f"{self.solution} is missing, from which exercise {self.number} would be made again")
        return with_stub(self.solution.read_text(encoding="utf-8"), self.exercise.stub or waiting(self.number))

    def is_begun(self) -> bool:
        """Whether the learner's file is there, and not as it was at first."""
        return self.file.is_file() and self.file.read_text(encoding="utf-8", errors="replace") != self.pristine()

    def reset(self) -> Path | None:
        """Put the exercise back; what was there is kept beside, and its path returned."""
        kept = None
        if self.is_begun():
            kept = self.file.with_suffix(".before-reset")
            self.file.replace(kept)
        with replacing(self.file) as beside:
            beside.write_text(self.pristine(), encoding="utf-8")
        return kept


def waiting(number: str) -> str:
    """The stub where there is nothing to begin with."""
    return f'raise NotImplementedError("exercise {number} is waiting for your lines")'


def with_stub(solution: str, stub: str) -> str:
    """A solution with its own lines replaced by the stub's, at the same indentation."""
    found = YOURS.search(solution)
    if found is None:
        raise LearnError('a solution needs the comments "# Your code, ...:" and "# End of your code."')
    indent = found[1]
    lines = "".join(f"{indent}{line}\n" if line else "\n" for line in stub.splitlines())
    start, end = found.span(2)
    return solution[:start] + lines + solution[end:]


def find_lessons() -> Path:
    """The folder ``lessons`` of the clone one is in, or of the clone that this minivae runs from."""
    here = Path.cwd()
    for folder in (*filter(is_own_clone, (here, *here.parents)), source_root()):
        if (folder / "lessons" / "checks").is_dir():
            return folder / "lessons"
    raise LearnError(
        f"there are no exercises in {here}: they come with minivae's source, not with the installed package; "
        "clone the repository and run this command in it"
    )


def is_own_clone(folder: Path) -> bool:
    """True for a clone of minivae that this user made: its checks are run, which not everybody may write."""
    try:
        is_ours = not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
        return is_ours and 'name = "minivae"' in (folder / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False


def workspace() -> Path:
    """The folder that the learner works in; LearnError, with the way to get one, if there is none."""
    folder = find_workspace()
    if folder is None:
        raise LearnError(no_workspace())
    return folder


def no_workspace() -> str:
    """Where there is none: the sentence that says how to get into one."""
    if (Path.cwd() / WORKSPACE / PROGRESS).is_file():
        return f"your exercises are in {WORKSPACE}: cd {WORKSPACE} (minivae learn --start FOLDER makes another folder)"
    return (
        f"there is no workspace in {Path.cwd()} or above it: minivae learn --start makes the folder {WORKSPACE} with "
        "all exercises, minivae learn --start FOLDER another one"
    )


def start(folder: Path) -> int:
    """Make a workspace, or add to one the exercises that it lacks; how many are new."""
    is_workspace = (folder / PROGRESS).is_file()
    if not is_workspace and folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise LearnError(f"{folder} is there already, and no workspace: name a new folder for your exercises")
    missing = [entry for entry in entries(folder) if not entry.file.exists()]
    if not is_workspace:
        folder.mkdir(parents=True, exist_ok=True)
        Progress(folder).write()  # first: whoever is interrupted here starts once more, and gets the rest
        write_text(folder / ".gitignore", IGNORE)
    for entry in missing:
        entry.reset()
    return len(missing)


def entries(folder: Path | None = None) -> list[Entry]:
    """All exercises, by number; of this workspace, or of the one in use, or of the one that would be made here."""
    lessons = find_lessons()
    folder = folder or find_workspace() or Path.cwd() / WORKSPACE
    return [Entry(check.stem, lessons, folder) for check in sorted((lessons / "checks").glob("[0-9][0-9]_*.py"))]


def entry(number: str) -> Entry:
    """The exercise of this number, written 7 or 07, or its name."""
    known = entries()
    for candidate in known:
        if number in (candidate.name, candidate.file.name) or (
            number.isdecimal() and int(number) == int(candidate.number)
        ):
            return candidate
    raise LearnError(
        f"there is no exercise {number!r}; there are {known[0].number} to {known[-1].number}: see minivae learn"
    )
