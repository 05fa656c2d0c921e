"""A training run from the command line: data in, a run folder out; begun, gone on with, or cut short."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from glob import escape
from pathlib import Path
from typing import Any

import numpy as np

from minivae import datasets
from minivae.backend import states
from minivae.model import weights
from minivae.runs import pictures
from minivae.datasets import LOADERS, Dataset
from minivae.runs.plan import (
    Say,
    build_early_stopping,
    build_model,
    build_recipe,
    build_schedule,
    check_data,
    decide,
    set_validation_aside,
)
from minivae.training.early_stopping import EarlyStopping
from minivae.errors import MinivaeError, TrainingDiverged
from minivae.training.examples import as_trained, loss_of
from minivae.system.locks import locked
from minivae.training.loop import fit
from minivae.system.machine import what_changes_results
from minivae.runs.recorder import Recorder
from minivae.runs.rows import describe_labels
from minivae.runs.folder import RunFolder, fingerprint, identity
from minivae.runs.settings import Settings, differences, same_file
from minivae.model.vae import VAE
from minivae.training.warmup import warm_up

HOW_TO_GO_ON = ("resume", "no_pictures", "epochs")  # settings that say nothing about what is trained


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
        For bad settings and data, and if another process trains in the folder, before anything in it is changed.
    TrainingDiverged, KeyboardInterrupt
        After the last good state has been saved.
    """
    with ExitStack() as held:  # the lock of the run folder, until the run has ended
        return carry_out(settings, say, progress, held)


def carry_out(settings: Settings, say: Say, progress: bool, held: ExitStack) -> dict[str, Any]:
    """What :func:`train` does; ``held`` takes the lock of the run folder once that is known, and all is checked."""
    whole = datasets.load(settings.data, settings.labels)
    say(describe_data(whole))
    settings = decide(settings, whole, say)
    data, validation = set_validation_aside(settings, whole, say)
    folder = RunFolder(settings.out or Path("runs") / data.name)
    if settings.resume and folder.holds_a_checkpoint:
        vae, early_stopping = go_on(folder, held, settings, whole, say)
    else:
        folder, vae, early_stopping = begin(folder, held, settings, whole, data, say)

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
    weights.save(vae, folder.model, recorder.run)
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
    folder: RunFolder, held: ExitStack, settings: Settings, whole: Dataset, data: Dataset, say: Say
) -> tuple[RunFolder, VAE, EarlyStopping | None]:
    """An untrained model and a folder for it; nothing is written before everything has been checked."""
    vae, early_stopping = build_model(settings, data), build_early_stopping(settings)
    build_schedule(settings)
    check_data(vae, data, settings, say)
    say(describe_model(vae, settings))
    if settings.out is None and not settings.resume:
        folder = free_folder(folder.path)
    held.enter_context(locked(folder.path))
    if settings.resume:
        if folder.model.exists() or folder.holds_a_checkpoint:
            raise MinivaeError(f"{folder} holds a model but no checkpoint to go on from: choose another --out")
        if folder.config.exists():
            refuse_other_data(folder, folder.read_config(), settings, whole)
        say(f"resumed     from the beginning: {folder} holds no checkpoint yet")
    folder.make(settings.overwrite or settings.resume)
    folder.write_config(settings, whole, vae)
    folder.begin_history()
    return folder, vae, early_stopping


def free_folder(wanted: Path) -> RunFolder:
    """``wanted``, or the first of wanted-2, wanted-3, ... that does not exist yet; made, so that it stays free."""
    folder, number = wanted, 1
    while True:
        try:
            folder.mkdir(parents=True)
            return RunFolder(folder)
        except FileExistsError:
            number += 1
            folder = wanted.with_name(f"{wanted.name}-{number}")


def go_on(
    folder: RunFolder, held: ExitStack, settings: Settings, data: Dataset, say: Say
) -> tuple[VAE, EarlyStopping | None]:
    """The model and its optimizer, as the last checkpoint has them."""
    held.enter_context(locked(folder.path))
    config = folder.read_config()
    refuse_others(folder, config["settings"], settings.of_the_run())  # it may have been begun anew since then
    refuse_other_data(folder, config, settings, data)
    if config["run"] != identity(config["settings"], data):
        raise MinivaeError(f"{folder.config} was changed by hand, or by another version: begin a new run")
    vae, early_stopping = folder.load_training(folder.checkpoint, settings.backend, config)
    if vae.epoch > (settings.epochs or 0):
        raise MinivaeError(f"{folder} has done {vae.epoch} epochs already, more than --epochs {settings.epochs}")
    check_data(vae, data, settings, say)
    say(describe_model(vae, settings))
    here = what_changes_results(vae.backend)
    for name, before in config["machine"].items():
        if here.get(name) != before:
            say(f"note        {name} was {before}, now {here.get(name)}: the numbers may differ in their last digits")
    folder.cut_history(vae.epoch)
    folder.remove_leftovers()
    folder.write_config(settings, data, vae)
    folder.model.unlink(missing_ok=True)  # the checkpoint is ahead of it from now on
    say(f"resumed     after epoch {vae.epoch}, from {folder.checkpoint}")
    return vae, early_stopping


