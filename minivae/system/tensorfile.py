"""Named arrays and a dictionary of plain values in one safetensors file, with a checksum over both.

safetensors refuses truncated and malformed files, and executes nothing. A flipped byte or a NaN it does not notice:
those checks are here. The order of its metadata is not fixed; ours are one JSON string, so that equal contents make
equal files.
"""

from __future__ import annotations

import hashlib
import json
import os
import textwrap
from typing import Any

import numpy as np

from minivae.errors import CheckpointError
from minivae.system.files import replacing

Tensors = dict[str, np.ndarray]
Metadata = dict[str, Any]

KEY = "minivae"


def write(path: str | os.PathLike, tensors: Tensors, metadata: Metadata) -> None:
    """Write the file; CheckpointError if a tensor is not finite, OSError if the file cannot be written."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    # safetensors writes strided views, such as the two heads, wrongly and without an error.
    tensors = {name: np.array(tensor, order="C") for name, tensor in tensors.items()}
    check_finite(tensors, f"{path} is not written")
    with replacing(path) as beside:
        text = json.dumps(metadata | {"sha256": checksum(tensors, metadata)})
        try:
            save_file(tensors, beside, {KEY: text})
        except SafetensorError as error:  # such as a full disk
            raise OSError(f"cannot write {path}: {error}") from None


def read(path: str | os.PathLike) -> tuple[Tensors, Metadata]:
    """The tensors and the metadata of a file from :func:`write`; CheckpointError if it is anything else."""
    from safetensors import SafetensorError, safe_open

    if not os.path.isfile(path):
        reason = "it is a folder" if os.path.isdir(path) else "there is no such file"
        raise CheckpointError(f"cannot read a model from {path}: {reason}")
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            text = (file.metadata() or {}).get(KEY)
            metadata = None if text is None else dict(json.loads(text))
    except (SafetensorError, OSError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged, or not a safetensors file: {in_one_line(error)}") from None
    if metadata is None:
        raise CheckpointError(f"{path} is not a minivae model: another program wrote it")
    if metadata.pop("sha256", None) != checksum(tensors, metadata):
        raise CheckpointError(f"{path} is damaged: the checksum of its content is not the one written with it")
    check_finite(tensors, str(path))
    return tensors, metadata


def read_metadata(path: str | os.PathLike) -> Metadata:
    """The metadata of a file that :func:`read` accepts, without its tensors."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return dict(json.loads(file.metadata()[KEY]))


def is_ours(path: str | os.PathLike) -> bool:
    """True if the metadata are those of :func:`write`; the content may be damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return KEY in (file.metadata() or {})
    except (SafetensorError, OSError, ValueError):
        return False


def check_finite(tensors: Tensors, what: str) -> None:
    """CheckpointError if a value is NaN or infinite."""
    for name, tensor in tensors.items():
        if not np.all(np.isfinite(tensor)):
            raise CheckpointError(f"{what}: {in_one_line(name)} holds values that are not finite")


def in_one_line(words: object) -> str:
    """The text of an error, or a name from a file, as one line of limited length."""
    return textwrap.shorten(str(words).encode("unicode_escape").decode(), 300)


def checksum(tensors: Tensors, metadata: Metadata) -> str:
    """SHA-256 over the metadata, and the names, dtypes, shapes and bytes of all tensors."""
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
