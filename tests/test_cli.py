"""The command line from outside: run folders, JSON, exit statuses, and one sentence for bad input."""

import csv
import io
import json
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from minivae import VAE, plotting
from minivae.commands.evaluate import report
from minivae.commands.sample import write_samples
from minivae.datasets import load
from minivae.evaluation import evaluate
from minivae.runs.pictures import PICTURES

RNG = np.random.default_rng(0)
MODEL = ["--hidden", "16", "--latent", "2", "--epochs", "2"]
QUICK = [*MODEL, "--no-pictures"]


def is_png(path):
    return path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def assert_refused(minivae, arguments, words):
    status, out, err = minivae(*arguments)
    assert (status, words in err, len(err.strip().splitlines())) == (2, True, 1), err
    assert err.startswith(f"minivae {arguments[0]}: error: ")
    return out


def test_train_writes_a_whole_run_folder(minivae, tmp_path):
    status, out, err = minivae("train", *MODEL)
    assert status == 0
    assert "auto: every value lies in [0, 1]" in out
    assert out.count("grey values") == 1
    assert "test        loss" in out
    assert "epoch 2/2" in err
    run = tmp_path / "runs" / "digits"
    assert {path.name for path in run.iterdir()} == {
        "model.safetensors", "checkpoint.safetensors", "checkpoint-older.safetensors", "config.json", "history.csv",
        *PICTURES,
    }  # fmt: skip
    assert all(is_png(path) for path in run.glob("*.png"))
    rows = list(csv.DictReader((run / "history.csv").open(encoding="utf-8")))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[1]["loss"]) < float(rows[0]["loss"])
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    assert config["model"]["hidden_dims"] == [16]
    assert config["settings"]["epochs"] == 2


def test_json_is_one_object_and_its_losses_are_those_of_the_saved_model(minivae, tmp_path):
    status, out, _ = minivae("train", *QUICK, "--json", "--out", "run")
    assert status == 0
    summary = json.loads(out)
    assert summary["run"] == "run"
    vae = VAE.load(tmp_path / "run" / "model.safetensors")
    with pytest.warns(UserWarning, match="grey"):
        terms = vae.loss(load("digits").test)
    assert summary["test"] == pytest.approx(terms._asdict(), rel=1e-6)


def test_a_run_repeats_by_its_seed(minivae):
    summaries = []
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        summary = json.loads(minivae("train", *QUICK, "--json", "--out", out, "--seed", seed)[1])
        summaries.append(summary["test"])
    assert summaries[0] == summaries[1] != summaries[2]


def test_runs_get_folders_of_their_own_and_a_named_one_is_not_written_over(minivae, tmp_path):
    for _ in range(3):
        assert minivae("train", *QUICK)[0] == 0
    assert sorted(os.listdir(tmp_path / "runs")) == ["digits", "digits-2", "digits-3"]
    before = (tmp_path / "runs" / "digits" / "model.safetensors").read_bytes()
    status, _, err = minivae("train", *QUICK, "--out", "runs/digits", "--seed", 5)
    assert status == 2
    assert "already holds a run" in err
    assert (tmp_path / "runs" / "digits" / "model.safetensors").read_bytes() == before
    assert minivae("train", *QUICK, "--out", "runs/digits", "--seed", 5, "--overwrite")[0] == 0
    assert (tmp_path / "runs" / "digits" / "model.safetensors").read_bytes() != before


@pytest.mark.parametrize("options", [
    ["--data", "iris", "--hidden", "none"],
    ["--data", "wine", "--likelihood", "gaussian", "--scale", "minmax", "--hidden", "8,4"],
    ["--binarize", "stochastic", "--activation", "tanh", "--optimizer", "sgd", "--lr", "0.01"],
    ["--binarize", "threshold", "--activation", "softplus", "--l1", "1e-4", "--l2", "1e-3"],
    ["--output-bias", "data", "--init", "glorot", "--activation", "sigmoid", "--dtype", "float64", "--beta", "2"],
])  # fmt: skip
def test_every_option_trains_to_a_finite_loss(minivae, options):
    status, out, err = minivae("train", *QUICK, *options, "--json", "--out", "run")
    assert status == 0, err
    assert np.isfinite(json.loads(out)["test"]["loss"])


def test_overwriting_never_leaves_old_weights_beside_a_new_configuration(minivae, tmp_path, monkeypatch):
    minivae("train", *QUICK, "--out", "run")
    monkeypatch.setattr("minivae.runs.plan.fit_prepared", lambda *args, **kwargs: sys.exit(9))  # a sudden end
    assert minivae("train", *QUICK, "--latent", 3, "--out", "run", "--overwrite")[0] == 9
    assert sorted(os.listdir(tmp_path / "run")) == ["config.json", "history.csv"]


