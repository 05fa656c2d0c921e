"""What :func:`minivae.fit` accepts as its optimizer, its schedule, its early stopping and its callbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minivae.early_stopping import EarlyStopping
from minivae.optimizers import Optimizer
from minivae.schedules import Schedule
from minivae.vae import VAE

Callback = Callable[[VAE, int, dict[str, float]], Any]


def check_optimizer(optimizer: Any) -> Optimizer | None:
    """An optimizer, or None for the one of the last call."""
    if optimizer is None or isinstance(optimizer, Optimizer):
        return optimizer
    raise TypeError(f"optimizer must be an object such as Adam(1e-3) or SGD(0.01), got {optimizer!r}")


def check_schedule(schedule: Any) -> Callable[[int], float]:
    """A schedule; None is a constant learning rate."""
    if schedule is None:
        return Schedule()
    if not callable(schedule):
        raise TypeError(f"schedule must be an object such as Cosine(100), or a function of the epoch, got {schedule!r}")
    return schedule


def check_early_stopping(early_stopping: Any, validation: Any) -> list[EarlyStopping]:
    """None or one; it needs a validation set."""
    if early_stopping is None:
        return []
    if not isinstance(early_stopping, EarlyStopping):
        raise TypeError(f"early_stopping must be an object such as EarlyStopping(10), got {early_stopping!r}")
    if validation is None:
        raise ValueError("early stopping looks at the validation loss: hand in validation=")
    return [early_stopping]


def check_callbacks(callbacks: Any) -> list[Callback]:
    """A list of callables."""
    if not hasattr(callbacks, "__iter__"):
        raise TypeError(f"callbacks must be a sequence of callables, got {callbacks!r}")
    callbacks = list(callbacks)
    for callback in callbacks:
        if not callable(callback):
            raise TypeError(f"each callback must be callable, got {callback!r}")
    return callbacks
