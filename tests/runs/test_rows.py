"""A run's files are read as in training by every command: without the dropped columns, below the same header."""

import json
from pathlib import Path

import numpy as np
import pytest

from minivae.runs.identity import identity
from minivae.runs.settings import Settings

RANDOM = np.random.default_rng(0)
X = np.round(RANDOM.normal(size=(60, 3)), 3) + 0.0
HEADER = "a,b,c"
RESUME = ["--resume", "--out", "run", "--epochs", 2, "--no-pictures"]
SMALL = ["--hidden", "4", "--latent", "2", "--no-pictures", "--epochs", "1"]


def write(name, rows, header):
    lines = [",".join(map(str, row)) for row in rows]
    Path(name).write_text("\n".join([header, *lines]) + "\n")


def with_extra(x, first=1):
    """The rows with a number and a name, which are no features."""
    return [[k, *row, f"name {k}"] for k, row in enumerate(x.tolist(), first)]


@pytest.fixture
def trained(minivae):
    """A run on a file of which two columns were dropped; the lines that training printed."""
    write("full.csv", with_extra(X), f"Id,{HEADER},who")
    status, out, err = minivae("train", "--data", "full.csv", "--drop", "Id", "--drop", "who", "--out", "run", *SMALL)
    assert status == 0, err
    return out


def result(minivae, *arguments):
    status, out, err = minivae(*arguments, "--json")
    assert status == 0, err
    return json.loads(out), err


def test_dropped_columns_are_no_part_of_the_model_and_stay_dropped(trained, minivae):
    assert "54 training and 6 test examples, 3 columns" in trained
    assert "note        'full.csv'" not in trained
    assert result(minivae, "evaluate", "run", "--samples", 2)[0]["protocol"]["examples"] == 6
    assert result(minivae, "encode", "run")[0]["shape"] == [60, 2]
    assert result(minivae, "sample", "run", "-n", 5)[0]["shape"] == [5, 3]


def test_other_files_are_read_alike_with_the_dropped_columns_or_without(trained, minivae):
    fresh = np.round(RANDOM.normal(size=(7, 3)), 3)
    write("other.csv", with_extra(fresh, 100), f"Id,{HEADER},who")
    write("bare.csv", fresh.tolist(), HEADER)
    np.save("bare.npy", fresh)
    codes = []
    for name in ("other.csv", "bare.csv", "bare.npy"):
        found, err = result(minivae, "encode", "run", "--data", name, "--out", "z.npy")
        codes.append(np.load("z.npy"))
        assert (found["shape"], err) == ([7, 2], "")
    np.testing.assert_array_equal(codes[0], codes[1])
    np.testing.assert_array_equal(codes[0], codes[2])
    write("copy.csv", with_extra(X), f"Id,{HEADER},who")
    write("bare copy.csv", X.tolist(), HEADER)  # without what was dropped
    np.save("copy.npy", X)
    own = result(minivae, "evaluate", "run", "--samples", 2)[0]
    for name in ("copy.csv", "bare copy.csv", "copy.npy"):
        found = result(minivae, "evaluate", "run", "--data", name, "--samples", 2)[0]
        assert found["protocol"]["part"] == "test"
        assert found["log_likelihood"] == own["log_likelihood"]
        assert result(minivae, "encode", "run", "--data", name)[0]["shape"] == [60, 2]
    labelled = ["--labels", "who", "--drop", "Id", "--header", "yes"]  # of which an array knows nothing
    assert minivae("train", "--data", "full.csv", *labelled, "--out", "other", *SMALL)[0] == 0
    assert result(minivae, "evaluate", "other", "--data", "copy.npy", "--samples", 2)[0]["protocol"]["part"] == "test"
    np.save("part.npy", X[:30])
    assert result(minivae, "evaluate", "run", "--data", "part.npy", "--samples", 2)[0]["protocol"]["part"] == "all"
    write("wide.csv", with_extra(np.c_[fresh, fresh]), "Id,a,b,c,d,e,f,who")
    status, _, err = minivae("evaluate", "run", "--data", "wide.csv")
    assert (status, "'wide.csv' has 6 columns, but run was trained on 3" in err) == (2, True)


