"""What keeps a run while it trains: a row of its history per epoch, and checkpoints to go on from after any end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import nullcontext

from minivae import checkpoint
from minivae.checkpoint import Model, reached
from minivae.errors import MinivaeError
from minivae.model.vae import VAE
from minivae.runs.folder import RunFolder
from minivae.system import signals
from minivae.system.files import flush_to_disk, keeping
from minivae.training.early_stopping import EarlyStopping

log = logging.getLogger("minivae")
SHARE = 0.01  # of the training time that checkpoints may take


class Recorder:
    """The callback that keeps a run: a row of history.csv after each epoch or round, and checkpoints.

    A checkpoint is due once training has taken a hundred times as long as writing the last one did, so that all of
    them take about one per cent of the time, whatever the sizes of the model and of the data.

    Parameters
    ----------
    folder : RunFolder
    early_stopping : EarlyStopping or None
    run : str
        Which run it is, for the files.
    renew_lock : callable
        Called before each write; see :func:`minivae.system.locks.locked`.
    """

    def __init__(
        self, folder: RunFolder, early_stopping: EarlyStopping | None, run: str, renew_lock: Callable[[], bool]
    ):
        self.folder = folder
        self.run = run
        self.renew_lock = renew_lock
        self.early_stopping = early_stopping
        self.cost = 0.0
        self.last = -float("inf")
        self.saved = 0  # the epoch or step of the last checkpoint
        self.has_ended = False
        self.length = self.length_of_history()  # what was written here

    def __call__(self, model: Model, done: int, metrics: dict[str, float]) -> None:
        """Write the row first: a checkpoint must never know an epoch that the history does not."""
        signals.raise_if_arrived()
        self.stay_alone()
        self.length = self.folder.add_to_history(metrics)
        if time.perf_counter() - self.last >= self.cost / SHARE:
            self.save(model)

    def stay_alone(self) -> None:
        """MinivaeError if the lock was removed, and another process has written a history meanwhile."""
        if self.renew_lock() and self.length_of_history() != self.length:
            raise MinivaeError(f"{self.folder} lost its lock, and another minivae has trained in it: its run stays")

    def length_of_history(self) -> int:
        """In bytes."""
        return self.folder.history.stat().st_size if self.folder.history.exists() else 0

    def save(self, model: Model) -> None:
        """Write a checkpoint, and note how long that took."""
        began = time.perf_counter()
        self.stay_alone()
        flush_to_disk(self.folder.history)  # a power cut must not take rows of it and leave the checkpoint
        # An epoch that was saved and then interrupted is undone: it loses its row of the history, and is not kept.
        kept = keeping(self.folder.checkpoint, self.folder.older) if self.saved <= reached(model)[1] else nullcontext()
        with kept:
            checkpoint.save_training(model, self.folder.checkpoint, self.early_stopping, self.run)
        self.saved = reached(model)[1]
        self.last = time.perf_counter()
        self.cost = self.last - began

    def at_end(self, model: Model) -> None:
        """The last checkpoint, before early stopping puts the best parameters back."""
        if self.saved != reached(model)[1]:
            self.save(model)
        self.has_ended = True

    def cut_short(self, model: Model, can_go_on: bool) -> None:
        """Keep the last finished epoch or round of a run that diverged or was interrupted."""
        if not self.has_ended:  # else the model may hold the best parameters already, not the last ones
            self.save(model)
        self.folder.cut_history(model)
        if self.early_stopping is not None:
            assert isinstance(model, VAE)  # a GAN has none
            self.early_stopping.at_end(model)
        checkpoint.save(model, self.folder.model, self.run)
        advice = f": go on with --resume --out {self.folder}" if can_go_on else ""
        log.info("cut short   after %s %d; saved in %s%s", *reached(model), self.folder, advice)
