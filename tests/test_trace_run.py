"""A run is planned once: its data are checked, scaled and hashed once, and control does not wander (trace_run.py)."""

import pytest
from trace_run import trace


@pytest.mark.slow
def test_the_data_of_a_run_are_prepared_once():
    walk = trace()
    assert walk.passes["checks"] <= 4
    assert walk.passes["scalings"] <= 2
    assert walk.passes["hashes"] == 1
    assert walk.moves["whole"] < 1300  # 995 when it was planned once; what is looked at since then comes on top
