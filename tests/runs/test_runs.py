"""Run folders: what is in them, how a run goes on after any end, and what is refused."""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from damage import DAMAGES
from processes import OFFER, contents, same, start, wait_for

from minivae import VAE, EarlyStopping, checkpoint, cli
from minivae.checkpoint import load_training
from minivae.datasets import load
from minivae.errors import MinivaeError
from minivae.runs import plan as planning
from minivae.runs import resume
from minivae.runs import train as runs
from minivae.runs.folder import RunFolder, open_run
from minivae.runs.resume import settings_of_a_resumed_run
from minivae.system import signals
from minivae.system.locks import locked
from minivae.training import columns

SMALL = ["--hidden", "8", "--latent", "2", "--no-pictures"]


@pytest.fixture
def cut_at(monkeypatch):
    """Let an epoch of the next run end in an exception, after its row of the history and before its checkpoint."""

    def cut(epoch, error=KeyboardInterrupt):
        call = runs.Recorder.__call__

        def raising(self, vae, now, metrics):
            call(self, vae, now, metrics)
            if now == epoch:
                monkeypatch.setattr(runs.Recorder, "__call__", call)
                raise error

        monkeypatch.setattr(runs.Recorder, "__call__", raising)

    return cut


OPTIONS = {
    "plain": [],
    "patience": ["--patience", "3", "--lr", "0.05"],
    "cosine": ["--schedule", "cosine", "--optimizer", "sgd", "--lr", "0.1"],
    "steps": ["--schedule", "steps", "--milestones", "2,4", "--factor", "0.3", "--optimizer", "adagrad"],
    "scaled": ["--data", "wine", "--l2", "0.01", "--dtype", "float64"],
    "drawn": ["--binarize", "stochastic", "--output-bias", "data", "--seed", "7"],
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_run_that_is_cut_short_and_resumed_is_the_one_that_never_stopped(minivae, cut_at, options):
    train = ["train", *SMALL, "--epochs", 9, *options]
    assert minivae(*train, "--out", "whole")[0] == 0
    cut_at(4)
    status, out, err = minivae(*train, "--out", "cut")
    assert (status, "interrupted" in err) == (130, True)
    assert "cut short   after epoch 3" in out
    assert RunFolder("cut").read_history()["epoch"] == [1, 2, 3]
    vae, early_stopping = load_training("cut/checkpoint.safetensors")
    weights = vae.store.vector if early_stopping is None else early_stopping.best
    np.testing.assert_array_equal(VAE.load("cut/model.safetensors").store.vector, weights)
    assert not same("whole", "cut")
    status, out, err = minivae(*train, "--resume", "--out", "cut")
    assert status == 0, err
    assert "resumed     after epoch 3" in out
    assert same("whole", "cut")
    assert sorted(os.listdir("cut")) == sorted(os.listdir("whole"))


def test_an_interrupt_between_the_last_checkpoint_and_the_end_does_no_harm(minivae, monkeypatch):
    train = ["train", *SMALL, "--lr", "0.05", "--patience", 2, "--epochs", 300]
    minivae(*train, "--out", "whole")
    at_end = EarlyStopping.at_end

    def interrupted(self, vae):
        at_end(self, vae)
        monkeypatch.setattr(EarlyStopping, "at_end", at_end)
        raise KeyboardInterrupt

    monkeypatch.setattr(EarlyStopping, "at_end", interrupted)
    assert minivae(*train, "--out", "cut")[0] == 130
    assert same("whole", "cut")


def test_a_run_that_was_killed_after_writing_history_goes_on_from_its_checkpoint(minivae, cut_at):
    train = ["train", *SMALL, "--epochs", 9]
    minivae(*train, "--out", "whole")
    cut_at(4, SystemExit(9))  # nothing is saved on the way out
    assert minivae(*train, "--out", "cut")[0] == 9
    with open("cut/history.csv", "a") as file:
        file.write("5,0.001,30.")  # half a row
    assert "resumed     after epoch" in minivae(*train, "--resume", "--out", "cut")[1]
    assert same("whole", "cut")


def test_a_resumed_run_needs_no_settings_and_a_finished_one_may_be_prolonged(minivae):
    assert minivae("train", *SMALL, "--lr", "0.01", "--epochs", 6, "--out", "long")[0] == 0
    assert minivae("train", *SMALL, "--lr", "0.01", "--epochs", 4, "--out", "run")[0] == 0
    same_settings = ["--lr", "1e-2", "--likelihood", "auto", "--scale", "auto", "--backend", "numpy", "--seed", "0"]
    assert minivae("train", "--resume", "--no-pictures", "--out", "run", "--epochs", 6, *same_settings)[0] == 0
    assert same("long", "run")
    status, out, _ = minivae("train", "--resume", "--no-pictures", "--out", "run", "--epochs", 6)
    assert (status, "nothing left to train" in out) == (0, True)
    assert same("long", "run")
    status, out, err = minivae("train", "--resume", "--no-pictures", "--out", "run", "--epochs", 3)
    assert (status, "has done 6 epochs already, more than --epochs 3" in err) == (2, True)
    assert same("long", "run")


def test_a_run_that_early_stopping_ended_is_not_trained_any_further(minivae):
    minivae("train", *SMALL, "--lr", "0.3", "--patience", 1, "--epochs", 300, "--out", "run")
    history = Path("run/history.csv").read_text()
    status, out, _ = minivae("train", "--resume", "--no-pictures", "--out", "run")
    assert (status, "early stopping ended this run" in out) == (0, True)
    assert Path("run/history.csv").read_text() == history


def test_early_stopping_keeps_the_best_weights_and_reports_their_losses(minivae):
    out = minivae("train", *SMALL, "--lr", "0.1", "--patience", 2, "--epochs", 300, "--out", "run", "--json")[1]
    summary, history = json.loads(out), RunFolder("run").read_history()
    best = int(np.argmin(history["val_loss"]))
    assert (summary["best_epoch"], summary["epochs"]) == (best + 1, best + 3)
    assert summary["train"]["loss"] == history["loss"][best]
    vae = VAE.load("run/model.safetensors")
    with pytest.warns(UserWarning, match="grey"):
        assert summary["test"]["loss"] == pytest.approx(vae.loss(load("digits").test).loss, rel=1e-6)
    assert not np.array_equal(vae.store.vector, VAE.load("run/checkpoint.safetensors").store.vector)


def test_early_stopping_looks_at_training_examples_and_the_test_set_has_no_say(minivae, monkeypatch):
    data, seen = load("digits"), {}
    fit_prepared = planning.fit_prepared

    def spy(vae, x, recipe, epochs, validation, *rest):
        seen.update(x=x, validation=validation)
        return fit_prepared(vae, x, recipe, epochs, validation, *rest)

    monkeypatch.setattr(planning, "fit_prepared", spy)
    assert "143 of the training examples" in minivae("train", *SMALL, "--patience", 5, "--epochs", 1, "--out", "run")[1]
    both = np.vstack([seen["x"], seen["validation"]])
    assert len(seen["validation"]) == 143
    np.testing.assert_array_equal(np.sort(both, axis=0), np.sort(data.train, axis=0))
    minivae("train", *SMALL, "--epochs", 1, "--out", "other")
    np.testing.assert_array_equal(seen["validation"], data.test)


@pytest.mark.parametrize("state", ["nothing", "an empty folder", "a folder without a checkpoint"])
def test_resume_before_the_first_checkpoint_starts_from_the_beginning(minivae, state):
    train = ["train", *SMALL, "--epochs", 2, "--seed", 3]
    minivae(*train, "--out", "whole")
    if state != "nothing":
        Path("run").mkdir()
    if state.endswith("checkpoint"):
        minivae(*train, "--out", "run")
        for path in Path("run").glob("*.safetensors"):
            path.unlink()
    status, out, err = minivae(*train, "--out", "run", "--resume")
    assert (status, "from the beginning" in out) == (0, True), err
    assert same("whole", "run")


@pytest.mark.parametrize("state", ["nothing", "an empty folder"])
def test_a_misspelt_folder_does_not_begin_a_run(minivae, state):
    minivae("train", *SMALL, "--epochs", 1, "--out", "runs/one")
    if state != "nothing":
        Path("runs/oen").mkdir()
    status, out, err = minivae("train", "--resume", "--out", "runs/oen", "--epochs", 9, "--backend", "numpy")
    words = f"{Path('runs/oen')} holds no run (there are {Path('runs/one')}): to begin one, give its --data"
    assert (status, out, words in err, len(err.splitlines())) == (2, "", True, 1), err
    assert not Path("runs/oen/config.json").exists()
    assert "runs/digits holds no run (there" in minivae("train", "--resume")[2].replace("\\", "/")
    assert minivae("train", "--resume", "--out", "runs/oen", "--data", "iris", *SMALL, "--epochs", 1)[0] == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--lr", "0.1"], "begun with --lr 0.001, not 0.1"),
        (["--latent", "3", "--seed", "1"], "begun with --latent 2, not 3 and --seed 0, not 1"),
        (["--hidden", "8,8"], "--hidden 8, not 8,8"),
        (["--data", "iris"], "--data digits, not iris"),
        (["--patience", "3"], "--patience none, not 3"),
        (["--likelihood", "gaussian"], "--likelihood bernoulli, not gaussian"),
        (["--batch-size", "64"], "--batch-size 128, not 64"),
    ],
)
def test_resume_with_other_settings_is_refused_and_the_difference_named(minivae, options, words):
    minivae("train", *SMALL, "--epochs", 2, "--out", "run")
    before = {path: path.read_bytes() for path in Path("run").iterdir()}
    status, _, err = minivae("train", "--resume", "--no-pictures", "--out", "run", *options)
    assert (status, words in err, len(err.splitlines())) == (2, True, 1), err
    assert {path: path.read_bytes() for path in Path("run").iterdir()} == before


