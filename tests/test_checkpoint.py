"""Weights files: what comes back, and what is refused."""

import copy
import json
import os
import pickle
import re

import numpy as np
import pytest
from damage import rewrite
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from minivae import (
    SGD,
    VAE,
    Adagrad,
    Adam,
    Categorical,
    CheckpointError,
    EarlyStopping,
    Gaussian,
    Scaling,
    StepList,
    fit,
)
from minivae.checkpoint import load_training, save_training
from minivae.system.files import keeping, named, remove_leftovers, replacing, write_text
from minivae.system.tensorfile import KEY, checksum, read

RNG = np.random.default_rng(0)
X = (RNG.random((20, 7)) < 0.5).astype(float)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.mark.parametrize(
    ("likelihood", "dtype"),
    [("bernoulli", "float32"), ("gaussian", "float64"), (Gaussian("per_dimension"), "float32"),
     (Gaussian(0.3), "float64"), (Categorical((3, 4)), "float32")],
)  # fmt: skip
def test_every_name_survives_the_round_trip(path, likelihood, dtype):
    vae = VAE(7, (5, 4), 3, activation="tanh", likelihood=likelihood, beta=0.5, init="glorot", dtype=dtype, seed=9)
    vae.step, vae.epoch = 12, 3
    vae.save(path)
    twin = VAE.load(path, backend="numpy")
    assert twin.config == vae.config
    assert (twin.step, twin.epoch) == (12, 3)
    for name, array in vae.parameters.items():
        np.testing.assert_array_equal(twin.parameters[name], array, err_msg=name)
        assert twin.parameters[name].dtype == array.dtype
    np.testing.assert_array_equal(twin.sample(3), vae.sample(3))


def test_the_strided_heads_are_written_as_they_are(path):
    vae = VAE(7, (5,), 3)
    assert not vae.parameters["encoder.mu.W"].flags["C_CONTIGUOUS"]
    vae.save(path)
    np.testing.assert_array_equal(load_file(path)["encoder.mu.W"], vae.parameters["encoder.mu.W"])


def test_a_full_disk_is_an_error_that_names_the_file(path, monkeypatch):
    def full(*arguments):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.numpy.save_file", full)
    with pytest.raises(OSError, match=r"cannot write .*model\.safetensors: I/O error: No space left"):
        VAE(7, (5,), 3).save(path)
    with pytest.raises(OSError, match=r"cannot write .*notes\.txt: No space left"), named(path.with_name("notes.txt")):
        raise OSError(28, "No space left on device")


def test_equal_models_make_equal_files(tmp_path):
    for name in ("one", "other"):
        VAE(7, (5,), 3).save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.mark.parametrize("kind", ["standard", "minmax"])
