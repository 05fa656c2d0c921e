"""The exercises: ``minivae learn``, ``check``, ``hint``, ``reset``, ``solution``, ``watch``."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minivae.commands.common import add_command, add_json

if TYPE_CHECKING:
    from minivae.learn.catalogue import Entry
    from minivae.learn.judge import Output, Report

WATCH_SECONDS = 0.3


def add(commands: Any) -> None:
    """The commands and their options."""
    add_json(add_command(commands, "learn", learn, "list the exercises of the lessons, and which ones you have solved"))
    check_parser = add_numbered(
        commands, "check", check, "check your solution of an exercise, and say what is wrong with it"
    )
    add_json(check_parser)
    add_numbered(commands, "hint", hint, "show the next of three hints")
    add_numbered(commands, "reset", reset, "put an exercise back as it was; your version is kept beside it")
    show = add_numbered(commands, "solution", solution, "show a solution, once you have passed")
    show.add_argument("--show", action="store_true", help="show it even so")
    add_command(commands, "watch", watch, "check an exercise whenever you save it, until Ctrl-C")


def add_numbered(commands: Any, name: str, command: Any, text: str) -> argparse.ArgumentParser:
    """A command about one exercise."""
    parser = add_command(commands, name, command, text)
    parser.add_argument("number", metavar="NN", help="the exercise's number, such as 01")
    return parser


def learn(options: argparse.Namespace) -> int:
    """Every exercise under its lesson, with its state."""
    from minivae.learn.catalogue import entries
    from minivae.learn.progress import Progress

    known = entries()
    progress = Progress(known[0].lessons)
    if options.json:
        print(json.dumps({"exercises": [facts(entry, progress) for entry in known]}))
        return 0
    print(f"{sum(progress.of(entry.name)['passed'] for entry in known)} of {len(known)} exercises passed. Take any:")
    lesson = None
    for entry in known:
        if entry.exercise.lesson != lesson:
            lesson = entry.exercise.lesson
            where = shown(entry.lesson_file) if entry.lesson_file else "not written yet"
            print(f"\nlesson {lesson}   {where}")
        state = state_of(progress.of(entry.name))
        print(f"  {entry.number}  {state:<7} {entry.name[3:]:<25} {entry.exercise.title}")
    print(f"\nEdit a file in {shown(known[0].file.parent)}, then  minivae check NN.  Stuck?  minivae hint NN")
    return 0


def facts(entry: Entry, progress: Any) -> dict[str, Any]:
    """One exercise, for JSON."""
    exercise = entry.exercise
    values = {"number": entry.number, "name": entry.name, "lesson": exercise.lesson, "title": exercise.title}
    return values | {"file": str(entry.file)} | progress.of(entry.name)


def state_of(known: dict[str, Any]) -> str:
    """One word."""
    return "passed" if known["passed"] else "tried" if known["tries"] else "-"


def check(options: argparse.Namespace) -> int:
    """Judge one exercise; status 1 if it does not pass."""
    from minivae.learn.catalogue import entry

    return check_entry(entry(options.number), options.json)


def check_entry(entry: Entry, as_json: bool = False) -> int:
    """Run the check, show the verdict, note it."""
    from minivae.learn.grading import grade
    from minivae.learn.progress import Progress

    progress = Progress(entry.lessons)
    if not as_json:
        print(f"checking {shown(entry.file)} ...", flush=True)
    report = grade(entry)
    known = progress.of(entry.name)
    if report.started:
        progress.update(entry.name, passed=known["passed"] or report.passed, tries=known["tries"] + 1)
    if as_json:
        values = report.to_dict()
        del values["edit"]  # the answer, which is for minivae hint
        print(json.dumps({"number": entry.number, "name": entry.name} | values))
    else:
        print_report(entry, report, known["hints"])
    return 0 if report.passed else 1


def print_report(entry: Entry, report: Report, hints: int) -> None:
    """What the file printed, a line for each output, what is wrong, and where to go from here."""
    for line in report.printed.splitlines():
        print(f"  | {line}")
    for output in report.outputs:
        print_output(output, max(len(output.name) for output in report.outputs))
    for complaint in report.complaints:
        print(f"{'FAIL' if report.started else 'TODO'}  {complaint}")
    for note in report.notes:
        print(f"      {note}")
    if report.passed:
        print(f"\nExercise {entry.number} passed. {entry.exercise.why}")
    elif hints < (levels := len(entry.exercise.hints)):
        print(f"\nEdit and check again, or  minivae hint {entry.number}  (hint {hints + 1} of {levels})")
    else:
        print(f"\nEdit and check again, or  minivae solution {entry.number} --show")


def print_output(output: Output, width: int) -> None:
    """One line for a returned value, and its diagnosis below."""
    error = "" if output.error is None else f"   relative error {output.error:.0e}"
    print(f"{'ok  ' if output.passed else 'FAIL'}  {output.name:<{width}}   shape {tuple(output.shape)}{error}")
    for sentence in output.message.split("; "):
        print(f"      {sentence}" if sentence else "", end="\n" if sentence else "")


def hint(options: argparse.Namespace) -> int:
    """The next hint; after the last, what would mend the learner's code, if that is known, or the last once more."""
    from minivae.learn.catalogue import entry
    from minivae.learn.grading import grade
    from minivae.learn.progress import Progress

    chosen = entry(options.number)
    progress, hints = Progress(chosen.lessons), chosen.exercise.hints
    if progress.of(chosen.name)["hints"] >= len(hints) and (edit := grade(chosen).edit):
        print(f"the last hint for exercise {chosen.number}, from your own code: {edit}")
        return 0
    level = min(progress.of(chosen.name)["hints"], len(hints) - 1)
    print(f"hint {level + 1} of {len(hints)} for exercise {chosen.number}: {hints[level]}")
    progress.update(chosen.name, hints=level + 1)
    return 0


def reset(options: argparse.Namespace) -> int:
    """The exercise as it was at first."""
    from minivae.learn.catalogue import entry

    chosen = entry(options.number)
    kept = chosen.reset()
    print(f"{shown(chosen.file)} is as it was at first" + (f"; your version is in {shown(kept)}" if kept else ""))
    return 0


def solution(options: argparse.Namespace) -> int:
    """The solution, to those who have passed or insist."""
    from minivae.learn.catalogue import LearnError, entry
    from minivae.learn.progress import Progress

    chosen = entry(options.number)
    if not (options.show or Progress(chosen.lessons).of(chosen.name)["passed"]):
        raise LearnError(
            f"exercise {chosen.number} has not passed yet; minivae solution {chosen.number} --show shows it even so"
        )
    if not chosen.solution.is_file():
        raise LearnError(f"{shown(chosen.solution)} is missing")
    print(chosen.solution.read_text(encoding="utf-8"), end="")
    return 0


def watch(options: argparse.Namespace) -> int:
    """Check whatever is saved; Ctrl-C ends it."""
    from minivae.learn.catalogue import entries

    known = entries()
    seen = {entry.name: saved_at(entry.file) for entry in known}
    print(f"watching {shown(known[0].file.parent)}: save an exercise to have it checked; Ctrl-C ends", flush=True)
    while True:
        time.sleep(WATCH_SECONDS)
        for entry in known:
            now = saved_at(entry.file)
            if now != seen[entry.name] and now is not None:
                print()
                check_entry(entry)
            seen[entry.name] = now


def saved_at(path: Path) -> int | None:
    """When the file was written last, in nanoseconds; None while there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def shown(path: Path) -> str:
    """A path as short as it can be written from here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