def test_tables_are_standardised_unless_told_otherwise_and_samples_come_back_in_their_units(minivae, tmp_path):
    status, out, _ = minivae(
        "train", "--data", "wine", "--hidden", "none", "--latent", 2, "--epochs", 200, "--lr", 0.02, "--no-pictures"
    )
    assert status == 0
    assert "likelihood  gaussian (auto:" in out
    assert "scaling     standard" in out
    assert minivae("sample", "runs/wine/model.safetensors", "-n", 500, "--draw", "--out", "same.npy")[0] == 0
    assert minivae("sample", "runs/wine", "-n", 500, "--draw", "--out", "new.npy")[0] == 0
    np.testing.assert_array_equal(np.load(tmp_path / "new.npy"), np.load(tmp_path / "same.npy"))
    samples, data = np.load(tmp_path / "new.npy"), load("wine").train
    assert np.all(np.abs(samples.mean(axis=0) - data.mean(axis=0)) < 0.5 * data.std(axis=0))
    assert "scaling" not in minivae("train", "--data", "wine", *QUICK, "--scale", "none")[1]


def test_own_data_train_and_images_are_drawn_as_images(minivae, tmp_path):
    np.save(tmp_path / "tiles.npy", RNG.random((60, 4, 5)))
    np.save(tmp_path / "onehot.npy", np.eye(6)[RNG.integers(6, size=80)])
    assert minivae("train", "--data", "tiles.npy", *MODEL)[0] == 0
    assert is_png(tmp_path / "runs" / "tiles" / "samples.png")
    assert minivae("train", "--data", "onehot.npy", "--likelihood", "categorical", *QUICK)[0] == 0


def test_auto_looks_at_every_value_also_at_those_held_out(minivae, tmp_path):
    x = RNG.random((100, 3))
    np.save(tmp_path / "plain.npy", x)
    test_row = np.flatnonzero((x == load(tmp_path / "plain.npy").test[0]).all(axis=1))[0]
    x[test_row, 0] = 1.5
    np.save(tmp_path / "outlier.npy", x)
    status, out, err = minivae("train", "--data", "outlier.npy", *QUICK)
    assert status == 0, err
    assert "gaussian (auto:" in out


def test_pixels_from_0_to_255_are_pointed_out_and_can_be_scaled(minivae, tmp_path):
    x = RNG.integers(256, size=(60, 4, 5)).astype(np.uint8)
    x[0] = 255
    np.save(tmp_path / "pixels.npy", x)
    status, out, _ = minivae("train", "--data", "pixels.npy", *QUICK)
    assert status == 0
    assert "look like pixels: --scale pixels divides them by 255" in out
    status, out, _ = minivae("train", "--data", "pixels.npy", "--scale", "pixels", *MODEL, "--out", "run")
    assert (status, "bernoulli (auto:" in out) == (0, True)
    vae = VAE.load("run/model.safetensors")
    assert vae.scaling.scale[0] == 255
    assert 200 > vae.reconstruct(x.reshape(60, 20)).max() > 100  # in the units of the file
    config = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))
    assert config["data"]["value_range"][1] == 255


def test_data_in_other_units_are_refused_or_pointed_out(minivae):
    minivae("train", *QUICK, "--out", "images")
    np.save("bright.npy", 255 * load("digits").test)
    words = "expects values in [0, 1], but the data reach"
    assert_refused(minivae, ["encode", "images", "--data", "bright.npy"], words)
    minivae("train", "--data", "iris", *QUICK, "--out", "run")
    np.save("mm.npy", 10 * load("iris").test)
    for command in (["encode", "run"], ["evaluate", "run", "--samples", 2]):
        assert "note: values reach from" in minivae(*command, "--data", "mm.npy")[2]
        assert "note: values reach from" not in minivae(*command)[2]


def rows_held_out(n):
    np.save("rows.npy", np.arange(n)[:, None])
    return load("rows.npy").test[:, 0].astype(int)


SAME = "the same value in all training rows: leave"


@pytest.mark.parametrize(
    ("header", "constant", "options", "said", "answer"),
    [
        ("a,b,c,d,e", [1], [], f"column b has {SAME} it out with --drop b", "b"),
        ("", [0, 2], [], f"2 columns (0, 2) have {SAME} them out with --drop 0,2", "0,2"),
        ("a,b,c d,d,e", [0, 2], [], f"2 columns (a, 'c d') have {SAME} them out with --drop a,'c d'", "a,'c d'"),
        ("a,b,c,d,e", [0, 1, 2, 3], [], f"4 columns (a, b, c, ...) have {SAME} them out with --drop", "a,b,c,d"),
        ("", [3], ["--drop", "1"], f"column 3 has {SAME} it out with --drop 3", "3"),  # counted in the file, always
        ("", [3], ["--drop", "0,2"], f"column 3 has {SAME} it out with --drop 3", "3"),
        ("a,b,c,d,e", [], [], None, None),
    ],
)
def test_columns_that_say_nothing_are_pointed_out_in_the_log_and_in_json(
    minivae, header, constant, options, said, answer
):
    x = np.random.default_rng(0).normal(size=(40, 5))
    x[:, constant] = 0.1
    x[rows_held_out(40), :] += 1  # what varies in the test set only is not known to the model
    np.save("x.npy", x)
    np.savetxt("x.csv", x, delimiter=",", header=header, comments="")
    note = {"name": "constant", "sentence": said, "option": f"--drop {answer}"}
    for file in ["x.csv"] if header else ["x.csv", "x.npy"]:
        status, out, err = minivae("train", "--data", file, *options, *QUICK, "--json")
        assert status == 0, err
        assert [line for line in err.splitlines() if "same value" in line] == [f"note        {said}"] * bool(said)
        assert [found for found in json.loads(out)["notes"] if found["name"] != "collapse"] == [note] * bool(said)


