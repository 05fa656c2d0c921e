"""A training run from the command line: data in, a run folder out; begun, gone on with, or cut short."""

from __future__ import annotations

import time
from dataclasses import replace
from glob import escape
from pathlib import Path
from typing import Any

import numpy as np

from minivae import checkpoint, datasets, pictures, signals
from minivae.datasets import LOADERS, Dataset
from minivae.decisions import (
    Say,
    build_early_stopping,
    build_model,
    build_recipe,
    build_schedule,
    check_data,
    decide,
    set_validation_aside,
)
from minivae.early_stopping import EarlyStopping
from minivae.errors import MinivaeError, TrainingDiverged
from minivae.examples import as_trained, loss_of
from minivae.machine import what_changes_results
from minivae.run_folder import RunFolder, fingerprint, free_folder, identity
from minivae.settings import Settings, differences
from minivae.training import fit
from minivae.vae import VAE
from minivae.warmup import warm_up

SHARE = 0.01  # of the training time that checkpoints may take


def train(settings: Settings, say: Say, progress: bool = True) -> dict[str, Any]:
    """Train a model as the settings say and write its run folder.

    Parameters
    ----------
    settings : Settings
        To go on with a run: what :func:`settings_of_a_resumed_run` returns.
    say : callable
        Takes each line that a reader should see.
    progress : bool, default True
        As for :func:`minivae.fit`.

    Returns
    -------
    summary : dict
        Plain values: the run folder, the settings that were decided, the losses in nats per example.

    Raises
    ------
    MinivaeError, ValueError, OSError
        For bad settings and data, before the run folder is made or changed.
    TrainingDiverged, KeyboardInterrupt
        After the last good state has been saved.
    """
    whole = datasets.load(settings.data, settings.labels)
    say(describe_data(whole))
    settings = decide(settings, whole, say)
    data, validation = set_validation_aside(settings, whole, say)
    folder = RunFolder(settings.out or Path("runs") / data.name)
    if settings.resume and folder.checkpoint.exists():
        vae, early_stopping = go_on(folder, settings, whole, say)
    else:
        folder, vae, early_stopping = begin(folder, settings, whole, data, say)

    recorder = Recorder(folder, early_stopping, identity(settings, whole))
    warm_up(vae, progress=progress)
    began, first = time.perf_counter(), vae.epoch + 1
    try:
        fit(
            vae,
            data.train,
            epochs=epochs_left(vae, early_stopping, settings, say),
            batch_size=settings.batch_size,
            validation=validation,
            seed=settings.seed,
            l1=settings.l1,
            l2=settings.l2,
            binarize=settings.binarize,
            corruption=build_recipe(settings).corruption,
            schedule=build_schedule(settings),
            early_stopping=early_stopping,
            callbacks=[recorder],
            progress=progress,
        )
    except (TrainingDiverged, KeyboardInterrupt) as error:
        recorder.cut_short(vae, say, can_go_on=isinstance(error, KeyboardInterrupt))
        raise
    seconds = time.perf_counter() - began
    checkpoint.save(vae, folder.model, recorder.run)
    history = folder.read_history()
    best_epoch = early_stopping.best_epoch if early_stopping else None
    if not settings.no_pictures:
        pictures.draw(folder.path, vae, as_trained_on(vae, data, settings), history, best_epoch)
    return summarise(folder, vae, data, settings, history, best_epoch or vae.epoch) | {
        "epochs_now": vae.epoch + 1 - first,
        "seconds": round(seconds, 3),
    }


def as_trained_on(vae: VAE, data: Dataset, settings: Settings) -> Dataset:
    """The data as the model was shown them, binarised where it was trained so: what pictures of it must show."""
    recipe = build_recipe(settings)
    # No picture of images shows training examples: their pixels need not be drawn anew.
    train = data.train if data.image_shape else as_trained(vae, data.train, recipe)
    return replace(data, train=train, test=as_trained(vae, data.test, recipe))


# -- beginning, and going on -------------------------------------------------------------------------------


