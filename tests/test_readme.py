"""The README's promises to a newcomer, kept in a fresh clone."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHELL_BLOCKS = re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)


def test_the_readme_has_exactly_two_shell_blocks_of_plain_commands():
    assert len(SHELL_BLOCKS) == 2
    for block in SHELL_BLOCKS:
        assert all(re.match(r"(python3 -m venv|\.venv/bin/)", line) for line in block.splitlines())


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the blocks are for a POSIX shell")
def test_the_first_block_trains_in_a_fresh_clone(tmp_path):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", SHELL_BLOCKS[0]], cwd=clone, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert "run folder  runs" in result.stdout
    written = {path.name for path in (clone / "runs" / "digits").iterdir()}
    assert {"model.safetensors", "loss.png", "reconstructions.png", "samples.png"} <= written