def test_every_note_is_said_once_with_its_name_and_option(minivae):
    x = np.random.default_rng(0).normal(size=(60, 4)).repeat([2] + [1] * 39 + [0] * 20, axis=0)  # one row twice
    rows = [f"{k},{','.join(map(str, row))},7,{k % 2}" for k, row in enumerate(x[:40].tolist(), 1)]
    Path("x.csv").write_text("\n".join(["# by me", "Id,a,b,c,d,e,kind", *rows]))
    arguments = ["--labels", "kind", *QUICK, "--beta", 1000, "--epochs", 150, "--lr", 0.02, "--json"]
    status, out, err = minivae("train", "--data", "x.csv", *arguments)
    assert status == 0, err
    notes = json.loads(out)["notes"]
    assert [line.partition("note        ")[2] for line in err.splitlines() if line.startswith("note")] == [
        note["sentence"] for note in notes
    ]
    assert {note["name"]: note["option"] for note in notes if note["name"] != "PoorFitWarning"} == {
        "reading": "", "counter": "--drop Id", "constant": "--drop e", "collapse": "--beta"
    }  # fmt: skip
    notes = json.loads(minivae("train", "--data", "wine", *QUICK, "--json")[1])["notes"]
    assert {note["name"] for note in notes} <= {"collapse"}  # after so few updates


def test_pixels_and_probabilities_may_be_constant(minivae):
    images = np.random.default_rng(0).normal(size=(40, 2, 3))
    images[:, 0] = 0
    np.save("images.npy", images)
    np.save("bits.npy", np.eye(40)[:, :6] * [0, 1, 1, 1, 1, 1])
    for name in ("images.npy", "bits.npy"):
        assert "same value" not in minivae("train", "--data", name, *QUICK)[1]


def test_train_says_how_many_classes_the_labels_have(minivae, flowers):
    out = minivae("train", "--data", "flowers.csv", "--labels", "species", *QUICK)[1]
    assert ", 4 columns, labels of 3 classes" in out


def test_a_model_that_ignores_its_latents_and_weights_that_are_few_are_pointed_out(minivae):
    minivae("train", "--data", "iris", *QUICK, "--beta", 1000, "--epochs", 150, "--lr", 0.02, "--out", "a")
    assert "posterior collapse" in minivae("evaluate", "a", "--samples", 4)[1]
    minivae("train", "--binarize", "threshold", "--epochs", 30, "--no-pictures", "--out", "b")
    assert "an effective sample size below 10" in minivae("evaluate", "b", "--samples", 12)[1]
    assert "posterior collapse" not in minivae("evaluate", "b", "--samples", 12)[1]


def test_sample_writes_pictures_arrays_and_json(minivae, tmp_path):
    minivae("train", *QUICK, "--out", "run")
    assert minivae("sample", "run")[0] == 0
    assert is_png(tmp_path / "run" / "new-samples.png")
    _, out, _ = minivae("sample", "run", "-n", 5, "--seed", 3, "--draw", "--out", "x.npy", "--json")
    assert json.loads(out) == {"out": "x.npy", "shape": [5, 64], "seed": 3, "draw": True}
    drawn = VAE.load("run/model.safetensors").sample(5, seed=3, draw=True)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), drawn)
    assert minivae("sample", "run/model.safetensors", "--out", "y.npy")[0] == 0
    assert np.load(tmp_path / "y.npy").shape == (48, 64)


def test_a_picture_of_samples_spans_the_range_of_the_data(monkeypatch):
    shown = []
    monkeypatch.setattr(plotting, "save", lambda figure, path: shown.append(figure.axes[0].images[0].get_clim()))
    write_samples(np.ones((2, 16)), Path("x.png"), (4, 4), (-3, 255))
    assert shown == [(-3, 255)]


def test_info_names_versions_blas_and_backends(minivae):
    values = json.loads(minivae("info", "--json")[1])
    assert values["backends"]["numpy"] == "available"
    assert values["packages"]["numpy"] == np.__version__
    status, out, _ = minivae("info")
    assert status == 0
    assert "backends    numpy: available" in out


