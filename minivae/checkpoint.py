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
from minivae.likelihoods import LIKELIHOODS, from_config
from minivae.vae import VAE
from minivae.validation import check_int

FORMAT = "minivae-model-1"

Tensors = dict[str, np.ndarray]


def save(vae: VAE, path: str | os.PathLike) -> None:
    """Write a model to ``path``, beside and renamed; see :func:`load`.

    Raises
    ------
    CheckpointError
        If a parameter is not finite, or the likelihood is not one of minivae's own and could not be read back.
    OSError
        If the file cannot be written.
    """
    from safetensors.numpy import save_file

    import minivae

    # Contiguous copies: safetensors writes strided views, such as the two heads, wrongly and without a word.
    tensors = {name: np.array(vae.kernels.to_numpy(array), order="C") for name, array in vae.parameters.items()}
    for name, tensor in tensors.items():
        if not np.all(np.isfinite(tensor)):
            raise CheckpointError(f"the model is not saved: {name} holds values that are not finite")
    if type(vae.likelihood) not in LIKELIHOODS.values():
        raise CheckpointError(f"a model with a likelihood of your own ({vae.likelihood!r}) cannot be read back")
    config = {key: value for key, value in vae.config.items() if key != "backend"}
    metadata = {
        "format": FORMAT,
        "minivae_version": minivae.__version__,
        "config": json.dumps(config),
        "step": str(vae.step),
        "epoch": str(vae.epoch),
    }
    with replacing(path) as beside:
        save_file(tensors, beside, metadata | {"sha256": checksum(tensors, metadata)})


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
    if metadata.pop("sha256", None) != checksum(tensors, metadata):
        raise CheckpointError(f"{path} is damaged: the checksum of its content is not the one written with it")
    try:
        vae = model_of(json.loads(metadata["config"]), tensors, backend)
        vae.step = check_int(int(metadata["step"]), "step", 0, 2**32 - 1)
        vae.epoch = check_int(int(metadata["epoch"]), "epoch", 0, 2**32 - 1)
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


def checksum(tensors: Tensors, metadata: dict[str, str]) -> str:
    """SHA-256 over the metadata and the names, dtypes, shapes and bytes of all tensors, in the order of their names."""
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
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
