"""A model in a file, and a training run in a file: what is saved, and what is refused when it is read.

model        the parameters by name, the scaling of the data, the configuration, the step and epoch counters
checkpoint   all that, and what training needs to go on: the optimizer with its state, and early stopping's

A checkpoint is a model too: :func:`load` reads both.
"""

from __future__ import annotations

import os
import reprlib
from itertools import pairwise
from typing import Any

import numpy as np

from minivae import optimizers, tensorfile
from minivae.early_stopping import EarlyStopping
from minivae.errors import BackendError, CheckpointError
from minivae.likelihoods import LIKELIHOODS, from_config
from minivae.optimizers import State
from minivae.scaling import Scaling
from minivae.tensorfile import Metadata, Tensors, in_one_line
from minivae.vae import VAE
from minivae.validation import check_int

MODEL, CHECKPOINT = "minivae-model-1", "minivae-checkpoint-1"


def save(vae: VAE, path: str | os.PathLike, run: str | None = None) -> None:
    """Write a model to ``path``, beside and renamed; see :func:`load`.

    Parameters
    ----------
    vae : VAE
    path : str or path-like
    run : str, optional
        Which training run it comes from, for a reader who wants to know.

    Raises
    ------
    CheckpointError
        If a parameter is not finite, or the likelihood is not one of minivae's own and could not be read back.
    OSError
        If the file cannot be written.
    """
    tensorfile.write(path, *model_content(vae, MODEL, run))


def load(path: str | os.PathLike, backend: str | None = None) -> VAE:
    """Read a model that :func:`save` or :func:`save_training` wrote.

    Parameters
    ----------
    path : str or path-like
    backend : {"numpy", "numba", "cupy"}, optional
        Where the model shall live. Default: ``MINIVAE_BACKEND``, or "numpy"; the file does not say.

    Returns
    -------
    vae : VAE
        With the same parameters, scaling, configuration, and step and epoch counters.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, not a minivae model, or its tensors are not those of its configuration.
    BackendError
        If the backend cannot be used here.
    """
    tensors, metadata = read(path, MODEL, CHECKPOINT)
    return model_of(tensors, metadata, path, backend)


def save_training(
    vae: VAE, path: str | os.PathLike, early_stopping: EarlyStopping | None = None, run: str | None = None
) -> None:
    """Write a checkpoint: the model, its optimizer, and early stopping, as they are between two epochs.

    Parameters
    ----------
    vae : VAE
        Trained by ``fit`` before, so that it has an optimizer.
    path : str or path-like
    early_stopping : EarlyStopping, optional
        The one that watches this model.
    run : str, optional
        As for :func:`save`.

    Raises
    ------
    CheckpointError, OSError
        As for :func:`save`.
    """
    tensors, metadata = model_content(vae, CHECKPOINT, run)
    state = vae.optimizer.state_of(vae)
    tensors |= {f"optimizer.{name}": vae.kernels.to_numpy(array) for name, array in state.arrays.items()}
    training = {"optimizer": vae.optimizer.config(), "t": state.t, "early_stopping": None}
    if early_stopping is not None:
        training["early_stopping"] = early_stopping.config()
        if early_stopping.best is not None:
            tensors["early_stopping.best"] = vae.kernels.to_numpy(early_stopping.best)
    tensorfile.write(path, tensors, metadata | {"training": training})


def load_training(path: str | os.PathLike, backend: str | None = None) -> tuple[VAE, EarlyStopping | None]:
    """Read a checkpoint that :func:`save_training` wrote; ``fit`` goes on from it as if it had never stopped.

    Parameters
    ----------
    path : str or path-like
    backend : {"numpy", "numba", "cupy"}, optional
        As for :func:`load`.

    Returns
    -------
    vae : VAE
        Its ``optimizer`` has the state that was saved.
    early_stopping : EarlyStopping or None

    Raises
    ------
    CheckpointError, BackendError
        As for :func:`load`; also for a file that holds a model and no more.
    """
    tensors, metadata = read(path, CHECKPOINT)
    vae = model_of(tensors, metadata, path, backend)
    try:
        training = metadata["training"]
        vae.optimizer = optimizers.from_config(training["optimizer"])
        names = vae.optimizer.state_names
        arrays = {name: vae.kernels.asarray(flat(tensors, f"optimizer.{name}", vae), vae.dtype) for name in names}
        vae.optimizer.set_state(vae, State(arrays, check_int(training["t"], "t", 0)))
        if training["early_stopping"] is None:
            return vae, None
        early_stopping = EarlyStopping.from_config(training["early_stopping"])
        if early_stopping.best_epoch:
            best = flat(tensors, "early_stopping.best", vae)
            early_stopping.best = vae.kernels.asarray(best, vae.dtype)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CheckpointError(f"{path} holds no state that training can go on from: {in_one_line(error)}") from None
    return vae, early_stopping


