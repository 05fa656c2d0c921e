"""Scaling there and back."""

import numpy as np
import pytest

from minivae import DataError
from minivae.scaling import Scaling

X = np.random.default_rng(0).normal(5, 3, (50, 4))


@pytest.mark.parametrize("kind", ["none", "standard", "minmax"])
def test_scaling_comes_back_to_the_data_and_through_a_file(kind):
    scaling = Scaling.of(kind, X)
    np.testing.assert_allclose(scaling.invert(scaling.apply(X)), X)
    twin = Scaling.from_dict(scaling.to_dict())
    np.testing.assert_array_equal(twin.apply(X[:3]), scaling.apply(X[:3]))


def test_standard_gives_mean_0_and_variance_1_and_minmax_0_and_1():
    standard, minmax = Scaling.of("standard", X).apply(X), Scaling.of("minmax", X).apply(X)
    np.testing.assert_allclose(standard.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(standard.var(axis=0), 1)
    np.testing.assert_allclose([minmax.min(axis=0), minmax.max(axis=0)], [[0] * 4, [1] * 4])


@pytest.mark.parametrize("kind", ["standard", "minmax"])
def test_a_constant_column_is_only_shifted_also_where_rounding_gives_it_a_deviation(kind):
    x = np.full((100, 1), 0.1)
    assert x.std() > 0  # the trap
    scaling = Scaling.of(kind, x)
    assert scaling.apply(np.array([[0.3]]))[0, 0] == pytest.approx(0.2)


def test_a_column_that_is_too_large_is_named():
    with pytest.raises(DataError, match=r"column 1 reaches 1e\+300, beyond the range"):
        Scaling.of("standard", np.array([[1.0, 1e300], [2.0, -1e300]]))
