"""Every note of ``train`` names an option of it, or says what to do with the file; and there are no others."""

import argparse
import inspect
import json
import re
from pathlib import Path

import numpy as np
import pytest

from minivae import errors
from minivae.commands.train import add
from minivae.datasets import notes as of_files
from minivae.runs import notes

RNG = np.random.default_rng(0)
REAL = np.round(RNG.normal(size=(60, 4)), 4)
NAMED = [f"car {k}" for k in range(60)]
COUNTER = np.c_[np.arange(60), REAL]
STEPS = np.cumsum(RNG.normal(size=(200, 4)), axis=0)
QUICK = ["--hidden", "none", "--latent", 2, "--epochs", 1, "--no-pictures"]


def csv(x, header=""):
    return header + "\n".join(",".join(map(str, row)) for row in x.tolist()) + "\n"


ABCD = "a,b,c,d\n"
CASES = {  # what is noted, twice where there are several: (file, content, options, option of the note, what to do)
    "index": ("x.csv", csv(COUNTER, ",a,b,c,d\n"), [], "--drop 0", "leave it out"),
    "counter": ("x.csv", csv(COUNTER, "Id," + ABCD), [], "--drop Id", "leave it out"),
    "header": ("x.csv", csv(np.r_[[[7.0, 3, 8, 1]], REAL]), [], "--header yes", "add"),
    "labels": ("x.csv", csv(REAL, ABCD), ["--labels", "d"], "--labels", "leave out"),
    "equal rows": ("x.csv", csv(REAL[np.arange(60) // 2], ABCD), [], "--groups", "take copies out"),
    "nearly equal rows": ("x.npy", np.r_[REAL, REAL + 1e-4], [], "--groups", "name what belongs together"),
    "series": ("x.npy", STEPS, [], "--holdout last", "hold out the end"),
    "reading: comments": ("x.csv", "# by me\n" + csv(REAL, ABCD), [], "", "no example may begin with #"),
    "reading: comments below": ("x.csv", csv(REAL, ABCD) + "# by me\n", [], "", "no example may begin with #"),
    "reading: text above": ("x.csv", "By me\n" + csv(REAL, ABCD), [], "", "an example needs all its cells"),
    "reading: units": ("x.csv", ABCD + "m,s,kg,K\n" + csv(REAL), [], "", "an example needs numbers there"),
    "reading: joined": ("x.csv", csv(REAL[:30], ABCD) + csv(REAL[30:], ABCD), [], "", "see that the files"),
    "reading: names of rows": ("x.csv", csv(np.c_[NAMED, REAL.astype(str)], ABCD), [], "--labels 0",
                               "it holds the labels"),
    "reading: numbered": ("x.csv", "0,1,2,3\n" + csv(REAL), [], "--header no", "it is an example"),
    "pixels": ("x.npy", np.r_[RNG.integers(0, 256, (60, 4)), [[255, 0, 255, 0]]].astype("uint8"), [], "--scale pixels",
               "divides them"),
    "constant": ("x.csv", csv(np.c_[REAL, np.full(60, 7)], "a,b,c,d,e\n"), [], "--drop e", "leave it out"),
    "collapse": ("x.npy", REAL, ["--beta", 1000, "--epochs", 100, "--lr", 0.01], "--beta", "try"),
    "collapse: bound": ("x.npy", REAL, ["--objective", "iwae", "--hidden", "64,64,64"], "--objective elbo", "try"),
    "one draw": ("x.npy", REAL, ["--objective", "dreg"], "--draws", "give --draws 5"),
    "patience": ("x.npy", REAL, ["--patience", 2, "--beta-warm-up", 4, "--epochs", 4], "--epochs", "give more"),
    "GreyDataWarning": ("x.npy", RNG.random((60, 2, 2)), [], "--binarize", "see binarize"),
    "PoorFitWarning": ("x.npy", 10 * REAL, ["--scale", "none"], "--epochs, --scale, --beta, --lr", "train longer"),
    "RunawayVarianceWarning": ("x.npy", 30 * REAL, ["--scale", "none", "--dtype", "float64"], "--lr, --scale, --drop",
                               "try a smaller learning rate"),
}  # fmt: skip


@pytest.fixture(scope="module")
def options():
    """All options of ``minivae train``."""
    parser = argparse.ArgumentParser()
    add(parser.add_subparsers())
    (subparsers,) = (action for action in parser._actions if action.choices)
    return set(subparsers.choices["train"]._option_string_actions)


@pytest.mark.parametrize("case", CASES)
def test_a_note_names_what_to_do(case, minivae, options):
    file, content, more, option, action = CASES[case]
    np.save(file, content) if file.endswith(".npy") else Path(file).write_text(content)
    status, out, err = minivae("train", "--data", file, *QUICK, *more, "--json")
    assert status == 0, err
    found = {note["name"]: note for note in json.loads(out)["notes"]}
    note = found[case.partition(":")[0]]
    assert note["option"] == option
    assert action in note["sentence"]
    assert option in note["sentence"]
    assert set(re.findall(r"--[\w-]+", note["sentence"])) <= options
    assert err.count(f"note        {note['sentence']}\n") == 1


def test_no_note_is_missing_above():
    """Those of the table, those of files, and what the library warns of while it trains."""
    of_data = set(re.findall(r'Note\(\s*"([a-z ]+)"', inspect.getsource(of_files)))
    warned = {name for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, Warning)}
    of_log_px = {"UntrustedEstimateWarning"}  # of estimates, which ``train`` makes none of
    assert {kind.__name__ for kind in notes.ANSWERS} == warned - of_log_px
    assert {case.partition(":")[0] for case in CASES} == of_data | set(notes.NOTES) | warned - of_log_px
