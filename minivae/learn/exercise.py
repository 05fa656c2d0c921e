"""What an exercise is: a function to write, arguments to try it on, an oracle, and mistakes that are known by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from minivae.gradcheck import TOLERANCE
from minivae.gradcheck.differences import numerical_gradient, relative_error

YOURS = re.compile(r"^( *)# Your code[^\n]*:\n(.*?)^ *# End of your code\.\n", re.MULTILINE | re.DOTALL)


class Sizes(NamedTuple):
    """All different, so that no wrong axis fits by chance, and different again in the next draw."""

    B: int
    D: int
    H: int
    K: int


DRAWS = (Sizes(6, 7, 5, 3), Sizes(4, 9, 2, 5), Sizes(5, 3, 8, 2))

Arguments = Mapping[str, Any]
Values = Mapping[str, np.ndarray]


class Case(NamedTuple):
    """One draw: what goes in, the right answer, and the learner's as far as there is one."""

    sizes: Sizes
    arguments: Arguments
    expected: Values
    yours: Values = MappingProxyType({})


class Wrong(NamedTuple):
    """A mistake with a name: what comes out if it is made.

    ``says`` completes the sentence "That is what comes out if ..."; ``formula(**arguments)`` is the wrong value of the
    output called ``of``.
    """

    of: str
    says: str
    formula: Callable[..., Any]


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Parameters
    ----------
    title : str
    lesson : int
    function : str
        Its name in the learner's file.
    returns : sequence of str
        What it returns, by name.
    draw : callable
        ``draw(rng, sizes)`` makes the arguments, by name, in the order of the signature.
    oracle : callable
        ``oracle(**arguments)`` is the right answer, found in another way than the learner is asked to go.
    hints : (str, str, str)
        A question; the formula; nearly the line.
    why : str
        Shown once it has been solved: why it is so, or what it is good for.
    wrong : sequence of Wrong
    upstream : str, default ""
        The argument that is the upstream gradient, if there is one.
    laws : sequence of callable
        Each gets the learner's function, and returns a sentence if it breaks the law, else "": a second kind of proof.
    reward : callable, optional
        Gets the learner's function once it has passed, and returns lines to show, such as a timing.
    judge : callable, optional
        In the place of all that: gets the learner's function, returns sentences on what is wrong, none if nothing is.
    stub : str, default ""
        The learner's lines as they stand at first, in a bug hunt; else they raise NotImplementedError.
    chain : bool, default False
        Whether what is returned is in the order of one computation, so that later values inherit earlier mistakes.
    tolerance : float, default 1e-6
        Norm-wise relative error that still passes.
    seconds : float, default 20.0
        How long the whole check may take.
    environment : mapping of str to str, optional
        Environment variables of the process that runs the learner's file.
    """

    title: str
    lesson: int
    function: str
    returns: Sequence[str]
    draw: Callable[[np.random.Generator, Sizes], dict[str, Any]]
    oracle: Callable[..., Any]
    hints: tuple[str, str, str]
    why: str
    wrong: Sequence[Wrong] = ()
    upstream: str = ""
    laws: Sequence[Callable[[Callable], str]] = ()
    reward: Callable[[Callable], str] | None = None
    judge: Callable[[Callable], list[str]] | None = None
    stub: str = ""
    chain: bool = False
    tolerance: float = TOLERANCE
    seconds: float = 20.0
    environment: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def draws(self) -> list[Case]:
        """What it is tried on; the same every time, so that a verdict repeats."""
        return self._drawn(0)

    @cached_property
    def fresh(self) -> list[Case]:
        """Others, on which causes are confirmed."""
        return self._drawn(100)

    def _drawn(self, seed: int) -> list[Case]:
        drawn = [(sizes, self.draw(np.random.default_rng(seed + i), sizes)) for i, sizes in enumerate(DRAWS)]
        return [Case(sizes, arguments, self.expected(arguments)) for sizes, arguments in drawn]

    def expected(self, arguments: Arguments) -> dict[str, np.ndarray]:
        """The right answer, by name."""
        return by_name(self.returns, self.oracle(**copied(arguments)))


def finite_differences(forward: Callable[..., Any], of: Sequence[str], upstream: str) -> Callable[..., Any]:
    """The oracle of a backward function: differences of ``sum(upstream * forward(...))``, and no formula at all.

    Parameters
    ----------
    forward : callable
        Called with all the arguments but the upstream gradient, by name.
    of : sequence of str
        The arguments whose gradients are asked for.
    upstream : str
        The name of the argument that holds the upstream gradient, of the shape of what ``forward`` returns.
    """

    def oracle(**arguments: Any) -> Any:
        dy = arguments.pop(upstream)

        def gradient(name: str) -> np.ndarray:
            return numerical_gradient(
                lambda changed: np.sum(dy * forward(**arguments | {name: changed})), np.array(arguments[name])
            )

        gradients = tuple(gradient(name) for name in of)
        return gradients if len(of) > 1 else gradients[0]

    return oracle


def by_name(names: Sequence[str], values: Any) -> dict[str, np.ndarray]:
    """A returned value, or a tuple of several, as float64 arrays by name."""
    if len(names) == 1:
        values = (values,)
    return {name: np.asarray(value, dtype=np.float64) for name, value in zip(names, values, strict=True)}


def error(yours: np.ndarray, expected: np.ndarray) -> float:
    """How far a value is from what is expected; infinite for another shape or what is not finite."""
    if yours.shape != expected.shape or not np.all(np.isfinite(yours)):
        return float("inf")
    return relative_error(yours, expected)


def copied(arguments: Arguments) -> dict[str, Any]:
    """Arguments of their own, for a function that may change them."""
    return {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in arguments.items()}


def changed(arguments: Arguments, afterwards: Arguments) -> str:
    """The name of an array that a function has changed; "" if there is none."""
    arrays = {name: value for name, value in arguments.items() if isinstance(value, np.ndarray)}
    return next((name for name, value in arrays.items() if value.tobytes() != afterwards[name].tobytes()), "")