def test_the_epochs_of_a_cosine_cannot_change(minivae):
    minivae("train", *SMALL, "--epochs", 2, "--schedule", "cosine", "--out", "run")
    assert (
        "--epochs 2 (its cosine ends there), not 4"
        in minivae("train", "--resume", "--no-pictures", "--out", "run", "--epochs", 4)[2]
    )


def test_resume_with_other_data_is_refused(minivae):
    rng = np.random.default_rng(0)
    np.save("x.npy", rng.random((50, 5)))
    minivae("train", *SMALL, "--data", "x.npy", "--epochs", 2, "--out", "run")
    assert minivae("train", "--resume", "--no-pictures", "--out", "run", "--data", "./x.npy", "--epochs", 3)[0] == 0
    np.save("x.npy", rng.random((50, 5)))
    status, _, err = minivae("train", "--resume", "--no-pictures", "--out", "run", "--epochs", 5)
    assert (status, "'x' has changed since then" in err) == (2, True), err


def test_a_run_whose_data_file_has_moved_goes_on_where_that_is_named(minivae, cut_at):
    np.savetxt("x.csv", np.random.default_rng(0).random((50, 5)), delimiter=",")
    train = ["train", *SMALL, "--data", "x.csv", "--epochs", 6]
    minivae(*train, "--out", "whole")
    cut_at(4)
    minivae(*train, "--out", "run")
    Path("elsewhere").mkdir()
    moved = Path("x.csv").rename("elsewhere/y.csv")
    resume = ["train", "--resume", "--no-pictures", "--out", "run"]
    status, _, err = minivae(*resume)
    assert (status, "x.csv, which is gone: if it has moved, name it with --data" in err) == (2, True), err
    assert minivae(*resume, "--data", moved)[0] == 0
    assert same("whole", "run")
    assert minivae(*resume)[0] == 0  # from now on it knows the new place
    assert minivae("evaluate", "run", "--samples", 2)[0] == 0


