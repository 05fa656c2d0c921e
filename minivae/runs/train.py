"""A training run from the command line: data in, a run folder out; begun, gone on with, or cut short."""

from __future__ import annotations

import logging
import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from minivae import checkpoint, datasets, marks
from minivae.backend import states
from minivae.checkpoint import Model, reached
from minivae.datasets import Dataset
from minivae.errors import MinivaeError, TrainingDiverged
from minivae.gan import fitting
from minivae.gan.game import widths
from minivae.gan.gan import GAN
from minivae.runs import pictures, resume
from minivae.runs.folder import FILES, RunFolder
from minivae.runs.identity import fingerprint, identity
from minivae.runs.notes import Known, Notes
from minivae.runs.plan import Plan, decide, make_plan
from minivae.runs.recorder import Recorder
from minivae.runs.rows import describe_labels
from minivae.runs.settings import Settings, same_file
from minivae.system.locks import locked
from minivae.training.examples import binarised_once
from minivae.training.loop import columns
from minivae.training.recipe import Recipe
from minivae.workers.group import Alone, Group, check_same

log = logging.getLogger("minivae")


def train(settings: Settings, progress: bool = True, group: Group | None = None) -> dict[str, Any]:
    """Train a model as the settings say and write its run folder.

    What a reader should see is logged to "minivae", at level INFO.

    Parameters
    ----------
    settings : Settings
        To go on with a run: what :func:`minivae.runs.resume.settings_of_a_resumed_run` returns.
    progress : bool, default True
        As for :func:`minivae.fit`.
    group : Group, optional
        The workers that share each minibatch. All of them call this function; rank 0 writes.

    Returns
    -------
    summary : dict
        Plain values: the run folder, the settings that were decided, the losses in nats per example. Empty where
        another rank writes.

    Raises
    ------
    MinivaeError, ValueError, OSError
        For bad settings and data, and if another process trains in the folder, before anything in it is changed.
    TrainingDiverged, KeyboardInterrupt
        After the last good state has been saved.
    """
    group, notes = group or Alone(), Notes()
    with ExitStack() as until_the_end:  # keeps the lock of the folder
        until_the_end.enter_context(notes.heard())
        data = group.agree(lambda: datasets.load(settings.data, **settings.source()))
        log.info(describe_data(data))
        if data.schema is not None and not data.schema.is_plain:
            for line in str(data.schema).split("\n"):
                log.info("columns     %s", line)
        settings, mark = group.agree(lambda: (decide(settings, data), fingerprint(data, settings.conditional)))
        check_same(group, lambda: bytes.fromhex(mark), "data")
        notes.say_all(Known(data, settings))
        folder = RunFolder(settings.out or Path("runs") / data.name)
        if group.decide(settings.resume and folder.holds_a_checkpoint):
            renew_lock = group.root(lambda: until_the_end.enter_context(locked(folder.path)))
            model, early_stopping, config = group.agree(lambda: resume.read_state(folder, settings, data, mark))
            plan = make_plan(settings, data, model, early_stopping, group)
            log.info(describe_model(model, settings))
            group.root(lambda: resume.rewind(folder, settings, data, mark, model, config))
        else:
            plan = make_plan(settings, data, group=group)
            log.info(describe_model(plan.model, settings))
            if settings.out is None and not settings.resume:
                folder = group.root(lambda: free_folder(folder.path)) or folder
            plan.warm_up(progress)  # a backend that does not work ends here
            renew_lock = group.root(lambda: until_the_end.enter_context(locked(folder.path)))
            group.root(lambda: begin(folder, settings, data, mark, plan.model))
        recorder = renew_lock and Recorder(folder, plan.early_stopping, identity(settings, mark), renew_lock)
        return carry_out(plan, recorder, progress, notes)


def begin(folder: RunFolder, settings: Settings, data: Dataset, mark: str, model: Model) -> None:
    """Write the first files of a new run; the caller holds the lock."""
    data_file = Path(os.path.realpath(settings.data))
    if data_file.name in FILES and same_file(str(data_file.parent), str(folder.path)):
        raise MinivaeError(f"{settings.data} would be written over by the run: choose another --out")
    if settings.resume:
        if folder.model.exists() or folder.holds_a_checkpoint:
            raise MinivaeError(f"{folder} holds a model but no checkpoint to go on from: choose another --out")
        if folder.config.exists():
            resume.refuse_other_data(folder, folder.read_config(), settings, data, mark)
        log.info("resumed     from the beginning: %s holds no checkpoint yet", folder)
    with folder.make(settings.overwrite or settings.resume):
        folder.write_config(settings, data, mark, model)
        folder.begin_history(fitting.columns(model) if isinstance(model, GAN) else columns(validation=True))


def free_folder(wanted: Path) -> RunFolder:
    """``wanted``, or the first of wanted-2, wanted-3, ... that does not exist yet; made, so that it stays free."""
    folder, number = wanted, 1
    while True:
        try:
            folder.mkdir(parents=True)
            return RunFolder(folder)
        except FileExistsError:
            if not os.path.lexists(folder):  # it is a part of the path that exists, such as a link to nowhere
                raise MinivaeError(f"cannot make {folder}: {folder.parent} is no folder") from None
            number += 1
            folder = wanted.with_name(f"{wanted.name}-{number}")


