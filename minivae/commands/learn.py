"""The exercises: ``minivae learn``, ``check``, ``hint``, ``reset``, ``solution``, ``watch``, in a workspace."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minivae.commands.common import add_command, add_json, print_json

if TYPE_CHECKING:
    from minivae.answers import Workspace
    from minivae.learn.catalogue import Entry
    from minivae.learn.judge import Report

SUPPRESS = argparse.SUPPRESS
WATCH_SECONDS = 0.3


def add(commands: Any) -> None:
    """The commands and their options."""
    parser = add_command(
        commands, "learn", learn, "list the exercises of the lessons, and draw which parts of a VAE you have written"
    )
    parser.add_argument(
        "--start",
        nargs="?",
        const="",
        default=SUPPRESS,
        metavar="FOLDER",
        help="make a workspace, a folder with all exercises that git ignores (my-vae, unless you name one), and stop",
    )
    add_json(parser)
    parser = add_command(commands, "check", check, "check your solution of an exercise, and say what is wrong with it")
    parser.add_argument(
        "number", metavar="NN", nargs="?", default=SUPPRESS, help="such as 01; without it, all that have changed"
    )
    parser.add_argument("--file", type=Path, default=SUPPRESS, help="check this file, not the workspace's")
    add_json(parser)
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
    """Every exercise under its lesson, with its state, and the map of the VAE."""
    from minivae.answers import Workspace, find_workspace
    from minivae.learn import map as vae_map
    from minivae.learn.catalogue import WORKSPACE, entries, no_workspace
    from minivae.learn.progress import Progress

    if "start" in options:
        return start(Path(options.start or find_workspace() or WORKSPACE), options.json)
    folder, known = find_workspace(), entries()
    progress, workspace = Progress(known[0].folder), Workspace(known[0].folder)
    exercises = [facts(entry, progress, workspace) for entry in known]
    if options.json:
        print_json({"workspace": folder and str(folder), "exercises": exercises})
        return 0
    print(f"{sum(exercise['passed'] for exercise in exercises)} of {len(known)} exercises passed. Take any:")
    lesson = None
    for entry, of in sorted(zip(known, exercises, strict=True), key=lambda pair: (pair[1]["lesson"], pair[0].number)):
        if of["lesson"] != lesson:
            lesson = of["lesson"]
            print(f"\nlesson {lesson}   {shown(entry.lesson_file) if entry.lesson_file else 'not written yet'}")
        state = ("passed" if of["solved"] else "changed") if of["passed"] else "tried" if of["tries"] else "-"
        print(f"  {entry.number}  {state:<7} {entry.name[3:]:<25} {of['title']}")
    if folder is None:
        print(f"\n{no_workspace()}")
        return 0
    print(f"\n{vae_map.draw(workspace.solved)}")
    print(f"\nEdit a file in {folder}, then  minivae check NN.  Stuck?  minivae hint NN")
    return 0


def start(folder: Path, as_json: bool) -> int:
    """Make a workspace, or add to it what it lacks."""
    from minivae.learn.catalogue import entries, start

    n, first = start(folder), entries(folder)[0]
    if as_json:
        print_json({"workspace": str(folder.resolve()), "new": n})
        return 0
    print(f"{shown(folder)} is your workspace; {n} exercises are new in it. Begin, for example, with:")
    print(f"\ncd {shown(folder)}\nminivae check {first.number}      # judges {first.file.name}, which you edit")
    return 0


def facts(entry: Entry, progress: Any, workspace: Workspace) -> dict[str, Any]:
    """One exercise, for JSON."""
    exercise = entry.exercise
    values = {"number": entry.number, "name": entry.name, "lesson": exercise.lesson, "title": exercise.title}
    solved = entry.number in workspace.solved
    return values | {"file": str(entry.file)} | progress.of(entry.name) | {"solved": solved}


def check(options: argparse.Namespace) -> int:
    """Judge one exercise, or all that have changed since they passed; status 1 if one does not pass."""
    from minivae.answers import Workspace
    from minivae.learn.catalogue import LearnError, entries, entry, workspace

    number = getattr(options, "number", None)
    if "file" in options:
        if number is None or options.file.suffix != ".py" or not options.file.is_file():
            raise LearnError("--file needs the number of the exercise too, and a Python file that exists")
        return check_entry(entry(number), options.json, options.file)
    folder = workspace()
    if number is not None:
        return check_entry(entry(number), options.json)
    if options.json:
        raise LearnError("--json needs the number of one exercise")
    solved = Workspace(folder).solved
    changed = [entry for entry in entries(folder) if entry.number not in solved and entry.is_begun()]
    if not changed:
        print("no exercise is begun, or has changed since it passed: edit one, or check it by its number")
        return 0
    statuses = [check_entry(entry) for entry in changed]
    print(f"\n{len(statuses) - sum(statuses)} of the {len(statuses)} exercises that had changed have passed")
    return max(statuses, default=0)


def check_entry(entry: Entry, as_json: bool = False, file: Path | None = None) -> int:
    """Run the check, show the verdict, note it unless it is about another file than the workspace's."""
    from minivae.answers import fingerprint
    from minivae.learn.grading import grade
    from minivae.learn.progress import Progress

    progress = Progress(entry.folder)
    if not as_json:
        print(f"checking {shown(file or entry.file)} ...", flush=True)
    before = fingerprint(entry.file) if entry.file.is_file() else ""
    report = grade(entry, file)
    known = progress.of(entry.name)
    if report.started and file is None:
        noted = {"sha256": before} if report.passed else {}
        progress.update(entry.name, passed=known["passed"] or report.passed, tries=known["tries"] + 1, **noted)
    if as_json:
        values = report.to_dict()
        del values["edit"]  # the answer, which is for minivae hint
        print_json({"number": entry.number, "name": entry.name} | values)
    else:
        print_report(entry, report, known["hints"])
    return 0 if report.passed else 1