# -- what a file holds -------------------------------------------------------------------------------------


def model_content(vae: VAE, format: str, run: str | None) -> tuple[Tensors, Metadata]:
    """The tensors and the metadata of a model's file."""
    import minivae

    if type(vae.likelihood) not in LIKELIHOODS.values():
        raise CheckpointError(f"a model with a likelihood of your own ({vae.likelihood!r}) cannot be read back")
    tensors = {name: vae.kernels.to_numpy(array) for name, array in vae.parameters.items()}
    if vae.scaling.kind != "none":
        tensors |= {"scaling.shift": vae.scaling.shift, "scaling.scale": vae.scaling.scale}
    config = {key: value for key, value in vae.config.items() if key != "backend"}
    return tensors, {
        "format": format,
        "run": run,
        "minivae_version": minivae.__version__,
        "config": config,
        "scaling": vae.scaling.kind,
        "step": vae.step,
        "epoch": vae.epoch,
    }


def read(path: str | os.PathLike, *formats: str) -> tuple[Tensors, Metadata]:
    """The content of a file of one of these formats; CheckpointError otherwise."""
    tensors, metadata = tensorfile.read(path)
    if metadata.get("format") not in formats:
        what = "model" if MODEL in formats else "checkpoint"
        raise CheckpointError(
            f"{path} is not a minivae {what}: its format is {reprlib.repr(metadata.get('format'))}, not {formats[0]!r}"
        )
    return tensors, metadata


def run_of(path: str | os.PathLike) -> str | None:
    """The run that a file comes from, where it says so; :func:`load` or :func:`load_training` has accepted it."""
    return tensorfile.read_metadata(path).get("run")


def model_of(tensors: Tensors, metadata: Metadata, path: str | os.PathLike, backend: str | None) -> VAE:
    """The model in a file, or CheckpointError if its parts do not fit together."""
    try:
        config = dict(metadata["config"])
        check_widths_of(config, tensors)
        kind = metadata.get("scaling", "none")
        scaling = Scaling() if kind == "none" else Scaling(kind, tensors["scaling.shift"], tensors["scaling.scale"])
        likelihood = from_config(config.pop("likelihood"))
        vae = VAE(**config, likelihood=likelihood, scaling=scaling, backend=backend)
        vae.step = check_int(metadata["step"], "step", 0, 2**32 - 1)
        vae.epoch = check_int(metadata["epoch"], "epoch", 0, 2**32 - 1)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        if isinstance(error, CheckpointError | BackendError):
            raise
        raise CheckpointError(f"{path} holds a configuration that makes no model: {in_one_line(error)}") from None
    fill(vae, tensors, path)
    return vae


def check_widths_of(config: dict[str, Any], tensors: Tensors) -> None:
    """CheckpointError unless the widths are those of the tensors: no file shall ask for more memory than it has."""
    widths = (config["input_dim"], *config["hidden_dims"], config["latent_dim"])
    names = [f"encoder.hidden.{i}.W" for i in range(len(widths) - 2)] + ["encoder.mu.W"]
    for name, shape in zip(names, pairwise(widths), strict=True):  # matrices: two vectors may promise much more
        if name not in tensors or tensors[name].shape != shape:
            raise CheckpointError(
                f"the configuration asks for {name} of shape {reprlib.repr(shape)}, which the file does not hold"
            )


def fill(vae: VAE, tensors: Tensors, path: str | os.PathLike) -> None:
    """Copy tensors into a model of the same names, shapes and dtype; CheckpointError otherwise."""
    beside = ("scaling.", "optimizer.", "early_stopping.")
    names = {name for name in tensors if not name.startswith(beside)}
    wrong_names = sorted(vae.parameters.keys() ^ names)
    if wrong_names:
        raise CheckpointError(
            f"{path} holds the tensors of another model: {in_one_line(wrong_names[0])} is in only one of the two"
        )
    for name, array in vae.parameters.items():
        check_like(tensors[name], array.shape, vae.dtype, f"{path}: {name}")
        array[...] = vae.kernels.asarray(tensors[name], vae.dtype)


def flat(tensors: Tensors, name: str, vae: VAE) -> np.ndarray:
    """A tensor as long as the parameter vector; CheckpointError otherwise."""
    check_like(tensors[name], vae.store.vector.shape, vae.dtype, name)
    return tensors[name]


def check_like(tensor: np.ndarray, shape: tuple[int, ...], dtype: str, what: str) -> None:
    """CheckpointError unless the tensor has this shape and dtype."""
    if tensor.shape != shape or tensor.dtype != dtype:
        raise CheckpointError(f"{what} is {tensor.dtype} {tensor.shape}, but the model has {dtype} {shape}")
