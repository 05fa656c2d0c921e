"""Runs of a GAN: the folder and its rules are those of every run; what is trained, drawn and refused is its own."""

import json
import random
import time

import numpy as np
import pytest
from processes import contents, same, start, wait_for

from minivae import GAN, VAE
from minivae.datasets import load
from minivae.runs import train as runs
from minivae.runs.folder import RunFolder, open_run
from minivae.runs.identity import identity
from minivae.runs.settings import Settings

SMALL = ["train", "--model", "gan", "--hidden", 8, "--latent", 2, "--batch-size", 16, "--steps", 250]
RING = np.stack((50 + 9 * np.cos(np.arange(90)), 50 + 9 * np.sin(np.arange(90))), axis=1)


@pytest.fixture
def ring(minivae):
    np.savetxt("ring.csv", RING, delimiter=",", header="east,north", comments="")
    return [*SMALL, "--data", "ring.csv"]


@pytest.mark.slow
def test_a_run_of_a_table_is_kept_resumed_and_drawn_like_every_run(minivae, ring, monkeypatch):
    status, out, err = minivae(*ring, "--out", "whole", "--json")
    assert status == 0, err
    summary, history = json.loads(out), RunFolder("whole").read_history()
    assert history["step"] == [100, 200, 250]
    assert summary["train"] == {name: history[name][-1] for name in ("discriminator_loss", "generator_loss", "penalty")}
    assert summary["test"] == {name: history[name][-1] for name in ("coverage", "precision")}
    assert {"loss.png", "samples.png"} < contents("whole").keys()
    run = open_run("whole")
    assert (run.model.config["output"], run.model.scaling.kind, run.settings.model) == ("identity", "standard", "gan")
    assert np.abs(run.model.sample(50) - 50).mean() < 20  # in the units of the file

    call = runs.Recorder.__call__

    def cut(error):
        def raising(self, model, now, metrics):
            call(self, model, now, metrics)
            if now == 200:
                raise error

        monkeypatch.setattr(runs.Recorder, "__call__", raising)
        status = minivae(*ring, "--out", "cut", "--overwrite")[0]
        monkeypatch.setattr(runs.Recorder, "__call__", call)
        return status

    for error, expected in ((KeyboardInterrupt(), 130), (SystemExit(9), 9)):  # the second saves nothing on its way out
        assert cut(error) == expected
        out = minivae("train", "--resume", "--out", "cut")[1]
        assert "resumed     after step" in out
        assert "250 steps of batches of 16" in out
        assert same("whole", "cut")
    minivae(*ring, "--steps", 130, "--out", "longer")
    assert minivae("train", "--resume", "--out", "longer", "--steps", 250)[0] == 0
    np.testing.assert_array_equal(GAN.load("longer/model.safetensors").sample(9), run.model.sample(9))
    assert RunFolder("longer").read_history()["step"] == [100, 130, 200, 250]


def test_images_stay_in_their_range_and_have_no_coverage(minivae):
    status, out, err = minivae(*SMALL, "--steps", 30, "--out", "run", "--loss", "nonsaturating", "--penalty", "none")
    assert status == 0, err
    assert "2-8-64 against 64-8-1" in out
    assert "look at samples.png" in out
    gan = open_run("run").model
    assert (gan.loss, gan.penalty, gan.config["output"], gan.scaling.kind) == (
        "nonsaturating", "none", "sigmoid", "none")  # fmt: skip
    by_hand = GAN(64, (8,), 2, "nonsaturating", "none", output="sigmoid")
    by_hand.fit(load("digits").train, 30, batch_size=16, progress=False)
    np.testing.assert_array_equal(gan.sample(9), by_hand.sample(9))
    assert minivae("sample", "run", "-n", 12)[0] == 0
    assert minivae("sample", "run", "--out", "x.npy", "--seed", 3)[0] == 0
    np.testing.assert_array_equal(np.load("x.npy"), gan.sample(48, seed=3))
    before = contents("run")
    for command in ("encode", "evaluate"):
        status, _, err = minivae(command, "run")
        assert status == 2
        assert "run is a GAN, which has no encoder and no p(x): draw from it with minivae sample, or train a VAE" in err
    assert "what a GAN has not" in minivae("sample", "run", "--draw")[2]
    for options, words in (
        (["--beta", 1], "--beta belongs to --model vae, not to --model gan: leave it out"),
        (["--loss", "saturating"], "was begun with --loss nonsaturating, not saturating"),
        (["--model", "vae"], "was begun with --model gan, not vae"),
        (["--steps", 20], "has done 30 steps already, more than --steps 20"),
    ):
        status, _, err = minivae("train", "--resume", "--out", "run", *options)
        assert status
        assert words in err
    assert contents("run") == before
    history = (folder := RunFolder("run")).history.read_text()
    folder.history.write_text(history.partition("\n")[0] + "\n")
    assert "must hold all rows up to step 30" in minivae("train", "--resume", "--out", "run", "--steps", 40)[2]


