"""A training run from the command line: data in, a run folder out.

RUN/model.safetensors   the weights         RUN/loss.png             the curves
RUN/config.json         every setting       RUN/reconstructions.png  originals and reconstructions
RUN/history.csv         a row per epoch     RUN/samples.png          new data from the prior
"""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import numpy as np

import minivae
from minivae import checkpoint, plotting
from minivae.datasets import Dataset
from minivae.errors import DataError, MinivaeError, TrainingDiverged
from minivae.files import write_text
from minivae.optimizers import OPTIMIZERS, Optimizer
from minivae.scaling import Scaling
from minivae.settings import (
    Say,
    Settings,
    build_model,
    choose_likelihood,
    choose_scaling,
    default_epochs,
    prepare_model,
    value_range,
)
from minivae.training import columns, fit
from minivae.vae import VAE

MODEL, CONFIG, HISTORY = "model.safetensors", "config.json", "history.csv"
PICTURES = LOSS, RECONSTRUCTIONS, SAMPLES = "loss.png", "reconstructions.png", "samples.png"
SHOWN = 24  # images in a picture


def train(settings: Settings, say: Say, progress: bool = True) -> dict[str, Any]:
    """Train a model as the settings say and write its run folder.

    Parameters
    ----------
    settings : Settings
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
        For bad settings and data, before the run folder is made.
    """
    from minivae import datasets

    data = datasets.load(settings.data)
    say(describe_data(data))
    likelihood = choose_likelihood(settings.likelihood, data, say)
    scaling = choose_scaling(settings.scale, likelihood, data, say)
    x, test = scaling.apply(data.train), scaling.apply(data.test)
    vae = build_model(settings, likelihood, data.train.shape[1])
    optimizer: Optimizer = OPTIMIZERS[settings.optimizer](settings.lr)
    prepare_model(vae, x, test, settings, say)
    epochs = settings.epochs or default_epochs(len(x), settings.batch_size)
    say(describe_model(vae, epochs, settings))

    folder = make_folder(settings, data.name)
    write_config(folder, vae, data, scaling, settings, epochs)
    began = time.perf_counter()
    with open(folder / HISTORY, "w", encoding="utf-8", newline="") as file:
        history = fit_or_keep_what_there_is(
            folder / MODEL,
            vae,
            x,
            say,
            epochs=epochs,
            batch_size=settings.batch_size,
            optimizer=optimizer,
            validation=test,
            seed=settings.seed,
            l1=settings.l1,
            l2=settings.l2,
            binarize=settings.binarize,
            callbacks=[history_writer(file)],
            progress=progress,
        )
    seconds = time.perf_counter() - began
    vae.save(folder / MODEL)
    draw_pictures(folder, vae, data, scaling, history)
    return summarise(folder, vae, data, scaling, history, epochs, seconds)


def fit_or_keep_what_there_is(
    path: Path, vae: VAE, x: np.ndarray, say: Say, **arguments: Any
) -> dict[str, list[float]]:
    """:func:`minivae.fit`; if it diverges or is interrupted, the weights that are left are saved first."""
    try:
        return fit(vae, x, **arguments)
    except (TrainingDiverged, KeyboardInterrupt):
        vae.save(path)
        say(f"cut short   after {vae.epoch} epochs; the weights so far are in {path}")
        raise


# -- the folder --------------------------------------------------------------------------------------------


def make_folder(settings: Settings, name: str) -> Path:
    """A folder for this run. A folder that holds a run is not written over unless that is asked for."""
    if settings.out is None:
        return free_folder(Path("runs") / name)
    folder = Path(settings.out)
    if any((folder / name).exists() for name in (CONFIG, MODEL)) and not settings.overwrite:
        raise MinivaeError(f"{folder} already holds a run: choose another --out, or add --overwrite to replace it")
    folder.mkdir(parents=True, exist_ok=True)
    for name in (MODEL, CONFIG, HISTORY, *PICTURES):  # or a run that is cut short would be half the old one
        (folder / name).unlink(missing_ok=True)
    return folder


def free_folder(wanted: Path) -> Path:
    """``wanted``, or the first of wanted-2, wanted-3, ... that does not exist yet."""
    folder, number = wanted, 1
    while True:
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            number += 1
            folder = wanted.with_name(f"{wanted.name}-{number}")


def write_config(folder: Path, vae: VAE, data: Dataset, scaling: Scaling, settings: Settings, epochs: int) -> None:
    """Every setting of the run, as decided, in config.json."""
    config = {
        "minivae_version": minivae.__version__,
        "data": {
            "name": data.name,
            "image_shape": data.image_shape,
            "columns": data.columns,
            "value_range": shown_range(data),
        },
        "model": vae.config,
        "scaling": scaling.to_dict(),
        "training": {
            "epochs": epochs,
            **{
                name: getattr(settings, name)
                for name in ("batch_size", "optimizer", "lr", "l1", "l2", "seed", "binarize", "output_bias")
            },
        },
    }
    write_text(folder / CONFIG, json.dumps(config, indent=2) + "\n")


