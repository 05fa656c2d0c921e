"""Thousands of malformed files for every loader, what the machinery notices, and the defects that it has found."""

import json
import os
import subprocess
import sys
import warnings
from dataclasses import replace

import fuzz
import malformed
import numpy as np
import pytest
from fuzz import TARGETS

from minivae import CheckpointError, DataError
from minivae.datasets import tables


@pytest.mark.parametrize("cases", [25, pytest.param(500, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", TARGETS)
def test_every_malformed_file_ends_in_a_valid_object_or_in_one_sentence(name, cases):
    tally = fuzz.campaign(TARGETS[name], cases)
    assert list(tally.reasons) == []
    assert tally.tried >= cases
    assert tally.refused > cases / 4 or name == "progress", "the files are hardly malformed"  # it begins anew
    assert tally.accepted >= cases // 100, "the files are nothing but noise"


MAY_REFUSE = ("npz", "csv", "csv.gz", "mixed", "train", "run")


@pytest.mark.parametrize("name", TARGETS)
def test_the_valid_files_are_accepted(name, tmp_path):
    outcomes = [fuzz.attempt(TARGETS[name], content, tmp_path) for content in TARGETS[name].valid()]
    assert all(outcome.faults == [] for outcome in outcomes)
    refused = [outcome.refused for outcome in outcomes]
    assert not all(refused)
    assert not any(refused) or name in MAY_REFUSE, "only what is asked for, or of the run, and is not there"


# -- the machinery -----------------------------------------------------------------------------------------


def sloppy(load):
    """A loader of .npy files that does something first."""
    return replace(TARGETS["npy"], load=lambda path: load(path) or tables.read(path))


def say(words):
    raise DataError(words)


BAD_LOADERS = {
    "KeyError instead of DataError": lambda path: {}["x"],
    "CheckpointError instead of DataError": lambda path: (_ for _ in ()).throw(CheckpointError("x")),
    "SystemExit instead of DataError": lambda path: sys.exit("x"),
    "no sentence, but 3 characters": lambda path: say("a\nb"),
    "no sentence, but 5 characters": lambda path: say("a\x1b[2J"),
    "no sentence, but 1001 characters": lambda path: say("x" * 1001),
    "no sentence, but 0 characters": lambda path: say(""),
    "accepted, but not valid": lambda path: tables.Table(np.full((2, 2), np.nan)),
    "bytes asked for": lambda path: bytearray(2 * fuzz.MIB) and None,
    "code in the file was run": lambda path: np.load(path.with_name("x.npy"), allow_pickle=True) and None,
    "left behind: x.tmp": lambda path: path.with_name("x.tmp").write_bytes(b"") and None,
    "a warning: UserWarning: hm": lambda path: warnings.warn("hm", stacklevel=1),
}


@pytest.mark.parametrize("fault", BAD_LOADERS)
def test_the_machinery_notices(fault, tmp_path):
    content = malformed.PICKLE if "code" in fault else TARGETS["npy"].valid()[0]
    faults = fuzz.attempt(sloppy(BAD_LOADERS[fault]), content, tmp_path).faults
    assert any(fault in found for found in faults), faults


def test_the_command_prints_the_counts_and_fails_if_anything_is_wrong(monkeypatch, capsys, tmp_path):
    def command():
        monkeypatch.setattr(
            sys, "argv", ["fuzz.py", "--target", "idx", "--cases", "10", "--keep", str(tmp_path / "kept")]
        )
        return fuzz.main(), capsys.readouterr()

    status, captured = command()
    assert status == 0
    assert captured.out.splitlines()[0] == fuzz.HEADER
    assert captured.out.splitlines()[-1].split()[:2] == ["all", "10"]
    assert "10/10" in captured.err
    monkeypatch.setitem(TARGETS, "idx", replace(TARGETS["idx"], error=KeyError))
    status, captured = command()
    assert status == 1
    assert "wrong: idx: DataError instead of KeyError" in captured.out
    assert os.listdir(tmp_path / "kept")


@pytest.mark.slow
def test_a_longer_run_needs_atheris_and_says_so():
    command = [sys.executable, fuzz.__file__, "--atheris", "npy", "--seconds", "1"]
    process = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if process.returncode:
        assert process.stderr == "fuzz: atheris is not installed: pip install atheris (it has wheels for Linux)\n"
    else:
        assert process.stdout.startswith(fuzz.HEADER)


# -- memory: the worst files that we know ------------------------------------------------------------------

MANY = 50_000


def with_metadata(value):
    tensors, metadata = malformed.content_of(TARGETS["model"].valid()[0])
    return malformed.signed(tensors, metadata | {"extra": value})


def with_wide_vectors():
    """Vectors of two widths, and none of the matrices between them."""
    tensors, metadata = malformed.content_of(TARGETS["model"].valid()[0])
    malformed.grow(tensors, metadata, 900)
    return malformed.signed(tensors, metadata)


WORST = [
    ("npy", lambda: fuzz.saved(np.save, np.full((MANY, 2), np.nan, "float16"))),
    ("npy", lambda: fuzz.saved(np.save, np.zeros((MANY, 2), "uint8"))),
    ("npz", lambda: fuzz.saved(np.savez_compressed, x=np.full((MANY, 20), np.nan, "float16"))),
    ("npz", lambda: fuzz.saved(np.savez_compressed, x_train=np.zeros((MANY, 20), "uint8"), x_test=np.zeros((9, 20)))),
    ("csv", lambda: b"10," * MANY + b"10"),
    ("csv", lambda: b"10," * MANY + b"a\n" + b"1," * MANY + b"1"),
    ("idx", lambda: fuzz.idx(np.zeros((MANY, 2, 2), "uint8"))),
    ("model", lambda: with_metadata([{}] * MANY)),
    ("model", with_wide_vectors),
    ("config", lambda: json.dumps([{"ab": []}] * MANY).encode()),
    ("history", lambda: TARGETS["history"].valid()[0] + b"1,1,1,1,1,1,1,1,1,1,1\n" * (MANY // 5)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "content"), WORST)
def test_the_memory_is_bounded_for_large_files_too(name, content, tmp_path):
    for valid in TARGETS[name].valid():
        fuzz.attempt(TARGETS[name], valid, tmp_path)
    assert fuzz.attempt(TARGETS[name], content(), tmp_path).faults == []


# -- defects that were found -------------------------------------------------------------------------------


def npy(shape, descr="'<f4'"):
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + bytes(16)


def edited_config(**changes):
    """config.json with other values, of the settings or of what is said about the data."""
    config = json.loads(TARGETS["config"].valid()[0])
    for part in ("settings", "data"):
        config[part].update({name: value for name, value in changes.items() if name in config[part]})
    config["settings"].update({name: value for name, value in changes.items() if name not in config["data"]})
    return json.dumps(config).encode()


def edited_model(**changes):
    tensors, metadata = malformed.content_of(TARGETS["model"].valid()[0])
    return malformed.signed(tensors, metadata | changes)


def renamed_tensor(name, value=0.0):
    tensors, metadata = malformed.content_of(TARGETS["model"].valid()[0])
    return malformed.signed(tensors | {name: np.full(2, value)}, metadata)


HISTORY = TARGETS["history"].valid()[0]
NUMBERS = b",".join([b"1"] * (HISTORY.count(b",") + 1))

DEFECTS = {
    # a Python error: memmap takes no bool for a length, int() and str() take no 5000 digits, csv has its own error
    "a length that is True": ("npy", npy("(True, 4)")),
    "a shape whose product has 6000 digits": ("npy", npy((10**300,) * 20)),
    "a label of 5000 digits": ("csv", b"x,species\n1," + b"0" * 5000 + b"1\n2,3\n"),
    "a field of 140000 letters": ("history", HISTORY + b"x" * 140_000),
    # no sentence: line ends, control characters, or a file's content at any length
    "a type with a long name": ("npy", npy("(2, 2)", f"[('{'a' * 3000}', '<f4')]")),
    "an array with a long name": (
        "npz",
        fuzz.saved(np.savez, **{"a" * 9000: np.zeros(3), "b" * 9000: np.zeros((2, 2))}),
    ),
    "arrays with many names": ("npz", fuzz.saved(np.savez, **{f"array {i}": np.zeros(3) for i in range(300)})),
    "columns with long names": ("csv", b"a" * 900 + b"," + b"b" * 900 + b"\n1,2\n"),
    "an unknown type of tensor": ("model", TARGETS["model"].valid()[0].replace(b'"F32"', b'"\\n2"')),
    "a tensor with a long name": ("model", renamed_tensor("x" * 5000)),
    "a tensor with a line end in its name": ("model", renamed_tensor("\n")),
    "a NaN in a tensor with a line end in its name": ("model", renamed_tensor("\n", np.nan)),
    "a format with a long name": ("model", edited_model(format="x" * 5000)),
    "a step with many digits": ("model", edited_model(step=[3] * 5000)),
    "widths of any type": ("model", edited_model(config={"input_dim": "x" * 5000, "hidden_dims": [], "latent_dim": 2})),
    "a setting with a line end in its name": ("config", edited_config(**{"a\nb": 1})),
    "a setting of any length": ("config", edited_config(schedule=[3] * 4000)),
    "a cell of any length": ("history", HISTORY + NUMBERS[:-1] + b"9>" * 3000),
    "lists in lists": ("progress", b"[" * 100_000),
    # accepted, but not valid
    "widths that are no numbers": ("config", edited_config(hidden=["a", None])),
    "a rate that is no number": ("config", edited_config(lr=float("nan"))),
    "a range that is none": ("config", edited_config(value_range=[0])),
    "a range without end": ("config", edited_config(value_range=[0, float("inf")])),
    "columns without names": ("config", edited_config(columns=[1, 2, 3])),
    "an image of three lengths": ("config", edited_config(image_shape=[1, 2, 3])),
    "a fingerprint that is no text": ("config", edited_config(fingerprint=3)),
    "a loss that is NaN": ("history", HISTORY + NUMBERS[:-1] + b"nan\n"),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_what_was_found_stays_repaired(name, tmp_path):
    target, content = DEFECTS[name]
    outcome = fuzz.attempt(TARGETS[target], content, tmp_path)
    assert outcome.faults == []
    assert outcome.refused or name in ("a label of 5000 digits", "lists in lists")


@pytest.mark.parametrize("shape", ["(2L, 2L)", "(2, 0x2if 1else 2)"])
def test_nothing_is_said_about_how_a_header_is_written(shape, tmp_path):
    outcome = fuzz.attempt(TARGETS["npy"], npy(shape), tmp_path)
    assert outcome.faults == []
