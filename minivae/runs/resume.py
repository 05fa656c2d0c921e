"""Going on with a run: which one is meant, whether settings and data are its own, and the state it has reached."""

from __future__ import annotations

import logging
from dataclasses import replace
from glob import escape
from pathlib import Path
from typing import Any

from minivae.checkpoint import Model, reached
from minivae.datasets import LOADERS, Dataset
from minivae.errors import MinivaeError
from minivae.runs.folder import RunFolder
from minivae.runs.identity import identity
from minivae.runs.settings import Settings, check_meaning, differences, same_file
from minivae.system.machine import what_changes_results
from minivae.training.early_stopping import EarlyStopping

HOW_TO_GO_ON = ("resume", "no_pictures", "epochs", "steps")  # settings that say nothing about what is trained

log = logging.getLogger("minivae")


def read_state(
    folder: RunFolder, settings: Settings, data: Dataset, mark: str
) -> tuple[Model, EarlyStopping | None, dict[str, Any]]:
    """The model with its optimizer and early stopping, as the last checkpoint has them, and config.json.

    MinivaeError if settings or data are not those of the run. ``mark`` is the fingerprint of ``data``.
    """
    config = folder.read_config()
    refuse_other_settings(folder, config["settings"], settings.of_the_run())  # it may have been begun anew since then
    refuse_other_data(folder, config, settings, data, mark)
    if config["run"] != identity(config["settings"], mark):
        raise MinivaeError(f"{folder.config} was changed by hand, or by another version: begin a new run")
    model, early_stopping = folder.load_training(folder.checkpoint, settings.backend, config)
    unit, done = reached(model)
    if done > settings.length:
        raise MinivaeError(f"{folder} has done {done} {unit}s already, more than --{unit}s {settings.length}")
    return model, early_stopping, config


def rewind(
    folder: RunFolder, settings: Settings, data: Dataset, mark: str, model: Model, config: dict[str, Any]
) -> None:
    """Bring the folder to where its checkpoint is: what the run wrote later is taken out."""
    here = what_changes_results(model.backend)
    for name, before in config["machine"].items():
        if here.get(name) != before:
            log.info(
                "note        %s was %s, now %s: the numbers may differ in their last digits",
                name,
                before,
                here.get(name),
            )
    folder.cut_history(model)
    folder.remove_leftovers()
    folder.write_config(settings, data, mark, model)
    folder.model.unlink(missing_ok=True)  # the checkpoint is ahead of it from now on
    log.info("resumed     after %s %d, from %s", *reached(model), folder.checkpoint)


def settings_of_a_resumed_run(given: dict[str, Any]) -> Settings:
    """The settings with which a run was begun; what is ``given`` must be the same, but a file may have moved.

    Raises
    ------
    MinivaeError
        If it is not, and then it says what differs; or if it is not clear which run is meant, or where its data are.
    """
    if given.get("overwrite"):
        raise ValueError("--resume goes on with a run and --overwrite replaces it: give only one of them")
    name = given.get("data", Settings.data)
    folder = RunFolder(given.get("out", Path("runs") / (name if name in LOADERS else Path(name).stem)))
    others = list(folder.path.parent.glob(f"{escape(folder.path.name)}-[0-9]*")) if "out" not in given else []
    if others:
        raise MinivaeError(f"there are {len(others) + 1} runs such as {folder} and {others[0]}: name one with --out")
    if not folder.config.exists():
        # Nobody begins a run with so few words: the name is misspelt.
        if given.keys() <= {"out", "backend", *HOW_TO_GO_ON} and not folder.is_ours:
            raise MinivaeError(f"{folder} holds no run{runs_beside(folder)}: to begin one, give its --data")
        return Settings.of(given)
    begun = folder.read_config()["settings"]
    check_meaning(begun.model, given)
    refuse_other_settings(folder, begun, given)
    now = {name: value for name, value in given.items() if name in {"data", *HOW_TO_GO_ON}}
    if "data" not in now and begun.data not in LOADERS and not Path(begun.data).exists():
        raise MinivaeError(f"{folder} was begun with {begun.data}, which is gone: if it has moved, name it with --data")
    return replace(begun, out=str(folder), **now)


def runs_beside(folder: RunFolder) -> str:
    """The runs in the same place, where somebody may have meant one of them."""
    names = sorted(str(config.parent) for config in folder.path.parent.glob("*/config.json"))
    return f" (there are {', '.join(names[:5])}{', ...' * (len(names) > 5)})" if names else ""


def refuse_other_settings(folder: RunFolder, begun: Settings, given: dict[str, Any]) -> None:
    """MinivaeError if settings are not those with which the run was begun; of two files the content decides later."""
    if LOADERS.keys().isdisjoint({begun.data, given.get("data", begun.data)}):
        given = given | {"data": begun.data}
    found = differences(begun, given)
    if found:
        raise MinivaeError(
            f"{folder} was begun with {' and '.join(found)}: leave the option out, or choose another --out"
        )


def refuse_other_data(folder: RunFolder, config: dict[str, Any], settings: Settings, data: Dataset, mark: str) -> None:
    """MinivaeError if the values are not those with which the run was begun, wherever they are read from."""
    if config["data"]["fingerprint"] == mark:
        return
    begun = config["settings"].data
    if same_file(begun, settings.data) or begun == settings.data:
        raise MinivaeError(f"{folder} was begun with other data: {data.name!r} has changed since then")
    raise MinivaeError(
        f"{folder} was begun with --data {begun}, and {settings.data} holds other values: name a file with the same "
        "ones, or choose another --out"
    )
