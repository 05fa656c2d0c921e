"""A learner's workspace: where it is, what has passed its check there, and those functions, ready to be called.

The checker (minivae/learn) notes what has passed, and the backend "mine" computes with it: both stand above this file.
"""

from __future__ import annotations

import hashlib
import json
import os
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from minivae.errors import BackendError

PROGRESS = ".minivae-progress.json"  # the file that makes a folder a workspace
STUB = b"is waiting for your lines"
MODERATE = 50.0  # no formula of a training step overflows, even in float32, if nothing that goes in is larger


def find_workspace() -> Path | None:
    """The folder that ``MINIVAE_MINE`` names, or else the nearest workspace from the current folder up, if any."""
    if named := os.environ.get("MINIVAE_MINE"):
        if (Path(named) / PROGRESS).is_file():
            return Path(named).resolve()
        raise BackendError(f"MINIVAE_MINE names {named}, which is no workspace: minivae learn --start {named} makes it")
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / PROGRESS).is_file()), None)


def read_progress(folder: Path) -> dict[str, dict[str, Any]]:
    """What is noted of each exercise, by name; nothing if there is no such file, or somebody has damaged it."""
    try:
        values = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):  # the last of lists in lists in lists
        return {}
    whole = isinstance(values, dict) and all(isinstance(value, dict) for value in values.values())
    return values if whole else {}


def fingerprint(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Workspace:
    """What is solved in a workspace.

    Attributes
    ----------
    folder : Path
    solved : dict of str to Path
        The files that are as they were when they passed their check, by the exercise's number.
    unchecked : list of str
        The numbers of those that hold an answer which has not passed, or was changed afterwards.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.solved: dict[str, Path] = {}
        self.unchecked: list[str] = []
        progress = read_progress(folder)
        for path in sorted(folder.glob("[0-9][0-9]_*.py")):
            if progress.get(path.stem, {}).get("sha256") == fingerprint(path):
                self.solved[path.stem[:2]] = path
            elif STUB not in path.read_bytes():
                self.unchecked.append(path.stem[:2])

    def answers(self, names: Mapping[str, str]) -> dict[str, Answer]:
        """The solved ones among these exercises, by number; ``names`` says what their functions are called."""
        return {number: Answer(self.solved[number], name) for number, name in names.items() if number in self.solved}


class Answer:
    """A learner's function; whatever goes wrong in it after it has passed its check becomes a BackendError.

    Parameters
    ----------
    path : Path
    name : str
        The function's.
    """

    def __init__(self, path: Path, name: str):
        self.path, self.name = path, name
        namespace: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
        try:
            exec(compile(path.read_bytes(), str(path), "exec"), namespace)
            self.function: Callable = namespace[name]
        except Exception as error:
            raise self.broken(f"the file raises {describe(error, path)}") from error

    def __call__(self, *arguments: Any, into: tuple[np.ndarray | None, ...]) -> None:
        """Call it, and copy what it returns into these arrays; None is for a value that nobody needs."""
        try:
            returned = self.function(*arguments)
        except Exception as error:
            raise self.broken(f"it raises {describe(error, self.path)}", arguments) from error
        values = returned if isinstance(returned, (tuple, list)) and len(into) > 1 else (returned,)
        if len(values) != len(into):
            raise self.broken(f"it returns {len(values)} values, not {len(into)}", arguments)
        for value, array in zip(values, into, strict=True):
            if array is None:
                continue
            if np.shape(value) != array.shape:
                raise self.broken(f"it returns the shape {np.shape(value)}, not {array.shape}", arguments)
            array[...] = value
            if not np.all(np.isfinite(array)) and all(np.all(np.abs(a) < MODERATE) for a in arrays(arguments)):
                raise self.broken("it returns numbers that are not finite", arguments)

    def broken(self, how: str, arguments: tuple[Any, ...] = ()) -> BackendError:
        """The error, with the exercise and what to do."""
        number = self.path.stem[:2]
        shapes = ", ".join(f"{a.shape} {a.dtype}" for a in arrays(arguments))
        return BackendError(
            f"exercise {number} ({self.name} in {self.path.name}) passed its check, but here {how}"
            f"{f', for arguments of the shapes {shapes}' if shapes else ''}: mend it, then minivae check {number}"
        )


def arrays(arguments: tuple[Any, ...]) -> list[np.ndarray]:
    """Those of the arguments that are arrays."""
    return [argument for argument in arguments if isinstance(argument, np.ndarray)]


def describe(error: Exception, path: Path) -> str:
    """An exception, and the line of that file that it came through last."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"{type(error).__name__}: {error}{f' (line {lines[-1]})' if lines else ''}"