def test_what_another_file_leaves_out_is_said(trained, minivae):
    write("units.csv", [["m", "kg", "s"], *X[:5].tolist()], HEADER)
    found, err = result(minivae, "encode", "run", "--data", "units.csv", "--out", "z.npy")
    assert found["shape"] == [5, 2]
    words = "row 2, 'm', 'kg', 's', below the header holds no numbers, perhaps units: it was left out; an example needs"
    assert err == f"note: 'units.csv': {words} numbers there\n"


@pytest.mark.parametrize(("header", "rows"), [("yes", 60), ("no", 61), ("auto", 61)])
def test_the_header_is_obeyed_by_every_command_and_kept(header, rows, minivae):
    write("numbers.csv", X.tolist(), "7,3,19")
    status, out, err = minivae("train", "--data", "numbers.csv", "--header", header, "--out", "run", *SMALL)
    assert status == 0, err
    words = "note        'numbers.csv': the first row, 7, 3, 19, is unlike the others"
    assert out.count(words) == (header == "auto")
    shape, err = result(minivae, "encode", "run")
    assert (shape["shape"], err) == ([rows, 2], "")
    assert json.loads(Path("run/config.json").read_text())["settings"]["header"] == header
    np.save("new.npy", X[:4])
    assert result(minivae, "encode", "run", "--data", "new.npy", "--out", "z.npy")[0]["shape"] == [4, 2]


def test_a_resumed_run_drops_what_it_dropped_and_nothing_else(trained, minivae):
    assert minivae("train", *RESUME)[0] == 0
    assert minivae("train", *RESUME, "--drop", "Id,who")[0] == 0
    status, _, err = minivae("train", *RESUME, "--drop", "Id")
    assert (status, "run was begun with --drop Id,who, not Id" in err) == (2, True)


@pytest.mark.parametrize("text", ["", ",", "Id,", " "])
def test_no_name_is_no_column_to_drop(text, minivae):
    status, _, err = minivae("train", "--drop", text)
    assert (status, "expected names or numbers of columns such as Id,3" in err) == (2, True)


def test_a_name_with_a_comma_is_quoted_to_be_dropped(minivae):
    write("full.csv", with_extra(X), 'Id,a,b,c,"who, exactly"')
    status, out, err = minivae("train", "--data", "full.csv", "--drop", 'Id,"who, exactly"', "--out", "run", *SMALL)
    assert (status, "3 columns" in out) == (0, True), err


def test_a_run_from_before_these_settings_is_resumed_and_evaluated(minivae):
    write("bare.csv", X.tolist(), HEADER)
    assert minivae("train", "--data", "bare.csv", "--out", "run", *SMALL)[0] == 0
    config = json.loads(Path("run/config.json").read_text())
    for name in ("header", "drop", "test", "holdout"):
        del config["settings"][name]
    Path("run/config.json").write_text(json.dumps(config))
    assert result(minivae, "evaluate", "run", "--samples", 2)[0]["protocol"]["examples"] == 6
    assert minivae("train", *RESUME)[0] == 0


def test_how_a_file_was_read_is_no_part_of_the_identity_which_older_runs_have_without_it():
    named = identity(Settings(header="no", drop=("a",)), "mark")
    assert named == identity(Settings(), "mark") != identity(Settings(), "other mark")


@pytest.mark.parametrize("changed", [{"drop": ["a", 1]}, {"drop": "Id"}, {"hidden": ["4"]}, {"header": None}])
def test_settings_of_another_type_are_refused(changed):
    assert Settings.from_json(Settings(drop=("a", "b")).of_the_run() | {"drop": ["a", "b"]}).drop == ("a", "b")
    with pytest.raises(TypeError, match=f"{next(iter(changed))} must be of type"):
        Settings.from_json(Settings().of_the_run() | changed)