def test_the_scaling_is_part_of_the_model(path, kind):
    x = RNG.normal(50, 20, (30, 7))
    vae = VAE(7, (5,), 3, likelihood="gaussian", scaling=Scaling.of(kind, x), dtype="float64")
    vae.save(path)
    twin = VAE.load(path)
    assert twin.scaling.kind == kind
    for mine, theirs in zip(twin.encode(x), vae.encode(x), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(twin.sample(3, draw=True), vae.sample(3, draw=True))


def go_on(vae, epochs, early_stopping, *callbacks):
    settings = {"batch_size": 6, "validation": X[:8], "seed": 4, "l1": 1e-3, "schedule": StepList([2, 5], 0.5)}
    fit(vae, X[8:], epochs=epochs, early_stopping=early_stopping, callbacks=callbacks, progress=False, **settings)


def interrupt_epoch_2(vae, epoch, metrics):
    if epoch == 2:
        raise KeyboardInterrupt


@pytest.mark.parametrize("optimizer", [Adam(0.05, betas=(0.8, 0.95)), Adagrad(0.3), SGD(0.1, momentum=0.7)])
@pytest.mark.parametrize("patience", [None, 2, 100])
def test_training_goes_on_from_a_checkpoint_bit_for_bit(path, optimizer, patience):
    def begin():
        vae = VAE(7, (5,), 3, likelihood="gaussian", scaling=Scaling.of("standard", X), seed=2)
        vae.optimizer = copy.deepcopy(optimizer)
        return vae, None if patience is None else EarlyStopping(patience)

    vae, early_stopping = begin()
    go_on(vae, 20, early_stopping)
    cut, stopping = begin()
    with pytest.raises(KeyboardInterrupt):
        go_on(cut, 9, stopping, interrupt_epoch_2)
    assert cut.epoch == 1, "the epoch that was interrupted is undone, although early stopping has seen it"
    save_training(cut, path, stopping)
    twin, stopping = load_training(path)
    assert repr(twin.optimizer) == repr(optimizer)
    go_on(twin, 19, stopping)
    np.testing.assert_array_equal(twin.store.vector, vae.store.vector)
    assert stopping is None or (stopping.best_loss, stopping.best_epoch) == (
        early_stopping.best_loss, early_stopping.best_epoch)  # fmt: skip


@pytest.mark.parametrize("saved_after", range(1, 6))
def test_early_stopping_waits_on_where_it_was_and_as_strictly(path, saved_after):
    losses = [5.0, 4.7, 4.4, 4.3, 4.2, 4.1]  # with min_delta 0.5: better, no, better, no, no, over

    def feed(early_stopping, vae, epochs):
        answers = []
        for epoch in epochs:
            vae.store.vector[:] = epoch
            answers.append(early_stopping(vae, epoch, {"val_loss": losses[epoch - 1]}))
        return answers

    vae, early_stopping = VAE(7, (5,), 3), EarlyStopping(3, min_delta=0.5)
    vae.optimizer = Adam()
    answers = feed(early_stopping, vae, range(1, saved_after + 1))
    save_training(vae, path, early_stopping)
    twin, resumed = load_training(path)
    assert (repr(resumed), resumed.config()) == (repr(early_stopping), early_stopping.config())
    assert answers + feed(resumed, twin, range(saved_after + 1, 7)) == [False] * 5 + [True]
    assert (resumed.best_epoch, resumed.best_loss) == (3, 4.4)
    resumed.at_end(twin)
    assert twin.store.vector[0] == 3


@pytest.mark.parametrize("kind", [Adam, Adagrad, SGD])
def test_a_second_optimizer_goes_on_with_its_own_steps_and_not_the_models(path, kind):
    vae = VAE(7, (5,), 3, dtype="float64")
    fit(vae, X, epochs=3, batch_size=5, optimizer=Adam(0.01), progress=False)
    fit(vae, X, epochs=1, batch_size=5, optimizer=kind(0.02), progress=False)
    save_training(vae, path)
    twin, _ = load_training(path, "numpy")
    assert (twin.step, twin.optimizer.state_of(twin).t) == (16, 4)
    assert repr(twin.optimizer) == repr(vae.optimizer)
    for model in (vae, twin):
        fit(model, X, epochs=2, batch_size=5, progress=False)
    np.testing.assert_array_equal(twin.store.vector, vae.store.vector)


def test_a_checkpoint_is_a_model_too_but_a_model_is_no_checkpoint(path):
    vae = VAE(7, (5,), 3)
    fit(vae, X, epochs=1)
    save_training(vae, path)
    np.testing.assert_array_equal(VAE.load(path).store.vector, vae.store.vector)
    vae.save(path)
    with pytest.raises(CheckpointError, match="is not a minivae checkpoint: its format is 'minivae-model-1'"):
        load_training(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, m: t.pop("optimizer.m"), "no state that training can go on from: 'optimizer.m'"),
        (lambda t, m: t.update({"optimizer.v": np.zeros(3, "f")}), "optimizer.v is float32 (3,), but the model has"),
        (lambda t, m: t.pop("early_stopping.best"), "no state that training can go on from"),
        (lambda t, m: m.pop("training"), "no state that training can go on from"),
        (lambda t, m: m["training"].update(optimizer={"name": "lion"}), "no state that training can go on from"),
        (lambda t, m: m["training"].update(t=-1), "t must be at least 0"),
        (lambda t, m: m["training"]["optimizer"].update(betas=[0.9]), "betas must be two numbers"),
        (lambda t, m: m["training"]["early_stopping"].update(best_loss="nan"), "early stopping is NaN"),
        (lambda t, m: t["optimizer.m"].__setitem__(3, np.nan), "optimizer.m holds values that are not finite"),
    ],
)  # fmt: skip
def test_a_checkpoint_whose_parts_do_not_fit_is_refused(path, change, message):
    vae, early_stopping = VAE(7, (5,), 3), EarlyStopping(3)
    fit(vae, X, epochs=1, validation=X, early_stopping=early_stopping)
    save_training(vae, path, early_stopping)
    rewrite(path, change)
    with pytest.raises(CheckpointError, match=re.escape(message)):
        load_training(path)