def history_writer(file: TextIO) -> Callable:
    """A callback that writes a row after each epoch."""
    writer = csv.DictWriter(file, columns(validation=True), lineterminator="\n")
    writer.writeheader()

    def write(vae: VAE, epoch: int, metrics: dict[str, float]) -> None:
        writer.writerow(metrics)
        file.flush()

    return write


def draw_pictures(folder: Path, vae: VAE, data: Dataset, scaling: Scaling, history: dict[str, list[float]]) -> None:
    """The loss curves, reconstructions of test data, and samples from the prior, in the data's own units."""
    plotting.save(plotting.loss_curve(history), folder / LOSS)
    shown = data.test[:SHOWN] if data.image_shape else data.test
    reconstruction = scaling.invert(vae.reconstruct(scaling.apply(shown)))
    if data.image_shape:
        samples = scaling.invert(vae.sample(SHOWN))
        limits = shown_range(data)
        first = plotting.image_reconstructions(shown, reconstruction, data.image_shape, limits)
        second = plotting.image_samples(samples, data.image_shape, limits)
    else:
        names = data.columns or [f"column {i}" for i in range(vae.input_dim)]
        samples = scaling.invert(vae.sample(1000, draw=True))
        first = plotting.table_reconstructions(shown, reconstruction, names)
        second = plotting.table_samples(data.train, samples, names)
    plotting.save(first, folder / RECONSTRUCTIONS)
    plotting.save(second, folder / SAMPLES)


def shown_range(data: Dataset) -> tuple[float, float]:
    """The values that pictures draw white and black: 0 and 1, or the data's own range if it leaves [0, 1]."""
    low, high = value_range(data)
    return (0.0, 1.0) if low >= 0 and high <= 1 else (low, high)


# -- what is said ------------------------------------------------------------------------------------------


def describe_data(data: Dataset) -> str:
    """One line about a data set."""
    pixels = f" ({data.image_shape[0]} x {data.image_shape[1]} pixels)" if data.image_shape else ""
    n, width = data.train.shape
    return f"data        {data.name}: {n} training and {len(data.test)} test examples, {width} columns{pixels}"


def describe_model(vae: VAE, epochs: int, settings: Settings) -> str:
    """One line about a model and its training."""
    widths = "-".join(str(width) for width in (vae.input_dim, *vae.hidden_dims, vae.latent_dim))
    return (
        f"model       {widths}, {vae.activation}, {len(vae.store.vector):,} parameters; {epochs} epochs of batches of "
        f"{settings.batch_size}, {settings.optimizer} at {settings.lr:g}; {vae.backend} backend, {vae.dtype}"
    )


def summarise(
    folder: Path,
    vae: VAE,
    data: Dataset,
    scaling: Scaling,
    history: dict[str, list[float]],
    epochs: int,
    seconds: float,
) -> dict[str, Any]:
    """What ``minivae train --json`` prints."""
    last = {name: values[-1] for name, values in history.items()}
    terms = ("loss", "recon_nll", "kl", "elbo")
    return {
        "run": str(folder),
        "data": data.name,
        "likelihood": vae.likelihood.name,
        "scaling": scaling.kind,
        "backend": vae.backend,
        "epochs": epochs,
        "steps": vae.step,
        "seconds": round(seconds, 3),
        "units": "nats per example",
        "train": {name: last[name] for name in terms},
        "test": {name: last[f"val_{name}"] for name in terms},
        "penalty": last["penalty"],
    }


# -- reading a run -----------------------------------------------------------------------------------------


def open_run(path: str | os.PathLike, backend: str | None = None) -> tuple[VAE, Scaling, dict[str, Any]]:
    """The model, the scaling and the description of the data of a run folder, or of one weights file.

    Raises
    ------
    MinivaeError
        If there is no run, or its files cannot be read.
    """
    path = Path(path)
    if path.name == MODEL and (path.parent / CONFIG).is_file():
        path = path.parent
    if path.is_file():
        return checkpoint.load(path, backend), Scaling.from_dict({"kind": "none"}), {}
    if not path.is_dir():
        raise MinivaeError(f"there is no run {path}: expected a run folder or a .safetensors file")
    vae = checkpoint.load(path / MODEL, backend)
    try:
        config = json.loads((path / CONFIG).read_text(encoding="utf-8"))
        return vae, Scaling.from_dict(config["scaling"]), config["data"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"cannot read {path / CONFIG}: {error}") from None