def settings_of_a_resumed_run(given: dict[str, Any]) -> Settings:
    """The settings with which a run was begun; what is ``given`` must be the same, but a file may have moved.

    Raises
    ------
    MinivaeError
        If it is not, and then it says what differs; or if it is not clear which run is meant, or where its data are.
    """
    if given.get("overwrite"):
        raise ValueError("--resume goes on with a run and --overwrite replaces it: give only one of them")
    name = given.get("data", Settings.data)
    folder = RunFolder(given.get("out", Path("runs") / (name if name in LOADERS else Path(name).stem)))
    others = list(folder.path.parent.glob(f"{escape(folder.path.name)}-[0-9]*")) if "out" not in given else []
    if others:
        raise MinivaeError(f"there are {len(others) + 1} runs such as {folder} and {others[0]}: name one with --out")
    if not folder.config.exists():
        # Nobody begins a run with so few words: the name is misspelt.
        if given.keys() <= {"out", "backend", *HOW_TO_GO_ON} and not folder.holds_a_run:
            raise MinivaeError(f"{folder} holds no run{runs_beside(folder)}: to begin one, give its --data")
        return Settings(**given)
    begun = folder.read_config()["settings"]
    refuse_others(folder, begun, given)
    now = {name: value for name, value in given.items() if name in {"data", *HOW_TO_GO_ON}}
    if "data" not in now and begun.data not in LOADERS and not Path(begun.data).exists():
        raise MinivaeError(f"{folder} was begun with {begun.data}, which is gone: if it has moved, name it with --data")
    return replace(begun, out=str(folder), **now)


def runs_beside(folder: RunFolder) -> str:
    """The runs in the same place, where somebody may have meant one of them."""
    names = sorted(str(config.parent) for config in folder.path.parent.glob("*/config.json"))
    return f" (there are {', '.join(names[:5])}{', ...' * (len(names) > 5)})" if names else ""


def refuse_others(folder: RunFolder, begun: Settings, given: dict[str, Any]) -> None:
    """MinivaeError if settings are not those with which the run was begun; of two files the content decides later."""
    if LOADERS.keys().isdisjoint({begun.data, given.get("data", begun.data)}):
        given = given | {"data": begun.data}
    found = differences(begun, given)
    if found:
        raise MinivaeError(
            f"{folder} was begun with {' and '.join(found)}: leave the option out, or choose another --out"
        )


def refuse_other_data(folder: RunFolder, config: dict[str, Any], settings: Settings, data: Dataset) -> None:
    """MinivaeError if the values are not those with which the run was begun, wherever they are read from."""
    if config["data"]["fingerprint"] == fingerprint(data):
        return
    begun = config["settings"].data
    if same_file(begun, settings.data) or begun == settings.data:
        raise MinivaeError(f"{folder} was begun with other data: {data.name!r} has changed since then")
    raise MinivaeError(
        f"{folder} was begun with --data {begun}, and {settings.data} holds other values: name a file with the same "
        "ones, or choose another --out"
    )


def epochs_left(vae: VAE, early_stopping: EarlyStopping | None, settings: Settings, say: Say) -> int:
    """How many epochs are still to be trained."""
    wanted = settings.epochs or 0
    if early_stopping is not None and early_stopping.is_over:
        say(f"note        early stopping ended this run after epoch {vae.epoch}: there is nothing left to train")
        return 0
    if wanted == vae.epoch:
        say(f"note        all {wanted} epochs are done: there is nothing left to train")
    return wanted - vae.epoch


# -- what is said ------------------------------------------------------------------------------------------


def describe_data(data: Dataset) -> str:
    """One line about a data set."""
    pixels = f" ({data.image_shape[0]} x {data.image_shape[1]} pixels)" if data.image_shape else ""
    n, width = data.train.shape
    line = f"data        {data.name}: {n} training and {len(data.test)} test examples, {width} columns{pixels}"
    if data.train_labels is None:
        return line
    return f"{line}, labels of {len(np.unique(data.train_labels))} classes{describe_labels(data.label_names)}"


def describe_model(vae: VAE, settings: Settings) -> str:
    """One line about a model and its training."""
    widths = "-".join(str(width) for width in (vae.input_dim, *vae.hidden_dims, vae.latent_dim))
    return (
        f"model       {widths}, {vae.activation}, {len(vae.store.vector):,} parameters; {settings.epochs} epochs of "
        f"batches of {settings.batch_size}, {settings.optimizer} at {settings.lr:g}; {vae.backend} backend, {vae.dtype}"
        + (f" ({states()['mine']})" if vae.backend == "mine" else "")
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
