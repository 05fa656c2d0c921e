"""The speed ladder: every rung computes the reference's gradients, a wrong one is not timed."""

from types import SimpleNamespace

import numpy as np
import pytest

from minivae.benchmark import plain
from minivae.benchmark.ladder import RUNGS, Rung, error_of, table, verify
from minivae.benchmark.plain import PLAIN
from minivae.benchmark.processes import BenchmarkError
from minivae.kernels import reference


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_rung_computes_the_gradients_of_the_reference(name):
    assert error_of(PLAIN[name]) < 1e-12


def test_a_wrong_rung_is_named(monkeypatch):
    def without_the_kl(layers, x, eps):
        loss, gradients = plain.by_matrix_products(layers, x, eps)
        dW, db = gradients["heads"]
        return loss, gradients | {"heads": (dW, 0.99 * db)}

    monkeypatch.setitem(PLAIN, "matrix products", without_the_kl)
    with pytest.raises(BenchmarkError, match="the rung 'matrix products' is wrong: relative error"):
        verify(Rung("matrix products", {}, ""), SimpleNamespace())


def test_plain_adam_is_the_references():
    rng = np.random.default_rng(0)
    w, g, m = rng.standard_normal((3, 20))
    v = rng.random(20)
    ours, theirs = [w.copy(), m.copy(), v.copy()], [w.copy(), m.copy(), v.copy()]
    for t in (1, 2, 3):
        plain.adam_step(ours[0], g, *ours[1:], t)
        reference.adam_update(theirs[0], g, *theirs[1:], t, learning_rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_the_table_is_markdown_with_one_line_a_rung():
    assert {rung.contender for rung in RUNGS} == {*PLAIN, "numpy", "numba"}
    steps = [{"median": 8.0 / 2**i, "min": 1.0, "max": 9.0, "faster": 2.0} for i in range(len(RUNGS))]
    lines = table(steps)
    assert len(lines) == 2 + len(RUNGS)
    assert lines[2] == "| 1 | one example at a time, its gradients as outer products | 8.00 |  |"
    assert lines[3].endswith("| 4.00 | 2.0 |")
