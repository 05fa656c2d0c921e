"""The file of a model as kernels/README.md describes it: its names, and the lines that read it without minivae."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from minivae import VAE, Gaussian, Scaling

SECTION = (Path(__file__).parents[2] / "kernels" / "README.md").read_text(encoding="utf-8")
SECTION = SECTION.split("## What is in model.safetensors")[1].split("\n## ")[0]
Z = [[0.5, -1.0, 2.0], [0.0, 0.25, -3.0]]


def lines_in(language):
    return re.search(rf"^```{language}\n(.*?)^```", SECTION, re.M | re.S)[1]


@pytest.fixture
def vae(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    vae = VAE(input_dim=7, hidden_dims=(5,), latent_dim=3, seed=1)
    vae.save("model.safetensors")
    return vae


def test_the_table_names_every_tensor_with_its_shape(tmp_path):
    described = {}
    for names, shapes in re.findall(r"^\| (`[^|]*`) \| ([^|]*) \|", SECTION, re.M):
        each = re.findall(r"\([^)]*\)", shapes)
        described |= dict(zip(re.findall("`([^`]+)`", names), each * 2 if len(each) == 1 else each, strict=False))
    vae = VAE(7, (5,), 3, likelihood=Gaussian("learned"), scaling=Scaling.of("standard", np.eye(7)))
    vae.save(tmp_path / "model.safetensors")
    sizes = {"D": 7, "H0": 5, "last H": 5, "K": 3, "1": 1}
    shapes = {name: str(array.shape) for name, array in load_file(tmp_path / "model.safetensors").items()}
    names = sorted(sizes, key=len, reverse=True)
    in_numbers = {
        name: re.sub("|".join(map(re.escape, names)), lambda match: str(sizes[match[0]]), shape)
        for name, shape in described.items()
    }
    assert in_numbers == shapes


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_the_lines_of_javascript_decode(vae):
    code = lines_in("js") + f"\nconsole.log(JSON.stringify({Z}.map(decode)))"
    printed = subprocess.run(["node", "-e", code], capture_output=True, text=True, check=True).stdout
    np.testing.assert_allclose(json.loads(printed), vae.decode(Z), rtol=0, atol=5e-7)


@pytest.mark.slow
@pytest.mark.peers
def test_the_lines_of_pytorch_decode(vae):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    names = {}
    exec(lines_in("python"), names)
    np.testing.assert_allclose(names["decode"](torch.tensor(Z)), vae.decode(Z), rtol=0, atol=5e-7)
