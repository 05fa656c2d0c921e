"""A run folder: which files it has, how each is written, and how a run is opened again.

RUN/model.safetensors             the weights to use      RUN/history.csv  a row per epoch or round
RUN/checkpoint.safetensors        all that training       RUN/config.json  every setting, and the data's description
                                  needs to go on          RUN/*.png        see pictures.py
RUN/checkpoint-older.safetensors  the checkpoint before   RUN/.lock        while a run trains: see locks.py
                                  it, to be offered where it is damaged
"""

from __future__ import annotations

import csv
import inspect
import io
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from minivae import checkpoint
from minivae.checkpoint import Model, reached
from minivae.datasets import Dataset
from minivae.errors import CheckpointError, DataError, MinivaeError
from minivae.gan import fitting as games
from minivae.gan.gan import GAN
from minivae.model import weights
from minivae.model.vae import VAE
from minivae.runs import pictures
from minivae.runs.identity import as_described, describe, fingerprint, identity
from minivae.runs.settings import Settings, same_file
from minivae.system import tensorfile
from minivae.system.files import named, read_text, remove_leftovers, write_text
from minivae.system.machine import what_changes_results
from minivae.system.streams import print_line
from minivae.system.tensorfile import in_one_line
from minivae.training.early_stopping import EarlyStopping
from minivae.training.loop import columns
from minivae.training.warmup import warm_up
from minivae.version import __version__

FORMAT = 1  # of config.json; a file that names a newer one is refused
MODEL, CHECKPOINT, CONFIG, HISTORY = "model.safetensors", "checkpoint.safetensors", "config.json", "history.csv"
OLDER = "checkpoint-older.safetensors"
FILES = (MODEL, OLDER, CHECKPOINT, CONFIG, HISTORY, *pictures.PICTURES)  # in the order in which they are removed


