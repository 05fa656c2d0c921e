"""A small campaign of tests/faults.py, which counts a larger one; and that a loss would be counted."""

import os
import sys
import time

import pytest

if os.name == "nt":
    pytest.skip("the faults are POSIX signals and limits", allow_module_level=True)

import faults

# Each way of breaking a checkpoint is tried in test_runs.py too, without a process; others are ordinary tests.
SMALL = [name for name in faults.FAULTS if not name.startswith("checkpoint: ") and name not in faults.TESTED]
SMALL = [*SMALL[::3], "checkpoint: truncated"]  # `python tests/faults.py` does all; here is no time for more


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    seed = int(os.environ.get("MINIVAE_TEST_SEED", time.time_ns() % 10_000))
    print(f"MINIVAE_TEST_SEED={seed}")
    return faults.Bench(tmp_path_factory.mktemp("faults"), seed)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_run_survives(bench, name):
    try:
        faults.FAULTS[name](bench)
    except faults.Skipped as reason:
        pytest.skip(str(reason))


def test_what_is_lost_or_skipped_is_counted_and_said(monkeypatch, capsys):
    def lose(bench):
        raise AssertionError("other bits")

    def skip(bench):
        raise faults.Skipped("no disk")

    monkeypatch.setattr(faults, "Bench", lambda folder, seed: None)
    monkeypatch.setattr(faults, "FAULTS", {"fire": lose, "flood": skip, "frost": lambda bench: None})
    monkeypatch.setattr(sys, "argv", ["faults.py", "--rounds", "3", "--seed", "1"])
    assert faults.main() == 1
    out = capsys.readouterr().out
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert rows["fire"] == ["3", "0", "3"]
    assert rows["flood"] == ["0", "0", "0"]
    assert rows["frost"] == ["3", "3", "0"]
    assert rows["all"] == ["6", "3", "3"]
    assert "lost: fire: AssertionError: other bits" in out
    assert "skipped: flood: no disk" in out
    monkeypatch.setitem(faults.FAULTS, "fire", lambda bench: None)
    assert faults.main() == 0
