"""The model of a step's time: constants that are known come out again, and so do the numbers of workers that pay."""

import numpy as np
import pytest

from minivae.benchmark.workers import NAMES, Setting, fitted, limit, limits, measure, report

CONSTANTS = np.array([2e-10, 8e-6, 3e-9, 5e-4, 2e-5, 1e-9])
SETTINGS = [Setting(n, B, P, 8) for n in (1, 2, 4, 8) for B in (128, 512) for P in (10_000, 300_000, 5_000_000)]


def test_constants_that_are_known_come_out_again():
    seconds = np.array([setting.causes() @ CONSTANTS for setting in SETTINGS])
    np.testing.assert_allclose(fitted(SETTINGS, seconds, np.ones(len(SETTINGS), bool)), CONSTANTS, rtol=1e-6)
    assert len(NAMES) == len(CONSTANTS)


def test_a_larger_batch_can_be_shared_by_more_workers_and_links_that_cost_nothing_by_all():
    few, many = (limit(CONSTANTS, 652_824, B)["workers"] for B in (64, 4096))
    assert 1 <= few < many
    free = np.array([2e-10, 0, 0, 0, 0, 0])
    assert limit(free, 652_824, 256) == {
        "parameters": 652_824,
        "batch_size": 256,
        "workers": 256,
        "times_as_fast": pytest.approx(256),
    }


@pytest.mark.parametrize("batch_size", [128, 512, 2048])
def test_nothing_is_predicted_twice(batch_size):
    found = [(row["parameters"], row["batch_size"]) for row in limits(CONSTANTS, batch_size)]
    assert len(found) == len(set(found)) >= 4


@pytest.mark.slow
def test_workers_are_timed_and_told_in_words(minivae):
    result = measure((1,), batch_size=2, rounds=1)
    assert [row["workers"] for row in result["rows"]] == [1] * 6
    assert all(row["efficiency"] == 1 and row["bytes"] == 0 and row["ms"] > 0 for row in result["rows"])
    assert sum(line.startswith("predicted, not measured") for line in report(result)) == 6
    assert "--workers is a benchmark of its own" in minivae("bench", "--workers", "1", "--full")[2]
    assert "expected numbers of processes" in minivae("bench", "--workers", "0")[2]
