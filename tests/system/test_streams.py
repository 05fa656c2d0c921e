"""Lines for a reader: a missing, closed or full stream never ends a command, and names from files stay on one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from minivae.system.streams import harmless, print_line

ROOT = Path(__file__).parents[2]
TRAIN = (
    "train",
    "--data",
    "digits",
    "--hidden",
    "4",
    "--latent",
    "2",
    "--epochs",
    "2",
    "--no-pictures",
    "--out",
    "run",
)
DIVERGING = [*TRAIN, "--optimizer", "sgd", "--lr", "1e9"]


def shell(command, folder, arguments):
    """The exit status and standard output of ``minivae`` in a shell, with its streams buffered as by default."""
    words = " ".join([sys.executable, "-m", "minivae", *arguments])
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        ["bash", "-c", "set -o pipefail; " + command.format(minivae=words)],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize(
    ("name", "escaped"),
    [("\x1b[2Jgone", "\\x1b[2Jgone"), ("a\nminivae: all is well", "a\\nminivae: all is well"), ("grün 犬", "grün 犬")],
)
def test_a_name_from_a_file_moves_no_cursor_and_forges_no_line(name, escaped, capsys):
    assert harmless(name) == escaped
    print_line(name)
    assert capsys.readouterr().out == escaped + "\n"


def test_a_missing_stream_takes_its_lines_along(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", None)
    print_line("a note", to_stderr=True)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "stream", ["{minivae} --json 2>&-", pytest.param("{minivae} --json 2>/dev/full", marks=pytest.mark.slow)]
)
def test_json_stays_alone_on_standard_output_where_standard_error_is_closed_or_full(stream, tmp_path):
    done = shell(stream, tmp_path, TRAIN)
    assert (done.returncode, done.stdout.count("\n"), done.stdout[0]) == (0, 1, "{"), done


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["{minivae} >/dev/full 2>/dev/full", "{minivae} | true", "{minivae} >&- 2>&-"])
def test_a_training_is_whole_though_nobody_can_read_its_lines(stream, tmp_path):
    done = shell(stream, tmp_path, TRAIN)
    assert done.returncode == 0, done
    assert (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["{minivae} | true", "{minivae} | head -n 1", "{minivae} >/dev/full"])
def test_a_divergence_has_its_status_whoever_reads(stream, tmp_path):
    assert shell(stream, tmp_path, DIVERGING).returncode == 1


@pytest.mark.slow
def test_results_that_cannot_be_written_are_an_error(tmp_path):
    assert shell("{minivae}", tmp_path, TRAIN).returncode == 0
    done = shell("{minivae} >/dev/full", tmp_path, ("evaluate", "run", "--samples", "2", "--json"))
    assert done.returncode == 2
    assert "No space left" in done.stderr
