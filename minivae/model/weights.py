"""A network in a file: parameters, scaling, configuration, counters; checkpoint.py adds the state of training."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np

from minivae.columns.table import Columns
from minivae.errors import BackendError, CheckpointError
from minivae.model.likelihoods import LIKELIHOODS, from_config
from minivae.model.network import Network
from minivae.model.parameters import Trainable
from minivae.model.scaling import Scaling
from minivae.system import tensorfile
from minivae.system.tensorfile import Metadata, Tensors, in_one_line
from minivae.validation import check_int
from minivae.version import __version__

MODEL, CHECKPOINT = "minivae-model", "minivae-checkpoint"
FORMAT = 1  # the number behind both names; a file of a newer one is refused


def save(network: Network, path: str | os.PathLike, run: str | None = None) -> None:
    """Write a network to ``path``; see :meth:`minivae.VAE.save`. ``run`` is the training run it comes from."""
    tensorfile.write(path, *content(network, MODEL, run))


def content(network: Network, kind: str, run: str | None) -> tuple[Tensors, Metadata]:
    """The tensors and the metadata of a network's file."""
    if type(network.likelihood) not in LIKELIHOODS.values():
        raise CheckpointError(f"a model with a likelihood of your own ({network.likelihood!r}) cannot be read back")
    tensors = network.store.views(network.kernels.to_numpy(network.store.vector))[1]
    tensors |= tensors_of(network.scaling)
    config = {key: value for key, value in network.config.items() if key != "backend"}
    return tensors, {
        "format": f"{kind}-{FORMAT}",
        "run": run,
        "minivae_version": __version__,
        "config": config,
        "scaling": network.scaling.kind,
        "step": network.step,
        "epoch": network.epoch,
        **({} if network.columns is None else {"columns": network.columns.config()}),
        **({"classes": list(network.classes)} if network.classes else {}),
    }


def read(path: str | os.PathLike, *kinds: str) -> tuple[Tensors, Metadata]:
    """The content of a file of one of these kinds; CheckpointError otherwise."""
    tensors, metadata = tensorfile.read(path)
    kind, _, number = str(metadata.get("format")).rpartition("-")
    if kind not in kinds or not number.isdecimal():
        what = "model" if MODEL in kinds else "checkpoint"
        raise CheckpointError(
            f"{path} is not a minivae {what}: its format is {reprlib.repr(metadata.get('format'))}, "
            f"not '{kinds[0]}-{FORMAT}'"
        )
    if int(number) > FORMAT:
        raise CheckpointError(
            f"{path} was written by a newer minivae: its format is {metadata['format']}, and version {__version__} "
            f"reads up to {kind}-{FORMAT}; upgrade minivae"
        )
    return tensors, metadata


def run_of(path: str | os.PathLike) -> str | None:
    """The run that a file accepted by :func:`read` comes from, if it is known."""
    return tensorfile.read_metadata(path).get("run")


@contextmanager
def refused(path: str | os.PathLike) -> Iterator[None]:
    """Turn the errors of a wrong configuration into a CheckpointError that names the file."""
    try:
        yield
    except (CheckpointError, BackendError):
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CheckpointError(f"{path} holds a configuration that makes no model: {in_one_line(error)}") from None


def configuration(tensors: Tensors, metadata: Metadata) -> dict[str, Any]:
    """The arguments of the model in a file, without its backend."""
    config = dict(metadata["config"])
    check_widths_of(config, tensors)
    return config | {"likelihood": from_config(config["likelihood"]), "scaling": scaling_of(tensors, metadata)}


def tensors_of(scaling: Scaling) -> Tensors:
    """What a file holds of a scaling beside its kind."""
    return {} if scaling.kind == "none" else {f"scaling.{name}": array for name, array in scaling.arrays().items()}


def scaling_of(tensors: Tensors, metadata: Metadata) -> Scaling:
    """The scaling in a file."""
    kind = metadata.get("scaling", "none")
    names = ("shift", "scale", *(["seen_shift", "seen_scale"] if "scaling.seen_shift" in tensors else []))
    return Scaling(kind, *(tensors[f"scaling.{name}"] for name in (names if kind != "none" else ())))


def columns_of(metadata: Metadata, width: int) -> Columns | None:
    """The columns of the model in a file, which has that ``width``."""
    if metadata.get("columns") is None:
        return None
    columns = Columns.from_config(metadata["columns"])
    if columns.width != width:
        raise ValueError(f"its columns are {columns.width} wide, its data {width}")
    return columns


def counters(metadata: Metadata) -> tuple[int, int]:
    """The step and the epoch of the model in a file."""
    step, epoch = (check_int(metadata[name], name, 0, 2**32 - 1) for name in ("step", "epoch"))
    return step, epoch


def check_widths_of(config: dict[str, Any], tensors: Tensors) -> None:
    """CheckpointError unless the widths are those of the tensors."""
    # Otherwise a small file could ask for any amount of memory. The matrices decide: vectors may promise much more.
    inputs = config["input_dim"] * (2 if config.get("missing") == "mask" else 1) + config.get("condition_dim", 0)
    widths = (inputs, *config["hidden_dims"], config["latent_dim"])
    names = [f"encoder.hidden.{i}.W" for i in range(len(widths) - 2)] + ["encoder.mu.W"]
    for name, shape in zip(names, pairwise(widths), strict=True):
        if name not in tensors or tensors[name].shape != shape:
            raise CheckpointError(
                f"the configuration asks for {name} of shape {reprlib.repr(shape)}, which the file does not hold"
            )


def fill(network: Trainable, tensors: Tensors, path: str | os.PathLike) -> None:
    """Copy tensors into a model of the same names, shapes and dtype; CheckpointError otherwise."""
    beside = ("scaling.", "optimizer.", "early_stopping.")
    names = {name for name in tensors if not name.startswith(beside)}
    wrong_names = sorted(network.store.arrays.keys() ^ names)
    if wrong_names:
        raise CheckpointError(
            f"{path} holds the tensors of another model: {in_one_line(wrong_names[0])} is in only one of the two"
        )
    for name, array in network.store.arrays.items():
        check_like(tensors[name], array.shape, network.dtype, f"{path}: {name}")
        array[...] = network.kernels.asarray(tensors[name], network.dtype)


def flat(tensors: Tensors, name: str, network: Trainable) -> np.ndarray:
    """A tensor as long as the parameter vector; CheckpointError otherwise."""
    check_like(tensors[name], network.store.vector.shape, network.dtype, name)
    return tensors[name]


def check_like(tensor: np.ndarray, shape: tuple[int, ...], dtype: str, what: str) -> None:
    """CheckpointError unless the tensor has this shape and dtype."""
    if tensor.shape != shape or tensor.dtype != dtype:
        raise CheckpointError(f"{what} is {tensor.dtype} {tensor.shape}, but the model has {dtype} {shape}")
