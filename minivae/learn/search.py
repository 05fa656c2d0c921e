"""Which single edit explains a wrong answer? One that makes it right, or one that makes the solution as wrong.

The edited code runs in this process, with a time limit for each run, and whoever calls has to limit the whole.
"""

from __future__ import annotations

import ast
import contextlib
import itertools
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from minivae.gradcheck import relative_error
from minivae.learn.edits import Edit, Source, bytewise, edits
from minivae.learn.exercise import YOURS, Arguments, Case, Exercise, Values, changed, copied, error

SECONDS, SECONDS_OF_ONE = 4.0, 0.5  # of each of two searches, and of one call
HARMLESS = {"numpy", "math", "scipy", "numba", "itertools", "functools", "__future__", "typing"}
HARMFUL = {"open", "exec", "eval", "compile", "__import__", "input", "breakpoint", "exit", "quit", "getattr"} | {
    *("__builtins__", "globals", "save", "savez", "savetxt", "savez_compressed", "tofile", "dump", "memmap"),
}
MUTATED = "that is what comes out of a right answer if one thing is wrong in it: "
Found = list[tuple[Edit, frozenset[str]]]


class TimeUpError(BaseException):
    """An edited function has run too long; not an Exception, so that no except clause of a learner's keeps it."""


class Cause(NamedTuple):
    """What explains outputs: a sentence, the line, the edit itself, how large it is and of which kind."""

    text: str
    line: int | None
    edit: str
    outputs: frozenset[str]
    cost: float
    kinds: frozenset[str]


class Code:
    """The functions of a file, to be edited and run.

    Parameters
    ----------
    path : Path
    module : module
        What the file has become when it was imported: the names that its functions see.
    exercise : Exercise
    """

    def __init__(self, path: Path, module: ModuleType, exercise: Exercise):
        self.exercise, self.path = exercise, path
        written = path.read_text(encoding="utf-8")
        self.tree = ast.parse(written)
        lines = {
            n
            for node in self.tree.body
            if isinstance(node, ast.FunctionDef)
            for n in range(node.lineno, (node.end_lineno or 0) + 1)
        }
        self.text = bytewise("\n".join(line if n in lines else "" for n, line in enumerate(written.split("\n"), 1)))
        self.namespace = {"np": np} | vars(module)
        self.skip: set[int] = set()
        if hasattr(signal, "SIGALRM"):
            signal.signal(signal.SIGALRM, time_up)

    @property
    def is_harmless(self) -> bool:
        """It computes, and does nothing else, as far as its names tell."""
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = {alias.name for alias in node.names}
                modules = names if isinstance(node, ast.Import) else {node.module or ""}
                if names & HARMFUL or not {name.split(".")[0] for name in modules} <= HARMLESS:
                    return False
            if (isinstance(node, ast.Name) and node.id in HARMFUL) or getattr(node, "attr", "") in HARMFUL:
                return False
        return True

    def trust(self, solution: str, names: set[str]) -> None:
        """Suspect no line that came with the exercise, and none that makes only outputs called ``names``."""
        yours = YOURS.search(solution)
        given = {line.strip() for line in solution.replace(yours[0] if yours else "", "").splitlines()}
        lines = self.path.read_text(encoding="utf-8").splitlines()
        self.skip = {number for number, line in enumerate(lines, 1) if line.strip() in given}
        for statement in ast.walk(self.tree):
            if isinstance(statement, ast.Assign):
                targets = itertools.chain(*map(ast.walk, statement.targets))
                if {node.id for node in targets if isinstance(node, ast.Name)} <= names:
                    self.skip |= {*range(statement.lineno, (statement.end_lineno or 0) + 1)}

    def function(self, text: str = "") -> Callable:
        """The function as it is, or with this text."""
        exec(compile((text or self.text).encode("latin-1"), str(self.path), "exec"), self.namespace)
        return self.namespace[self.exercise.function]

    def drop_undefined(self) -> Callable:
        """The function, with None in the place of what it returns and has not defined; other NameErrors pass."""
        arguments = self.exercise.draws[0].arguments
        while True:
            try:
                function = self.function()
                function(*copied(arguments).values())
            except NameError as error:
                source = Source(self.text)
                tuples = [node.value for node in ast.walk(source.tree) if isinstance(node, ast.Return)]
                items = itertools.chain(*(getattr(values, "elts", []) for values in tuples))
                spans = [source.span(item) for item in items if getattr(item, "id", "") == error.name]
                if not spans:
                    raise
                self.text = source.put(spans, "None")
            else:
                return function

    def values(self, function: Callable, arguments: Arguments) -> Values:
        """What it returns, by name; nothing if it fails, runs too long, or changes its arguments."""
        handed_in = copied(arguments)
        try:
            with limited(SECONDS_OF_ONE):
                returned = function(*handed_in.values())
            names = self.exercise.returns
            several = zip(names, returned if len(names) > 1 else (returned,), strict=False)
            values = {name: np.asarray(value, dtype=float) for name, value in several if value is not None}
        except BaseException:  # whatever it raises, it has no value
            return {}
        return {} if changed(arguments, handed_in) else values


