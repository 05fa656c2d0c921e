"""The process that runs a learner's file: ``python -m minivae.learn.child FILE CHECK REPORT``.

It may hang, exit or crash; :mod:`minivae.learn.grading`, which started it, outlives that. The verdict goes into
the file REPORT, as JSON; what the learner prints is kept, up to a length.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType

from minivae.learn.exercise import Exercise
from minivae.learn.judge import Report, judge

LONGEST_OUTPUT = 4000  # characters
MOST_BYTES = 6 * 2**30


class Kept(io.StringIO):
    """The first few thousand characters of what is written; an endless loop that prints fills no memory."""

    @property
    def is_full(self) -> bool:
        """Nothing more will be kept."""
        return self.tell() >= LONGEST_OUTPUT

    def write(self, text: str) -> int:
        """Keep ``text`` as far as there is room."""
        super().write(text[: max(0, LONGEST_OUTPUT - self.tell())])
        return len(text)


def load(path: Path, name: str) -> ModuleType:
    """A module from a file, by its path."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Numba and pickle look functions up there
    spec.loader.exec_module(module)
    return module


def load_check(path: Path) -> Exercise:
    """The exercise that a file of ``lessons/checks/`` describes."""
    return load(path, f"check_{path.stem}").exercise


def examine(path: Path, exercise: Exercise) -> Report:
    """Import the learner's file and judge its function; whatever it raises becomes a sentence."""
    try:
        module = load(path, f"exercise_{path.stem}")
        function = getattr(module, exercise.function, None)
        if not callable(function):
            return Report(complaints=[f"the file has no function {exercise.function}: was it renamed or removed?"])
        return judge(exercise, function)
    except NotImplementedError as error:
        return Report(complaints=[f"{error}" or "not done yet"], started=False)
    except SyntaxError as error:
        where = f"line {error.lineno}" if error.lineno else "the file"
        text = f": {error.text.strip()}" if error.text else ""
        return Report(complaints=[f"{where} is not Python: {error.msg}{text}"])
    except SystemExit:
        return Report(complaints=["your code ends the process (exit or quit): a function only returns"])
    except BaseException as error:
        return Report(complaints=[describe(error, path)])


def describe(error: BaseException, path: Path) -> str:
    """The exception, and the learner's line that it came through last; Numba's errors name that line in their text."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    named = re.search(rf'{re.escape(path.name)}", line (\d+)', str(error))
    where = ""  # compiled code leaves no frames
    if named:
        where = f"    (line {named[1]})"
    elif frames:
        where = f"    (line {frames[-1].lineno}: {frames[-1].line})"
    text = first_words(error)
    return f"{type(error).__name__}{': ' if text else ''}{text}{where}{advice(error)}"


def first_words(error: BaseException) -> str:
    """The first line of a message that says something; where it ends in a colon, the next one too."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("Failed in nopython mode")] + [""]
    return f"{lines[0]} {lines[1].removeprefix('>>> ')}" if lines[0].endswith(":") else lines[0]


def advice(error: BaseException) -> str:
    """A sentence more for what beginners meet most."""
    if isinstance(error, ValueError) and "broadcast" in str(error):
        return "; an array (B,) meets one of shape (B, K) as v[:, None]"
    if isinstance(error, ModuleNotFoundError) and error.name == "numba":
        return "; this exercise needs it: python -m pip install numba"
    if isinstance(error, EOFError):
        return "; there is no keyboard here"
    return ""


def limit_memory() -> None:
    """An endless list shall end in a MemoryError, not take the machine down; not every system can."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))
    except (ImportError, ValueError, OSError):
        pass


def main() -> None:
    """Judge, and write the report."""
    path, check, report_path = (Path(argument).resolve() for argument in sys.argv[1:4])
    limit_memory()
    exercise = load_check(check)
    kept = Kept()
    with contextlib.redirect_stdout(kept), contextlib.redirect_stderr(kept):
        report = examine(path, exercise)
    report.printed = kept.getvalue() + ("\n... (the rest is not shown)" if kept.is_full else "")
    report_path.write_text(json.dumps(report.to_dict()), encoding="utf-8")


if __name__ == "__main__":
    main()
