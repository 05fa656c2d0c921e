"""Early stopping: end training when the validation loss stops falling, and keep the best parameters (lesson 10)."""

from __future__ import annotations

import math
from typing import Any
from weakref import ReferenceType, ref

from minivae.backend import Array
from minivae.model.parameters import Parameters
from minivae.model.vae import VAE
from minivae.validation import check_float, check_int


class EarlyStopping:
    """Stops :func:`minivae.fit` and restores the parameters of the best epoch.

    Parameters
    ----------
    patience : int, default 10
        Training ends after this many epochs without a better validation loss. Those that end below the full beta,
        in a warm-up, are not looked at.
    min_delta : float, default 0.0
        What counts as better: lower by more than this, in nats per example.

    Attributes
    ----------
    best_loss : float
        The lowest validation loss so far, infinite before the first epoch.
    best_epoch, last_epoch : int
        The epoch that reached it, and the last that was looked at; 0 before the first.
    waited : int
        The epochs that were looked at since the best one.
    best : array of shape (P,) or None
        The parameter vector of the best epoch.
    """

    def __init__(self, patience: int = 10, min_delta: float = 0.0):
        self.patience = check_int(patience, "patience", 1)
        self.min_delta = check_float(min_delta, "min_delta")
        self._store: ReferenceType[Parameters] | None = None
        self.reset()

    def reset(self) -> None:
        """Forget all epochs."""
        self.best_loss = math.inf
        self.best_epoch = self.last_epoch = self.waited = 0
        self.best: Array | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_store"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _store=None)

    def watch(self, vae: VAE) -> None:
        """Follow this model, and forget another one."""
        if self._store is not None and self._store() is not vae.store:
            self.reset()
        self._store = ref(vae.store)

    def __repr__(self) -> str:
        return f"EarlyStopping(patience={self.patience}, min_delta={self.min_delta})"

    @property
    def is_over(self) -> bool:
        """True once patience has run out."""
        return self.waited >= self.patience

    def __call__(self, vae: VAE, epoch: int, metrics: dict[str, float]) -> bool:
        """Record an epoch, as a callback of ``fit``; True ends training."""
        if metrics.get("beta", vae.beta) < vae.beta:  # in a warm-up: not the best, and no matter of patience
            return False
        self.last_epoch, self.waited = epoch, self.waited + 1
        if metrics["val_loss"] < self.best_loss - self.min_delta:
            self.best_loss, self.best_epoch, self.waited = metrics["val_loss"], epoch, 0
            self.best = vae.store.vector.copy()
        return self.is_over

    def at_end(self, vae: VAE) -> None:
        """Restore the best parameters; ``fit`` calls it last."""
        if self.best is not None:
            vae.store.vector[:] = self.best

    def config(self) -> dict[str, Any]:
        """Settings and counters for :meth:`from_config`, without the vector ``best``."""
        names = ("patience", "min_delta", "best_epoch", "last_epoch", "waited")
        return {name: getattr(self, name) for name in names} | {"best_loss": repr(self.best_loss)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> EarlyStopping:
        """The object of :meth:`config`, without its ``best``."""
        early_stopping = cls(config["patience"], config["min_delta"])
        early_stopping.best_loss = float(config["best_loss"])
        if math.isnan(early_stopping.best_loss):
            raise ValueError("the best loss of early stopping is NaN")
        early_stopping.best_epoch = check_int(config["best_epoch"], "best_epoch", 0)
        early_stopping.last_epoch = check_int(config["last_epoch"], "last_epoch", 0)
        of_older_versions = early_stopping.last_epoch - early_stopping.best_epoch
        early_stopping.waited = check_int(config.get("waited", of_older_versions), "waited", 0)
        return early_stopping
