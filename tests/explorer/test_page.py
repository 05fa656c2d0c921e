"""``minivae explore`` without a browser: what stands in the file, what cannot break out of it, what is refused."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from minivae import GAN, VAE, Gaussian, MinivaeError, Scaling, cli
from minivae.explorer import content, page
from minivae.runs.folder import Run, open_run

EVIL = '</script><script>document.title="owned"</script><img src=x onerror=\'document.title="owned"\'>$title ${run}'


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A run on a table whose name, columns and labels are an attack."""
    folder = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(0)
    quoted = EVIL.replace('"', '""')
    rows = [f'{a:.3f},{b:.3f},"{quoted}{k % 2}"' for k, (a, b) in enumerate(rng.normal(size=(40, 2)))]
    file = folder / "a<b&'c.csv"
    file.write_text("\n".join([f'"{quoted}",plain,kind', *rows]), encoding="utf-8")
    out = folder / "run<i>"
    command = ["train", "--data", file, "--labels", "kind", "--hidden", "5", "--latent", "2", "--epochs", "2"]
    assert cli.main([str(part) for part in [*command, "--no-pictures", "--out", out]]) == 0
    return out


def test_the_command_says_what_it_wrote(table, tmp_path, capsys):
    assert cli.main(["explore", str(table), "--out", str(tmp_path / "page.html"), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    size = (tmp_path / "page.html").stat().st_size
    assert summary == {"out": str(tmp_path / "page.html"), "bytes": size, "parameters": "float32"}
    assert cli.main(["explore", str(table)]) == 0
    assert (table / "explore.html").is_file()


def test_no_text_of_a_run_is_markup(table):
    run = open_run(table)
    text, _ = page.page(run, content.training_data(run))
    assert len(re.findall("<script", text)) == len(re.findall("</script>", text)) == 2
    assert "<img" not in text.split("</style>")[1]
    assert "<i>" not in text.split("<header>")[0]  # the title
    values = json.loads(re.search('id="run">(.*)</script>', text)[1])
    assert values["columns"] == [EVIL, "plain"]
    assert values["classes"] == [f"{EVIL}0", f"{EVIL}1"]
    assert (values["name"], values["data"]) == ("run<i>", "a<b&'c")


def test_the_page_may_load_nothing_and_run_only_its_own_script(table):
    run = open_run(table)
    text, _ = page.page(run, content.training_data(run))
    policy = re.search('Content-Security-Policy" content="([^"]*)"', text)[1]
    script = re.search(r"<script>(.*?)</script>", text, re.S)[1]
    assert "default-src 'none'" in policy
    assert page.hash_of(script) in policy
    assert "unsafe" not in policy
    assert not re.search(r"https?:|\bimport\(|fetch\(|XMLHttp|innerHTML|outerHTML|insertAdjacent|document\.write", text)


def test_half_precision_only_where_single_would_be_too_large(table, monkeypatch):
    run = open_run(table)
    data = content.training_data(run)
    whole, dtype = page.page(run, data)
    assert dtype == "float32"
    monkeypatch.setattr(page, "LIMIT", len(whole.encode()))
    halved, dtype = page.page(run, data)
    assert dtype == "float16"
    assert len(halved) < len(whole)
    run.vae.parameters["decoder.output.W"][0, 0] = 1e5  # beyond float16: then the larger page is the right one
    assert page.page(run, data)[1] == "float32"


def test_pixels_take_a_byte_and_come_back_as_they_were():
    x = (np.arange(256) / 255).astype("float32")[None]
    assert content.packed_pixels(x)["dtype"] == "uint8"
    assert content.packed_pixels(x + np.float32(1e-6))["dtype"] == "float32"
    assert content.packed_pixels(2 * x)["dtype"] == "float32"


def test_a_fixed_variance_is_in_the_page():
    vae = VAE(3, (4,), 2, likelihood=Gaussian(0.25), scaling=Scaling.of("standard", np.eye(3)))
    assert content.parameters(vae)["decoder.output.logvar"] == pytest.approx(np.log(0.25))


def test_what_cannot_be_shown_is_refused_with_a_sentence(table, tmp_path, minivae):
    weights = tmp_path / "alone.safetensors"
    VAE(4, (3,), 2).save(weights)
    status, _, error = minivae("explore", weights)
    assert status == 2
    assert "weights file alone" in error
    GAN(2, (4,), 2).save(tmp_path / "gan.safetensors")
    status, _, error = minivae("explore", tmp_path / "gan.safetensors")
    assert (status, error.count("\n")) == (2, 1)
    status, _, error = minivae("explore", table, "--out", "page.pdf")
    assert status == 2
    assert "--out must end in .html" in error

    class Own(Gaussian):
        name = "own"

    with pytest.raises(MinivaeError, match=r"likelihoods bernoulli, gaussian, categorical, and .* likelihood own: use"):
        content.check_computable(VAE(4, (3,), 2, likelihood=Own()))
    with pytest.raises(MinivaeError, match=r"plain VAEs.* and this model also sees which values are missing: use"):
        content.check_computable(VAE(4, (3,), 2, likelihood="gaussian", missing="mask"))
    with pytest.raises(MinivaeError, match=r"plain VAEs.* and this model is a conditional one: use"):
        content.check_computable(VAE(4, (3,), 2, condition_dim=3))
    run = open_run(table)
    data = content.training_data(run)
    data.train[3, 1] = np.nan
    with pytest.raises(MinivaeError, match="rows with holes"):
        content.content(run, data, "float32")


def test_data_that_have_moved_are_named_and_must_be_the_same(table, tmp_path):
    run = open_run(table)
    gone = Run(run.path, run.vae, run.settings.__class__(**{**vars(run.settings), "data": "gone.csv"}), run.data)
    with pytest.raises(ValueError, match="gone: if it has moved, name it with --data"):
        content.training_data(gone)
    copy = tmp_path / "moved.csv"
    copy.write_bytes(Path(run.settings.data).read_bytes())
    assert content.training_data(gone, str(copy)).train.shape == (36, 2)
    copy.write_text(copy.read_text(encoding="utf-8").replace("0.", "1.", 1), encoding="utf-8")
    with pytest.raises(ValueError, match="have changed"):
        content.training_data(gone, str(copy))
