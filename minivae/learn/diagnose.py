"""From a wrong answer to the term that is wrong. Extends :mod:`minivae.gradcheck`, which knows about one gradient.

A cause is named only if it explains the answer in every draw, to the last digit. Sizes differ from draw to draw, so
that a factor 3 is not taken for K; where nothing explains it, the worst entry is shown, and nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from minivae.gradcheck import RATIO_MEANS, diagnose_shape, named_ratios, relative_error
from minivae.learn.exercise import Arguments, Exercise, Sizes, Wrong, by_name, copied

SAME = 1e-5  # finite differences, which may be on the other side, have errors of 1e-9


class Case(NamedTuple):
    """One draw: what went in, the learner's answer, the right one."""

    sizes: Sizes
    arguments: Arguments
    yours: dict[str, np.ndarray]
    expected: dict[str, np.ndarray]


def diagnose(exercise: Exercise, name: str, cases: Sequence[Case]) -> str:
    """What is wrong with the output called ``name``, in a sentence or two.

    Parameters
    ----------
    exercise : Exercise
    name : str
        One of its ``returns``, that is wrong in at least one case.
    cases : sequence of Case
    """
    yours = [case.yours[name] for case in cases]
    expected = [case.expected[name] for case in cases]
    causes = [f"that is what comes out if {wrong.says}" for wrong in _listed(exercise, name, yours, cases)]
    for a, b, case in zip(yours, expected, cases, strict=True):
        if a.shape != b.shape:
            # The report may name the shape of another draw, and the reader has seen the sizes of none.
            sizes = ", ".join(f"{size}={value}" for size, value in case.sizes._asdict().items())
            where = "" if case is cases[0] else f"; this was with {sizes}"
            fact = f"the shape is {a.shape}, expected {b.shape}" if causes else diagnose_shape(a, b, SAME)
            return "; ".join([fact + where, *causes])
    ratio, meaning = _ratio(yours, expected, cases)
    causes = causes or list(filter(None, [meaning])) or [*_structure(exercise, name, yours, cases)]
    facts = [*filter(None, [ratio]), *causes]
    return "; ".join(facts) or _first_not_finite(yours, expected, cases) or _worst(yours, expected, cases)


def same(yours: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> bool:
    """Equal in every draw: shapes, where they are not finite, and all digits that can be trusted."""
    if any(a.shape != b.shape for a, b in zip(yours, others, strict=True)):
        return False
    a, b = _all(yours), _all(others)
    finite = np.isfinite(a)
    if not np.array_equal(np.where(finite, 0, a), np.where(np.isfinite(b), 0, b), equal_nan=True):
        return False
    return relative_error(a[finite], b[finite]) < SAME


def _all(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([array.ravel() for array in arrays])


def _ratio(yours: Sequence[np.ndarray], expected: Sequence[np.ndarray], cases: Sequence[Case]) -> tuple[str, str]:
    """One factor between the answer and what is right, and what it means: those with a name, then any number."""
    a, b = _all(yours), _all(expected)
    if not np.all(np.isfinite(a)) or not b.any():
        return "", ""
    if not a.any():
        return "zero everywhere", "it was not computed, or its path was cut"
    ratios = [named_ratios(case.sizes._asdict()) for case in cases]
    for name, meaning in RATIO_MEANS.items():
        if same(yours, [values[name] * right for values, right in zip(ratios, expected, strict=True)]):
            return f"{name} times what is expected, everywhere", meaning
    factor = np.vdot(a, b) / np.vdot(b, b)
    if a.size > 1 and relative_error(a, factor * b) < SAME:
        return f"{factor:.6g} times what is expected, everywhere", ""
    return "", ""


def _listed(exercise: Exercise, name: str, yours: Sequence[np.ndarray], cases: Sequence[Case]) -> Iterator[Wrong]:
    """The mistakes of this exercise's list that explain the answer."""
    for wrong in exercise.wrong:
        if wrong.of == name and same(yours, [outcome(wrong, case.arguments) for case in cases]):
            yield wrong


def outcome(wrong: Wrong, arguments: Arguments) -> np.ndarray:
    """What a known mistake gives for these arguments."""
    with np.errstate(all="ignore"):
        return by_name([wrong.of], wrong.formula(**copied(arguments)))[wrong.of]


def _structure(exercise: Exercise, name: str, yours: Sequence[np.ndarray], cases: Sequence[Case]) -> Iterator[str]:
    """Mistakes that need no list: no upstream gradient, two outputs exchanged, a transposition, a lost constant."""
    expected = [case.expected[name] for case in cases]
    if exercise.upstream and same(yours, [_without_upstream(exercise, name, case) for case in cases]):
        yield f"that is what comes out if {exercise.upstream} is left out: the upstream gradient multiplies everything"
    for other in exercise.returns:
        if other != name and same(yours, [case.expected[other] for case in cases]):
            yield f"these are the right values of {other}, not of {name}"
    if all(array.ndim == 2 for array in yours) and same([array.T for array in yours], expected):
        yield "transposed"
    offset = _all(yours) - _all(expected)
    if offset.size > 1 and np.all(np.isfinite(offset)) and np.ptp(offset) < SAME * abs(offset[0]):
        yield f"{offset[0]:+.6g} more than is expected, everywhere: a constant is missing, or one too many"


def _without_upstream(exercise: Exercise, name: str, case: Case) -> np.ndarray:
    ones = {exercise.upstream: np.ones_like(case.arguments[exercise.upstream])}
    return exercise.expected({**case.arguments, **ones})[name]


def _first_not_finite(yours: Sequence[np.ndarray], expected: Sequence[np.ndarray], cases: Sequence[Case]) -> str:
    for array, right, case in zip(yours, expected, cases, strict=True):
        wrong = np.argwhere(~np.isfinite(array) & np.isfinite(right))
        if len(wrong):
            index = tuple(int(i) for i in wrong[0])
            there = _inputs_at(index, array, case.arguments)
            where = f"{array[index]} at index {index}{there}, expected {right[index]:.6g}"
            return f"the first entry that is not finite is {where}"
    return ""


def _worst(yours: Sequence[np.ndarray], expected: Sequence[np.ndarray], cases: Sequence[Case]) -> str:
    gaps = [np.abs(a - b) for a, b in zip(yours, expected, strict=True)]
    wrong = [relative_error(a, b) > SAME for a, b in zip(yours, expected, strict=True)]
    draw = wrong.index(True) if any(wrong) else 0
    mine, right, gap = yours[draw], expected[draw], gaps[draw]
    index = tuple(int(i) for i in np.unravel_index(np.argmax(gap), gap.shape))
    n_right = int(np.sum(gap <= SAME * np.abs(right)))
    there = _inputs_at(index, mine, cases[draw].arguments)
    values = f"yours {mine[index]:.6g}, expected {right[index]:.6g}"
    if not index:
        return values
    return f"{n_right} of {gap.size} entries are right; worst at index {index}{there}: {values}"


def _inputs_at(index: tuple[int, ...], output: np.ndarray, arguments: Arguments) -> str:
    """The arguments at this place, where they have the shape of the output: the reader can do the sum by hand."""
    values = [
        f"{name} = {value[index]:.4g}"
        for name, value in arguments.items()
        if isinstance(value, np.ndarray) and value.shape == output.shape
    ]
    return f" (where {', '.join(values)})" if values else ""
