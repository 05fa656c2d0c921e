"""Cases from the field, beside exact answers: units, rows unlike the training data, and copies of rows."""

import warnings

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from minivae import VAE, Adam, Scaling, UntrustedEstimateWarning, VariationalAutoencoder, fit, log_likelihood
from minivae.datasets.split import held_out

RNG = np.random.default_rng(0)
PLANE = RNG.normal(size=(600, 2)) @ RNG.normal(size=(2, 6)) + 0.3 * RNG.normal(size=(600, 6))


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "shift"), [(1, 0), (10, 50), (0.01, 0.5), (0.001, 20)])
def test_the_estimator_is_as_good_in_any_units(factor, shift):
    """Within a nat of the model of columns that were standardised by hand, whose density is one of x again."""
    train, test = np.split(factor * PLANE + shift, [400])
    scaler = StandardScaler().fit(train)
    ours, by_hand = (VariationalAutoencoder(latent_dim=2, random_state=0, likelihood="gaussian") for _ in range(2))
    expected = by_hand.fit(scaler.transform(train)).score(scaler.transform(test)) - np.log(scaler.scale_).sum()
    assert ours.fit(train).score(test) == pytest.approx(expected, abs=1)


def quadrature(vae, x, limit=10, n=1001):
    """log p(x) of rows (N, D) by a sum over a grid of z, K = 2: (N,), in nats."""
    grid, total, u = np.linspace(-limit, limit, n), np.full(len(x), -np.inf), vae.scaling.apply(x)
    logvar = vae.parameters["decoder.output.logvar"][0]
    for some in np.array_split(grid, 40):
        z = np.stack(np.meshgrid(some, grid, indexing="ij"), -1).reshape(-1, 2)
        mean, prior = vae.scaling.apply(vae.decode(z)), -0.5 * (z**2).sum(axis=1) - np.log(2 * np.pi)
        for i, row in enumerate(u):
            terms = prior - 0.5 * ((row - mean) ** 2).sum(axis=1) / np.exp(logvar) - 1.5 * (np.log(2 * np.pi) + logvar)
            total[i] = np.logaddexp(total[i], np.logaddexp.reduce(terms))
    return total + 2 * np.log(grid[1] - grid[0]) - np.log(vae.scaling.scale).sum()


@pytest.mark.slow
def test_log_px_of_rows_unlike_the_training_data_is_that_of_quadrature_or_marked():
    angle = RNG.uniform(0, 2 * np.pi, 800)
    ring = np.c_[np.cos(angle), np.sin(angle), np.cos(2 * angle)] + 0.05 * RNG.normal(size=(800, 3))
    odd = np.vstack([ring[:5] * 2.5, ring[5:10] + np.array([0, 0, 4]), np.full((1, 3), 4.0), ring[20:24]])
    scaling = Scaling.of("standard", ring)
    vae = VAE(3, (64,), 2, likelihood="gaussian", scaling=scaling, dtype="float64")
    fit(vae, ring, epochs=200, progress=False)
    expected = quadrature(vae, odd)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UntrustedEstimateWarning)
        estimate = log_likelihood(vae, odd, n_samples=5000)

    assert np.all((abs(estimate.log_px - expected) < 0.5) | ~estimate.trusted)
    assert np.mean(estimate.trusted) > 0.7
    higher = expected[:, None] > expected + 1
    assert np.all((estimate.log_px[:, None] > estimate.log_px)[higher])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_what_is_measured_on_held_out_copies_holds_for_fresh_rows(seed):
    """Within two standard errors; rows that chance holds out have copies among those that were trained on."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(2, 6))
    once, fresh = (rng.normal(size=(n, 2)) @ mix + 0.3 * rng.normal(size=(n, 6)) for n in (60, 200))
    x, errors = once[rng.integers(0, 60, 600)], []
    for rows in (held_out(x, 60), rng.permutation(600)[:60]):
        train, test = np.delete(x, rows, axis=0), np.unique(x[rows], axis=0)
        vae = VAE(6, (64,), 2, likelihood="gaussian", scaling=Scaling.of("standard", train), dtype="float64")
        fit(vae, train, epochs=100, optimizer=Adam(0.01), progress=False)
        measured, right = (np.array([vae.loss(row).loss for row in part[:, None]]) for part in (test, fresh))
        errors.append((right.mean() - measured.mean()) / np.sqrt(right.var() * (1 / len(test) + 1 / len(fresh))))
    assert abs(errors[0]) < 2
    assert errors[1] > 2
