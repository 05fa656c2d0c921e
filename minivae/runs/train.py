"""A training run from the command line: data in, a run folder out; begun, gone on with, or cut short."""

from __future__ import annotations

import logging
import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from minivae import datasets, marks
from minivae.backend import states
from minivae.datasets import Dataset
from minivae.errors import MinivaeError, TrainingDiverged
from minivae.model import weights
from minivae.model.vae import VAE
from minivae.runs import pictures, resume
from minivae.runs.folder import FILES, RunFolder
from minivae.runs.identity import fingerprint, identity
from minivae.runs.notes import log_collapse
from minivae.runs.plan import Plan, decide, make_plan
from minivae.runs.recorder import Recorder
from minivae.runs.rows import describe_labels
from minivae.runs.settings import Settings, same_file
from minivae.system.locks import locked
from minivae.training.early_stopping import EarlyStopping
from minivae.training.loop import fit_prepared
from minivae.training.warmup import warm_up

log = logging.getLogger("minivae")


def train(settings: Settings, progress: bool = True) -> dict[str, Any]:
    """Train a model as the settings say and write its run folder.

    What a reader should see is logged to "minivae", at level INFO.

    Parameters
    ----------
    settings : Settings
        To go on with a run: what :func:`minivae.runs.resume.settings_of_a_resumed_run` returns.
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
    data = datasets.load(settings.data, **settings.source())
    log.info(describe_data(data))
    settings, mark = decide(settings, data), fingerprint(data)
    folder = RunFolder(settings.out or Path("runs") / data.name)
    with ExitStack() as until_the_end:  # keeps the lock of the folder
        if settings.resume and folder.holds_a_checkpoint:
            renew_lock = until_the_end.enter_context(locked(folder.path))
            vae, early_stopping, config = resume.read_state(folder, settings, data, mark)
            plan = make_plan(settings, data, vae, early_stopping)
            log.info(describe_model(vae, settings))
            resume.rewind(folder, settings, data, mark, vae, config)
        else:
            plan = make_plan(settings, data)
            log.info(describe_model(plan.vae, settings))
            if settings.out is None and not settings.resume:
                folder = free_folder(folder.path)
            warm_up(plan.vae, progress=progress)  # a backend that does not work ends here
            renew_lock = until_the_end.enter_context(locked(folder.path))
            begin(folder, settings, data, mark, plan.vae)
        recorder = Recorder(folder, plan.early_stopping, identity(settings, mark), renew_lock)
        summary = carry_out(plan, settings, recorder, progress)
        scale = marks.scale_of(plan.vae, data.train, plan.test, -summary["test"]["elbo"], settings.binarize)
        return summary | {"scale": scale, "scale_error": marks.error_of(marks.bounds(plan.vae, plan.test))}


def begin(folder: RunFolder, settings: Settings, data: Dataset, mark: str, vae: VAE) -> None:
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
        folder.write_config(settings, data, mark, vae)
        folder.begin_history()


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


def carry_out(plan: Plan, settings: Settings, recorder: Recorder, progress: bool) -> dict[str, Any]:
    """Train as planned, keep the run in its folder, draw its pictures; returns what :func:`train` does."""
    vae, folder = plan.vae, recorder.folder
    began, first = time.perf_counter(), vae.epoch + 1
    epochs = epochs_left(vae, plan.early_stopping, settings)
    try:
        fit_prepared(vae, plan.train, plan.recipe, epochs, plan.validation, plan.early_stopping, [recorder], progress)
    except (TrainingDiverged, KeyboardInterrupt) as error:
        recorder.cut_short(vae, can_go_on=isinstance(error, KeyboardInterrupt))
        raise
    seconds = time.perf_counter() - began
    weights.save(vae, folder.model, recorder.run)
    history = folder.read_history()
    best_epoch = plan.early_stopping.best_epoch if plan.early_stopping else None
    mu, logvar = vae.encode_scaled(plan.test)
    log_collapse(mu)
    if not settings.no_pictures:
        pictures.draw(folder.path, vae, plan.shown, mu, logvar, history, best_epoch)
    return summarise(folder, plan, settings, history, best_epoch or vae.epoch) | {
        "epochs_now": vae.epoch + 1 - first,
        "seconds": round(seconds, 3),
    }


def epochs_left(vae: VAE, early_stopping: EarlyStopping | None, settings: Settings) -> int:
    """How many epochs are still to be trained."""
    wanted = settings.epochs or 0
    if early_stopping is not None and early_stopping.is_over:
        log.info("note        early stopping ended this run after epoch %d: there is nothing left to train", vae.epoch)
        return 0
    if wanted == vae.epoch:
        log.info("note        all %d epochs are done: there is nothing left to train", wanted)
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
    folder: RunFolder, plan: Plan, settings: Settings, history: dict[str, list[float]], epoch: int
) -> dict[str, Any]:
    """What ``minivae train --json`` prints, about the parameters of the epoch that was kept."""
    vae, terms = plan.vae, ("loss", "recon_nll", "kl", "elbo")
    row = {name: values[history["epoch"].index(epoch)] for name, values in history.items()}
    if plan.validation is plan.test:
        test = {name: row[f"val_{name}"] for name in terms}
    else:
        test = vae.loss_of_scaled(plan.test)._asdict()
    return {
        "run": str(folder),
        "data": plan.shown.name,
        "likelihood": vae.likelihood.name,
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
