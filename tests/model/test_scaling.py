"""Scaling there and back."""

import numpy as np
import pytest

from minivae import VAE, DataError, fit
from minivae.model.scaling import Scaling

X = np.random.default_rng(0).normal(5, 3, (50, 4))


@pytest.mark.parametrize("kind", ["none", "standard", "minmax", "pixels"])
def test_scaling_comes_back_to_the_data(kind):
    scaling = Scaling.of(kind, X)
    np.testing.assert_allclose(scaling.invert(scaling.apply(X)), X)
    assert (scaling.apply(X) is X) == (kind == "none")


@pytest.mark.parametrize("kind", ["standard", "minmax"])
def test_a_scaled_model_is_its_twin_on_scaled_data_and_speaks_the_units_of_the_data(kind):
    scaling = Scaling.of(kind, X)
    settings = {"likelihood": "gaussian", "dtype": "float64", "seed": 3}
    vae, twin = VAE(4, (5,), 2, scaling=scaling, **settings), VAE(4, (5,), 2, **settings)
    scaled = (X - scaling.shift) / scaling.scale
    for mine, theirs in zip(vae.encode(X), twin.encode(scaled), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for mine, theirs in (
        (vae.reconstruct(X), twin.reconstruct(scaled)),
        (vae.sample(6), twin.sample(6)),
        (vae.sample(6, draw=True), twin.sample(6, draw=True)),
    ):
        np.testing.assert_allclose(mine, theirs * scaling.scale + scaling.shift)
    history = fit(vae, X, epochs=3, validation=X[:5], progress=False)
    assert fit(twin, scaled, epochs=3, validation=scaled[:5], progress=False)["val_kl"] == history["val_kl"]
    np.testing.assert_array_equal(vae.store.vector, twin.store.vector)


def test_a_scaled_density_is_one_of_the_data_as_they_came():
    scaling = Scaling.of("standard", X)
    vae, twin = (VAE(4, (5,), 2, likelihood="gaussian", dtype="float64", scaling=s) for s in (scaling, None))
    volume = np.log(X.std(axis=0)).sum()  # p(x) = p(u) |du/dx|
    for name in ("loss", "loss_and_gradients"):
        mine, theirs = getattr(vae, name)(X), getattr(twin, name)(scaling.apply(X))
        assert mine.recon_nll - theirs.recon_nll == pytest.approx(volume)
        assert mine.kl == theirs.kl
    np.testing.assert_array_equal(vae.store.gradient, twin.store.gradient)


def test_a_scaled_probability_stays_one():
    x = np.where(X > 5, 8.0, 2.0)
    vae, twin = (VAE(4, (5,), 2, scaling=scaling) for scaling in (Scaling.of("minmax", x), None))
    assert vae.loss(x) == twin.loss(x > 5)
    assert set(np.unique(vae.sample(50, draw=True))) == {2, 8}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: VAE(3, scaling=Scaling.of("standard", X)), ValueError, "is for 4 columns, but input_dim is 3"),
        (lambda: Scaling.of("log", X), ValueError, "one of 'none', 'standard', 'minmax', 'pixels', got 'log'"),
        (lambda: Scaling("log"), ValueError, "scaling must be one of"),
        (lambda: Scaling.of("standard", np.array([[1e300], [-1e300]])), DataError, r"column 0 reaches 1e\+300, beyond"),
        (
            lambda: VAE(4, scaling=Scaling.of("minmax", X)).loss(2 * X),
            DataError,
            "after minmax scaling, fitted to other rows: the Bernoulli likelihood expects",
        ),
    ],
)
def test_a_scaling_that_does_not_fit_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


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


def test_a_column_too_fine_for_its_deviation_counts_as_constant():
    x = np.array([[1e-200], [2e-200]])
    assert x.std() == 0 < np.ptp(x)
    assert Scaling.of("standard", x).scale[0] == 1