@pytest.mark.parametrize("state", ["with a checkpoint", "without"])
@pytest.mark.parametrize("shape", [(50, 5), (50, 4), (9, 5)])
def test_another_file_is_not_taken_for_one_that_has_moved(minivae, state, shape):
    rng = np.random.default_rng(0)
    np.save("x.npy", rng.random((50, 5)))
    np.save("y.npy", rng.random(shape))
    minivae("train", *SMALL, "--data", "x.npy", "--epochs", 2, "--patience", 2, "--out", "run")
    if state == "without":
        for path in Path("run").glob("*.safetensors"):
            path.unlink()
    before = contents("run")
    status, _, err = minivae("train", "--resume", "--no-pictures", "--out", "run", "--data", "y.npy")
    assert (status, len(err.splitlines())) == (2, 1), err
    assert "x.npy, and " in err
    assert "y.npy holds other values: name a file with the same ones" in err
    assert contents("run") == before
    assert "x.npy, not iris" in minivae("train", "--resume", "--out", "run", "--data", "iris")[2]


def test_resume_on_another_machine_goes_on_but_says_so(minivae, monkeypatch):
    minivae("train", *SMALL, "--epochs", 2, "--out", "run")
    here = resume.what_changes_results("numpy")
    monkeypatch.setattr(resume, "what_changes_results", lambda backend: here | {"numpy": "9.9"})
    out = minivae("train", "--resume", "--no-pictures", "--out", "run", "--epochs", 3)[1]
    assert "numpy was" in out
    assert "now 9.9: the numbers may differ in their last digits" in out