def begin(
    folder: RunFolder, settings: Settings, whole: Dataset, data: Dataset, say: Say
) -> tuple[RunFolder, VAE, EarlyStopping | None]:
    """An untrained model and a folder for it; nothing is written before everything has been checked."""
    vae, early_stopping = build_model(settings, data), build_early_stopping(settings)
    build_schedule(settings)
    check_data(vae, data, settings, say)
    say(describe_model(vae, settings))
    if settings.resume:
        if folder.model.exists():
            raise MinivaeError(f"{folder} holds a model but no checkpoint to go on from: choose another --out")
        say(f"resumed     from the beginning: {folder} holds no checkpoint yet")
        folder.make(overwrite=True)
    elif settings.out is None:
        folder = free_folder(folder.path)
    else:
        folder.make(settings.overwrite)
    folder.write_config(settings, whole, vae)
    folder.begin_history()
    return folder, vae, early_stopping


def go_on(folder: RunFolder, settings: Settings, data: Dataset, say: Say) -> tuple[VAE, EarlyStopping | None]:
    """The model and its optimizer, as the last checkpoint has them."""
    config = folder.read_config()
    if config["data"]["fingerprint"] != fingerprint(data):
        raise MinivaeError(f"{folder} was begun with other data: {data.name!r} has changed since then")
    vae, early_stopping = checkpoint.load_training(folder.checkpoint, settings.backend)
    folder.check_model(vae, folder.checkpoint, config)
    if vae.epoch > (settings.epochs or 0):
        raise MinivaeError(f"{folder} has done {vae.epoch} epochs already, more than --epochs {settings.epochs}")
    check_data(vae, data, settings, say)
    say(describe_model(vae, settings))
    here = what_changes_results(vae.backend)
    for name, before in config["machine"].items():
        if here.get(name) != before:
            say(f"note        {name} was {before}, now {here.get(name)}: the numbers may differ in their last digits")
    folder.cut_history(vae.epoch)
    folder.write_config(settings, data, vae)
    folder.model.unlink(missing_ok=True)  # the checkpoint is ahead of it from now on
    say(f"resumed     after epoch {vae.epoch}, from {folder.checkpoint}")
    return vae, early_stopping


def settings_of_a_resumed_run(given: dict[str, Any]) -> Settings:
    """The settings with which a run was begun; what is ``given`` must be the same.

    Raises
    ------
    MinivaeError
        If it is not, and then it says what differs; or if it is not clear which run is meant.
    """
    if given.get("overwrite"):
        raise ValueError("--resume goes on with a run and --overwrite replaces it: give only one of them")
    name = given.get("data", Settings.data)
    folder = RunFolder(given.get("out", Path("runs") / (name if name in LOADERS else Path(name).stem)))
    others = list(folder.path.parent.glob(f"{escape(folder.path.name)}-[0-9]*")) if "out" not in given else []
    if others:
        raise MinivaeError(f"there are {len(others) + 1} runs such as {folder} and {others[0]}: name one with --out")
    if not folder.config.exists():
        return Settings(**given)
    begun = folder.read_config()["settings"]
    found = differences(begun, given)
    if found:
        raise MinivaeError(
            f"{folder} was begun with {' and '.join(found)}: leave the option out, or choose another --out"
        )
    now = {name: value for name, value in given.items() if name in ("resume", "no_pictures", "epochs")}
    return replace(begun, out=str(folder), **now)


def epochs_left(vae: VAE, early_stopping: EarlyStopping | None, settings: Settings, say: Say) -> int:
    """How many epochs are still to be trained."""
    wanted = settings.epochs or 0
    if early_stopping is not None and early_stopping.is_over:
        say(f"note        early stopping ended this run after epoch {vae.epoch}: there is nothing left to train")
        return 0
    if wanted == vae.epoch:
        say(f"note        all {wanted} epochs are done: there is nothing left to train")
    return wanted - vae.epoch


# -- while it runs -----------------------------------------------------------------------------------------


