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
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from minivae.learn.edits import Edit, edits
from minivae.learn.exercise import YOURS, Arguments, Exercise, by_name, copied, error

SECONDS = 5.0  # of computing
SECONDS_OF_ONE = 0.5
HARMLESS = {"numpy", "math", "scipy", "numba", "itertools", "functools", "__future__", "typing"}
HARMFUL = {"open", "exec", "eval", "compile", "__import__", "input", "breakpoint", "exit", "quit"} | {
    *("save", "savez", "savetxt", "savez_compressed", "tofile", "dump", "memmap"),
}
Values = Mapping[str, np.ndarray]


class TimeUpError(BaseException):
    """An edited function has run too long; not an Exception, so that no except clause of a learner's keeps it."""


class Cause(NamedTuple):
    """What explains an output: a sentence, the line, the edit itself, and the outputs that it explains."""

    text: str
    line: int | None
    edit: str
    outputs: frozenset[str]
    cost: float


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
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.functions = [node for node in self.tree.body if isinstance(node, ast.FunctionDef)]
        for function in self.functions:
            function.decorator_list = []
        self.namespace = {"np": np} | vars(module)
        self.skip: set[int] = set()

    @property
    def is_harmless(self) -> bool:
        """It computes, and does nothing else, as far as its names tell."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import) and not {name.name.split(".")[0] for name in node.names} <= HARMLESS:
                return False
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] not in HARMLESS:
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
        for statement in itertools.chain(*(function.body for function in self.functions)):
            if isinstance(statement, ast.Assign):
                made = {
                    node.id for target in statement.targets for node in ast.walk(target) if isinstance(node, ast.Name)
                }
                if made <= names:
                    self.skip |= {*range(statement.lineno, (statement.end_lineno or 0) + 1)}

    def function(self) -> Callable:
        """The function as it is now."""
        module = ast.fix_missing_locations(ast.Module(list(self.functions), []))
        exec(compile(module, str(self.path), "exec"), self.namespace)
        return self.namespace[self.exercise.function]

    def values(self, function: Callable, arguments: Arguments) -> Values:
        """What it returns, by name; nothing if it fails, runs too long, or changes its arguments."""
        handed_in = copied(arguments)
        try:
            with limited(SECONDS_OF_ONE):
                values = by_name(self.exercise.returns, function(*handed_in.values()))
        except (Exception, TimeUpError, SystemExit):
            return {}
        for name, value in arguments.items():
            if isinstance(value, np.ndarray) and not np.array_equal(value, handed_in[name], equal_nan=True):
                return {}
        return values


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise TimeUpError after so many seconds, where the system has such an alarm."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: Any) -> None:
        raise TimeUpError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Draw(NamedTuple):
    """Arguments, and the values that are looked for."""

    arguments: Arguments
    wanted: Values


def search(
    code: Code,
    draws: Sequence[Draw],
    fresh: Callable[[], Sequence[Draw]],
    names: set[str],
    keep: set[str],
    until: float,
    add: bool,
) -> list[tuple[Edit, frozenset[str]]]:
    """All edits after which some of the outputs called ``names`` are as wanted, and all of ``keep`` still.

    Those that explain most come first, then the smallest.
    """
    found: list[tuple[Edit, frozenset[str]]] = []
    texts = tuple({value for draw in draws for value in draw.arguments.values() if isinstance(value, str)})
    for late in (False, True):
        for edit in itertools.chain(*(edits(function, texts, code.skip, late, add) for function in code.functions)):
            if time.process_time() > until:
                return ranked(found)
            explained = outputs_as_wanted(code, draws, names, keep)
            if explained:
                explained = outputs_as_wanted(code, fresh(), explained, keep)
            if explained:
                found.append((edit, frozenset(explained)))
        if any(explained == names for _, explained in found):
            break
    return ranked(found)


def ranked(found: list[tuple[Edit, frozenset[str]]]) -> list[tuple[Edit, frozenset[str]]]:
    """Those that explain most, then the smallest."""
    return sorted(found, key=lambda item: (-len(item[1]), item[0].cost))


def outputs_as_wanted(code: Code, draws: Sequence[Draw], names: set[str], keep: set[str]) -> set[str]:
    """Those of ``names`` that are as wanted in every draw; none if one of ``keep`` is not."""
    try:
        function = code.function()
    except Exception:
        return set()
    left = set(names)
    for draw in draws:
        values = code.values(function, draw.arguments)
        tolerance = code.exercise.tolerance
        right = {name for name in left | keep if name in values and error(values[name], draw.wanted[name]) < tolerance}
        left &= right
        if not left or not keep <= right:
            return set()
    return left


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
    until = time.process_time() + SECONDS
    draws = [Draw(arguments, exercise.expected(arguments)) for _, arguments in exercise.draws()]
    fresh: list[Draw] = []

    def more() -> list[Draw]:
        if not fresh:
            fresh.extend(Draw(arguments, exercise.expected(arguments)) for _, arguments in exercise.draws(seed=100))
        return fresh

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        function = code.function()
        yours = [code.values(function, draw.arguments) for draw in draws]
        wrong = set(exercise.returns) - outputs_as_wanted(code, draws, set(exercise.returns), set())
        right = set(exercise.returns) - wrong
        missing = {name for name in wrong if any(name not in mine for mine in yours)}
        runs = len(missing) < len(exercise.returns)
        if solution is not None:
            code.trust(solution.path.read_text(encoding="utf-8"), right)
        names = wrong - missing if runs else wrong
        found = search(code, draws, more, names, right, until, True)
        if not runs:  # an edit that only lets it go on explains nothing
            found = [(edit, explained) for edit, explained in found if explained == names]
        causes = [*of_edits(found, names, repaired)]
        small = {name for cause in causes if cause.cost <= 2 for name in cause.outputs}
        left = names - missing - small
        if solution is not None and left:
            targets = [Draw(draw.arguments, mine) for draw, mine in zip(draws, yours, strict=True)]

            def again() -> list[Draw]:
                function = code.function()
                return [Draw(draw.arguments, code.values(function, draw.arguments)) for draw in more()]

            mutations = [*of_edits(search(solution, targets, again, left, set(), until, False), left, mutated, 0.4)]
            better = {name for cause in mutations for name in cause.outputs}
            causes = [cause for cause in causes if not cause.outputs & better] + mutations
    return causes


def of_edits(
    found: list[tuple[Edit, frozenset[str]]],
    names: set[str],
    sentence: Callable[[Edit], tuple[str, int | None]],
    margin: float = 0,
) -> Iterator[Cause]:
    """The smallest edit that explains the most, for each output; "either ... or" where two are equally good."""
    names = set(names)
    while names:
        able = [(edit, explained) for edit, explained in found if explained & names]
        if not able:
            return
        most = max(len(explained & names) for _, explained in able)
        able = [(edit, explained) for edit, explained in able if len(explained & names) == most]
        cost = min(edit.cost for edit, _ in able)
        best = {
            (edit.line, edit.kind): (edit, explained)
            for edit, explained in reversed(able)
            if edit.cost <= cost + margin
        }
        chosen = list(best.values())[::-1]
        sentences = [sentence(edit) for edit, _ in chosen]
        edit, explained = chosen[0]
        text = sentences[0][0] if len(chosen) == 1 else "either " + " or ".join(text for text, _ in sentences[:3])
        yield Cause(
            text, sentences[0][1], f"line {edit.line}: {edit.after} in the place of {edit.before}", explained, cost
        )
        names -= explained


def repaired(edit: Edit) -> tuple[str, int | None]:
    """Where in the learner's code the mistake is, and of which kind: not the edit itself."""
    before = " ".join(edit.before.split())
    return f"line {edit.line}: {edit.kind} in `{before if len(before) < 60 else before[:56] + ' ...'}`", edit.line


def mutated(edit: Edit) -> tuple[str, int | None]:
    """What a right answer would have to get wrong for this."""
    kind = edit.kind
    if kind.startswith("one "):
        kind = f"there is {kind.replace(' is missing', ' too many')}"
    else:
        kind = kind.replace("there is one", "one").replace("too many", "is missing")
    return f"that is what comes out of a right answer if one thing is wrong in it: {kind}", None
