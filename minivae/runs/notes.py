"""What a reader should know about data before training on them: a line each, and what to do."""

from __future__ import annotations

import logging
import reprlib

import numpy as np

from minivae import evaluation
from minivae.datasets import Dataset

SHOWN_COLUMNS = 3

log = logging.getLogger("minivae")


def say_what_is_constant(data: Dataset) -> None:
    """Which columns never vary: nothing is to be learnt from them, and a variance of their own only shrinks."""
    constant = np.flatnonzero(data.train.min(axis=0) == data.train.max(axis=0))
    if not len(constant) or len(data.train) == 1:
        return
    names = ", ".join(reprlib.repr(data.columns[k]) if data.columns else str(k) for k in constant[:SHOWN_COLUMNS])
    names += ", ..." * (len(constant) > SHOWN_COLUMNS)
    counted = "" if data.columns else ", counted from 0,"
    same, them = "the same value in all training rows: remove", "it" if len(constant) == 1 else "them"
    which = f"column {names}{counted} has" if them == "it" else f"{len(constant)} columns ({names}){counted} have"
    log.info("note        %s %s %s", which, same, them)


def log_collapse(mu: np.ndarray) -> None:
    """Whether the latents say nothing about the data, from the posterior means of the test examples, (N, K)."""
    active = evaluation.activity(mu, evaluation.ACTIVE).active
    if len(mu) > 1 and not active.any():
        log.info(
            "note        the posterior has collapsed: none of %d latent dimensions depends on the data, so that all "
            "examples get one reconstruction; try a smaller --beta, more --epochs, or another --scale or --likelihood",
            len(active),
        )
