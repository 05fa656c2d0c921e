"""From a wrong answer to what its values show. Extends :mod:`minivae.gradcheck`, which knows about one gradient.

A cause is named only if it explains the answer in every draw, to the tolerance by which the answer is judged. Sizes
differ from draw to draw, so that a factor 3 is not taken for K; where nothing explains it, the worst entry is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minivae.gradcheck import RATIO_MEANS, diagnose_shape, named_ratios, relative_error
from minivae.learn.exercise import Arguments, Case, Exercise, Wrong, by_name, copied, error


def diagnose(exercise: Exercise, name: str, cases: Sequence[Case]) -> tuple[str, str]:
    """What is wrong with the output called ``name``: the facts, and the cause if the values show it, else "".

    Parameters
    ----------
    exercise : Exercise
    name : str
        One of its ``returns``, that is wrong in at least one case.
    cases : sequence of Case
    """
    yours = [case.yours[name] for case in cases]
    expected = [case.expected[name] for case in cases]
    tolerance = exercise.tolerance
    for other in _others_with_these_values(exercise, name, cases):
        if all(other in case.yours for case in cases) and [*_others_with_these_values(exercise, other, cases)]:
            return "", f"these are the right values of {other}, not of {name}: the order of what is returned"
    listed = [f"that is what comes out if {wrong.says}" for wrong in _listed(exercise, name, yours, cases)]
    for a, b, case in zip(yours, expected, cases, strict=True):
        if a.shape != b.shape:
            # The report may name the shape of another draw, and the reader has seen the sizes of none.
            sizes = ", ".join(f"{size}={value}" for size, value in case.sizes._asdict().items())
            where = "" if case is cases[0] else f"; this was with {sizes}"
            fact, _, shown = diagnose_shape(a, b, tolerance).partition(": ")
            return fact + where, "; ".join(listed) or shown
    ratio, meaning = _ratio(yours, expected, cases, tolerance)
    causes = listed or list(filter(None, [meaning])) or [*_structure(exercise, name, yours, cases)]
    fact = ratio or _first_not_finite(exercise, name, cases) or ("" if causes else _worst(exercise, name, cases))
    return fact, "; ".join(causes)


def same(
    yours: Sequence[np.ndarray], others: Sequence[np.ndarray], expected: Sequence[np.ndarray], tolerance: float
) -> bool:
    """Equal in every draw, also where they are not finite, and wrong somewhere else than there.

    An answer that is right wherever it is finite would be explained by everything that overflows.
    """
    if any(a.shape != b.shape for a, b in zip(yours, others, strict=True)):
        return False
    a, b = _all(yours), _all(others)
    finite = np.isfinite(a)
    if not np.array_equal(np.where(finite, 0, a), np.where(np.isfinite(b), 0, b), equal_nan=True):
        return False
    if not relative_error(a[finite], b[finite]) < tolerance:
        return False
    return bool(np.all(finite)) or not relative_error(a[finite], _all(expected)[finite]) < tolerance


def _all(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([array.ravel() for array in arrays])


def _ratio(
    yours: Sequence[np.ndarray], expected: Sequence[np.ndarray], cases: Sequence[Case], tolerance: float
) -> tuple[str, str]:
    """One factor between the answer and what is right, and what it means: those with a name, then any number."""
    a, b = _all(yours), _all(expected)
    if not np.all(np.isfinite(a)) or not b.any():
        return "", ""
    if not a.any():
        return "zero everywhere", ""
    ratios = [named_ratios(case.sizes._asdict()) for case in cases]
    for name, meaning in RATIO_MEANS.items():
        multiples = [values[name] * right for values, right in zip(ratios, expected, strict=True)]
        if same(yours, multiples, expected, tolerance):
            return f"{name} times what is expected, everywhere", meaning
    factor = np.vdot(a, b) / np.vdot(b, b)
    if a.size > 1 and abs(factor - 1) > 1e-4 and relative_error(a, factor * b) < tolerance:
        return f"{factor:.6g} times what is expected, everywhere", ""
    return "", ""


def _listed(exercise: Exercise, name: str, yours: Sequence[np.ndarray], cases: Sequence[Case]) -> Iterator[Wrong]:
    """The mistakes of this exercise's list that explain the answer."""
    expected = [case.expected[name] for case in cases]
    for wrong in exercise.wrong:
        if wrong.of == name:
            outcomes = [outcome(wrong, case.arguments) for case in cases]
            if same(yours, outcomes, expected, exercise.tolerance):
                yield wrong


def outcome(wrong: Wrong, arguments: Arguments) -> np.ndarray:
    """What a known mistake gives for these arguments."""
    with np.errstate(all="ignore"):
        return by_name([wrong.of], wrong.formula(**copied(arguments)))[wrong.of]


