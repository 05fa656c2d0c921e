"""A model as one safetensors file: its parameters by name, its configuration, and a checksum.

safetensors refuses what is truncated or malformed, and executes nothing. It does not notice a flipped byte,
a NaN, or the tensors of another model: those checks are here.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

import numpy as np

from minivae.errors import CheckpointError
from minivae.files import replacing
from minivae.likelihoods import from_config
from minivae.vae import VAE

FORMAT = "minivae-model-1"

Tensors = dict[str, np.ndarray]


def save(vae: VAE, path: str | os.PathLike) -> None:
    """Write a model to ``path``, beside and renamed; see :func:`load`. Raises OSError where that cannot be done."""
    from safetensors.numpy import save_file

    import minivae

    # Contiguous copies: safetensors writes strided views, such as the two heads, wrongly and without a word.
    tensors = {name: np.array(vae.kernels.to_numpy(array), order="C") for name, array in vae.parameters.items()}
    config = {key: value for key, value in vae.config.items() if key != "backend"}
    metadata = {
        "format": FORMAT,
        "minivae_version": minivae.__version__,
        "config": json.dumps(config),
        "step": str(vae.step),
        "epoch": str(vae.epoch),
        "sha256": checksum(tensors),
    }
    with replacing(path) as beside:
        save_file(tensors, beside, metadata)


def load(path: str | os.PathLike, backend: str | None = None) -> VAE:
    """Read a model that :func:`save` wrote.

    Parameters
    ----------
    path : str or path-like
    backend : {"numpy", "numba", "cupy"}, optional
        Where the model shall live. Default: ``MINIVAE_BACKEND``, or "numpy"; the file does not say.

    Returns
    -------
    vae : VAE
        With the same parameters, configuration, and step and epoch counters.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, not a minivae model, or its tensors are not those of its configuration.
    BackendError
        If the backend cannot be used here.
    """
    tensors, metadata = read(path)
    if metadata.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} is not a minivae model: its format is {metadata.get('format')!r}, not {FORMAT!r}"
        )
    if metadata.get("sha256") != checksum(tensors):
        raise CheckpointError(f"{path} is damaged: the checksum of its tensors is not the one written with them")
    try:
        vae = model_of(json.loads(metadata["config"]), tensors, backend)
        vae.step, vae.epoch = int(metadata["step"]), int(metadata["epoch"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, CheckpointError) or type(error).__name__ == "BackendError":
            raise
        raise CheckpointError(f"{path} holds a configuration that makes no model: {error}") from None
    fill(vae, tensors, path)
    return vae


def read(path: str | os.PathLike) -> tuple[Tensors, dict[str, str]]:
    """The tensors and metadata of any safetensors file; CheckpointError where there is none to read."""
    from safetensors import SafetensorError, safe_open

    if not os.path.isfile(path):
        reason = "it is a folder" if os.path.isdir(path) else "there is no such file"
        raise CheckpointError(f"cannot read a model from {path}: {reason}")
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            return tensors, file.metadata() or {}
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged, or not a safetensors file: {error}") from None


def checksum(tensors: Tensors) -> str:
    """SHA-256 over the names, dtypes, shapes and bytes of all tensors, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def model_of(config: dict[str, Any], tensors: Tensors, backend: str | None) -> VAE:
    """An untrained model of this configuration.

    The configuration is compared with the tensors first, so that a file cannot ask for more memory than it has.
    """
    config = dict(config)
    widths = {
        "decoder.output.b": config["input_dim"],
        "encoder.mu.b": config["latent_dim"],
        **{f"encoder.hidden.{i}.b": width for i, width in enumerate(config["hidden_dims"])},
    }
    for name, width in widths.items():
        if name not in tensors or tensors[name].shape != (width,):
            raise CheckpointError(
                f"the configuration asks for {name} of shape ({width},), which the file does not hold"
            )
    likelihood = from_config(config.pop("likelihood"))
    return VAE(**config, likelihood=likelihood, backend=backend)


def fill(vae: VAE, tensors: Tensors, path: str | os.PathLike) -> None:
    """Copy tensors into a model of the same names, shapes and dtype, all finite; CheckpointError otherwise."""
    wrong_names = sorted(vae.parameters.keys() ^ tensors.keys())
    if wrong_names:
        raise CheckpointError(f"{path} holds the tensors of another model: {wrong_names[0]} is in only one of the two")
    for name, array in vae.parameters.items():
        tensor = tensors[name]
        if tensor.shape != array.shape or tensor.dtype != array.dtype:
            raise CheckpointError(
                f"{path}: {name} is {tensor.dtype} {tensor.shape}, but the model has {array.dtype} {array.shape}"
            )
        if not np.all(np.isfinite(tensor)):
            raise CheckpointError(f"{path}: {name} holds values that are not finite")
        array[...] = vae.kernels.asarray(tensor, vae.dtype)