def test_help_of_every_command_is_ascii(minivae):
    for command in ([], ["train"], ["evaluate"], ["sample"], ["encode"], ["gradcheck"], ["info"]):
        status, out, _ = minivae(*command, "--help")
        assert status == 0
        assert out.isascii()
    assert minivae()[0] == 0
    assert minivae("--version")[1].startswith("minivae 0.")


GOOD = RNG.random((20, 5))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: np.save(path, np.where(np.eye(20, 5), np.nan, GOOD)), "NaN"),
        (lambda path: np.save(path, GOOD * 1e300), "beyond the range"),
        (lambda path: path.write_bytes(pickle.dumps([1, 2])), "bad.npy"),
        (lambda path: path.mkdir(), "folder"),
        (lambda path: None, "bad.npy"),
    ],
    ids=["nan", "float32", "pickle", "folder", "missing"],
)
def test_bad_data_end_with_status_2_one_sentence_and_no_run(minivae, tmp_path, make, words):
    make(tmp_path / "bad.npy")
    assert_refused(minivae, ["train", "--data", "bad.npy", *QUICK], words)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--epochs", "-1"], "epochs must be at least"),
        (["--epochs", "0"], "epochs must be at least 1"),
        (["--epochs", "many"], "invalid int value"),
        (["--latent", "0"], "latent_dim must be at least 1, got 0"),
        (["--batch-size", "0"], "batch_size must be at least 1, got 0"),
        (["--lr", "nan"], "learning_rate must be finite and greater than 0, got nan"),
        (["--lr", "-1"], "learning_rate"),
        (["--beta", "inf"], "beta must be finite"),
        (["--l2", "-1"], "l2 must be finite and at least 0"),
        (["--seed", "-1"], "seed must be at least 0"),
        (["--latent", "100000000000000000000"], "latent_dim must be at most"),
        (["--epochs", "100000000000000000000"], "epochs must be at most"),
        (["--hidden", "2000000000"], "not enough memory"),
        (["--hidden", "16,x"], "expected whole numbers such as 400,200"),
        (["--hidden", "16,0"], "each of hidden_dims must be at least 1"),
        (["--backend", "tpu"], "unknown backend 'tpu'"),
        (["--likelihood", "poisson"], "invalid choice: 'poisson'"),
        (["--likelihood", "bernoulli", "--data", "iris"], "use likelihood='gaussian' (--likelihood gaussian)"),
        (["--likelihood", "categorical"], "expects one 1"),
        (["--likelihood", "gaussian", "--binarize", "threshold"], "needs likelihood='bernoulli'"),
        (["--patience", "0"], "patience must be at least 1"),
        (["--schedule", "steps"], "milestones must be growing numbers of epochs such as (60, 80)"),
        (["--schedule", "steps", "--milestones", "5,3"], "milestones must be growing"),
        (["--schedule", "steps", "--milestones", "5", "--factor", "0"], "factor must be finite"),
        (["--milestones", "5"], "--milestones and --factor belong to --schedule steps"),
        (["--labels", "3"], "'digits' comes with its labels"),
        (["--data", "cifar"], "digits, iris, wine, mnist"),
        (["--out", "a-file/run"], "a-file"),
        (["--out", ""], "--out: expected a folder such as runs/mine, got ''"),
        (["--out", " ", "--resume"], "--out: expected a folder such as runs/mine, got ' '"),
    ],
)  # fmt: skip
def test_bad_settings_end_with_status_2_one_sentence_and_no_run(minivae, tmp_path, options, words):
    (tmp_path / "a-file").write_text("not a folder")
    assert_refused(minivae, ["train", "--hidden", "8", "--epochs", "1", *options], words)
    assert os.listdir(tmp_path) == ["a-file"]


def test_commands_that_read_a_run_refuse_bad_input_in_one_sentence(minivae, tmp_path):
    minivae("train", *QUICK, "--out", "run")
    VAE(64, (5,), 2).save("lone.safetensors")
    (tmp_path / "empty").mkdir()
    for arguments, words in (
        (["sample", "nothing"], "there is no run nothing"),
        (["sample", "empty"], "no such file"),
        (["sample", "empty", "-n", "0"], "no such file"),
        (["sample", "run", "-n", "0"], "n must be at least 1"),
        (["sample", "run", "--out", "x.jpg"], "must end in .png or .npy"),
        (["sample", "run", "--out", ""], "must end in .png or .npy, got ''"),
        (["sample", "run", "--out", "no/such/folder/x.npy"], "no/such/folder"),
        (["evaluate", "nothing"], "there is no run nothing"),
        (["evaluate", "run", "--samples", "0"], "n_samples must be at least 1"),
        (["evaluate", "run", "--data", "wine"], "'wine' has 13 columns, but run was trained on 64"),
        (["evaluate", "run", "--data", "none.csv"], "none.csv"),
        (["evaluate", "run", "--binarize", "no"], "invalid choice: 'no'"),
        (["evaluate", "lone.safetensors"], "name the examples with --data"),
        (["train", "--resume", "--overwrite", "--out", "run"], "give only one of them"),
        (["encode", "run", "--out", "z.csv"], "must end in .npy or .npz"),
        (["encode", "run", "--out", ""], "must end in .npy or .npz, got ''"),
        (["encode", "run", "--data", "digits", "--labels", "3"], "digits"),
        (["encode", "run", "--out", "no/folder/z.npy"], "no/folder"),
    ):
        assert_refused(minivae, arguments, words)
    (tmp_path / "run" / "config.json").write_text("{", encoding="utf-8")
    assert_refused(minivae, ["sample", "run"], "cannot read")