def test_a_loaded_model_goes_on_training(path):
    vae = VAE(7, (5,), 3)
    fit(vae, X, epochs=2)
    vae.save(path)
    assert fit(VAE.load(path), X, epochs=1)["epoch"] == [3]


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def take_the_checksum_away(path):
    tensors, metadata = read(path)
    save_file(tensors, path, {KEY: json.dumps(metadata)})


def edit_the_settings(path):
    tensors, metadata = read(path)
    save_file(tensors, path, {KEY: json.dumps(metadata | {"step": 5, "sha256": checksum(tensors, metadata)})})


def put_nan_in(path):
    rewrite(path, lambda tensors, _: tensors["decoder.output.b"].__setitem__(2, np.nan))


def keep_bytes(n):
    return lambda path: path.write_bytes(path.read_bytes()[:n])


def write_metadata(text):
    return lambda path: save_file({"x": np.zeros(2)}, path, {KEY: text})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flip_a_byte, "is damaged: the checksum"),
        (take_the_checksum_away, "is damaged: the checksum"),
        (edit_the_settings, "is damaged: the checksum"),
        (put_nan_in, r"decoder.output.b holds values that are not finite"),
        (lambda path: save_file({"weight": np.zeros(3)}, path), "is not a minivae model"),
        *((keep_bytes(n), "damaged, or not a safetensors file") for n in (0, 5, 100, -1)),
        *((write_metadata(text), "damaged") for text in ("[" * 100_000, "[]", "3", "{", '{"sha256": 5}')),
    ],
)
def test_a_damaged_or_foreign_file_is_refused(path, damage, message):
    VAE(7, (5,), 3).save(path)
    damage(path)
    with pytest.raises(CheckpointError, match=message):
        VAE.load(path)


def test_a_missing_file_and_a_folder_are_named_as_such(tmp_path):
    with pytest.raises(CheckpointError, match="there is no such file"):
        VAE.load(tmp_path / "nothing.safetensors")
    with pytest.raises(CheckpointError, match="it is a folder"):
        VAE.load(tmp_path)


def test_a_pickle_is_refused_and_never_opened(path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(path) + ".opened",)

    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError):
        VAE.load(path)
    assert not os.path.exists(str(path) + ".opened")


def test_nan_weights_are_not_written(path):
    vae = VAE(7, (5,), 3)
    vae.parameters["decoder.output.b"][2] = np.nan
    with pytest.raises(CheckpointError, match=r"is not written: decoder\.output\.b"):
        vae.save(path)
    assert not path.exists()


def test_numpy_numbers_in_a_likelihood_are_written_as_numbers(path):
    VAE(7, (5,), 3, likelihood=Gaussian(np.float32(0.5))).save(path)
    assert VAE.load(path).likelihood.variance == 0.5


def test_a_likelihood_that_could_not_be_read_back_is_refused(path):
    class Mine(Gaussian):
        name = "mine"

    with pytest.raises(CheckpointError, match="a likelihood of your own"):
        VAE(7, (5,), 3, likelihood=Mine()).save(path)
    assert not path.exists()