def _structure(exercise: Exercise, name: str, yours: Sequence[np.ndarray], cases: Sequence[Case]) -> Iterator[str]:
    """Mistakes that need no list: no upstream gradient, another output, a transposition, a lost constant."""
    expected, tolerance = [case.expected[name] for case in cases], exercise.tolerance
    if exercise.upstream:
        ones = [{exercise.upstream: np.ones_like(case.arguments[exercise.upstream])} for case in cases]
        without = [exercise.expected({**case.arguments, **one})[name] for case, one in zip(cases, ones, strict=True)]
        if same(yours, without, expected, tolerance):
            yield f"that is what comes out if {exercise.upstream} is left out: it multiplies everything"
    for other in _others_with_these_values(exercise, name, cases):
        yield f"these are the right values of {other}, not of {name}"
    if all(array.ndim == 2 for array in yours) and same([array.T for array in yours], expected, expected, tolerance):
        yield "transposed"
    offset = _all(yours) - _all(expected)
    if offset.size > 1 and np.all(np.isfinite(offset)) and np.ptp(offset) < tolerance * abs(offset[0]):
        yield f"{offset[0]:+.6g} more than is expected, everywhere: a constant is missing, or one too many"


def _others_with_these_values(exercise: Exercise, name: str, cases: Sequence[Case]) -> Iterator[str]:
    yours, expected = [case.yours[name] for case in cases], [case.expected[name] for case in cases]
    for other in exercise.returns:
        if other != name and same(yours, [case.expected[other] for case in cases], expected, exercise.tolerance):
            yield other


def _first_not_finite(exercise: Exercise, name: str, cases: Sequence[Case]) -> str:
    for case in cases:
        mine, right = case.yours[name], case.expected[name]
        wrong = np.argwhere(~np.isfinite(mine) & np.isfinite(right))
        if len(wrong):
            index = tuple(int(i) for i in wrong[0])
            there = _inputs_of(exercise, name, index, case)
            where = f"{mine[index]} at index {index}{there}, expected {right[index]:.6g}"
            return f"the first entry that is not finite is {where}"
    return ""


def _worst(exercise: Exercise, name: str, cases: Sequence[Case]) -> str:
    wrong = [not error(case.yours[name], case.expected[name]) < exercise.tolerance for case in cases]
    case = cases[wrong.index(True) if any(wrong) else 0]
    mine, right = case.yours[name], case.expected[name]
    gap = np.abs(mine - right)
    index = tuple(int(i) for i in np.unravel_index(np.argmax(gap), gap.shape))
    n_right = int(np.sum(gap <= exercise.tolerance * np.abs(right)))
    there = _inputs_of(exercise, name, index, case)
    values = f"yours {mine[index]:.6g}, expected {right[index]:.6g}"
    draws = f"{len(cases) - sum(wrong)} of {len(cases)} draws are right"
    if not index:
        return f"{draws}; {values}{there}"
    return f"{draws}; {n_right} of {gap.size} entries are right; worst at index {index}{there}: {values}"


def _inputs_of(exercise: Exercise, name: str, index: tuple[int, ...], case: Case) -> str:
    """The numbers that this entry is made of, so that the reader can do the sum by hand.

    Which they are is tried out: all others may change, and the right entry stays.
    """
    right = case.expected[name]
    at = {length: i for i, length in zip(index, right.shape, strict=True)}  # no two lengths of a draw are the same

    def moves(argument: str, changed: np.ndarray) -> bool:
        with np.errstate(all="ignore"):
            other = exercise.expected({**case.arguments, argument: changed})[name]
        return other.shape != right.shape or not abs(other[index] - right[index]) <= 1e-7 * abs(right[index])

    shown = []
    for argument, value in case.arguments.items():
        if isinstance(value, (int, float, str)):
            shown.append(f"{argument} = {value:.4g}" if isinstance(value, float) else f"{argument} = {value}")
        elif isinstance(value, np.ndarray):
            place: tuple[Any, ...] = tuple(at.get(length, slice(None)) for length in value.shape)
            for where in (place, *(place[:1] + (slice(None),) * (value.ndim - 1),) * (value.ndim == 2)):
                others = 0.999 * value
                others[where] = value[where]
                if not moves(argument, others):
                    break
            else:
                continue  # it takes the whole array
            inside = value.copy()
            inside[where] *= 0.999
            if np.ndim(value[where]) < 2 and moves(argument, inside):
                entry = ", ".join(":" if isinstance(i, slice) else str(i) for i in where)
                numbers = np.array2string(value[where], precision=4, separator=", ", threshold=9, max_line_width=999)
                shown.append(f"{argument}[{entry}] = {numbers}")
    return f" (where {', '.join(shown)})" if shown else ""