class RunFolder:
    """The files of one run, by name.

    Parameters
    ----------
    path : str or path-like
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self.model = self.path / MODEL
        self.checkpoint = self.path / CHECKPOINT
        self.older = self.path / OLDER
        self.config = self.path / CONFIG
        self.history = self.path / HISTORY

    def __str__(self) -> str:
        return str(self.path)

    @property
    def is_ours(self) -> bool:
        """True if minivae wrote a run here: config.json has its marks, or a weights file does."""
        with suppress(OSError, ValueError, RecursionError, AttributeError):
            if {"minivae_version", "run"} <= json.loads(read_text(self.config)).keys():
                return True
        return any(map(tensorfile.is_ours, (self.model, self.checkpoint, self.older)))

    @property
    def holds_a_checkpoint(self) -> bool:
        """True if there is one to go on from, be it only the older one, which must be asked for."""
        return self.checkpoint.exists() or self.older.exists()

    @contextmanager
    def make(self, overwrite: bool) -> Iterator[None]:
        """Make the folder, or take the run that it holds out of the way; MinivaeError if that is not asked for.

        Yields while the new run's first files are written: the old one is removed after that, or put back.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        there = [name for name in FILES if os.path.lexists(self.path / name)]
        if there and not self.is_ours:
            raise MinivaeError(f"{self} holds {there[0]}, and no run of minivae: choose another --out")
        odd = [name for name in there if not (self.path / name).is_file()]
        if odd:
            raise MinivaeError(f"{self.path / odd[0]} is no regular file: choose another --out")
        if there and not overwrite:
            raise MinivaeError(
                f"{self} already holds a run: choose another --out, add --resume to go on with it, "
                "or --overwrite to replace it"
            )
        self.remove_leftovers()
        with tempfile.TemporaryDirectory(prefix=".replaced-", dir=self.path) as aside:
            for name in there:
                os.replace(self.path / name, Path(aside) / name)
            try:
                yield
            except BaseException:
                for name in there:
                    os.replace(Path(aside) / name, self.path / name)
                raise

    def remove_leftovers(self) -> None:
        """Remove the temporary files of a run that was killed; the caller holds the lock."""
        remove_leftovers(self.path, FILES)

    def write_config(self, settings: Settings, data: Dataset, mark: str, model: Model) -> None:
        """Every setting as decided, the data (of the fingerprint ``mark``) and the machine, in config.json."""
        config = {
            "format": FORMAT,
            "minivae_version": __version__,
            "run": identity(settings, mark),
            "settings": settings.of_the_run(),
            "model": model.config,
            "data": describe(data, mark),
            "columns": None if data.schema is None else data.schema.config(),
            "machine": what_changes_results(model.backend),
        }
        write_text(self.config, json.dumps(config, indent=2) + "\n")

    def read_config(self) -> dict[str, Any]:
        """What :meth:`write_config` wrote; DataError where it cannot be read."""
        try:
            config = json.loads(read_text(self.config))
            if config.get("format", 1) > FORMAT:  # runs before format 1 had the same content and no number
                raise ValueError(f"a newer minivae wrote it, in format {config['format']}: upgrade minivae")
            return config | {
                "run": str(config["run"]),
                "settings": Settings.from_json(config["settings"]),
                "model": dict(config["model"]),
                "data": as_described(config["data"]),
                "machine": dict(config["machine"]),
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DataError(f"cannot read {self.config}: {in_one_line(error)}") from None

    def begin_history(self, names: Sequence[str]) -> None:
        """history.csv with the names of its columns and no row yet."""
        write_text(self.history, ",".join(names) + "\n")

    def add_to_history(self, metrics: Mapping[str, float]) -> int:
        """One more row, as soon as its epoch or round is done; returns the length of the file, in bytes."""
        with named(self.history), open(self.history, "a", encoding="utf-8", newline="") as file:
            file.write(line([*metrics.values()]))
            return file.tell()

    def read_history(self) -> dict[str, list[float]]:
        """What ``fit`` would have returned, from history.csv; DataError where it cannot be read."""
        try:
            text = read_text(self.history)
            if ";" in text.partition("\n")[0]:  # a spreadsheet saved it where numbers have decimal commas
                text = text.replace(",", ".").replace(";", ",")
            table = csv.DictReader(io.StringIO(text))
            names = list(table.fieldnames or ())
            if not names or names[0] != "step":
                names = columns(validation=True)
            beta = {"beta": self.read_config()["settings"].beta} if "beta" not in (table.fieldnames or ()) else {}
            rows = [row | beta for row in table if None not in row.values()]  # older runs had one beta throughout
            history = {name: [float(row[name]) for row in rows] for name in names}
            if not all(math.isfinite(value) for values in history.values() for value in values):
                raise ValueError("it holds a number that is not finite")
            return history
        except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
            raise DataError(f"cannot read {self.history}: {in_one_line(error)}") from None

    def cut_history(self, model: Model) -> None:
        """Take out the rows after the model's last epoch or step, which a killed run has written but not saved.

        DataError if the rows up to there are not all in their places.
        """
        (unit, done), history = reached(model), self.read_history()
        kept = [row for row in zip(*history.values(), strict=True) if row[0] <= done]
        places, apart = [0, *(row[0] for row in kept)], 1 if unit == "epoch" else games.ROUND
        if places[-1] != done or not all(b - a in range(1, apart + 1) for a, b in pairwise(places)):
            rows = f"a row for each of the epochs 1 to {done}" if apart == 1 else f"all rows up to step {done}"
            raise DataError(f"{self.history} must hold {rows}: somebody changed it")
        write_text(self.history, ",".join(history) + "\n" + "".join(map(line, kept)))

    def load_training(
        self, path: Path, backend: str | None, config: dict[str, Any] | None
    ) -> tuple[Model, EarlyStopping | None]:
        """One of the two checkpoints, which must fit config.json; the error for the newer one offers the older one."""
        try:
            model, early_stopping = checkpoint.load_training(path, backend)
            if config is not None:
                self.check_model(model, path, config)
            return model, early_stopping
        except CheckpointError as error:
            offer = self.offer(backend, config) if path == self.checkpoint else ""
            raise CheckpointError(f"{error}{offer}") from None

    def offer(self, backend: str | None, config: dict[str, Any] | None) -> str:
        """What to do with the older checkpoint once the newer one has been refused; nothing if it is no better."""
        try:
            unit, done = reached(self.load_training(self.older, backend, config)[0])
        except CheckpointError:
            return ""
        return f"; {OLDER} beside it is intact: rename it to {CHECKPOINT} to go on after {unit} {done}"

    def check_model(self, model: Model, path: Path, config: dict[str, Any]) -> None:
        """CheckpointError unless the model that was read from ``path`` is the one that config.json describes."""
        expected, found = config["model"], json.loads(json.dumps(model.config))
        arguments = inspect.signature(type(model)).parameters
        for name in sorted(found.keys() - {"backend"}):
            said = expected[name] if name in expected else arguments[name].default  # a run from before it came
            if found[name] != said:
                raise CheckpointError(
                    f"{path} holds another run's model: its {name} is {found[name]!r}, but {CONFIG} beside it "
                    f"says {said!r}"
                )
        if weights.run_of(path) not in (None, config["run"]):
            raise CheckpointError(f"{path} holds another run's model: its data or settings were not those of {CONFIG}")


def line(row: Sequence[float]) -> str:
    """A row of history.csv: the epoch or step as a whole number, the rest with every digit."""
    return ",".join([str(int(row[0])), *(repr(float(value)) for value in row[1:])]) + "\n"


@dataclass(frozen=True)
class Run:
    """A trained model, and what its folder says about it; a weights file alone knows no settings and no data."""

    path: Path
    model: Model
    settings: Settings | None = None
    data: dict[str, Any] | None = None

    @property
    def vae(self) -> VAE:
        """The model where it has an encoder and a p(x); MinivaeError for a GAN."""
        if isinstance(self.model, GAN):
            todo = "draw from it with minivae sample, or train a VAE to encode, reconstruct or evaluate data"
            raise MinivaeError(f"{self.path} is a GAN, which has no encoder and no p(x): {todo}")
        return self.model

    @property
    def folder(self) -> Path:
        """Where new files about this run go."""
        return self.path if self.path.is_dir() else self.path.parent

    @property
    def binarize(self) -> str:
        """What became of grey pixels in training."""
        return "none" if self.settings is None else self.settings.binarize

    def check_out(self, out: str | os.PathLike, *inputs: str | None) -> None:
        """ValueError if a file that is to be written is an input, or one of the run's own."""
        data = () if self.settings is None else (self.settings.data, self.settings.test)
        for path in (*inputs, *data, self.path, *(self.folder / name for name in FILES)):
            if path is not None and same_file(str(path), str(out)):
                raise ValueError(f"--out {out} would be written over {path}: choose another name")

    def check_same(self, data: Dataset) -> None:
        """DataError unless these are the data of the run: another split would mix training and test examples."""
        if self.data is not None and self.data["fingerprint"] != fingerprint(data, self.vae.condition_dim > 0):
            raise DataError(f"{data.name!r} is not as it was when {self.path} was trained: the values have changed")

    def say_if_far_off(self, x: np.ndarray) -> None:
        """A note on standard error if values are far outside those of the data of the run: other units, perhaps."""
        if self.data is not None and x.shape[1] == self.vae.row_dim:  # another width is refused elsewhere
            (low, high), x = self.data["value_range"], x[:, : self.vae.input_dim]
            if x.min() < low - (high - low) or x.max() > high + (high - low):
                print_line(
                    f"note: values reach from {x.min():g} to {x.max():g}, but the model was trained on values from "
                    f"{low:g} to {high:g}: are the units the same?",
                    to_stderr=True,
                )

    def check_columns(self, names: Sequence[str], file: str) -> None:
        """DataError if columns have names, but not those of the data of the run in their order."""
        trained_on = () if self.data is None else self.data["columns"]
        for i, (found, expected) in enumerate(zip(names, trained_on, strict=False)):
            if found != expected:
                raise DataError(
                    f"column {i} (counted from 0) of {file} is {found!r}, but the model was trained on {expected!r}"
                )


def open_run(path: str | os.PathLike, backend: str | None = None) -> Run:
    """A run folder, one of the weights files in it, or a weights file that is somewhere else.

    A folder whose run has not ended yet is opened at its last checkpoint.

    Raises
    ------
    MinivaeError
        If there is no run, or its files cannot be read.
    """
    path = Path(path)
    if not path.exists():
        raise MinivaeError(f"there is no run {path}: expected a run folder or a .safetensors file")
    folder = RunFolder(path if path.is_dir() else path.parent)
    if path.is_dir():
        path = folder.checkpoint if folder.holds_a_checkpoint and not folder.model.exists() else folder.model
    is_known = path in (folder.model, folder.checkpoint, folder.older) and folder.config.is_file()
    if path == folder.model and folder.holds_a_checkpoint and not is_known:
        raise DataError(f"cannot read {folder.config}: there is no such file")
    config = folder.read_config() if is_known else None
    model = weights_of(folder, path, backend, config)
    if isinstance(model, VAE):
        warm_up(model)
    return Run(path, model) if config is None else Run(folder.path, model, config["settings"], config["data"])


def weights_of(folder: RunFolder, path: Path, backend: str | None, config: dict[str, Any] | None) -> Model:
    """The weights to use: of a run that has not ended, the best so far where it stops early, else the last."""
    if path in (folder.checkpoint, folder.older):
        model, early_stopping = folder.load_training(path, backend, config)
        if early_stopping is not None:
            assert isinstance(model, VAE)  # a GAN has none
            early_stopping.at_end(model)
        return model
    model = checkpoint.load(path, backend)
    if config is not None:
        folder.check_model(model, path, config)
    return model