def test_a_diverging_run_ends_with_status_1_and_advice(minivae):
    status, _, err = minivae("train", "--optimizer", "sgd", "--lr", "1e30", "--hidden", "8")
    assert status == 1
    assert "try a smaller learning rate" in err
    assert err.endswith(" (--lr, --scale, --dtype)\n")
    assert "Traceback" not in err
    assert np.isfinite(VAE.load("runs/digits/model.safetensors").store.vector).all()  # the last good one


# -- evaluate and encode -----------------------------------------------------------------------------------


@pytest.fixture
def flowers(tmp_path):
    """Iris as a CSV file with a header and a text label."""
    iris = load("iris")
    rows = np.vstack([iris.train, iris.test])
    labels = np.concatenate([iris.train_labels, iris.test_labels])
    lines = [
        ",".join([*map(repr, row), iris.label_names[label]]) for row, label in zip(rows.tolist(), labels, strict=True)
    ]
    (tmp_path / "flowers.csv").write_text("\n".join([",".join([*iris.columns, "species"]), *lines]) + "\n")
    return rows, labels


def test_a_csv_file_goes_all_the_way(minivae, tmp_path, flowers):
    rows, labels = flowers
    status, out, err = minivae("train", "--data", "flowers.csv", "--labels", "species", *MODEL, "--out", "run")
    assert status == 0, err
    assert "data        flowers: 135 training and 15 test examples, 4 columns" in out
    vae = VAE.load("run/model.safetensors")
    assert vae.scaling.kind == "standard"
    assert minivae("encode", "run", "--data", "flowers.csv", "--labels", "species", "--out", "z.npy")[0] == 0
    np.testing.assert_array_equal(np.load("z.npy"), vae.encode(rows)[0])
    assert minivae("encode", "run", "--out", "all.npz")[0] == 0
    with np.load("all.npz") as arrays:
        np.testing.assert_array_equal(arrays["mu"], np.load("z.npy"))
        np.testing.assert_array_equal(arrays["logvar"], vae.encode(rows)[1])
        np.testing.assert_array_equal(arrays["labels"], np.unique(labels, return_inverse=True)[1])


def test_a_class_keeps_its_number_in_other_files(minivae, tmp_path, flowers):
    header, *lines = (tmp_path / "flowers.csv").read_text().splitlines()
    named = "(0 setosa, 1 versicolor, 2 virginica"
    out = minivae("train", "--data", "flowers.csv", "--labels", "species", *QUICK, "--out", "run")[1]
    assert f"labels of 3 classes {named})" in out
    ends = {"setosa": 0, "versicolor": 1, "virginica": 2, "unknown": 3}
    for species, number in ends.items():
        rows = [line for line in lines if line.endswith(species)] or [lines[0].replace("setosa", species)]
        (tmp_path / "one.csv").write_text("\n".join([header, *rows]) + "\n")
        out = minivae("encode", "run", "--data", "one.csv", "--labels", "species", "--out", "z.npz")[1]
        assert f"z.npz, and labels {named}" in out
        with np.load("z.npz") as arrays:
            assert set(arrays["labels"]) == {number}
            assert arrays["label_names"][number] == species
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    del config["data"]["label_names"]  # a run of an older version
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    assert minivae("evaluate", "run", "--samples", 2)[0] == 0
    assert minivae("encode", "run", "--data", "one.csv", "--labels", "species")[0] == 0


def test_a_class_that_is_called_by_a_number_among_texts_keeps_its_number_too(minivae):
    def write(name, labels):
        Path(name).write_text("a,b,grade\n" + "".join(f"{RNG.random()},{RNG.random()},{label}\n" for label in labels))

    write("all.csv", ["1", "2", "unknown"] * 10)
    write("some.csv", ["2", "1", "3"])
    write("texts.csv", ["x", "2"])
    assert (
        "(0 1, 1 2, 2 unknown)" in minivae("train", "--data", "all.csv", "--labels", "grade", *QUICK, "--out", "run")[1]
    )
    for name, numbers in {"some.csv": [1, 0, 3], "texts.csv": [3, 1]}.items():
        minivae("encode", "run", "--data", name, "--labels", "grade", "--out", "z.npz")
        with np.load("z.npz") as arrays:
            assert arrays["labels"].tolist() == numbers
    minivae("train", *QUICK, "--out", "digits")
    np.savez("eights.npz", x=np.zeros((2, 64)), y=[8, 12])
    assert "labels" not in minivae("encode", "digits", "--data", "eights.npz", "--out", "z.npz")[1]
    with np.load("z.npz") as arrays:
        assert arrays["labels"].tolist() == [8, 12]