def time_up(*_: Any) -> None:
    """What the alarm does."""
    raise TimeUpError


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Let the alarm ring after so many seconds, where the system has one."""
    if not hasattr(signal, "setitimer"):
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def search(code: Code, cases: Sequence[Case], names: set[str], keep: set[str], stages: Sequence[bool]) -> Found:
    """All edits after which some of the outputs called ``names`` are as expected, and all of ``keep`` still."""
    found: Found = []
    until = time.monotonic() + SECONDS
    arguments = {name: [case.arguments[name] for case in cases] for name in cases[0].arguments}
    for late in stages:
        for edit in edits(code.text, arguments, code.skip, late):
            if time.monotonic() > until:
                return found
            if explained := as_expected(code, cases, names, keep, edit.text):
                found.append((edit, frozenset(explained)))
        if any(explained == names for _, explained in found):
            break
    return found


def as_expected(code: Code, cases: Sequence[Case], names: set[str], keep: set[str], text: str = "") -> set[str]:
    """Those of ``names`` that are as expected in every case, with this text; none if one of ``keep`` is not."""
    try:
        function = code.function(text)
    except Exception:
        return set()
    left = set(names)
    for case in cases:
        values = code.values(function, case.arguments)
        left = equal(values, case, left, code.exercise.tolerance)
        if not left or not keep <= equal(values, case, keep, code.exercise.tolerance):
            return set()
    return left


def equal(values: Values, case: Case, names: set[str], tolerance: float) -> set[str]:
    """Those of ``names`` whose values are as expected."""
    return {name for name in names if name in values and alike(values[name], case.expected[name], tolerance)}


def alike(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    """Of one shape, finite in the same places, and equal there."""
    if a.shape != b.shape:
        return False
    finite = np.isfinite(b)
    if finite.all():
        return error(a, b) < tolerance
    return np.array_equal(np.isfinite(a), finite) and relative_error(a[finite], b[finite]) < tolerance


def explain(exercise: Exercise, code: Code, solution: Code | None) -> list[Cause]:
    """The causes of wrong outputs, as far as one edit is the cause.

    Parameters
    ----------
    exercise : Exercise
    code : Code
        The learner's.
    solution : Code or None
        Without it, lines that came with the exercise are suspected too.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        function, outputs = code.function(), set(exercise.returns)
        cases = [*exercise.draws, *exercise.fresh]  # a cause is confirmed on draws that the verdict has not seen
        cases = [case._replace(yours=code.values(function, case.arguments)) for case in cases]
        right = as_expected(code, exercise.draws, outputs, set())
        there = {name for name in outputs - right if all(name in case.yours for case in cases)}
        if solution is not None:
            code.trust(solution.path.read_text(encoding="utf-8"), right)
        names = there or outputs - right
        found = search(code, cases, names, right, (False, True))
        if not there:  # an edit that only lets it go on explains nothing
            found = [(edit, explained) for edit, explained in found if explained == names]
        causes = of_edits(found, names, repaired, 0.1)
        sure = frozenset().union(*(cause.outputs for cause in causes if cause.cost < 1.3))
        left = {name for name in there - sure if not only_infinite(name, cases)}
        if solution is None or not left:
            return causes
        cases = [case._replace(expected=case.yours) for case in cases]
        return combined(causes, of_edits(search(solution, cases, left, set(), (False,)), left, mutated, 0.4))


