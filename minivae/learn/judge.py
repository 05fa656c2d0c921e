"""From a learner's function to a report: does it take and return what it should, and is it right."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from minivae.learn.diagnose import diagnose
from minivae.learn.exercise import Arguments, Case, Exercise, changed, copied, error

NOT_YET = "not yet: there is no value for it"
NOT_JUDGED = "not judged: see the complaint"


@dataclass
class Output:
    """The verdict on one of the values that the function returns; ``line`` is where the code shows the cause."""

    name: str
    shape: tuple[int, ...]
    error: float | None
    passed: bool
    message: str = ""
    cause: str | None = None
    line: int | None = None

    def lines(self, width: int) -> list[str]:
        """The verdict in a line, with the name in so many columns, and the diagnosis below."""
        error = "" if self.error is None else f"   relative error {self.error:.0e}"
        verdict = f"{'ok  ' if self.passed else 'FAIL'}  {self.name:<{width}}   shape {tuple(self.shape)}{error}"
        return [verdict, *(f"      {sentence}" for sentence in self.message.split("; ") if sentence)]


@dataclass
class Report:
    """The verdict on a learner's file.

    ``outputs`` holds a line for each returned value, where it came to that; ``complaints`` what else is wrong;
    ``notes`` what is worth knowing when all is right; ``printed`` what the file printed; ``edit`` what would mend it,
    which is not for the learner's eyes until all hints have been shown.
    """

    outputs: list[Output] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    printed: str = ""
    edit: str = ""
    started: bool = True

    @property
    def passed(self) -> bool:
        """Nothing is wrong."""
        return not self.complaints and all(output.passed for output in self.outputs)

    def text(self) -> str:
        """What the file printed, a line for each output, and what else there is to say."""
        judged = [output for output in self.outputs if output.message != NOT_JUDGED]
        width = max((len(output.name) for output in judged), default=0)
        lines = [f"  | {line}" for line in self.printed.splitlines()]
        lines += [line for output in judged for line in output.lines(width)]
        lines += [f"{'FAIL' if self.started else 'TODO'}  {complaint}" for complaint in self.complaints]
        return "".join(f"{line}\n" for line in lines + [f"      {note}" for note in self.notes])

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"passed": self.passed} | asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Report:
        """What :meth:`to_dict` made."""
        values = {name: value for name, value in values.items() if name != "passed"}
        return cls(**values | {"outputs": [Output(**output) for output in values["outputs"]]})


def unjudged(exercise: Exercise, cause: str | None = None, line: int | None = None) -> list[Output]:
    """A line for each value of a function that has returned none."""
    return [Output(name, (), None, False, NOT_JUDGED, cause, line) for name in exercise.returns]


class Unfit(Exception):
    """The function cannot be judged; the sentence says why."""


def judge(exercise: Exercise, function: Callable) -> Report:
    """Try a function on every draw, compare with the oracle, and explain what differs.

    Parameters
    ----------
    exercise : Exercise
    function : callable
        The learner's. What it raises passes through.
    """
    try:
        if exercise.judge is not None:
            return Report(complaints=exercise.judge(function))
        cases = [_try(exercise, function, case) for case in exercise.draws]
    except Unfit as error:
        return Report(complaints=[str(error)])
    report = Report()
    for name in exercise.returns:
        wrong = [output.name for output in report.outputs if not output.passed and output.message != NOT_YET]
        report.outputs.append(_compare(exercise, name, cases, wrong[0] if exercise.chain and wrong else ""))
    if report.passed:
        report.complaints = [complaint for law in exercise.laws if (complaint := law(function))]
    if report.passed and exercise.reward is not None:
        report.notes.append(exercise.reward(function))
    return report


def _try(exercise: Exercise, function: Callable, case: Case) -> Case:
    """Call it once, by position, with arguments of its own."""
    _check_signature(exercise, function, case.arguments)
    handed_in = copied(case.arguments)
    returned = function(*handed_in.values())
    if name := changed(case.arguments, handed_in):
        raise Unfit(
            f"{exercise.function} changes its argument {name} in place; the caller still needs it: make a new array"
        )
    return case._replace(yours=_returned(exercise, returned))


def _check_signature(exercise: Exercise, function: Callable, arguments: Arguments) -> None:
    wanted = f"{exercise.function}({', '.join(arguments)})"
    try:
        signature = inspect.signature(getattr(function, "py_func", function))  # py_func: of a Numba function
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*arguments.values())
    except TypeError:
        raise Unfit(f"{exercise.function}{signature} does not take these arguments; expected {wanted}") from None


def _returned(exercise: Exercise, returned: Any) -> dict[str, np.ndarray]:
    """What was returned, by name; None, and what is missing at the end, is left out."""
    names, n = exercise.returns, len(exercise.returns)
    wanted = names[0] if n == 1 else f"{n} values ({', '.join(names)})"
    if returned is None:
        raise Unfit(f"{exercise.function} returns None, expected {wanted}: is there a return?")
    if n > 1 and (not isinstance(returned, (tuple, list)) or len(returned) > n):
        got = f"{len(returned)} values" if isinstance(returned, (tuple, list)) else f"one {type(returned).__name__}"
        raise Unfit(f"{exercise.function} returns {got}, expected {wanted}")
    if n == 1 and isinstance(returned, tuple):
        raise Unfit(f"{exercise.function} returns {len(returned)} values, expected {wanted} alone")
    values = returned if n > 1 else (returned,)
    done = {name: value for name, value in zip(names, values, strict=False) if value is not None}
    for name, value in done.items():
        try:
            kind = np.asarray(value).dtype.kind
        except ValueError:
            kind = "O"
        if kind == "c":
            raise Unfit(f"{name} holds complex numbers, expected real ones")
        if kind not in "biuf":
            raise Unfit(f"{name} is a {type(value).__name__}, expected an array of numbers")
    return {name: np.asarray(value, dtype=np.float64) for name, value in done.items()}


def _compare(exercise: Exercise, name: str, cases: list[Case], inherits: str) -> Output:
    """The worst error over the draws, and where it is too large the diagnosis, or from which output it inherits."""
    if any(name not in case.yours for case in cases):
        return Output(name, (), None, False, NOT_YET)
    errors = [error(case.yours[name], case.expected[name]) for case in cases]
    passed = all(value < exercise.tolerance for value in errors)
    worst = max(errors) if np.isfinite(errors).all() else None
    if passed or inherits:
        fact, cause = "" if passed else f"it may inherit the mistake in {inherits}: look at that first", ""
    else:
        fact, cause = diagnose(exercise, name, cases)
    # The shape is that of the first draw that is wrong: the diagnosis counts the entries of that one.
    shown = next((case for case, gap in zip(cases, errors, strict=True) if not gap < exercise.tolerance), cases[0])
    message = "; ".join(filter(None, [fact, cause]))
    return Output(name, shown.yours[name].shape, worst, passed, message, cause or None)
