"""The settings of a training in one object, and the checks of the other arguments of ``fit``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from minivae.model.vae import VAE
from minivae.training.corruption import Corruption
from minivae.training.early_stopping import EarlyStopping
from minivae.training.optimizers import Optimizer
from minivae.training.schedules import Schedule
from minivae.validation import check_choice, check_float, check_int, check_seed
from minivae.workers.group import Alone, Group
from minivae.workers.tree import check_shards

BINARIZE = ("none", "stochastic", "threshold")

Callback = Callable[[VAE, int, dict[str, float]], Any]


@dataclass(frozen=True)
class Recipe:
    """The settings of the training loop, checked; see :func:`minivae.fit`."""

    batch_size: int = 128
    seed: int = 0
    l1: float = 0.0
    l2: float = 0.0
    binarize: str = "none"
    corruption: Corruption | None = None
    schedule: Callable[[int], float] = field(default_factory=Schedule)
    group: Group = field(default_factory=Alone)
    shards: int | None = None
    beta_schedule: Callable[[float], float] | None = None

    def __post_init__(self) -> None:
        check_int(self.batch_size, "batch_size", 1)
        check_seed(self.seed)
        check_float(self.l1, "l1")
        check_float(self.l2, "l2")
        check_choice(self.binarize, "binarize", BINARIZE)
        if not isinstance(self.group, Group):
            raise TypeError(f"group must be an object such as Mpi() or Pretend(4), got {self.group!r}")
        if self.shards is not None:
            check_shards(check_int(self.shards, "shards", 1), self.group.size)
        if self.beta_schedule is not None and (
            not callable(self.beta_schedule) or isinstance(self.beta_schedule, type)
        ):
            raise TypeError(f"beta_schedule must be an object such as LinearBeta(10), got {self.beta_schedule!r}")

    @cached_property
    def n_shards(self) -> int:
        """Into how many shards a batch is cut: 1 is no cut at all."""
        return self.shards or self.group.size

    def factor(self, epoch: int) -> float:
        """The schedule's factor after ``epoch`` epochs; ValueError unless it is >= 0."""
        return check_float(self.schedule(epoch), "the factor of a schedule")

    def weight(self, epoch: float) -> float:
        """The factor on beta in a step before which so many epochs are done; ValueError unless it is >= 0."""
        return 1.0 if self.beta_schedule is None else check_float(self.beta_schedule(epoch), "a factor on beta")

    def check_fits(self, vae: VAE) -> None:
        """ValueError for free bits in shards, and for a weight of the KL that an objective does not have."""
        if self.beta_schedule is not None and vae.objective != "elbo":
            raise ValueError(f"a warm-up of beta belongs to the objective 'elbo', not {vae.objective!r}: leave it out")
        if vae.free_bits and self.n_shards > 1:
            what = "free bits need the mean KL of a whole minibatch, which no shard of it knows"
            raise ValueError(f"{what}: train in one process without shards, or leave free bits out")


def check_optimizer(optimizer: Any) -> Optimizer | None:
    """An optimizer, or None for that of the last call."""
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


def check_early_stopping(early_stopping: Any, validation: Any) -> None:
    """Early stopping needs a validation set; None needs nothing."""
    if early_stopping is None:
        return
    if not isinstance(early_stopping, EarlyStopping):
        raise TypeError(f"early_stopping must be an object such as EarlyStopping(10), got {early_stopping!r}")
    if validation is None:
        raise ValueError("early stopping looks at the validation loss: hand in validation=")


def check_callbacks(callbacks: Any) -> list[Callback]:
    """A list of callables."""
    if not hasattr(callbacks, "__iter__"):
        raise TypeError(f"callbacks must be a sequence of callables, got {callbacks!r}")
    callbacks = list(callbacks)
    for callback in callbacks:
        if not callable(callback):
            raise TypeError(f"each callback must be callable, got {callback!r}")
    return callbacks