def carry_out(plan: Plan, recorder: Recorder | None, progress: bool, notes: Notes) -> dict[str, Any]:
    """Train as planned, keep the run in its folder, draw its pictures; returns what :func:`train` does.

    Without a recorder, where another rank keeps the run, only train.
    """
    model, settings, callbacks = plan.model, notes.known.settings, [recorder] if recorder else []
    (unit, first), began = reached(model), time.perf_counter()
    try:
        plan.fit(length_left(plan, settings), callbacks, progress)
    except (TrainingDiverged, KeyboardInterrupt) as error:
        if recorder:
            recorder.cut_short(model, can_go_on=isinstance(error, KeyboardInterrupt))
        raise
    if not recorder:
        return {}
    folder = recorder.folder
    now = {f"{unit}s_now": reached(model)[1] - first, "seconds": round(time.perf_counter() - began, 3)}
    checkpoint.save(model, folder.model, recorder.run)
    history = folder.read_history()
    if isinstance(model, GAN):
        summary = finish_game(folder, plan, settings, history)
    else:
        summary = finish(folder, plan, notes, history)
        train = binarised_once(plan.model, marks.some_of(plan.train), Recipe(binarize=settings.binarize))
        scale = marks.scale_of(plan.model, train, plan.test, -summary["test"]["elbo"])
        summary |= {"scale": scale, "scale_error": marks.error_of(marks.bounds(plan.model, plan.test))}
    return summary | now | {"notes": [note._asdict() for note in notes]}


def finish(folder: RunFolder, plan: Plan, notes: Notes, history: dict[str, list[float]]) -> dict[str, Any]:
    """Draw the pictures of a VAE; returns what is said of it."""
    vae, settings = plan.model, notes.known.settings
    best_epoch = plan.early_stopping.best_epoch if plan.early_stopping else None
    mu, logvar = vae.encode_scaled(plan.test)
    notes.say_all(notes.known._replace(mu=mu))
    if not settings.no_pictures:
        mu = np.hstack([mu, plan.test[:, vae.input_dim :]])
        pictures.draw(folder.path, vae, plan.shown, mu, logvar, history, best_epoch)
    return summarise(folder, plan, settings, history, best_epoch or vae.epoch)


def finish_game(folder: RunFolder, plan: Plan, settings: Settings, history: dict[str, list[float]]) -> dict[str, Any]:
    """Draw the pictures of a GAN; returns what is said of it."""
    gan, last = plan.model, {name: values[-1] for name, values in history.items()}
    if not settings.no_pictures:
        pictures.draw_game(folder.path, gan, plan.shown, history)
    said = {name: getattr(settings, name) for name in ("model", "loss", "penalty", "backend")}
    shares = {name: last[name] for name in ("coverage", "precision") if name in last}
    names = {"run": str(folder), "data": plan.shown.name, **said, "scaling": gan.scaling.kind, "steps": gan.step}
    return {**names, "train": {name: last[name] for name in fitting.LOSSES}, "test": shares}


def length_left(plan: Plan, settings: Settings) -> int:
    """How many epochs or steps are still to be trained."""
    unit, done = reached(plan.model)
    if plan.early_stopping is not None and plan.early_stopping.is_over:
        log.info("note        early stopping ended this run after epoch %d: there is nothing left to train", done)
        return 0
    if settings.length == done:
        log.info("note        all %d %ss are done: there is nothing left to train", done, unit)
    return settings.length - done


# -- what is said ------------------------------------------------------------------------------------------


def describe_data(data: Dataset) -> str:
    """One line about a data set."""
    pixels = f" ({data.image_shape[0]} x {data.image_shape[1]} pixels)" if data.image_shape else ""
    n, width = data.train.shape
    line = f"data        {data.name}: {n} training and {len(data.test)} test examples, {width} columns{pixels}"
    if data.train_labels is None:
        return line
    return f"{line}, labels of {len(np.unique(data.train_labels))} classes{describe_labels(data.label_names)}"


def describe_model(model: Model, settings: Settings) -> str:
    """One line about a model and its training."""
    if isinstance(model, GAN):
        about = " against ".join("-".join(map(str, dims)) for dims in reversed(widths(model.config)))
        size = sum(array.size for array in model.parameters.values())
    else:
        size = len(model.store.vector)
        about = "-".join(str(width) for width in (model.input_dim, *model.hidden_dims, model.latent_dim))
        about += f" given one of {model.condition_dim} classes" * (model.condition_dim > 0)
    return (
        f"model       {about}, {settings.activation}, {size:,} parameters; {settings.length} {reached(model)[0]}s of "
        f"batches of {settings.batch_size}, {settings.optimizer} at {settings.rate:g}; {model.backend} backend, "
        f"{model.dtype}" + (f" ({states()['mine']})" if model.backend == "mine" else "")
    )


def summarise(
    folder: RunFolder, plan: Plan, settings: Settings, history: dict[str, list[float]], epoch: int
) -> dict[str, Any]:
    """What ``minivae train --json`` prints, about the parameters of the epoch that was kept."""
    vae, terms = plan.model, ("loss", "recon_nll", "kl", "elbo")
    row = {name: values[history["epoch"].index(epoch)] for name, values in history.items()}
    if plan.validation is plan.test:
        test = {name: row[f"val_{name}"] for name in terms}
    else:
        test = vae.loss_of_scaled(plan.test)._asdict()
    return {
        "run": str(folder),
        "data": plan.shown.name,
        "likelihood": vae.likelihood.name,
        "objective": vae.objective,
        "draws": vae.draws,
        "scaling": vae.scaling.kind,
        "binarize": settings.binarize,
        "backend": vae.backend,
        "epochs": vae.epoch,
        "best_epoch": epoch,
        "steps": vae.step,
        "units": "nats per example",
        "train": {name: row[name] for name in terms},
        "test": test,
        "penalty": row["penalty"],
    }
