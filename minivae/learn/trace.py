"""What a function computes on the way, expression by expression: where a number first becomes infinite, or strange."""

from __future__ import annotations

import ast
import warnings
from typing import Any, NamedTuple

import numpy as np

from minivae.gradcheck import relative_error
from minivae.learn.exercise import Arguments, error
from minivae.learn.judge import Output
from minivae.learn.search import Code

LONGEST = 2000  # values; a loop makes many


class Seen(NamedTuple):
    """The value of an expression, and what it was computed from where that is an argument of a function."""

    line: int
    text: str
    value: np.ndarray


class _Watch(ast.NodeTransformer):
    """Report the value of every expression that computes something."""

    def __init__(self) -> None:
        self.places: list[tuple[int, str]] = []

    def visit(self, node: Any) -> Any:
        text = ast.unparse(node) if isinstance(node, (ast.BinOp, ast.Call, ast.UnaryOp)) else ""
        node = self.generic_visit(node)
        if not text:
            return node
        self.places.append((node.lineno, text))
        return ast.Call(ast.Name("_seen", ast.Load()), [ast.Constant(len(self.places) - 1), node], [])


def values_on_the_way(code: Code, arguments: Arguments) -> list[Seen]:
    """Every number and array that the function computes, in the order of computing."""
    watch = _Watch()
    seen: list[Seen] = []
    tree = ast.fix_missing_locations(watch.visit(ast.parse(code.text.encode("latin-1"))))

    def note(place: int, value: Any) -> Any:
        if len(seen) < LONGEST and np.asarray(value).dtype.kind in "biuf":
            seen.append(Seen(*watch.places[place], np.array(value, dtype=float)))
        return value

    namespace = code.namespace | {"_seen": note}
    exec(compile(tree, str(code.path), "exec"), namespace)
    code.values(namespace[code.exercise.function], arguments)
    return seen


def overflow(code: Code, arguments: Arguments) -> tuple[str, int] | None:
    """The expression that is not finite first, and the exp that has become 0 before."""
    seen = values_on_the_way(code, arguments)
    first = next((i for i, value in enumerate(seen) if not np.all(np.isfinite(value.value))), None)
    if first is None:
        return None
    line, text, value = seen[first]
    found = f"line {line}: `{text}` is the first value that is not finite ({value[~np.isfinite(value)].flat[0]})"
    zeros = [s for s in seen[:first] if s.text.startswith(("np.exp(", "math.exp(")) and np.any(s.value == 0)]
    if np.isinf(value).any() and text.startswith("np.exp"):
        return f"{found}: exp of more than 709 overflows", line
    if zeros:
        lost = next((s for s in zeros if s.text in text), zeros[-1])
        return f"{found}; before it, exp of less than -745 is 0: `{lost.text}` in line {lost.line}", lost.line
    return found, line


def first_unknown(code: Code, solution: Code, arguments: Arguments) -> Seen | None:
    """The first value that a right way has nowhere, not even with another sign or transposed."""
    known = [
        np.asarray(value, dtype=float) for value in arguments.values() if isinstance(value, (int, float, np.ndarray))
    ]
    known += [value.value for value in values_on_the_way(solution, arguments)]
    for seen in values_on_the_way(code, arguments):
        alike = (seen.value, -seen.value, seen.value.T)
        if seen.line not in code.skip and not any(
            error(value, other) < code.exercise.tolerance for other in known for value in alike
        ):
            return seen
    return None


def look(output: Output, code: Code, solution: Code | None) -> None:
    """Say of an output that no edit explains where its numbers become infinite, or where to look first."""
    exercise = code.exercise
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        function = code.function()
        for _, arguments, expected, _ in exercise.draws:
            mine, right = code.values(function, arguments).get(output.name), expected[output.name]
            if mine is None or error(mine, right) < exercise.tolerance:
                continue
            finite = np.isfinite(mine)
            if mine.shape == right.shape and not finite.all():
                found = overflow(code, arguments)
                if found and relative_error(mine[finite], right[finite]) < exercise.tolerance:
                    output.cause, output.line = found
                    output.message += f"; {output.cause}"
                return
            unknown = first_unknown(code, solution, arguments) if solution is not None else None
            if unknown is not None:
                output.line = unknown.line
                output.message += f"; no single change explains it, look at line {unknown.line} first: `{unknown.text}`"
            return