def test_resume_asks_which_run_is_meant_and_refuses_weights_without_a_checkpoint(minivae):
    for _ in range(2):
        minivae("train", *SMALL, "--epochs", 1)
    assert "name one with --out" in minivae("train", "--resume")[2]
    for path in Path("runs/digits").glob("checkpoint*"):
        path.unlink()
    err = minivae("train", "--resume", "--no-pictures", "--out", "runs/digits")[2]
    assert "holds a model but no checkpoint to go on from" in err


@pytest.fixture
def stopped(minivae, cut_at):
    """RUN of 6 epochs that was interrupted in its sixth; its older checkpoint is of the first. WHOLE was not."""
    train = ["train", *SMALL, "--epochs", 6, "--patience", 9]
    assert minivae(*train, "--out", "whole")[0] == 0
    cut_at(6)
    assert minivae(*train, "--out", "run")[0] == 130
    return RunFolder("run")


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_is_refused_left_as_it_is_and_the_older_one_offered(minivae, stopped, damage):
    damage(stopped.checkpoint, random.Random(0))
    left = Path("run/.checkpoint-abcdefgh.safetensors")  # by a crash; a refused run cleans up no more than it changes
    left.mkdir()
    (left / ".tmp123456").touch()
    before = contents("run")
    epoch = load_training(stopped.older)[0].epoch
    assert epoch < 5
    status, _, err = minivae("train", "--resume", "--no-pictures", "--out", "run")
    assert (status, "run/checkpoint.safetensors" in err, len(err.splitlines())) == (2, True, 1), err
    assert f"{OFFER} {epoch}\n" in err
    assert contents("run") == before
    stopped.older.rename(stopped.checkpoint)
    out = minivae("train", "--resume", "--no-pictures", "--out", "run")[1]
    assert f"resumed     after epoch {epoch}, from run/checkpoint.safetensors" in out
    assert same("whole", "run")
    assert sorted(os.listdir("run")) == sorted(os.listdir("whole"))


@pytest.mark.parametrize("damage", [DAMAGES[name] for name in ("truncated", "another run's", "removed")])
def test_an_older_checkpoint_that_is_no_better_is_not_offered(minivae, stopped, damage):
    for path in (stopped.checkpoint, stopped.older):
        damage(path, random.Random(0))
    before = contents("run")
    status, _, err = minivae("train", "--resume", "--no-pictures", "--out", "run")
    assert (status, "older" in err, len(err.splitlines())) == (2, False, 1), err
    assert contents("run") == before


def test_whoever_reads_a_run_by_its_checkpoint_is_offered_the_older_one_too_and_may_read_it(minivae, stopped):
    stopped.model.unlink()
    stopped.checkpoint.write_bytes(b"")
    status, _, err = minivae("sample", "run")
    assert (status, f"{OFFER} 1\n" in err) == (2, True), err
    assert minivae("sample", "run/checkpoint-older.safetensors")[0] == 0
    assert open_run(stopped.older).settings is not None
    stopped.config.unlink()
    assert OFFER in minivae("sample", "run")[2]


