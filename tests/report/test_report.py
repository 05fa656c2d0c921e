"""A report names what is wrong with a run, in order of harm, says nothing of a healthy one, and makes one safe page."""

import json
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from minivae.commands.train import column_kinds, column_names
from minivae.report.evidence import Evidence
from minivae.report.findings import FINDINGS
from minivae.runs.folder import open_run
from minivae.runs.settings import shown

sys.path.insert(0, str(Path(__file__).parent))
import planted

ORDER = [name for name, *_ in FINDINGS]
FAST = {"epochs": 60, "lr": 1e-2}


@pytest.fixture(scope="module")
def collapsed(tmp_path_factory):
    """A run whose KL weighs far too much, in a folder with a name that HTML must not take for its own."""
    folder = tmp_path_factory.mktemp("a<b>&c")
    return planted.plant(folder, "", planted.table, planted.FIT | FAST | {"beta": 30.0, "epochs": 20}, 0)


@pytest.mark.slow
def test_collapse_by_beta_is_named_with_its_evidence_and_a_command_that_mends_it(minivae, collapsed):
    status, out, err = minivae("report", collapsed, "--json")
    assert (status, err) == (0, "")
    report = json.loads(out)
    names = [finding["name"] for finding in report["findings"]]
    assert "posterior collapse" in names
    assert names == sorted(names, key=ORDER.index)
    assert report["scale"].keys() == {"constant", "pca", "model", "floor"}
    assert report["protocol"] == {"training_rows": 450, "test_rows": 50, "units": "nats per example"}
    found = report["findings"][names.index("posterior collapse")]
    assert found.keys() == {"name", "severity", "evidence", "remedy"}
    assert found["evidence"].startswith("0 of 3 dimensions depend on the data; beta 30: 0 eigenvalues")
    command = shlex.split(found["remedy"])
    assert command[:2] == ["minivae", "train"]
    assert command[command.index("--beta") + 1] == "1.0"
    status, _, err = minivae(*command[1:], "--no-pictures", "--epochs", 100)
    assert status == 0, err
    mended = json.loads(minivae("report", command[command.index("--out") + 1], "--json")[1])
    assert "posterior collapse" not in [finding["name"] for finding in mended["findings"]]
    assert mended["scale"]["model"] < report["scale"]["model"] - 2


def test_the_page_is_whole_and_safe(minivae, collapsed, tmp_path):
    status, out, _ = minivae("report", collapsed, "--html", tmp_path / "page.html")
    assert status == 0
    assert "posterior collapse (high)" in out
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "posterior collapse (high)" in page
    assert len(re.findall('src="data:image/png;base64,', page)) == 1  # the calibration; the run was to draw no pictures
    assert not re.search(r"https?:|<script|<link|src=\"(?!data:)", page)
    assert "a&lt;b&gt;&amp;c" in page
    assert "<b>" not in page


def test_what_has_no_training_to_look_at_is_refused_in_one_sentence(minivae, collapsed, tmp_path):
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes((collapsed / "model.safetensors").read_bytes())
    status, _, err = minivae("report", alone)
    assert status == 2
    assert err.startswith(f"minivae report: error: {alone} does not say how it was trained: expected a run folder")
    assert err.count("\n") == 1
    game = ["--model", "gan", "--data", "iris", "--steps", 2, "--hidden", 4, "--latent", 2, "--no-pictures"]
    assert minivae("train", *game, "--out", "game")[0] == 0
    status, _, err = minivae("report", "game")
    assert status == 2
    assert err.startswith("minivae report: error: game is a GAN")
    assert err.count("\n") == 1


def test_a_table_with_holes_has_a_report(minivae):
    x = planted.table(0, 120)
    x[::7, 3] = np.nan
    np.savetxt("holes.csv", x, delimiter=",")
    assert (
        minivae("train", "--data", "holes.csv", "--header", "no", "--epochs", 2, "--no-pictures", "--out", "r")[0] == 0
    )
    status, out, err = minivae("report", "r", "--json")
    assert (status, err) == (0, "")
    scale = json.loads(out)["scale"]
    assert scale["pca"] is None
    assert scale["constant"] > 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [*planted.SICK][::2])  # `python tests/report/planted.py` makes all, with three seeds
def test_planted_sicknesses_are_named(kind, tmp_path):
    assert kind in planted.names_of(planted.plant(tmp_path, kind, *planted.SICK[kind], 0))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [*planted.HEALTHY][::2])
def test_nothing_is_found_in_a_healthy_run(kind, tmp_path):
    assert planted.names_of(planted.plant(tmp_path, kind, *planted.HEALTHY[kind], 0)) == []


OTHER_RECIPES = [
    [],
    ["--corruption", "masking", "--corruption-level", 0.5],
    ["--l1", 0.01, "--l2", 1],
    ["--seed", 5],
    ["--schedule", "steps", "--milestones", 1],
    ["--beta-warm-up", 3],
    ["--output-bias", "data"],
    ["--objective", "dreg", "--draws", 2],
    ["--free-bits", 0.5],
    ["--conditional", "--shards", 2, "--optimizer", "sgd"],
]


@pytest.mark.parametrize("options", OTHER_RECIPES, ids=lambda options: (*options, "plain")[0])
def test_a_run_trained_anew_as_it_was_ends_where_it_did(options, minivae):
    """So that a gain is one of the learning rate alone."""
    train = ["train", "--data", "wine", "--hidden", 8, "--latent", 2, "--epochs", 3, "--batch-size", 40]
    status, _, err = minivae(*train, "--no-pictures", "--out", "run", *options)
    assert status == 0, err
    evidence = Evidence(open_run("run"))
    assert evidence.gain_at(1) == 0
    assert evidence.gain_at(2) != 0


@pytest.mark.parametrize("names", [("a, b",), ("a", "b"), ('5" tyre, new', "x y", "3"), ('"', ","), ("a'b", " c")])
def test_a_remedy_drops_the_same_columns(names):
    """Of "a, b" it dropped a and b."""
    assert column_names(shown(names)) == names
    assert column_kinds(shown(tuple(f"{name}=real" for name in names))) == tuple(f"{name}=real" for name in names)
