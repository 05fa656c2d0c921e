"""Weights files that are broken on purpose: what a disk, a careless hand or another program make of them."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from minivae.system.tensorfile import KEY, checksum, read


def sign(path, tensors, metadata):
    """Write a file as minivae would, whatever it holds, with a checksum that fits."""
    signed = metadata | {"sha256": checksum(tensors, metadata)}
    save_file(tensors, path, {KEY: json.dumps(signed)})


def rewrite(path, change):
    """Change the tensors or the metadata of a weights file."""
    tensors, metadata = read(path)
    change(tensors, metadata)
    sign(path, tensors, metadata)


def truncate(path, chance):
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: chance.randrange(1, len(content))])


def empty(path, chance):
    Path(path).write_bytes(b"")


def flip_a_bit(path, chance):
    content = bytearray(Path(path).read_bytes())
    # Not the bit of upper and lower case: 1E-08 for 1e-08 is no damage, and not refused.
    content[chance.randrange(len(content))] ^= 1 << chance.choice((0, 1, 2, 3, 4, 6, 7))
    Path(path).write_bytes(content)


def fill_with_nan(path, chance):
    rewrite(path, lambda tensors, _: tensors["decoder.output.b"].fill(np.nan))


def say_another_version(path, chance):
    rewrite(path, lambda _, metadata: metadata.update(format="minivae-checkpoint-99"))


def say_another_run(path, chance):
    """As a checkpoint of a run with other settings would, whose tensors have the same shapes."""
    rewrite(path, lambda _, metadata: metadata.update(run="f" * 64))


def change_the_model(path, chance):
    rewrite(path, lambda _, metadata: metadata["config"].update(seed=metadata["config"]["seed"] + 1))


def put_a_model_there(path, chance):
    """The weights alone: whole, but with nothing to go on from."""
    tensors, metadata = read(path)
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(("optimizer.", "early_"))}
    sign(path, tensors, metadata | {"format": "minivae-model-1"})


def remove(path, chance):
    Path(path).unlink()


DAMAGES = {
    "truncated": truncate,
    "empty": empty,
    "a bit flipped": flip_a_bit,
    "filled with NaN": fill_with_nan,
    "another version's": say_another_version,
    "another run's": say_another_run,
    "another model's": change_the_model,
    "a model in its place": put_a_model_there,
    "removed": remove,
}