def test_the_index_of_pandas_is_pointed_out_when_it_is_trained_on_and_never_again(minivae, tmp_path):
    rows = "".join(f"{i},{x},{1 - x}\n" for i, x in enumerate(RNG.random(20)))
    (tmp_path / "frame.csv").write_text(",a,b\n" + rows)
    words = "note        'frame.csv': the first column looks like a pandas index"
    status, out, err = minivae("train", "--data", "frame.csv", *QUICK, "--out", "run")
    assert (status, out.count(words), words in err) == (0, 1, False), err
    status, _, err = minivae("train", "--data", "frame.csv", *QUICK, "--json", "--out", "other")
    assert (status, err.count(words)) == (0, 1), err
    for command in (["evaluate", "run", "--samples", 2], ["encode", "run"]):
        status, out, err = minivae(*command)
        assert (status, "pandas" in out + err) == (0, False)
    (tmp_path / "frame.csv").write_text("n,a,b\n" + rows)
    assert "pandas" not in minivae("train", "--data", "frame.csv", *QUICK)[1]


def test_bad_cells_end_with_status_2_and_are_named(minivae, tmp_path, flowers):
    text = (tmp_path / "flowers.csv").read_text()
    second = text.splitlines()[2]
    for name, change, words in (
        ("text.csv", second.replace(".", "x", 1), "row 3, column 1"),
        ("ragged.csv", second + ",1", "row 3 has 6 cells, but the first has 5"),
    ):
        (tmp_path / name).write_text(text.replace(second, change))
        assert_refused(minivae, ["train", "--data", name, "--labels", "species", *QUICK], words)


def evaluation(minivae, *arguments):
    status, out, err = minivae("evaluate", *arguments, "--json")
    assert status == 0, err
    return json.loads(out)


def test_evaluate_is_the_models_own_estimate_on_the_test_set_and_repeats(minivae):
    minivae("train", *QUICK, "--binarize", "threshold", "--out", "run")
    result = evaluation(minivae, "run", "--samples", 20)
    assert result == evaluation(minivae, "run", "--samples", 20)
    vae, x = VAE.load("run/model.safetensors"), load("digits").test >= 0.5
    assert result["log_likelihood"] == pytest.approx(vae.log_likelihood(x, n_samples=20).mean(), rel=1e-12)
    assert result["elbo"] == pytest.approx(-(result["recon_nll"] + result["kl"]))
    assert result["elbo"] < result["log_likelihood"]
    expected = {"data": "digits", "part": "test", "examples": 360, "samples": 20, "seed": 0, "binarize": "threshold"}
    assert expected.items() <= result["protocol"].items()
    assert evaluation(minivae, "run", "--samples", 20, "--seed", 1)["elbo"] != result["elbo"]


def test_grey_and_binary_never_mix(minivae):
    minivae("train", *QUICK, "--out", "run")
    grey, binary = (
        evaluation(minivae, "run", "--samples", 5, *options) for options in ([], ["--binarize", "stochastic"])
    )
    assert (grey["protocol"]["values"], grey["protocol"]["is_log_likelihood"]) == ("grey", False)
    assert (binary["protocol"]["values"], binary["protocol"]["is_log_likelihood"]) == ("binary", True)
    out = minivae("evaluate", "run", "--samples", 5)[1]
    assert "log p(x)" not in out.replace("not log p(x)", "")
    assert "not to be compared with binary data" in out
    assert "log p(x)" in minivae("evaluate", "run", "--samples", 5, "--binarize", "threshold")[1]


def test_evaluate_looks_at_all_rows_of_another_file_and_at_the_test_rows_of_the_runs_own(minivae, tmp_path, flowers):
    rows, _ = flowers
    minivae("train", "--data", "flowers.csv", "--labels", "species", *QUICK, "--out", "run")
    np.save("other.npy", rows[:7])
    own = evaluation(minivae, "run", "--samples", 3)
    assert own == evaluation(minivae, "run", "--samples", 3, "--data", "flowers.csv", "--labels", "species")
    assert (own["protocol"]["part"], own["protocol"]["examples"]) == ("test", 15)
    other = evaluation(minivae, "run/model.safetensors", "--samples", 3, "--data", "other.npy")
    assert (other["protocol"]["part"], other["protocol"]["examples"]) == ("all", 7)
    assert other["log_likelihood"] == pytest.approx(
        VAE.load("run/model.safetensors").log_likelihood(rows[:7], 3).mean()
    )