def test_an_epoch_that_was_saved_and_then_undone_is_no_older_checkpoint(minivae, cut_at, monkeypatch):
    monkeypatch.setattr("minivae.runs.recorder.SHARE", float("inf"))  # a checkpoint after each epoch
    train = ["train", *SMALL, "--epochs", 6]
    minivae(*train, "--out", "whole")
    cut_at(4)
    minivae(*train, "--out", "run")
    folder = RunFolder("run")
    assert [load_training(path)[0].epoch for path in (folder.checkpoint, folder.older)] == [3, 3]
    folder.older.replace(folder.checkpoint)
    assert minivae(*train, "--resume", "--out", "run")[0] == 0
    assert same("whole", "run")


def test_overwriting_leaves_no_older_checkpoint_and_nothing_of_a_run_that_was_killed(minivae, stopped, cut_at):
    Path("run/.history-abcdefgh.csv").mkdir()
    cut_at(1, SystemExit(9))  # after one checkpoint
    assert minivae("train", *SMALL, "--epochs", 2, "--seed", 1, "--overwrite", "--out", "run")[0] == 9
    assert sorted(os.listdir("run")) == ["checkpoint.safetensors", "config.json", "history.csv"]


@pytest.mark.parametrize("option", [[], ["--resume"], ["--overwrite"]], ids=["plain", "resume", "overwrite"])
def test_a_folder_in_which_a_run_trains_can_be_read_but_takes_no_other_run(minivae, stopped, option):
    before = contents("run")
    with locked(Path("run")):
        status, _, err = minivae("train", *SMALL, "--epochs", 6, "--patience", 9, "--out", "run", *option)
        assert (status, len(err.splitlines())) == (2, 1), err
        assert "another minivae is training in run just now: wait until it has ended" in err
        assert minivae("evaluate", "run", "--samples", 2)[0] == 0
    assert contents("run") == before
    assert not Path("run/.lock").exists()


def test_a_lock_that_nobody_holds_any_more_refuses_nobody(minivae, stopped):
    Path("run/.lock").touch()
    assert minivae("train", "--resume", "--no-pictures", "--out", "run")[0] == 0
    assert same("whole", "run")
    assert not Path("run/.lock").exists()


def test_a_run_holds_the_lock_as_long_as_it_writes(minivae, stopped, monkeypatch):
    fit_prepared, tried = planning.fit_prepared, []

    def spy(*arguments):
        with pytest.raises(MinivaeError, match="another minivae"), locked(RunFolder(out).path):
            pass
        tried.append(out)
        return fit_prepared(*arguments)

    monkeypatch.setattr(planning, "fit_prepared", spy)
    for out, option in (("run", ["--resume"]), ("other", [])):
        assert minivae("train", *SMALL, "--epochs", 6, "--patience", 9, "--out", out, *option)[0] == 0
    out = "runs/digits"  # where no folder is named
    assert minivae("train", *SMALL, "--epochs", 1)[0] == 0
    assert tried == ["run", "other", "runs/digits"]


def test_the_lock_of_a_folder_is_free_again_after_an_error(tmp_path):
    def fail():
        with locked(tmp_path / "run"):
            assert (tmp_path / "run" / ".lock").exists()
            raise OSError("full")

    for _ in range(2):
        with pytest.raises(OSError, match="full"):
            fail()
    assert not list((tmp_path / "run").iterdir())


def test_a_run_that_was_begun_anew_while_another_waited_to_go_on_with_it_is_not_touched(minivae, stopped):
    settings = settings_of_a_resumed_run({"resume": True, "no_pictures": True, "out": "run"})
    assert minivae("train", *SMALL, "--epochs", 2, "--patience", 9, "--seed", 3, "--overwrite", "--out", "run")[0] == 0
    before = contents("run")
    with pytest.raises(MinivaeError, match="run was begun with --seed 3, not 0"):
        runs.train(settings)
    assert contents("run") == before


@pytest.mark.parametrize("name", ["model.safetensors", "checkpoint.safetensors"])
@pytest.mark.parametrize("other", [["--latent", 3], ["--seed", 1], ["--data", "wine"]])
def test_another_runs_file_is_refused(minivae, name, other):
    minivae("train", *SMALL, "--epochs", 1, "--out", "run")
    minivae("train", *SMALL, *other, "--epochs", 1, "--out", "other")
    Path("run", name).write_bytes(Path("other", name).read_bytes())
    command = ["sample", "run"] if name == "model.safetensors" else ["train", "--resume", "--out", "run", "--epochs", 2]
    status, _, err = minivae(*command)
    assert (status, "holds another run's model: its" in err, len(err.splitlines())) == (2, True, 1), err


