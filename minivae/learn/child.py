"""The process that runs a learner's file: ``python -m minivae.learn.child FILE CHECK REPORT [PIPE]``.

It may hang, exit or crash; :mod:`minivae.learn.grading`, which started it, outlives that. The verdict goes into
the file REPORT, as JSON, and once more when the code has been searched for causes, which may take ``SEARCH_SECONDS``;
what the learner prints is kept, up to a length.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib.util
import io
import json
import linecache
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np

from minivae.answers import fingerprint
from minivae.learn import search, trace
from minivae.learn.exercise import YOURS, Exercise
from minivae.learn.judge import NOT_YET, Report, judge, unjudged
from minivae.system.files import replacing

LONGEST_OUTPUT = 4000  # characters
MOST_BYTES = 6 * 2**30
MOST_BYTES_OF_A_FILE = 2**28
SEARCH_SECONDS = 10


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
        try:
            return judge(exercise, function)
        except NameError:
            return judge(exercise, search.Code(path, module, exercise).drop_undefined())
    except NotImplementedError as error:
        number = left_over(path)
        if number:
            text = f"line {number}: a raise is left over beside what you wrote; take it out"
            return Report(complaints=[text])
        return Report(complaints=[f"{error}" or "not done yet"], started=False)
    except SyntaxError as error:
        where = f"line {error.lineno}" if error.lineno else "the file"
        text = f": {error.text.strip()}" if error.text else ""
        return Report(complaints=[f"{where} is not Python: {error.msg}{text}"])
    except SystemExit:
        return Report(complaints=["your code ends the process (exit or quit): a function only returns"])
    except BaseException as error:
        return Report(complaints=[describe(error, path)])


def left_over(path: Path) -> int:
    """The line of a raise that still stands among lines that the learner has written; 0 if there is none."""
    text = path.read_text(encoding="utf-8")
    found = YOURS.search(text)
    if found is None:
        return 0
    first = text[: found.start(2)].count("\n") + 1
    lines = [(first + i, line.strip()) for i, line in enumerate(found[2].splitlines()) if line.strip()]
    lines = [(number, line) for number, line in lines if not line.startswith("#")]
    raised = [number for number, line in lines if line.startswith("raise NotImplementedError")]
    return raised[0] if raised and len(lines) > len(raised) else 0


def add_causes(report: Report, path: Path, exercise: Exercise, solution: Path) -> None:
    """Search the learner's code for what explains each wrong output, and say it; see :mod:`minivae.learn.search`."""
    module = sys.modules.get(f"exercise_{path.stem}")
    wrong = [output for output in report.outputs if not output.passed and output.message != NOT_YET]
    stopped = not report.outputs and report.complaints and report.started and exercise.judge is None
    if module is None or not (wrong or stopped):
        return
    try:
        code = search.Code(path, module, exercise)
        known = search.Code(solution, load(solution, "solution"), exercise) if solution.is_file() else None
    except (OSError, SyntaxError, ValueError):
        return
    if not code.is_harmless or f"def {exercise.function}(" not in code.text:
        return
    with contextlib.suppress(BaseException):
        code.drop_undefined()
    causes = search.explain(exercise, code, known)
    report.edit = "; ".join(cause.edit for cause in causes if cause.line)
    if stopped and causes:
        report.complaints[0] += f"; {causes[0].text}"
        report.outputs = unjudged(exercise, causes[0].text, causes[0].line)
    said: dict[str, str] = {}
    for output in wrong:
        cause = next((cause for cause in causes if output.name in cause.outputs), None)
        if cause is not None:
            text = f"the same as in {said[cause.text]}" if cause.text in said else cause.text
            said.setdefault(cause.text, output.name)
            fact = output.message.split("; that is what comes out if")[0]
            fact = "" if fact.startswith(("that is what comes out if", "it may inherit")) else fact
            output.message = "; ".join(filter(None, [fact, text]))
            output.cause, output.line = cause.text, cause.line
        elif output.cause is None:
            trace.look(output, code, known)


