"""What ``minivae train`` can be told, and how two such tellings differ. No NumPy here: ``--help`` needs it."""

from __future__ import annotations

import math
import os
import re
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Settings:
    """Everything that ``minivae train`` can be told; the names are those of its options."""

    data: str = "digits"
    labels: str | None = None
    header: str = "auto"
    drop: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    test: str | None = None
    holdout: str = "random"
    groups: str | None = None
    model: str = "vae"
    backend: str | None = None
    likelihood: str = "auto"
    hidden: tuple[int, ...] = (400,)
    latent: int = 20
    beta: float = 1.0
    beta_warm_up: int = 0
    free_bits: float = 0.0
    objective: str = "elbo"
    draws: int = 1
    conditional: bool = False
    activation: str = "relu"
    init: str = "torch"
    output_bias: str = "init"
    binarize: str = "none"
    scale: str = "auto"
    loss: str | None = None
    penalty: str | None = None
    steps: int | None = None
    corruption: str = "none"
    corruption_level: float = 0.25
    corruption_target: str = "clean"
    epochs: int | None = None
    batch_size: int = 128
    shards: int | None = None
    optimizer: str = "adam"
    lr: float | None = None
    schedule: str = "auto"
    milestones: tuple[int, ...] = ()
    factor: float = 0.1
    patience: int | None = None
    l1: float = 0.0
    l2: float = 0.0
    seed: int = 0
    dtype: str = "float32"
    out: str | None = None
    overwrite: bool = False
    resume: bool = False
    no_pictures: bool = False

    def of_the_run(self) -> dict[str, Any]:
        """The settings that a run is made of, ready for JSON: all but where it is kept."""
        return {name: value for name, value in asdict(self).items() if name not in WHERE}

    @property
    def length(self) -> int:
        """Up to which step or epoch it is trained."""
        return (self.steps if self.model == "gan" else self.epochs) or 0

    @property
    def rate(self) -> float:
        """The learning rate, or what it is of most models."""
        return RATE if self.lr is None else self.lr

    @property
    def left_out(self) -> tuple[str, ...]:
        """The columns of the file that are neither data nor labels."""
        return self.drop if self.groups is None else (*self.drop, self.groups)

    def source(self) -> dict[str, Any]:
        """How the data are read: the arguments of :func:`minivae.datasets.load` beside the name."""
        names = ("labels", "header", "drop", "test", "holdout", "groups")
        kinds = dict(column.rpartition("=")[::2] for column in dict.fromkeys(self.columns))
        if len(kinds) < len(set(self.columns)):
            raise ValueError(f"--columns {shown(self.columns)} gives a column two kinds: say one of them")
        return {name: getattr(self, name) for name in names} | {"columns": None if self.model == "gan" else kinds}

    @classmethod
    def of(cls, given: dict[str, Any]) -> Settings:
        """What is ``given``, and the defaults of its model; ValueError if that has no such option."""
        check_meaning(given.get("model", cls.model), given)
        return cls(**((OF_GAN if given.get("model") == "gan" else {}) | given))

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Settings:
        """The settings that :meth:`of_the_run` described; TypeError if they are others."""
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        settings = cls(**values)
        for field in fields(cls):
            value = getattr(settings, field.name)
            if not isinstance(value, TYPES[str(field.type)]) or isinstance(value, bool) != (field.type == "bool"):
                raise TypeError(f"{field.name} must be of type {field.type}, got {value!r}")
            part = str if field.type == "tuple[str, ...]" else int
            if isinstance(value, tuple) and not all(type(one) is part for one in value):
                raise TypeError(f"{field.name} must be of type {field.type}, got {value!r}")
            if isinstance(value, float) and not math.isfinite(value):
                raise TypeError(f"{field.name} must be finite, got {value!r}")
        return settings


TYPES: dict[str, Any] = {
    "str": str,
    "str | None": str | None,
    "int": int,
    "int | None": int | None,
    "float": float | int,
    "float | None": float | int | None,
    "bool": bool,
    "tuple[int, ...]": tuple,
    "tuple[str, ...]": tuple,
}
MODELS = ("vae", "gan")
RATE = 1e-3
OF_GAN: dict[str, Any] = {  # its defaults, where they are others; the last three only it has
    "hidden": (128, 128),
    "latent": 8,
    "activation": "leaky_relu",
    "batch_size": 256,
    "loss": "relativistic",
    "penalty": "approximate-r1",
    "steps": 4000,
}
ONLY = {
    "gan": ("loss", "penalty", "steps"),
    "vae": (
        *("columns", "likelihood", "beta", "init", "output_bias", "binarize", "corruption", "corruption_level"),
        *("objective", "draws"),
        *("corruption_target", "epochs", "schedule", "milestones", "factor", "patience", "l1", "l2"),
        *("shards", "beta_warm_up", "free_bits", "conditional"),
    ),
}
HOLDOUTS = ("random", "last")
WHERE = ("out", "overwrite", "resume", "no_pictures")
DEFAULTS = {field.name: field.default for field in fields(Settings)}


def check_meaning(model: str, given: dict[str, Any]) -> None:
    """ValueError if something is given that has no meaning for the model."""
    if model not in MODELS:
        raise ValueError(f"--model must be one of {', '.join(MODELS)}, got {model!r}")
    other = MODELS[model == "vae"]
    for name in ONLY[other]:
        if name in given:
            advice = {"epochs": "use --steps", "steps": "use --epochs"}.get(name, "leave it out")
            raise ValueError(f"{option(name)} belongs to --model {other}, not to --model {model}: {advice}")


def differences(begun: Settings, given: dict[str, Any]) -> list[str]:
    """In words, what is ``given`` but not as the run was ``begun``; more or fewer epochs are no difference.

    "auto" agrees with whatever was decided. A cosine schedule ends with the epochs, which are then fixed too.
    """
    found = []
    for name, value in given.items():
        before = getattr(begun, name)
        if name in WHERE or value in ("auto", before):
            continue
        if name == "steps" or (name == "epochs" and begun.schedule != "cosine"):
            continue
        reason = " (its cosine ends there)" if name == "epochs" else ""
        found.append(f"{option(name)} {shown(before)}{reason}, not {shown(value)}")
    return found


def option(name: str) -> str:
    """The option on the command line."""
    return "--" + name.replace("_", "-")


def shown(value: Any) -> str:
    """A setting as it is written on the command line."""
    if isinstance(value, tuple):
        texts = (str(part).replace('"', '""') for part in value)
        return ",".join(f'"{text}"' if re.search(r'[,"]|^\s', text) else text for text in texts) or "none"
    return "none" if value is None else str(value)


IN_WORDS = {name: shown(value) for name, value in DEFAULTS.items() if value not in (None, (), False)}
OF_GAN_IN_WORDS = {name: shown(value) for name, value in OF_GAN.items()}


def same_file(one: str, other: str) -> bool:
    """True for two names of one existing file."""
    return os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)