def print_report(entry: Entry, report: Report, hints: int) -> None:
    """The verdict, and where to go from here."""
    print(report.text(), end="")
    if report.passed:
        print(f"\nExercise {entry.number} passed. {entry.exercise.why}")
    elif hints < (levels := len(entry.exercise.hints)):
        print(f"\nEdit and check again, or  minivae hint {entry.number}  (hint {hints + 1} of {levels})")
    else:
        print(f"\nEdit and check again, or  minivae solution {entry.number} --show")


def hint(options: argparse.Namespace) -> int:
    """The next hint; after the last, what would mend the learner's code, if that is known, or the last once more."""
    from minivae.learn.catalogue import entry, workspace
    from minivae.learn.grading import grade
    from minivae.learn.progress import Progress

    progress, chosen = Progress(workspace()), entry(options.number)
    hints = chosen.exercise.hints
    if progress.of(chosen.name)["hints"] >= len(hints) and (edit := grade(chosen).edit):
        print(f"the last hint for exercise {chosen.number}, from your own code: {edit}")
        return 0
    level = min(progress.of(chosen.name)["hints"], len(hints) - 1)
    print(f"hint {level + 1} of {len(hints)} for exercise {chosen.number}: {hints[level]}")
    progress.update(chosen.name, hints=level + 1)
    return 0


def reset(options: argparse.Namespace) -> int:
    """The exercise as it was at first."""
    from minivae.learn.catalogue import entry, workspace

    workspace()
    chosen = entry(options.number)
    kept = chosen.reset()
    print(f"{shown(chosen.file)} is as it was at first" + (f"; your version is in {shown(kept)}" if kept else ""))
    return 0


def solution(options: argparse.Namespace) -> int:
    """The solution, to those who have passed or insist."""
    from minivae.learn.catalogue import LearnError, entry, workspace
    from minivae.learn.progress import Progress

    progress, chosen = Progress(workspace()), entry(options.number)
    if not (options.show or progress.of(chosen.name)["passed"]):
        raise LearnError(
            f"exercise {chosen.number} has not passed yet; minivae solution {chosen.number} --show shows it even so"
        )
    if not chosen.solution.is_file():
        raise LearnError(f"{shown(chosen.solution)} is missing")
    print(chosen.solution.read_text(encoding="utf-8"), end="")
    return 0


def watch(options: argparse.Namespace) -> int:
    """Check whatever is saved; Ctrl-C ends it."""
    from minivae.learn.catalogue import entries, workspace

    known = entries(workspace())
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
