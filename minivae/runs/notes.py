"""The notes on a training: conditions on data and plan, each with a sentence and the option that answers it.

The table is NOTES; those on a file alone stand in ``datasets/notes.py``, for ``datasets.load`` warns of them. A note is
said once, in the log, and listed in what ``minivae train --json`` prints.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from minivae import evaluation
from minivae.datasets import Dataset
from minivae.datasets.notes import DataNote, Note, option
from minivae.errors import GreyDataWarning, PoorFitWarning, RunawayVarianceWarning
from minivae.runs.settings import Settings

SHOWN_COLUMNS = 3
REAL = ("gaussian", "auto")  # likelihoods of real values; what is left open belongs to a GAN

log = logging.getLogger("minivae")


class Known(NamedTuple):
    """What a note can be about: data, settings that were decided, and the test examples' posterior means (N, K)."""

    data: Dataset
    settings: Settings
    mu: np.ndarray | None = None


def note_pixels(known: Known) -> Iterator[tuple[str, str]]:
    """Values up to the largest of a byte, that are taken as they are."""
    (low, high), white = known.data.value_range, known.data.white
    is_real = known.settings.likelihood in REAL
    if (is_real, low >= 0, high) == (True, True, white) and known.settings.scale != "pixels":
        yield f"values from 0 to {white:g} look like pixels: --scale pixels divides them by {white:g}", "--scale pixels"


def note_constant(known: Known) -> Iterator[tuple[str, str]]:
    """Columns that never vary: nothing is to be learnt from them, and a variance of their own only shrinks."""
    data = known.data
    if known.settings.likelihood not in REAL or data.image_shape or len(data.train) == 1:  # pixels often are
        return
    constant = np.flatnonzero(data.train.min(axis=0) == data.train.max(axis=0)).tolist()
    if constant:
        n, drop = len(constant), option(data.columns, data.places, constant)
        shown = option(data.columns, data.places, constant[:SHOWN_COLUMNS]).removeprefix("--drop ").replace(",", ", ")
        which = f"column {shown} has" if n == 1 else f"{n} columns ({shown}{', ...' * (n > SHOWN_COLUMNS)}) have"
        how = drop if n <= SHOWN_COLUMNS else "--drop"
        yield f"{which} the same value in all training rows: leave {'it' if n == 1 else 'them'} out with {how}", drop


def note_collapse(known: Known) -> Iterator[tuple[str, str]]:
    """The latents say nothing about the data."""
    settings = known.settings
    of_a_class = " of a class" if settings.conditional else ""
    how, answer = ("", "--beta") if settings.objective == "elbo" else ("--objective elbo with ", "--objective elbo")
    if known.mu is not None and len(known.mu) > 1 and not evaluation.activity(known.mu, evaluation.ACTIVE).active.any():
        yield (
            f"the posterior has collapsed: none of {known.mu.shape[1]} latent dimensions depends on the data, so that "
            f"all examples{of_a_class} get one reconstruction; try {how}a smaller --beta, more --epochs, or another "
            "--scale or --likelihood",
            answer,
        )


def note_one_draw(known: Known) -> Iterator[tuple[str, str]]:
    """A bound for several draws that has one."""
    objective = known.settings.objective
    if objective != "elbo" and known.settings.draws == 1:
        yield f"with one draw the bound of {objective} is the ELBO, and noisier: give --draws 5, for example", "--draws"


def note_patience(known: Known) -> Iterator[tuple[str, str]]:
    """Early stopping that has no epoch to look at."""
    settings = known.settings
    if settings.patience is not None and 0 < settings.beta_warm_up >= (settings.epochs or 0):
        yield "early stopping looks only at epochs after the warm-up, and has none: give more --epochs", "--epochs"


ANSWERS: dict[type[Warning], str] = {  # to what the library warns of, in its own words
    GreyDataWarning: "--binarize",
    PoorFitWarning: "--epochs, --scale, --beta, --lr",
    RunawayVarianceWarning: "--lr, --scale, --drop",
}

NOTES: dict[str, Callable[[Known], Iterator[tuple[str, str]]]] = {
    "pixels": note_pixels,
    "constant": note_constant,
    "collapse": note_collapse,
    "one draw": note_one_draw,
    "patience": note_patience,
}


class Notes(list[Note]):
    """What has been said of one training, each once; ``known`` is what the last ones were about."""

    known: Known

    def say(self, note: Note) -> None:
        """Log a note, unless it was said before."""
        if note not in self:
            self.append(note)
            log.info("note        %s", note.sentence)

    def say_all(self, known: Known) -> None:
        """Those of the table."""
        self.known = known
        for name, condition in NOTES.items():
            for sentence, answer in condition(known):
                self.say(Note(name, sentence, answer))

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Say all warnings too, those on the data among them."""
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, category, *place, **more: self.say(
                message.note if isinstance(message, DataNote) else note_of(category, str(message))
            )
            yield


def note_of(category: type[Warning], sentence: str) -> Note:
    """A warning of the library as a note, with the options that do here what it advises."""
    answer = ANSWERS.get(category, "")
    return Note(category.__name__, f"{sentence} ({answer})" if answer else sentence, answer)