def describe(error: BaseException, path: Path) -> str:
    """The exception, and the learner's line that it came through last; Numba's errors name that line in their text."""
    frames = [
        (frame, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if Path(frame.f_code.co_filename) == path
    ]
    named = re.search(rf'{re.escape(path.name)}", line (\d+)', str(error))
    where = shapes = ""  # compiled code leaves no frames
    if named:
        where = f"    (line {named[1]})"
    elif frames:
        frame, number = frames[-1]
        line = linecache.getline(str(path), number).strip()
        where = f"    (line {number}: {line})"
        arrays = {name: frame.f_locals.get(name) for name in dict.fromkeys(re.findall(r"[A-Za-z_]\w*", line))}
        if isinstance(error, (ValueError, IndexError)):
            shapes = ", ".join(f"{n} is {v.shape}" for n, v in arrays.items() if isinstance(v, np.ndarray))
    text = first_words(error)
    return f"{type(error).__name__}{': ' if text else ''}{text}{where}{f'; {shapes}' if shapes else ''}{advice(error)}"


def first_words(error: BaseException) -> str:
    """The first line of a message that says something; where it ends in a colon, the next one too."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("Failed in nopython mode")] + [""]
    return f"{lines[0]} {lines[1].removeprefix('>>> ')}" if lines[0].endswith(":") else lines[0]


def advice(error: BaseException) -> str:
    """A sentence more for what beginners meet most."""
    if isinstance(error, ValueError) and re.search(r"shapes \((\d+),\) \(\1,\d+\)|\((\d+),\d+\) \(\2,\)", str(error)):
        return "; an array (B,) meets one of shape (B, K) as v[:, None]"
    if isinstance(error, ModuleNotFoundError) and error.name == "numba":
        return "; this exercise needs it: python -m pip install numba"
    if isinstance(error, EOFError):
        return "; there is no keyboard here"
    return ""


def limit_memory() -> None:
    """An endless list, or file, shall end in an error, not take the machine down; not every system can."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))
        resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_BYTES_OF_A_FILE, MOST_BYTES_OF_A_FILE))
    except (ImportError, ValueError, OSError):
        pass


def end_with_the_checker(pipe: int) -> None:
    """Kill this process and all that it has started when the other end of a pipe closes: the checker is no more."""

    def wait() -> None:
        os.read(pipe, 1)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def verdict(path: Path, check: Path, tell: Callable[[Report], None]) -> None:
    """Judge the file and tell the report; then look for causes, which may hang, and tell it once more."""
    exercise, kept = load_check(check), Kept()
    with contextlib.redirect_stdout(kept), contextlib.redirect_stderr(kept):
        report = examine(path, exercise)
    report.printed = kept.getvalue() + ("\n... (the rest is not shown)" if kept.is_full else "")
    tell(report)
    with contextlib.redirect_stdout(Kept()), contextlib.redirect_stderr(Kept()):
        add_causes(report, path, exercise, check.parents[1] / "solutions" / check.name)
    tell(report)


def in_page(path: Path, check: Path) -> None:
    """Print the verdicts as lines of JSON, for a page in a browser, which ends all of Python if something hangs."""
    sys.dont_write_bytecode = True  # many files of one name, whose times may all be zero there
    linecache.clearcache()
    facts = {"sha256": fingerprint(path)}
    verdict(path, check, lambda report: print(json.dumps(report.to_dict() | facts | {"text": report.text()})))


def main() -> None:
    """Write the verdict into the file REPORT, and again with the causes."""
    path, check, report_path = (Path(argument).resolve() for argument in sys.argv[1:4])
    limit_memory()
    for pipe in sys.argv[4:]:
        end_with_the_checker(int(pipe))
    nowhere = open(os.devnull, "w")  # noqa: SIM115  until the process ends

    def write(report: Report) -> None:
        with replacing(report_path) as beside:
            beside.write_text(json.dumps(report.to_dict()), encoding="utf-8")
        # What hangs from here on, even in compiled code, ends the process; the first report is there already.
        faulthandler.dump_traceback_later(SEARCH_SECONDS, exit=True, file=nowhere)

    verdict(path, check, write)


if __name__ == "__main__":
    main()