def scaled(tensors, metadata, shift, scale):
    metadata.update(scaling="standard")
    tensors.update({"scaling.shift": shift, "scaling.scale": scale})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, m: t.pop("decoder.hidden.0.W"), "tensors of another model: decoder.hidden.0.W"),
        (lambda t, m: t.update(extra=np.zeros(2)), "tensors of another model: extra"),
        (lambda t, m: t.update({"decoder.hidden.0.W": np.zeros((5, 3), "f")}), "decoder.hidden.0.W is float32"),
        (lambda t, m: t.update({"decoder.output.b": t["decoder.output.b"].astype("d")}), "decoder.output.b is float64"),
        (lambda t, m: m.update(config="{"), "makes no model"),
        (lambda t, m: m.update(config=[]), "makes no model"),
        (lambda t, m: m["config"].update(activation="gelu"), "activation must be one of"),
        (lambda t, m: m["config"].update(input_dim=700000000000), "the file does not hold"),
        (lambda t, m: m["config"].update(likelihood={"name": "weibull"}), "makes no model"),
        (lambda t, m: m.update(step="many"), "makes no model"),
        (lambda t, m: m.update(step=-5), "step must be at least 0, got -5"),
        (lambda t, m: m.update(scaling="standard"), "makes no model"),
        (lambda t, m: m.update(scaling="log"), "makes no model"),
        (lambda t, m: scaled(t, m, np.ones(1), np.ones(1)), "the scaling is for 1 columns, but input_dim is 7"),
        (lambda t, m: scaled(t, m, np.ones(7), np.ones(1)), "shift and scale must have one length"),
        (lambda t, m: scaled(t, m, np.ones(7), np.zeros(7)), "scale greater than 0"),
        (lambda t, m: m.update(format="minivae-model-99"), "written by a newer minivae: its format is minivae-m"),
    ],
)  # fmt: skip
def test_tensors_that_do_not_fit_the_configuration_are_refused(path, change, message):
    VAE(7, (5,), 3).save(path)
    rewrite(path, change)
    with pytest.raises(CheckpointError, match=message):
        VAE.load(path)


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def crash():
        with replacing(path) as beside:
            beside.write_text("half of the n")
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        crash()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def swap(folder, text):
    """Replace one file, and keep what it was."""
    with keeping(folder / "now.txt", folder / "before.txt"):
        write_text(folder / "now.txt", text)
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
def test_the_file_before_is_kept_and_is_another_file(tmp_path, monkeypatch, links):
    if not links:

        def refuse(*arguments):
            raise OSError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
    assert swap(tmp_path, "one") == {"now.txt": "one"}
    assert swap(tmp_path, "two") == {"now.txt": "two", "before.txt": "one"}
    assert swap(tmp_path, "three") == {"now.txt": "three", "before.txt": "two"}
    (tmp_path / "now.txt").write_bytes(b"thr")  # in place
    assert (tmp_path / "before.txt").read_text() == "two"


def test_the_file_before_is_there_also_while_it_is_replaced_and_after_that_has_failed(tmp_path):
    swap(tmp_path, "one")
    swap(tmp_path, "two")

    def fail():
        with keeping(tmp_path / "now.txt", tmp_path / "before.txt"):
            assert (tmp_path / "now.txt").read_text() == "two"
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"now.txt": "two", "before.txt": "one"}
    (tmp_path / "before.txt").unlink()
    os.link(tmp_path / "now.txt", tmp_path / "before.txt")  # renaming one of two links to the other does nothing
    assert swap(tmp_path, "three") == {"now.txt": "three", "before.txt": "two"}


def test_what_a_crash_left_beside_a_file_is_removed_and_nothing_else(tmp_path):
    ours = {"a.txt", ".a.txt", ".a-1.csv", "x.a-1.txt", ".b-1.txt"}
    for name in (*ours, ".a-1x_8zz09.txt", ".a-older-1.txt"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half of a.txt").touch()
    remove_leftovers(tmp_path, ["a.txt"])
    assert {path.name for path in tmp_path.iterdir()} == ours


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_files_get_the_permissions_of_the_umask_which_is_left_alone(tmp_path, monkeypatch, umask, mode):
    set_umask = os.umask
    before = set_umask(umask)
    try:
        monkeypatch.delattr(os, "umask")  # it is that of all threads: nobody may change it, not even for a moment
        write_text(tmp_path / "ours.txt", "x")
        VAE(7, (5,), 3).save(tmp_path / "model.safetensors")
    finally:
        set_umask(before)
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "ours.txt": mode, "model.safetensors": mode}  # fmt: skip