class Recorder:
    """The callback that keeps a run: a row of history.csv after each epoch, and checkpoints.

    A checkpoint is due once training has taken a hundred times as long as writing the last one did, so that all of
    them take about one per cent of the time, whatever the sizes of the model and of the data.

    Parameters
    ----------
    folder : RunFolder
    early_stopping : EarlyStopping or None
    run : str
        Which run it is, for the files.
    """

    def __init__(self, folder: RunFolder, early_stopping: EarlyStopping | None, run: str):
        self.folder = folder
        self.run = run
        self.early_stopping = early_stopping
        self.cost = 0.0
        self.last = -float("inf")
        self.has_ended = False

    def __call__(self, vae: VAE, epoch: int, metrics: dict[str, float]) -> None:
        """Write the row first: a checkpoint must never know an epoch that the history does not."""
        signals.raise_if_arrived()
        self.folder.add_to_history(metrics)
        if time.perf_counter() - self.last >= self.cost / SHARE:
            self.save(vae)

    def save(self, vae: VAE) -> None:
        """Write a checkpoint, and note how long that took."""
        began = time.perf_counter()
        checkpoint.save_training(vae, self.folder.checkpoint, self.early_stopping, self.run)
        self.last = time.perf_counter()
        self.cost = self.last - began

    def at_end(self, vae: VAE) -> None:
        """The last checkpoint, before early stopping puts the best parameters back."""
        self.save(vae)
        self.has_ended = True

    def cut_short(self, vae: VAE, say: Say, can_go_on: bool) -> None:
        """Keep the last finished epoch of a run that diverged or was interrupted."""
        if not self.has_ended:  # else the model may hold the best parameters already, not the last ones
            self.save(vae)
        self.folder.cut_history(vae.epoch)
        if self.early_stopping is not None:
            self.early_stopping.at_end(vae)
        checkpoint.save(vae, self.folder.model, self.run)
        advice = f": go on with --resume --out {self.folder}" if can_go_on else ""
        say(f"cut short   after epoch {vae.epoch}; saved in {self.folder}{advice}")


# -- what is said ------------------------------------------------------------------------------------------


def describe_data(data: Dataset) -> str:
    """One line about a data set."""
    pixels = f" ({data.image_shape[0]} x {data.image_shape[1]} pixels)" if data.image_shape else ""
    n, width = data.train.shape
    line = f"data        {data.name}: {n} training and {len(data.test)} test examples, {width} columns{pixels}"
    return line if data.train_labels is None else f"{line}, labels of {len(np.unique(data.train_labels))} classes"


def describe_model(vae: VAE, settings: Settings) -> str:
    """One line about a model and its training."""
    widths = "-".join(str(width) for width in (vae.input_dim, *vae.hidden_dims, vae.latent_dim))
    return (
        f"model       {widths}, {vae.activation}, {len(vae.store.vector):,} parameters; {settings.epochs} epochs of "
        f"batches of {settings.batch_size}, {settings.optimizer} at {settings.lr:g}; {vae.backend} backend, {vae.dtype}"
    )


def summarise(
    folder: RunFolder,
    vae: VAE,
    data: Dataset,
    settings: Settings,
    history: dict[str, list[float]],
    epoch: int,
) -> dict[str, Any]:
    """What ``minivae train --json`` prints, about the parameters of the epoch that was kept."""
    row = {name: values[history["epoch"].index(epoch)] for name, values in history.items()}
    terms = ("loss", "recon_nll", "kl", "elbo")
    return {
        "run": str(folder),
        "data": data.name,
        "likelihood": vae.likelihood.name,
        "scaling": vae.scaling.kind,
        "binarize": settings.binarize,
        "backend": vae.backend,
        "epochs": vae.epoch,
        "best_epoch": epoch,
        "steps": vae.step,
        "units": "nats per example",
        "train": {name: row[name] for name in terms},
        "test": loss_of(vae, data.test, build_recipe(settings))._asdict(),
        "penalty": row["penalty"],
    }
