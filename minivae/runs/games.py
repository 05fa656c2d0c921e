"""The run of a GAN: what is planned, trained, drawn and said. Its folder and how it goes on are those of every run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from minivae import plotting
from minivae.datasets import Dataset
from minivae.gan import fitting
from minivae.gan.gan import GAN
from minivae.model.scaling import Scaling
from minivae.runs import pictures
from minivae.runs.folder import RunFolder
from minivae.runs.identity import shown_range
from minivae.runs.settings import Settings
from minivae.training.optimizers import OPTIMIZERS, Adam

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BETAS = (0.0, 0.99)  # of Adam: no momentum


@dataclass(frozen=True)
class GamePlan:
    """A GAN with its optimizer, and what it is trained on; ``train`` (N, D) and ``test`` (M, D) are scaled."""

    model: GAN
    train: np.ndarray
    test: np.ndarray
    shown: Dataset
    batch_size: int
    early_stopping: None = None  # no loss falls by which to choose

    def warm_up(self, progress: bool) -> None:
        """Compile what training needs."""
        fitting.warm_up(self.model, progress)

    def fit(self, steps: int, callbacks: Sequence[Any], progress: bool) -> None:
        """Train for so many steps more."""
        fitting.fit(self.model, self.train, steps, self.batch_size, self.test, progress, callbacks)
        for callback in callbacks:
            callback.at_end(self.model)


def make_plan(settings: Settings, data: Dataset, gan: GAN | None = None) -> GamePlan:
    """As :func:`minivae.runs.plan.make_plan`."""
    gan = gan or build_model(settings, data)
    train, test = (gan.scaling.check(x, gan.dtype, gan.data_dim) for x in (data.train, data.test))
    return GamePlan(gan, train, test, data, settings.batch_size)


def build_model(settings: Settings, data: Dataset) -> GAN:
    """The untrained GAN that the settings describe, with its optimizer; it stays in [0, 1] where its data do."""
    scaling = Scaling.of(settings.scale, data.train, data.white)
    u = scaling.apply(data.train)
    gan = GAN(
        data.train.shape[1],
        settings.hidden,
        settings.latent,
        settings.loss or "",
        settings.penalty or "",
        settings.seed,
        activation=settings.activation,
        output="sigmoid" if u.min() >= 0 and u.max() <= 1 else "identity",
        backend=settings.backend,
        dtype=settings.dtype,
        scaling=scaling,
    )
    is_adam = settings.optimizer == "adam"
    gan.optimizer = Adam(settings.lr, BETAS) if is_adam else OPTIMIZERS[settings.optimizer](settings.lr)
    return gan


def finish(folder: RunFolder, plan: GamePlan, settings: Settings, history: dict[str, list[float]]) -> dict[str, Any]:
    """Draw its pictures; returns what ``minivae train --json`` prints."""
    if not settings.no_pictures:
        curves = {pictures.LOSS: lambda: plotting.game_curves(history)}
        pictures.draw_each(folder.path, curves | {"samples.png": lambda: samples(plan)})
    gan, last = plan.model, {name: values[-1] for name, values in history.items()}
    return {
        "run": str(folder),
        "data": plan.shown.name,
        "model": "gan",
        "loss": gan.loss,
        "penalty": gan.penalty,
        "scaling": gan.scaling.kind,
        "backend": gan.backend,
        "steps": gan.step,
        "train": {name: last[name] for name in fitting.LOSSES},
        "test": {name: last[name] for name in ("coverage", "precision") if name in last},
    }


def samples(plan: GamePlan) -> Figure:
    """New images; new rows of a table beside its own, in the plane of their two leading principal components."""
    gan, data = plan.model, plan.shown
    if data.image_shape:
        return plotting.image_samples(gan.sample(pictures.IMAGES), data.image_shape, shown_range(data))
    if gan.data_dim == 1:
        return plotting.table_samples(data.train, gan.sample(pictures.ROWS), data.columns or ["column 0"])
    x = data.train[plotting.thinned(len(data.train), pictures.ROWS)]
    drawn, names = gan.sample(len(x)), data.columns or ["column 0", "column 1"]
    if gan.data_dim > 2:
        _, _, axes = np.linalg.svd(plan.train - plan.train.mean(axis=0), full_matrices=False)
        x, drawn = (gan.scaling.apply(part) @ axes[:2].T for part in (x, drawn))
        names = ["first principal component", "second principal component"]
    return plotting.plane_samples(x, drawn, names)