def test_what_has_no_number_is_reported_as_unknown(minivae, flowers):
    rows, _ = flowers
    minivae("train", "--data", "flowers.csv", "--labels", "species", *QUICK, "--out", "run")
    np.save("one.npy", rows[:1])
    np.save("far.npy", np.where(np.eye(150, 4), 1e25, rows))
    assert evaluation(minivae, "run", "--samples", 1)["log_likelihood_standard_error"] is None
    for arguments, words in (
        (["--samples", 1], "standard error unknown, bias about unknown"),
        (["--samples", 4, "--data", "one.npy"], "with other examples: standard error unknown"),
        (["--samples", 4, "--data", "far.npy"], "ELBO        unknown nats per example"),
    ):
        status, out, err = minivae("evaluate", "run", *arguments)
        assert (status, words in out) == (0, True), (out, err)


def test_columns_in_another_order_are_refused(minivae, tmp_path, flowers):
    text = (tmp_path / "flowers.csv").read_text().splitlines()
    minivae("train", "--data", "flowers.csv", "--labels", "species", *QUICK, "--out", "run")
    turned = [",".join(reversed(line.split(","))) for line in text]
    (tmp_path / "turned.csv").write_text("\n".join(turned) + "\n")
    for command in ("evaluate", "encode"):
        status, _, err = minivae(command, "run", "--data", "turned.csv", "--labels", "species")
        assert status == 2
        assert "column 0 (counted from 0) of turned.csv is 'petal width (cm)', but the model was trained on " in err
        assert "'sepal length (cm)'" in err


def test_data_of_another_width_are_refused_with_their_name_and_what_to_do(minivae, flowers):
    rows, labels = flowers
    minivae("train", "--data", "flowers.csv", "--labels", "species", *QUICK, "--out", "run")
    np.savetxt("labelled.csv", np.column_stack([rows, labels]), delimiter=",")
    np.savetxt("plain.csv", rows, delimiter=",")
    np.save("wide.npy", np.column_stack([rows, labels]))
    trained = "columns, but run was trained on 4: "
    for options, words in (
        (["labelled.csv"], f"'labelled.csv' has 5 {trained}if one of them holds labels, name it with --labels"),
        (["plain.csv", "--labels", "3"], f"'plain.csv' has 3 {trained}if '3' is one that the model knows, leave out"),
        (["wide.npy"], f"'wide.npy' has 5 {trained}it must have the same ones, in the same order"),
        (["digits"], f"'digits' has 64 {trained}it must have the same ones"),
    ):
        for command in ("evaluate", "encode"):
            assert assert_refused(minivae, [command, "run", "--data", *options], words) == ""
    assert minivae("encode", "run", "--data", "labelled.csv", "--labels", "4")[0] == 0


def test_encode_and_pictures_see_pixels_as_training_did(minivae, monkeypatch):
    shown = []
    monkeypatch.setattr("minivae.runs.pictures.draw", lambda folder, vae, data, *rest: shown.append(data))
    minivae("train", *MODEL, "--binarize", "threshold", "--out", "run")
    grey = load("digits")
    np.testing.assert_array_equal(shown[0].test, grey.test >= 0.5)
    np.save("table.npy", grey.train)
    minivae("train", "--data", "table.npy", *MODEL, "--binarize", "threshold", "--out", "table")
    for mine, theirs in ((shown[1].test, load("table.npy").test), (shown[1].train, load("table.npy").train)):
        np.testing.assert_array_equal(mine, theirs >= 0.5)
    vae = VAE.load("run/model.safetensors")
    assert json.loads(minivae("encode", "run", "--json", "--out", "z.npy")[1])["binarize"] == "threshold"
    np.testing.assert_array_equal(np.load("z.npy"), vae.encode(grey.test >= 0.5)[0])
    minivae("encode", "run", "--binarize", "none", "--out", "z.npy")
    np.testing.assert_array_equal(np.load("z.npy"), vae.encode(grey.test)[0])


def test_new_files_of_a_weights_file_alone_go_beside_it(minivae, tmp_path):
    (tmp_path / "folder").mkdir()
    VAE(64, (5,), 2).save("folder/lone.safetensors")
    assert minivae("sample", "folder/lone.safetensors", "-n", 2)[0] == 0
    assert (tmp_path / "folder" / "new-samples.npy").exists()


def test_training_goes_on_when_nobody_reads_its_progress(minivae, monkeypatch):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Closed())
    assert minivae("train", *QUICK, "--out", "run")[0] == 0
    assert VAE.load("run/model.safetensors").epoch == 2


def test_evaluate_notices_that_the_data_have_changed(minivae):
    np.save("x.npy", RNG.random((40, 5)))
    minivae("train", "--data", "x.npy", *QUICK, "--out", "run")
    np.save("x.npy", RNG.random((40, 5)))
    assert "the values have changed" in minivae("evaluate", "run", "--samples", 2)[2]