def test_a_full_disk_is_one_sentence_and_the_older_checkpoint_survives(minivae):
    resource = pytest.importorskip("resource")
    minivae("train", *SMALL, "--epochs", 2, "--out", "run")
    before = Path("run/checkpoint.safetensors").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, limits[1]))
        status, _, err = minivae("train", "--resume", "--no-pictures", "--epochs", 4, "--out", "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert (status, "cannot write run/checkpoint.safetensors" in err) == (2, True), err
    assert Path("run/checkpoint.safetensors").read_bytes() == before
    assert load_training("run/checkpoint-older.safetensors")[0].epoch == 1
    assert not list(Path("run").glob(".*"))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no file here is always full")
def test_a_full_disk_is_named_by_the_history_too(tmp_path):
    folder = RunFolder(tmp_path)
    folder.history = Path("/dev/full")
    with pytest.raises(OSError, match="cannot write /dev/full: No space left"):
        runs.Recorder(folder, None, "run", lambda: None)(None, 1, dict.fromkeys(columns(validation=True), 1.0))


def test_a_diverging_run_keeps_the_last_good_checkpoint(minivae):
    status, out, err = minivae("train", *SMALL, "--data", "wine", "--optimizer", "sgd", "--lr", "0.1", "--out", "run")
    assert (status, "try a smaller learning rate" in err) == (1, True)
    vae, _ = load_training("run/checkpoint.safetensors")
    assert f"cut short   after epoch {vae.epoch}" in out
    assert np.all(np.isfinite(vae.store.vector))
    assert RunFolder("run").read_history()["epoch"] == list(range(1, vae.epoch + 1))


def test_a_run_that_goes_on_can_be_looked_at_by_its_checkpoint(minivae):
    minivae("train", *SMALL, "--lr", "0.1", "--patience", 2, "--epochs", 300, "--out", "run")
    best = VAE.load("run/model.safetensors").store.vector
    Path("run/model.safetensors").unlink()
    np.testing.assert_array_equal(open_run("run").vae.store.vector, best)
    assert minivae("sample", "run")[0] == 0


def test_a_run_that_goes_on_has_no_older_model_beside_its_checkpoint(minivae, cut_at):
    minivae("train", *SMALL, "--epochs", 2, "--out", "run")
    cut_at(4, SystemExit(9))
    minivae("train", "--resume", "--no-pictures", "--epochs", 5, "--out", "run")
    assert not Path("run/model.safetensors").exists()
    assert open_run("run").vae.epoch >= 2


def test_the_data_of_another_run_do_not_go_on_here_also_where_its_model_looks_alike(minivae):
    rng = np.random.default_rng(0)
    for name, scale in (("a", 1), ("b", 100)):
        np.save(f"{name}.npy", scale * rng.standard_normal((40, 5)))
        minivae("train", *SMALL, "--data", f"{name}.npy", "--epochs", 1, "--out", name)
    minivae("train", *SMALL, "--data", "a.npy", "--lr", "0.1", "--epochs", 1, "--out", "c")
    for other in ("b", "c"):
        for name in ("model.safetensors", "checkpoint.safetensors"):
            good = Path("a", name).read_bytes()
            Path("a", name).write_bytes(Path(other, name).read_bytes())
            command = ["sample", "a"] if name[0] == "m" else ["train", "--resume", "--out", "a", "--epochs", 2]
            status, _, err = minivae(*command)
            assert (status, "holds another run's model: its data or settings" in err) == (2, True), err
            Path("a", name).write_bytes(good)
    assert minivae("sample", "a")[0] == 0


def edited(path, **changes):
    config = json.loads(Path(path).read_text())
    for name, value in changes.items():
        part, _, key = name.partition("__")
        if value is None:
            del config[part][key]
        else:
            config[part][key] = value
    Path(path).write_text(json.dumps(config))


@pytest.mark.parametrize(
    "changes",
    [{"settings__lr": "fast"}, {"settings__seed": [1]}, {"settings__data": 3}, {"settings__batch_size": True},
     {"settings__nonsense": 1}, {"data__fingerprint": None}, {"model__seed": 5}],
)  # fmt: skip
def test_an_edited_configuration_is_refused_in_one_sentence(minivae, changes):
    minivae("train", *SMALL, "--epochs", 1, "--out", "run")
    edited("run/config.json", **changes)
    for command in (["train", "--resume", "--out", "run", "--epochs", 2], ["evaluate", "run", "--samples", 2]):
        status, _, err = minivae(*command)
        assert (status, len(err.splitlines())) == (2, 1), err


def test_a_setting_that_was_changed_by_hand_does_not_go_on(minivae):
    minivae("train", *SMALL, "--epochs", 1, "--out", "run")
    edited("run/config.json", settings__batch_size=64)
    status, _, err = minivae("train", "--resume", "--no-pictures", "--out", "run", "--epochs", 2)
    assert (status, "config.json was changed by hand" in err, len(err.splitlines())) == (2, True, 1), err


@pytest.mark.parametrize("content", ["[" * 100_000, "[]", "", '{"settings": []}'])
def test_a_configuration_that_is_none_is_refused_in_one_sentence(minivae, content):
    minivae("train", *SMALL, "--epochs", 1, "--out", "run")
    Path("run/config.json").write_text(content)
    status, _, err = minivae("train", "--resume", "--out", "run", "--epochs", 2)
    assert (status, "cannot read" in err, len(err.splitlines())) == (2, True, 1), err


@pytest.mark.parametrize("rows", [[], [1, 3], [1, 2, 2, 3], ["-inf", 1, 2, 3], [1, "nan", 3], [2, 1, 3]])
def test_a_history_that_somebody_changed_is_refused(minivae, rows):
    minivae("train", *SMALL, "--epochs", 3, "--out", "run")
    path = Path("run/history.csv")
    lines = path.read_text().splitlines()
    changed = [lines[0], *(f"{row},{lines[1].partition(',')[2]}" for row in rows)]
    path.write_text("\n".join(changed) + "\n")
    status, _, err = minivae("train", "--resume", "--out", "run", "--epochs", 5)
    assert (status, len(err.splitlines())) == (2, 1), err
    assert "a row for each of the epochs 1 to 3" in err or "cannot read run/history.csv" in err


def test_checkpoints_come_so_seldom_that_they_cost_about_one_per_cent(tmp_path, monkeypatch):
    now, written = [0.0], []
    recorder = runs.Recorder(RunFolder(tmp_path), None, "run", lambda: None)
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def save_training(vae, path, early_stopping, run):
        assert (tmp_path / "history.csv").read_text().splitlines()[-1].startswith(f"{epoch},"), "no row yet"
        written.append(now[0])
        now[0] += 0.02

    monkeypatch.setattr(checkpoint, "save_training", save_training)
    metrics = dict.fromkeys(columns(validation=True), 1.0)
    for epoch in range(1000):
        now[0] += 0.1
        recorder(SimpleNamespace(epoch=epoch), epoch, metrics | {"epoch": epoch})
    assert written[0] == pytest.approx(0.1), "the first epoch is saved at once"
    assert len(written) * 0.02 / now[0] == pytest.approx(0.01, rel=0.1)


# -- from outside ------------------------------------------------------------------------------------------

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")


@posix
@pytest.mark.parametrize(("number", "status", "word"), [
    (signal.SIGINT, 130, "interrupted"),
    pytest.param(signal.SIGTERM, 143, "terminated", marks=pytest.mark.slow),
])  # fmt: skip
def test_ctrl_c_and_sigterm_end_with_a_checkpoint(tmp_path, number, status, word):
    run = tmp_path / "run"
    process = start("train", *SMALL, "--epochs", 100_000, "--out", run)
    try:
        wait_for(process, lambda: (run / "history.csv").exists() and (run / "history.csv").read_text().count("\n") > 9)
        process.send_signal(number)
        time.sleep(0.002)
        process.send_signal(number)  # a second one must not spoil the saving
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == status
    assert word in err
    assert "Traceback" not in err
    vae, _ = load_training(run / "checkpoint.safetensors")
    assert RunFolder(run).read_history()["epoch"] == list(range(1, vae.epoch + 1))
    assert vae.epoch >= 9


@pytest.fixture
def handlers(monkeypatch):
    """The signal handlers of the command line, taken away again afterwards."""
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    monkeypatch.setattr(signals, "_arrived", None)
    before = {number: signal.getsignal(number) for number in signals.STATUS}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell ignores in what it starts with "&"
    yield before
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_raises_and_what_follows_at_once_is_its_echo(handlers):
    signals.install()
    with pytest.raises(KeyboardInterrupt) as caught:
        signal.raise_signal(signal.SIGINT)
    assert caught.type is KeyboardInterrupt
    signal.raise_signal(signal.SIGTERM)  # the saving is not disturbed
    assert signals.status_if_arrived() == 130


def test_a_signal_that_got_lost_raises_at_the_next_look_and_when_it_is_sent_again(handlers, monkeypatch, capsys):
    signals.install()

    class Swallower:
        def __del__(self):
            signal.raise_signal(signal.SIGTERM)  # Python would print what is raised here, and goes on

    thing = Swallower()
    del thing
    assert capsys.readouterr().err == ""
    assert signals.status_if_arrived() == 143
    with pytest.raises(signals.Terminated):
        signals.raise_if_arrived()
    monkeypatch.setattr(signals, "PAUSE", 0.0)
    with pytest.raises(signals.Terminated):
        signal.raise_signal(signal.SIGTERM)


def test_other_errors_that_get_lost_are_still_printed(handlers, capsys):
    signals.install()

    class Broken:
        def __del__(self):
            raise ValueError("broken")

    thing = Broken()
    del thing
    assert "ValueError: broken" in capsys.readouterr().err


def test_a_signal_that_is_ignored_stays_ignored(handlers):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # who started this process did not want to hear of it
    signals.install()
    signal.raise_signal(signal.SIGTERM)
    assert signals.status_if_arrived() is None


def test_a_run_looks_for_lost_signals_after_each_epoch(tmp_path, handlers, monkeypatch):
    monkeypatch.setattr(signals, "_arrived", signal.SIGTERM)
    with pytest.raises(signals.Terminated):
        runs.Recorder(RunFolder(tmp_path), None, "run", lambda: None)(None, 1, {})


@pytest.mark.parametrize("lost_in", ["a destructor", "an import"])
def test_the_exit_status_tells_of_a_signal_that_got_lost(handlers, monkeypatch, lost_in):
    def main():
        monkeypatch.setattr(signals, "_arrived", signal.SIGTERM)
        if lost_in == "an import":
            raise RuntimeError("Error calling __set_name__")
        return 0

    monkeypatch.setattr(cli, "main", main)
    with pytest.raises(SystemExit) as caught:
        cli.script()
    assert caught.value.code == 143


@posix
@pytest.mark.slow
def test_a_run_killed_at_twenty_random_moments_ends_with_the_same_bits(tmp_path):
    seed = int(os.environ.get("MINIVAE_TEST_SEED", time.time_ns() % 10_000))
    print(f"MINIVAE_TEST_SEED={seed}")
    chance = random.Random(seed)
    train = ["train", *SMALL, "--epochs", 1500, "--patience", 1500]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    began = time.perf_counter()
    assert start(*train, "--out", whole).wait() == 0
    typical = time.perf_counter() - began
    process = start(*train, "--out", cut)
    wait_for(process, lambda: (cut / "checkpoint.safetensors").exists())
    epochs = []
    for kill in range(20):
        if kill % 2:  # every other one comes while it trains, the rest also while it starts
            size = (cut / "history.csv").stat().st_size
            wait_for(process, lambda size=size: (cut / "history.csv").stat().st_size > size + 300)
        time.sleep(chance.uniform(0, typical / 20))
        process.kill()
        process.wait()
        epochs.append(VAE.load(cut / "checkpoint.safetensors").epoch)  # whole at any moment
        process = start(*train, "--resume", "--out", cut)
    assert process.wait() == 0, process.stderr.read()
    print(f"killed after epochs {epochs}")
    assert len(set(epochs)) > 3, "the kills came at moments that show nothing"
    assert same(whole, cut)
