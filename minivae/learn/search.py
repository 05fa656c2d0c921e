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

from minivae.gradcheck import relative_error
from minivae.learn.edits import Edit, edits
from minivae.learn.exercise import YOURS, Arguments, Exercise, copied

SECONDS, WALL_SECONDS = 5.0, 8.0  # of computing, and in all where others compute too
SECONDS_OF_ONE = 0.5
HARMLESS = {"numpy", "math", "scipy", "numba", "itertools", "functools", "__future__", "typing"}
HARMFUL = {"open", "exec", "eval", "compile", "__import__", "input", "breakpoint", "exit", "quit", "getattr"} | {
    *("__builtins__", "globals", "save", "savez", "savetxt", "savez_compressed", "tofile", "dump", "memmap"),
}
Values = Mapping[str, np.ndarray]


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
        for statement in itertools.chain(*(function.body for function in self.functions)):
            if isinstance(statement, ast.Assign):
                targets = itertools.chain(*map(ast.walk, statement.targets))
                if {node.id for node in targets if isinstance(node, ast.Name)} <= names:
                    self.skip |= {*range(statement.lineno, (statement.end_lineno or 0) + 1)}

    def function(self) -> Callable:
        """The function as it is now."""
        module = ast.fix_missing_locations(ast.Module(list(self.functions), []))
        exec(compile(module, str(self.path), "exec"), self.namespace)
        return self.namespace[self.exercise.function]

    def drop_undefined(self) -> Callable:
        """The function, with None in the place of what it returns and has not defined; other NameErrors pass."""
        (_, arguments), *_ = self.exercise.draws()
        while True:
            function = self.function()
            try:
                function(*copied(arguments).values())
            except NameError as error:
                nodes = (node for tree in self.functions for node in ast.walk(tree) if isinstance(node, ast.Return))
                tuples = [node.value.elts for node in nodes if isinstance(node.value, ast.Tuple)]
                places = [(t, i) for t in tuples for i, e in enumerate(t) if getattr(e, "id", "") == error.name]
                if not places:
                    raise
                for elements, i in places:
                    elements[i] = ast.Constant(None)
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
    until: tuple[float, float],
    add: bool,
) -> list[tuple[Edit, frozenset[str]]]:
    """All edits after which some of the outputs called ``names`` are as wanted, and all of ``keep`` still.

    Those that explain most come first, then the smallest.
    """
    found: list[tuple[Edit, frozenset[str]]] = []
    texts = tuple({value for draw in draws for value in draw.arguments.values() if isinstance(value, str)})
    for late in (False, True):
        for edit in itertools.chain(*(edits(function, texts, code.skip, late, add) for function in code.functions)):
            if time.process_time() > until[0] or time.monotonic() > until[1]:
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
        right = {name for name in left | keep if name in values and alike(values[name], draw.wanted[name], tolerance)}
        left &= right
        if not left or not keep <= right:
            return set()
    return left


def alike(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    """Of one shape, finite in the same places, and equal there."""
    if a.shape != b.shape or not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return False
    finite = np.isfinite(b)
    return relative_error(a[finite], b[finite]) < tolerance


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
    until = time.process_time() + SECONDS, time.monotonic() + WALL_SECONDS
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
        edits = of_edits(found, names, repaired, 0.1)
        known = [
            name
            for name in names - missing
            if not all(only_infinite(name, *both) for both in zip(yours, draws, strict=True))
        ]
        if solution is None or not known:
            return edits
        targets = [Draw(draw.arguments, mine) for draw, mine in zip(draws, yours, strict=True)]

        def again() -> list[Draw]:
            function = code.function()
            return [Draw(draw.arguments, code.values(function, draw.arguments)) for draw in more()]

        found = search(solution, targets, again, set(known), set(), until, False)
        return combined(edits, of_edits(found, set(known), mutated, 0.4))


def combined(repairs: list[Cause], mutations: list[Cause]) -> list[Cause]:
    """The smaller of the two; both, where they are as small and of another kind.

    A repair may compensate for a mistake at another place: only what was left out twice is right again.
    """
    causes = list(mutations)
    for repair in repairs:
        rivals = [cause for cause in causes if cause.outputs & repair.outputs]
        others = [cause for cause in causes if cause not in rivals]
        alike = bool(rivals) and bool(rivals[0].kinds & repair.kinds)
        small = repair.cost < 2
        if not rivals or rivals[0].cost > repair.cost + 0.1 or (alike and (small or rivals[0].kinds <= repair.kinds)):
            causes = [repair, *others]
        elif alike or small:
            text = f"either {repair.text.removeprefix('either ')}, or {rivals[0].text}"
            causes = [repair._replace(text=text, line=None), *others]
    return causes


def only_infinite(name: str, mine: Values, draw: Draw) -> bool:
    """Right wherever it is finite: everything that overflows would explain that."""
    finite = np.isfinite(mine[name])
    expected = draw.wanted[name]
    return mine[name].shape == expected.shape and relative_error(mine[name][finite], expected[finite]) < 1e-6


def of_edits(
    found: list[tuple[Edit, frozenset[str]]], names: set[str], sentence: Callable[[Edit], Cause], margin: float
) -> list[Cause]:
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
        text = texts[0] if len(texts) == 1 else "either " + " or ".join(texts)
        causes.append(chosen[0]._replace(text=text, kinds=kinds, outputs=explained))
        names -= explained
    return causes


def repaired(edit: Edit) -> Cause:
    """Where in the learner's code the mistake is, and of which kind: not the edit itself."""
    before = " ".join(edit.before.split())
    text = f"line {edit.line}: {edit.kind} in `{before if len(before) < 60 else before[:56] + ' ...'}`"
    mend = f"line {edit.line}: {edit.after} in the place of {edit.before}"
    return Cause(text, edit.line, mend, frozenset(), edit.cost, frozenset({edit.kind}))


def mutated(edit: Edit) -> Cause:
    """What a right answer would have to get wrong for this."""
    kind = edit.kind
    if kind.startswith("one "):
        kind = f"there is {kind.replace(' is missing', ' too many')}"
    else:
        kind = kind.replace("there is one", "one").replace("too many", "is missing")
    text = f"that is what comes out of a right answer if one thing is wrong in it: {kind}"
    return Cause(text, None, "", frozenset(), edit.cost, frozenset({kind}))