def test_a_copy_of_the_training_data_does_not_pass_for_new_examples(minivae):
    rows = np.hstack([np.random.default_rng(0).random((50, 5)), np.arange(50)[:, None] % 2])
    np.savetxt("x.csv", rows, delimiter=",")
    minivae("train", *QUICK, "--data", "x.csv", "--labels", 5, "--out", "run")
    own = json.loads(minivae("evaluate", "run", "--samples", 5, "--json")[1])
    assert own["protocol"].pop("data") == "x"
    assert own.pop("scale")["constant"] is not None
    moved = Path("x.csv").rename("y.csv")
    assert_refused(minivae, ["evaluate", "run"], "x.csv, which is gone: if it has moved, name it with --data")
    for labels in ([], ["--labels", 5]):
        copy = json.loads(minivae("evaluate", "run", "--data", moved, *labels, "--samples", 5, "--json")[1])
        assert copy["protocol"].pop("data") == "y"
        assert copy.pop("scale")["constant"] is None  # the training rows are where they were
        assert copy == own
    rows[7, 2] += 1e-9
    np.savetxt("z.csv", rows, delimiter=",")
    assert "50 examples (all)" in minivae("evaluate", "run", "--data", "z.csv", "--labels", 5, "--samples", 5)[1]


def test_a_part_of_the_training_data_does_not_pass_for_new_examples(minivae, flowers):
    rows, _ = flowers
    minivae("train", "--data", "flowers.csv", "--labels", "species", *QUICK, "--out", "run")
    train = load("flowers.csv", "species").train
    files = {"old": train[:20], "single": train[:20].astype("float32"), "mixed": rows[::-1], "new": train + 1e-3}
    found = {}
    for name, x in files.items():
        np.save(f"{name}.npy", x)
        command = ["evaluate", "run", "--data", f"{name}.npy", "--samples", 2]
        found[name] = json.loads(minivae(*command, "--json")[1])["protocol"]["rows_trained_on"]
        words = f"note        {found[name]} of these {len(x)} rows are equal to rows of the run's training set"
        assert (words in minivae(*command)[1]) == (name != "new")
    assert (found["old"], found["single"], found["new"]) == (20, 20, 0)
    assert len(train) <= found["mixed"] < len(rows)
    assert evaluation(minivae, "run", "--samples", 2)["protocol"]["rows_trained_on"] is None
    Path("flowers.csv").unlink()
    assert json.loads(minivae(*command, "--json")[1])["protocol"]["rows_trained_on"] is None


def test_one_example_is_no_sign_of_collapse(minivae):
    np.save("one.npy", np.eye(8).reshape(1, 64))
    minivae("train", "--hidden", 8, "--latent", 2, "--epochs", 1, "--no-pictures", "--out", "run")
    status, out, err = minivae("evaluate", "run", "--data", "one.npy", "--samples", 5)
    assert (status, "collapse" in out) == (0, False), err
    assert "latent      unknown of 2 dimensions active" in out
    result = json.loads(minivae("evaluate", "run", "--data", "one.npy", "--samples", 5, "--json")[1])
    assert (result["active_units"], result["active_dimensions"], len(result["latent_variance"])) == (None, None, 2)


@pytest.mark.parametrize(
    ("median", "below", "note"),
    [
        (500.0, 3, "note        3 of 56 examples have an effective sample size below 10: their errors are too small"),
        (9.0, 40, "note        an effective sample size below 10 makes both errors too small: take more --samples"),
        (500.0, 0, None),
    ],
)
def test_examples_with_few_effective_samples_are_counted_also_where_the_median_is_fine(median, below, note):
    result = evaluate(VAE(4, (), 2), np.eye(4), 20)
    result["protocol"] |= {"data": "eye", "part": "all", "examples": 56}
    result["effective_sample_size"] |= {"min": 1.0 if below else 10.0, "median": median, "below_10": below}
    notes = [line for line in report(result) if "effective sample size below" in line]
    assert [line.startswith(note) for line in notes] == ([True] if note else [])


@pytest.mark.parametrize(("objective", "how"), [("elbo", ""), ("dreg", "--objective elbo and ")])
def test_what_is_advised_against_a_collapse_the_objective_can_take(objective, how):
    result = evaluate(VAE(4, (), 2), np.eye(4), 20) | {"active_units": 0}
    result["protocol"] |= {"data": "eye", "part": "all"}
    assert f"train it with {how}a smaller --beta or more --epochs" in "\n".join(report(result, objective))


def test_examples_that_the_encoder_misplaces_are_counted():
    result = evaluate(VAE(4, (), 2), np.eye(4), 20)
    result["protocol"] |= {"data": "eye", "part": "all"}
    result |= {"rows_from_mixture": 0, "rows_not_trusted": 0}
    assert not any("mixture" in line or "trusted" in line for line in report(result))
    lines = report(result | {"rows_from_mixture": 3, "rows_not_trusted": 1})
    assert "note        for 3 of 4 examples the encoder looks in the wrong place" in "\n".join(lines)
    assert "note        log p(x) of 1 of 4 examples is not to be trusted: take more --samples" in lines