def combined(repairs: list[Cause], mutations: list[Cause]) -> list[Cause]:
    """The repairs, and what they do not explain; "either ... or" where a mutation of another kind is as small.

    What is left out, or added, may make up for a mistake at another place: what was left out twice is right again.
    """
    causes = []
    for repair in repairs:
        rivals = [cause for cause in mutations if cause.outputs & repair.outputs and not cause.kinds & repair.kinds]
        if rivals and repair.cost > 1.2 and rivals[0].cost < repair.cost - 0.9:
            continue
        if rivals and repair.cost > 1.2 and rivals[0].cost < repair.cost + 0.1:
            text = f"either {repair.text.removeprefix('either ')}, or {rivals[0].text.removeprefix('either ')}"
            repair = repair._replace(text=text)
        causes.append(repair)
    return [*causes, *mutations]


def only_infinite(name: str, cases: Sequence[Case]) -> bool:
    """Right wherever it is finite, or zero: everything that overflows, or nothing at all, would explain that."""
    for case in cases:
        mine, expected = case.yours[name], case.expected[name]
        finite = np.isfinite(mine)
        if mine.any() and not (mine.shape == expected.shape and relative_error(mine[finite], expected[finite]) < 1e-6):
            return False
    return True


def of_edits(found: Found, names: set[str], sentence: Callable[[Edit], Cause], margin: float) -> list[Cause]:
    """The smallest edit that explains the most, for each output; "either ... or" where two are equally good."""
    causes, names = [], set(names)
    while able := [(edit, explained) for edit, explained in found if explained & names]:
        most = max(len(explained & names) for _, explained in able)
        able = [(edit, explained) for edit, explained in able if len(explained & names) == most]
        cost = min(edit.cost for edit, _ in able)
        best = {(edit.line, edit.kind): edit for edit, _ in reversed(able) if edit.cost < cost + margin + 0.01}
        chosen = [sentence(edit) for edit in sorted(best.values(), key=lambda edit: edit.cost)]
        kinds = frozenset().union(*(cause.kinds for cause in chosen))
        explained = next(explained for edit, explained in able if edit.cost == cost)
        texts = list(dict.fromkeys(cause.text for cause in chosen))[:3]
        if texts[0].startswith(MUTATED):
            text = MUTATED + ", or ".join(each.removeprefix(MUTATED) for each in texts)
        else:
            text = texts[0] if len(texts) == 1 else "either " + " or ".join(texts)
        causes.append(chosen[0]._replace(text=text, kinds=kinds, outputs=explained))
        names -= explained
    return causes


def repaired(edit: Edit) -> Cause:
    """Where in the learner's code the mistake is, and of which kind: not the edit itself."""
    before = " ".join(edit.before.split())
    where = "" if "everywhere" in edit.kind else f" in `{before if len(before) < 60 else before[:56] + ' ...'}`"
    look = "look at " if edit.kind.startswith("the ") else ""
    text = f"line {edit.line}: {look}{edit.kind}{where}"
    mend = f"line {edit.line}: {edit.after} in the place of {edit.before}"
    return Cause(text, edit.line, mend, frozenset(), edit.cost, frozenset({edit.kind}))


def mutated(edit: Edit) -> Cause:
    """What a right answer would have to get wrong for this."""
    kind = edit.kind
    if kind.startswith("one "):
        kind = f"there is {kind.replace(' is missing', ' too many')}"
    else:
        kind = kind.replace("there is one", "one").replace("too many", "is missing")
    text = f"{MUTATED}{kind}"
    return Cause(text, None, "", frozenset(), edit.cost, frozenset({kind}))
