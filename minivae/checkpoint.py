"""A training in a file: a model's weights (weights.py), and what ``fit`` needs to go on: optimizer and early stopping.

A checkpoint is a model too: :meth:`minivae.VAE.load` reads both.
"""

from __future__ import annotations

import os

from minivae.errors import CheckpointError
from minivae.gan.gan import GAN, KIND
from minivae.model import weights
from minivae.model.vae import VAE
from minivae.system import tensorfile
from minivae.system.tensorfile import in_one_line
from minivae.training import optimizers
from minivae.training.early_stopping import EarlyStopping
from minivae.training.optimizers import State
from minivae.validation import check_int

__all__ = ["load", "load_training", "reached", "save", "save_training"]

Model = VAE | GAN


def reached(model: Model) -> tuple[str, int]:
    """In what its training is counted, and how far it has come."""
    return ("step", model.step) if isinstance(model, GAN) else ("epoch", model.epoch)


def save(model: Model, path: str | os.PathLike, run: str | None = None) -> None:
    """Write a model alone; of a GAN the optimizer goes with it. ``run`` is the training run it comes from."""
    model.save(path, run) if isinstance(model, GAN) else weights.save(model, path, run)


def load(path: str | os.PathLike, backend: str | None = None) -> Model:
    """The model in a file of either kind; errors as for :meth:`minivae.VAE.load`."""
    tensors, metadata = weights.read(path, weights.MODEL, weights.CHECKPOINT, KIND)
    kind = GAN if metadata["format"].startswith(KIND) else VAE
    return kind.of_content(tensors, metadata, path, backend)


def save_training(
    vae: Model, path: str | os.PathLike, early_stopping: EarlyStopping | None = None, run: str | None = None
) -> None:
    """Write a checkpoint: the model, its optimizer, and early stopping, as they are between two epochs.

    Parameters
    ----------
    vae : VAE or GAN
        Trained by ``fit`` before, so that it has an optimizer.
    path : str or path-like
    early_stopping : EarlyStopping, optional
        The one that watches this model.
    run : str, optional
        Which training run it comes from, for a reader who wants to know.

    Raises
    ------
    CheckpointError, OSError
        As for :meth:`minivae.VAE.save`.
    """
    if isinstance(vae, GAN):  # whose file holds all that
        return vae.save(path, run)
    tensors, metadata = weights.content(vae, weights.CHECKPOINT, run)
    state = vae.optimizer.state_of(vae)
    tensors |= {f"optimizer.{name}": vae.kernels.to_numpy(array) for name, array in state.arrays.items()}
    training = {"optimizer": vae.optimizer.config(), "t": state.t, "early_stopping": None}
    if early_stopping is not None:
        training["early_stopping"] = early_stopping.config()
        if early_stopping.best is not None:
            tensors["early_stopping.best"] = vae.kernels.to_numpy(early_stopping.best)
    tensorfile.write(path, tensors, metadata | {"training": training})


def load_training(path: str | os.PathLike, backend: str | None = None) -> tuple[Model, EarlyStopping | None]:
    """Read a checkpoint that :func:`save_training` wrote; ``fit`` goes on from it as if it had never stopped.

    Parameters
    ----------
    path : str or path-like
    backend : {"numpy", "numba", "cupy"}, optional
        As for :meth:`minivae.VAE.load`.

    Returns
    -------
    vae : VAE or GAN
        Its ``optimizer`` has the state that was saved.
    early_stopping : EarlyStopping or None

    Raises
    ------
    CheckpointError, BackendError
        As for :meth:`minivae.VAE.load`; also for a file that holds a model and no more.
    """
    tensors, metadata = weights.read(path, weights.CHECKPOINT, KIND)
    if metadata["format"].startswith(KIND):
        return GAN.of_content(tensors, metadata, path, backend), None
    vae = VAE.of_content(tensors, metadata, path, backend)
    try:
        training = metadata["training"]
        vae.optimizer = optimizers.from_config(training["optimizer"])
        names = vae.optimizer.state_names
        found = {name: weights.flat(tensors, f"optimizer.{name}", vae) for name in names}
        arrays = {name: vae.kernels.asarray(array, vae.dtype) for name, array in found.items()}
        vae.optimizer.set_state(vae, State(arrays, check_int(training["t"], "t", 0)))
        if training["early_stopping"] is None:
            return vae, None
        early_stopping = EarlyStopping.from_config(training["early_stopping"])
        if early_stopping.best_epoch:
            best = weights.flat(tensors, "early_stopping.best", vae)
            early_stopping.best = vae.kernels.asarray(best, vae.dtype)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CheckpointError(f"{path} holds no state that training can go on from: {in_one_line(error)}") from None
    return vae, early_stopping
