"""A run folder belongs to minivae or to somebody else, and what is somebody else's is never removed or replaced."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from processes import contents

from minivae import VAE, MinivaeError
from minivae.runs.folder import FILES, RunFolder
from minivae.runs.recorder import Recorder
from minivae.system.locks import LOCK, locked

SMALL = ("--data", "wine", "--hidden", "4", "--latent", "2", "--epochs", "1", "--no-pictures")


@pytest.fixture
def within_seconds():
    """Let a test that hangs fail."""
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it hangs"))
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    ("name", "option"),
    [(name, "--overwrite") for name in FILES[:6]] + [("history.csv", "--resume"), ("samples.png", "--seed=1")],
)
def test_files_of_the_users_stop_a_run_and_stay(name, option, minivae):
    Path("mine").mkdir()
    Path("mine", name).write_text("my own work")
    status, _, err = minivae("train", *SMALL, "--out", "mine", option)
    assert status == 2
    assert "--overwrite" not in err
    assert contents("mine") == {name: b"my own work"}


def test_another_programs_configuration_and_model_are_no_run(minivae):
    Path("theirs").mkdir()
    Path("theirs/config.json").write_text(json.dumps({"architectures": ["Bert"]}))
    Path("theirs/model.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ")
    before = contents("theirs")
    status, _, err = minivae("train", *SMALL, "--out", "theirs", "--overwrite")
    assert (status, "theirs holds model.safetensors, and no run of minivae" in err) == (2, True), err
    assert contents("theirs") == before


def test_the_old_run_stays_where_the_backend_does_not_work(minivae):
    assert minivae("train", *SMALL, "--out", "run")[0] == 0
    before = contents("run")
    status, _, err = minivae("train", *SMALL, "--out", "run", "--overwrite", "--backend", "nonsense")
    assert (status, "unknown backend" in err) == (2, True)
    assert contents("run") == before


def test_the_old_run_goes_last(minivae, monkeypatch):
    assert minivae("train", *SMALL, "--out", "run")[0] == 0
    before = contents("run")

    def full(*arguments):
        raise OSError("No space left")

    monkeypatch.setattr(RunFolder, "begin_history", full)
    assert minivae("train", *SMALL, "--out", "run", "--overwrite", "--seed", 5)[0] == 2
    assert contents("run") == before
    monkeypatch.undo()
    assert not list(Path("run").glob(".replaced-*"))


def test_a_folder_with_a_files_name_is_refused_before_anything_is_moved(minivae):
    assert minivae("train", *SMALL, "--out", "run")[0] == 0
    Path("run/samples.png").mkdir()
    before = contents("run")
    status, _, err = minivae("train", *SMALL, "--out", "run", "--overwrite")
    assert (status, "is no regular file" in err) == (2, True), err
    assert contents("run") == before


def test_an_output_is_never_an_input(minivae):
    data = "\n".join(f"{a},{b}" for a, b in np.random.default_rng(0).normal(size=(40, 2)))
    assert minivae("train", *SMALL, "--out", "run")[0] == 0
    Path("run/history.csv").write_text("a,b\n" + data)
    status, _, err = minivae("train", *SMALL, "--data", "run/history.csv", "--out", "run", "--overwrite")
    assert (status, "would be written over" in err) == (2, True), err
    assert Path("run/history.csv").read_text().startswith("a,b\n")


def test_a_dangling_link_for_the_folder_of_runs_is_one_sentence(minivae, within_seconds):
    Path("runs").symlink_to("nowhere")
    status, _, err = minivae("train", *SMALL)
    assert (status, "cannot make runs/wine: runs is no folder" in err) == (2, True), err


@pytest.mark.parametrize("name", ["config.json", "history.csv"])
@pytest.mark.parametrize("kind", ["a pipe", "an endless device"])
def test_what_never_ends_is_not_read(name, kind, minivae, within_seconds):
    assert minivae("train", *SMALL, "--out", "run")[0] == 0
    Path("run", name).unlink()
    if kind == "a pipe":
        os.mkfifo(Path("run", name))
    else:
        Path("run", name).symlink_to("/dev/zero")
    status, _, err = minivae("train", "--resume", "--out", "run", "--epochs", 2)
    assert (status, f"run/{name}" in err) == (2, True), err


def test_a_history_that_a_spreadsheet_has_saved_is_still_one(minivae):
    assert minivae("train", *SMALL, "--out", "run")[0] == 0
    expected, text = RunFolder("run").read_history(), Path("run/history.csv").read_text()
    Path("run/history.csv").write_text("\ufeff" + text.replace(",", ";").replace(".", ","), encoding="utf-8")
    assert RunFolder("run").read_history() == expected
    assert minivae("train", "--resume", "--out", "run", "--epochs", 2, "--no-pictures")[0] == 0
    assert RunFolder("run").read_history()["epoch"] == [1, 2]


def test_a_run_folder_of_a_newer_format_is_refused_by_name(minivae):
    assert minivae("train", *SMALL, "--out", "run")[0] == 0
    config = json.loads(Path("run/config.json").read_text())
    assert config["format"] == 1
    Path("run/config.json").write_text(json.dumps(config | {"format": 2}))
    status, _, err = minivae("evaluate", "run", "--samples", 2)
    assert (status, "a newer minivae wrote it, in format 2: upgrade minivae" in err) == (2, True), err


def test_a_lock_whose_file_was_removed_is_taken_anew(tmp_path):
    with locked(tmp_path) as renew:
        (tmp_path / LOCK).unlink()
        renew()
        with pytest.raises(MinivaeError, match="another minivae"), locked(tmp_path):
            pass
    assert not (tmp_path / LOCK).exists()


def test_a_trainer_whose_lock_another_has_taken_stops(tmp_path):
    with locked(tmp_path) as renew:
        (tmp_path / LOCK).unlink()
        with locked(tmp_path), pytest.raises(MinivaeError, match="another minivae"):
            renew()


def test_a_trainer_that_lost_its_lock_leaves_the_run_of_another_alone(minivae):
    assert minivae("train", *SMALL, "--out", "run")[0] == 0
    folder = RunFolder("run")
    with locked(folder.path) as renew:
        recorder = Recorder(folder, None, "run", renew)
        (folder.path / LOCK).unlink()
        assert minivae("train", "--resume", "--out", "run", "--epochs", 2, "--no-pictures")[0] == 0
        before = contents("run")
        with pytest.raises(MinivaeError, match="lost its lock, and another minivae has trained in it"):
            recorder(None, 2, {"epoch": 2})
    assert contents("run") == before


WRITERS = [  # a command, and the file that it shall leave alone
    (["encode", "run", "--data", "mine.npy", "--out", "mine.npy"], "mine.npy"),
    (["encode", "run", "--out", "rows.npy"], "rows.npy"),
    (["encode", "run", "--data", "mine.npy", "--out", "other.npy"], "other.npy"),
    (["sample", "run", "--out", "rows.npy"], "rows.npy"),
    (["sample", "run/model.safetensors", "--out", "run/history.csv"], "run/history.csv"),
    (["sample", "run", "--out", "run/history.csv"], "run/history.csv"),
    *(
        ([name, "run", "--data", "mine.npy", "--out", file], file)
        for name in ("score", "impute", "reconstruct")
        for file in ("mine.npy", "rows.npy", "other.npy", "run/history.csv")
    ),
    (["report", "run", "--html", "rows.npy"], "rows.npy"),
    (["report", "run", "--html", "run/model.safetensors"], "run/model.safetensors"),
    (["explore", "run", "--out", "rows.npy"], "rows.npy"),
]


def test_no_command_writes_over_an_input_or_a_file_of_the_run(minivae):
    rng = np.random.default_rng(0)
    for name in ("rows.npy", "mine.npy", "other.npy"):
        np.save(name, rng.normal(size=(40, 3)))
    train = ["train", *SMALL, "--data", "rows.npy", "--test", "other.npy", "--out", "run"]
    assert minivae(*train)[0] == 0
    for command, file in WRITERS:
        before = Path(file).read_bytes()
        status, _, err = minivae(*command)
        assert (status, err.count("\n")) == (2, 1), (command, err)
        assert "would be written over" in err or "must end in .html" in err
        assert Path(file).read_bytes() == before, command


def test_samples_that_are_not_finite_are_no_file(minivae):
    assert minivae("train", *SMALL, "--out", "run")[0] == 0
    vae = VAE.load("run/model.safetensors")
    vae.parameters["decoder.output.logvar"][...] = 3e38
    vae.save("wild.safetensors")
    status, _, err = minivae("sample", "wild.safetensors", "--draw", "--out", "new.npy")
    assert (status, "not finite" in err, Path("new.npy").exists()) == (2, True, False), err
