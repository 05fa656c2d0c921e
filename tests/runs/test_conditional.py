"""Conditional runs: trained with classes, asked for one by name, and refused in one sentence where there are none."""

import json

import numpy as np
import pytest
from processes import same

from minivae import VAE, EarlyStopping, Scaling, evaluation, fit
from minivae.datasets import load
from minivae.datasets.split import held_out
from minivae.report.evidence import Evidence
from minivae.runs import pictures
from minivae.runs.folder import RunFolder, open_run

SMALL = ["--hidden", 8, "--latent", 2, "--epochs", 3, "--conditional"]
QUIET = [*SMALL, "--no-pictures"]


@pytest.fixture
def flowers(minivae):
    """The measurements of iris with species by name in a file, in an order by chance."""
    rows = np.vstack([load("iris").train, load("iris").test])
    species = np.array(["setosa", "$versi_color", "virginica"])[
        np.r_[load("iris").train_labels, load("iris").test_labels]
    ]
    lines = ["a,b,c,d,species", *(",".join([*map(str, row), name]) for row, name in zip(rows, species, strict=True))]
    with open("flowers.csv", "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return rows, species


def one_hot(names, classes):
    return (np.asarray(names)[:, None] == np.asarray(classes)).astype(float)


def test_each_command_takes_the_class_of_each_row_from_the_labels(minivae, flowers):
    rows, species = flowers
    status, _, err = minivae("train", "--data", "flowers.csv", "--labels", "species", *QUIET, "--out", "run")
    assert status == 0, err
    run, data = open_run("run"), load("flowers.csv", "species")
    vae, classes = run.vae, ("$versi_color", "setosa", "virginica")
    assert (vae.classes, vae.condition_dim, data.label_names) == (classes, 3, classes)
    c = one_hot(data.test_labels, range(3))

    result = json.loads(minivae("evaluate", "run", "--samples", 20, "--json")[1])
    expected = evaluation.evaluate(vae, data.test, 20, condition=c)
    assert result["log_likelihood"] == expected["log_likelihood"]
    assert result["protocol"]["condition"] == 3
    assert "log p(x|c)  " in minivae("evaluate", "run", "--samples", 20)[1]

    assert minivae("encode", "run", "--out", "z.npy")[0] == 0
    np.testing.assert_allclose(np.load("z.npy"), vae.encode(rows, one_hot(species, classes))[0], rtol=1e-5)

    for command in (["reconstruct"], ["impute"], ["score", "--samples", 9]):  # they read the same column as training
        status, _, err = minivae(*command, "run", "--data", "flowers.csv", "--out", f"{command[0]}.npz")
        assert status == 0, err
    made = vae.reconstruct(rows, one_hot(species, classes))
    np.testing.assert_allclose(np.load("reconstruct.npz")["x"], made, rtol=1e-5)
    np.testing.assert_allclose(np.load("impute.npz")["x"], rows, rtol=1e-12)
    assert np.load("score.npz")["log_px"].shape == (150,)
    minivae("reconstruct", "run", "--data", "flowers.csv", "--labels", "species", "--out", "same.npz")
    np.testing.assert_array_equal(np.load("same.npz")["x"], np.load("reconstruct.npz")["x"])
    status, out, err = minivae("report", "run")
    assert status == 0, err
    assert "nats per example" in out


def test_a_file_of_other_flowers_brings_its_own_classes(minivae, flowers):
    minivae("train", "--data", "flowers.csv", "--labels", "species", *QUIET, "--out", "run")
    with open("new.csv", "w", encoding="utf-8") as file:  # where a class alone has the number 0
        file.write("a,b,c,d,kind\n5,3,1,0.2,virginica\n5.1,3,1,0.3,virginica\n")
    assert minivae("encode", "run", "--data", "new.csv", "--labels", "kind", "--out", "z.npy")[0] == 0
    vae = open_run("run").vae
    expected = vae.encode([[5, 3, 1, 0.2], [5.1, 3, 1, 0.3]], np.tile([0.0, 0, 1], (2, 1)))[0]
    np.testing.assert_allclose(np.load("z.npy"), expected, rtol=1e-5)


def test_samples_of_a_class_by_its_name_and_in_equal_shares(minivae):
    assert minivae("train", *QUIET, "--out", "run")[0] == 0
    vae = VAE.load("run/model.safetensors")
    assert vae.classes == tuple("0123456789")
    minivae("sample", "run", "--class", 7, "-n", 5, "--seed", 3, "--out", "seven.npy")
    np.testing.assert_array_equal(np.load("seven.npy"), vae.sample(5, seed=3, condition=np.eye(10)[7]))
    minivae("sample", "run", "-n", 20, "--out", "all.npy")
    np.testing.assert_array_equal(np.load("all.npy"), vae.sample(20, condition=np.eye(10)[np.repeat(range(10), 2)]))
    minivae("sample", "run/model.safetensors", "--class", 7, "-n", 5, "--seed", 3, "--out", "alone.npy")
    np.testing.assert_array_equal(np.load("alone.npy"), np.load("seven.npy"))


def test_a_table_of_samples_says_the_class_of_each_and_can_be_read_like_the_training_data(minivae, flowers):
    minivae("train", "--data", "flowers.csv", "--labels", "species", *QUIET, "--out", "run")
    assert minivae("sample", "run", "-n", 6, "--out", "drawn.csv")[0] == 0
    drawn = load("drawn.csv", "species")
    every = np.concatenate([drawn.train_labels, drawn.test_labels])
    assert sorted(np.array(drawn.label_names)[every]) == sorted([*open_run("run").vae.classes] * 2)
    with open("drawn.csv", encoding="utf-8") as file:
        lines = file.read().splitlines()
    assert lines[0] == "a,b,c,d,species"
    assert [line.split(",")[-1] for line in lines[1::2]] == ["$versi_color", "setosa", "virginica"]
    assert minivae("reconstruct", "run", "--data", "drawn.csv", "--out", "again.npy")[0] == 0
    minivae("sample", "run", "-n", 2, "--class", "setosa", "--out", "two.npz")
    assert np.load("two.npz")["classes"].tolist() == ["setosa", "setosa"]
    minivae("train", "--data", "flowers.csv", "--labels", 4, *QUIET, "--out", "by number")
    minivae("sample", "by number", "-n", 1, "--out", "one.csv")
    with open("one.csv", encoding="utf-8") as file:
        assert file.readline() == "a,b,c,d,class\n"


def test_what_cannot_be_is_refused_in_one_sentence(minivae, flowers):
    rows, _ = flowers
    np.save("rows.npy", rows)
    minivae("train", "--data", "flowers.csv", "--labels", "species", *QUIET, "--out", "run")
    minivae("train", "--data", "rows.npy", *QUIET[:-2], "--no-pictures", "--out", "plain")
    model = VAE(4, (3,), 2, condition_dim=3)
    model.save("own.safetensors")
    with open("other.csv", "w", encoding="utf-8") as file:
        file.write("a,b,c,d,species\n5,3,1,0.2,tulip\n5.1,3,1,0.3,setosa\n")
    need = "has no labels, which a conditional model needs: name their column with --labels"
    knows = "the model knows no class 'tulip': expected one of $versi_color, setosa, virginica"
    alone = "class 'tulip' is among the held-out rows alone: leave it out, or hold out others with --test"
    for command, words in (
        (["train", "--data", "rows.npy", *QUIET, "--out", "no"], "--conditional needs labels, and 'rows' has none"),
        (["train", "--model", "gan", "--conditional", "--out", "no"], "--conditional belongs to --model vae"),
        (
            ["train", "--data", "flowers.csv", "--test", "other.csv", "--labels", "species", *QUIET, "--out", "no"],
            alone,
        ),
        (["sample", "run", "--class", "tulip"], knows),
        (["sample", "plain", "--class", "setosa"], "--class is for runs that were trained with --conditional"),
        (["sample", "own.safetensors", "--out", "x.npy"], "have no names: set vae.classes"),
        (["evaluate", "run", "--data", "rows.npy"], need),
        (["encode", "run", "--data", "rows.npy"], need),
        (["reconstruct", "run", "--data", "rows.npy", "--out", "x.npy"], need),
        (["evaluate", "run", "--data", "other.csv", "--labels", "species"], knows),
        (["impute", "run", "--data", "other.csv", "--out", "x.npy"], knows),
        (["explore", "run"], "this model is a conditional one: use minivae sample"),
    ):
        status, _, err = minivae(*command)
        assert (status, words in err, err.count("error")) == (2, True, 1), err


def test_a_class_whose_rows_are_all_set_aside_is_refused(minivae):
    """It was in the model, and untrained."""
    x, found = np.random.default_rng(0).normal(size=(60, 2)).round(3), []
    for rare in range(60):
        with open("rare.csv", "w", encoding="utf-8") as file:
            file.write("a,b,kind\n")
            file.writelines(f"{a},{b},{'z' if k == rare else 'xy'[k % 2]}\n" for k, (a, b) in enumerate(x.tolist()))
        status, _, err = minivae("train", "--data", "rare.csv", "--labels", "kind", *QUIET, "--patience", 2)
        data = load("rare.csv", "kind")
        aside = held_out(data.train, len(data.train) // 10, epoch=1)
        (z,) = np.flatnonzero(np.array(data.label_names) == "z")
        where = "held-out rows" if z in data.test_labels else "those that --patience sets aside"
        is_missing = z not in np.delete(data.train_labels, aside)
        assert (status, f"class 'z' is among {'the ' * ('held' in where)}{where} alone: leave" in err) == (
            2 * is_missing,
            is_missing,
        ), err
        found.append(where if is_missing else "")
        if len(set(found)) == 3:
            return
    pytest.fail(f"not all cases came: {set(found)}")


def test_a_resumed_run_is_the_one_that_never_stopped_and_other_labels_are_other_data(minivae, flowers):
    train = ["train", "--data", "flowers.csv", "--labels", "species", *QUIET]
    minivae(*train, "--epochs", 6, "--patience", 5, "--out", "whole")
    minivae(*train, "--epochs", 3, "--patience", 5, "--out", "cut")
    assert not same("whole", "cut")
    status, _, err = minivae("train", "--resume", "--out", "cut", "--epochs", 6)
    assert status == 0, err
    assert same("whole", "cut")
    with open("flowers.csv", encoding="utf-8") as file:
        text = file.read()
    with open("flowers.csv", "w", encoding="utf-8") as file:
        file.write(text.replace("setosa", "virginica", 1))
    for command in (["train", "--resume", "--out", "cut", "--epochs", 7], ["evaluate", "whole"]):
        status, _, err = minivae(*command)
        assert (status, "changed" in err) == (2, True), err


def test_a_report_counts_the_directions_that_the_class_does_not_explain(minivae):
    rng = np.random.default_rng(0)
    label, of_z = np.arange(300) % 2, np.outer(rng.standard_normal(300), [3, 3, 0, 0])
    x = np.outer(8 * label, [0, 0, 1, 1]) + of_z + rng.standard_normal((300, 4))
    np.savetxt("x.csv", np.column_stack([x, label]), delimiter=",", fmt="%.6f")
    train = [
        "train",
        "--data",
        "x.csv",
        "--labels",
        4,
        "--no-pictures",
        "--scale",
        "none",
        "--epochs",
        60,
        "--lr",
        0.02,
    ]
    live = []
    for options in (["--conditional"], []):
        assert minivae(*train, "--hidden", "none", "--latent", 3, *options, "--out", f"run{len(live)}")[0] == 0
        live.append(Evidence(open_run(f"run{len(live)}")).live(1.0))
    assert live == [1, 2]


def test_the_rows_set_aside_keep_their_classes(minivae, flowers):
    options = ["--data", "flowers.csv", "--labels", "species", "--patience", 5]
    assert minivae("train", *options, *QUIET, "--out", "run")[0] == 0
    data = load("flowers.csv", "species")
    aside, c = held_out(data.train, 13, epoch=1), one_hot(data.train_labels, range(3))
    x, c_of_x = (np.delete(part, aside, axis=0) for part in (data.train, c))
    vae = VAE(4, (8,), 2, likelihood="gaussian", scaling=Scaling.of("standard", x), condition_dim=3)
    stop, validation = EarlyStopping(5), (data.train[aside], c[aside])
    history = fit(vae, x, 3, validation=validation, early_stopping=stop, condition=c_of_x, progress=False)
    assert RunFolder("run").read_history() == history


def test_the_pictures_show_a_class_in_each_row(minivae, flowers, tmp_path):
    status, out, err = minivae("train", *SMALL, "--binarize", "stochastic", "--out", "run")
    assert (status, "could not be drawn" in out + err) == (0, False), out
    assert all((tmp_path / "run" / name).exists() for name in pictures.PICTURES)
    run, data = open_run("run"), load("digits")
    c = np.eye(10)[data.test_labels]
    mu, logvar = run.vae.encode(data.test, c)
    scene = pictures.Scene.of(run.vae, data, np.hstack([mu, c]), logvar)
    axes = pictures.samples(scene).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == list("0123456789")
    shown = axes.images[0].get_array()
    first = run.vae.sample(1, condition=np.eye(10)[7]).reshape(8, 8)
    np.testing.assert_allclose(shown[63:71, :8], first, rtol=1e-6)  # products of another shape: other last bits
    third = run.vae.sample(3, condition=np.eye(10)[7])[2].reshape(8, 8)
    np.testing.assert_allclose(shown[63:71, 18:26], third, rtol=1e-6)
    status, out, err = minivae("train", "--data", "flowers.csv", "--labels", "species", *SMALL, "--out", "table")
    assert " given one of 3 classes, " in out
    assert (status, "could not be drawn" in out + err) == (0, False), out
