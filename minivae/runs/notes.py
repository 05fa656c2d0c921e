"""What a reader should know about data before training on them: a line each, and what to do."""

from __future__ import annotations

import logging
import reprlib

import numpy as np

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
