"""Schedules: a factor on the learning rate by the epoch (lesson 10), or on beta by the step (lesson 22).

A schedule has no state, so that a resumed run continues it at the right place.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

from minivae.validation import check_float, check_int


class Schedule:
    """A constant learning rate; base class of the schedules below and of your own."""

    def __call__(self, epoch: int) -> float:
        """The factor in the epoch after ``epoch`` finished ones."""
        return 1.0

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({settings})"


class StepList(Schedule):
    """Multiply the learning rate by ``factor`` after each of ``milestones`` epochs.

    Parameters
    ----------
    milestones : sequence of int
        Such as (60, 80): full rate for 60 epochs, a tenth for 20, a hundredth from then on.
    factor : float, default 0.1
    """

    def __init__(self, milestones: Sequence[int], factor: float = 0.1):
        if not hasattr(milestones, "__iter__"):
            raise TypeError(f"milestones must be growing numbers of epochs such as (60, 80), got {milestones!r}")
        self.milestones = tuple(check_int(epoch, "each of milestones", 1) for epoch in milestones)
        self.factor = check_float(factor, "factor", positive=True)
        if not self.milestones or list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError(f"milestones must be growing numbers of epochs such as (60, 80), got {milestones!r}")

    def __call__(self, epoch: int) -> float:
        return self.factor ** bisect_right(self.milestones, epoch)


class Cosine(Schedule):
    """Half a cosine wave from 1 to ``final``: final + (1 - final) (1 + cos(pi t / T)) / 2 after t epochs.

    Parameters
    ----------
    epochs : int
        T, counted from the model's first epoch; afterwards the factor is ``final``.
    final : float, default 0.0

    References
    ----------
    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", arXiv:1608.03983, without restarts.
    """

    def __init__(self, epochs: int, final: float = 0.0):
        self.epochs = check_int(epochs, "epochs", 1)
        self.final = check_float(final, "final", below=1)

    def __call__(self, epoch: int) -> float:
        wave = (1 + math.cos(math.pi * min(epoch / self.epochs, 1.0))) / 2
        return self.final + (1 - self.final) * wave


class LinearBeta(Schedule):
    """Warm-up of the KL: beta times min(t / T, 1) in a step before which t epochs are done; exactly 0 in the first.

    Parameters
    ----------
    epochs : int
        T, counted from the model's first epoch. Of Bowman et al., arXiv:1511.06349.
    """

    def __init__(self, epochs: int):
        self.epochs = check_int(epochs, "epochs", 1)

    def __call__(self, epoch: float) -> float:
        return min(epoch / self.epochs, 1.0)


class CyclicBeta(LinearBeta):
    """Several warm-ups of the KL one after the other; from epoch T on, the whole beta.

    Parameters
    ----------
    epochs : int
        T, counted from the model's first epoch.
    cycles : int, default 4
        How many there are in T epochs, each T / cycles long.
    ramp : float, default 0.5
        In which part of its cycle the factor grows from 0 to 1, at most all of it; then it stays at 1.

    References
    ----------
    Fu et al., "Cyclical annealing schedule", arXiv:1903.10145.
    """

    def __init__(self, epochs: int, cycles: int = 4, ramp: float = 0.5):
        super().__init__(epochs)
        self.cycles = check_int(cycles, "cycles", 1)
        self.ramp = check_float(ramp, "ramp", positive=True)
        if self.ramp > 1:
            raise ValueError(f"ramp must be at most 1, the whole cycle, or beta is never reached in it: got {ramp}")

    def __call__(self, epoch: float) -> float:
        done = epoch * self.cycles / self.epochs
        return min(done % 1 / self.ramp, 1.0) if done < self.cycles else 1.0