def test_a_table_with_categories_is_refused(minivae):
    with open("pets.csv", "w") as file:
        file.write("kind,weight\n" + "cat,4.5\ndog,9.25\n" * 20)
    status, _, err = minivae(*SMALL, "--data", "pets.csv")
    assert status == 2
    assert "'cat' is not a number" in err
    assert "leave the column out with --drop kind" in err
    assert minivae(*SMALL, "--data", "pets.csv", "--drop", "kind", "--steps", 1, "--no-pictures")[0] == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "gan", "--likelihood", "gaussian"], "--likelihood belongs to --model vae, not to --model gan"),
        (["--model", "gan", "--epochs", 3], "--epochs belongs to --model vae, not to --model gan: use --steps"),
        (["--steps", 3], "--steps belongs to --model gan, not to --model vae: use --epochs"),
        (["--penalty", "r1"], "--penalty belongs to --model gan, not to --model vae: leave it out"),
        (["--model", "gan", "--steps", 0], "steps must be at least 1"),
    ],
)
def test_an_option_of_the_other_model_is_refused(minivae, options, words):
    status, _, err = minivae("train", *options)
    assert status
    assert words in err


@pytest.mark.slow
def test_a_run_from_before_there_were_gans_goes_on(minivae):
    id_then = "5e1e14abe19c5a48a54d74eab22327c69135dd2767359c7e199ac091fd9bb764"  # as 3fa5a37 computed it
    assert identity(Settings(lr=1e-3, schedule="constant"), "a" * 64) == id_then
    train = ["train", "--hidden", 4, "--latent", 2, "--no-pictures", "--data", "iris"]
    minivae(*train, "--epochs", 3, "--out", "whole")
    minivae(*train, "--epochs", 2, "--out", "old")
    config = json.loads((path := RunFolder("old").config).read_text())
    for name in ("model", "loss", "penalty", "steps"):
        del config["settings"][name]
    path.write_text(json.dumps(config))
    status, _, err = minivae("train", "--resume", "--out", "old", "--epochs", 3)
    assert status == 0, err
    assert same("whole", "old")
    np.testing.assert_array_equal(open_run("old").vae.sample(3), VAE.load("whole/model.safetensors").sample(3))


@pytest.mark.slow
def test_a_run_that_is_killed_at_random_moments_ends_with_the_same_bits(minivae, ring):
    ring = [*ring, "--steps", 3000, "--backend", "numpy", "--no-pictures"]
    assert minivae(*ring, "--out", "whole")[0] == 0
    rng, reached, checkpoint = random.Random(0), [], RunFolder("run").checkpoint

    def written():
        return checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0

    for _ in range(3):
        process, before = start(*ring, "--out", "run", "--resume"), written()
        wait_for(process, lambda before=before: written() != before)
        time.sleep(rng.random() / 2)
        process.kill()
        process.communicate()
        reached.append(open_run("run").model.step)
    assert len(set(reached)) > 1, "the kills came at moments that show nothing"
    assert minivae("train", "--resume", "--no-pictures", "--out", "run")[0] == 0
    assert same("whole", "run")
