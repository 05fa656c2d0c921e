"""Rows where the encoder looks in the wrong place: found without chance, estimated right, and the others left alone."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp
from sklearn.datasets import load_iris

import minivae
from minivae import VAE, Adam, Gaussian, UntrustedEstimateWarning, VariationalAutoencoder, fit
from minivae.evaluation import log_likelihood
from minivae.model import importance, proposals

RNG = np.random.default_rng(0)
IRIS = (load_iris().data - load_iris().data.mean(axis=0)) / load_iris().data.std(axis=0)
FAR = np.vstack(
    [4 * IRIS[:3], IRIS[50:53] + np.array([0, 0, 9, 0]), IRIS[100:103] * np.array([1, -6, 1, 1]), np.full((1, 4), -7.0)]
)
W, VARIANCE = np.array([[1.0, 2, 0, -1], [2, -1, 3, 0]]), 0.7


def no_rows(*_):
    return []


def every_row(network, x, *_):
    return np.ones(len(x), bool)


def ppca(shift=0.0, width=1.0, **arguments):
    """A linear VAE whose encoder is the exact posterior, or moved and widened by so many standard deviations; p(x)."""
    vae = VAE(4, (), 2, likelihood=Gaussian(VARIANCE), dtype="float64", **arguments)
    m = np.diag(W @ W.T) + VARIANCE
    values = {"decoder.output.W": W, "encoder.mu.W": W.T / m, "encoder.logvar.b": np.log(width**2 * VARIANCE / m)}
    for name in vae.parameters:
        vae.parameters[name] = values.get(name, 0.0)
    vae.parameters["encoder.mu.b"] = shift * np.sqrt(VARIANCE / m)
    return vae, stats.multivariate_normal(np.zeros(4), W.T @ W + VARIANCE * np.eye(4))


@pytest.fixture(scope="module", params=[("gaussian", 1), ("gaussian", 2), ("bernoulli", 2)], ids=str)
def trained(request):
    """A model that was trained on iris, rows far from it, and their log p(x) by quadrature."""
    likelihood, latent_dim = request.param
    x, far = (IRIS, FAR) if likelihood == "gaussian" else (IRIS > 0.3, np.array([[0, 1, 1, 0], [1, 0, 0, 1.0]]))
    vae = VAE(4, (20,), latent_dim, activation="tanh", likelihood=likelihood, dtype="float64")
    fit(vae, x, epochs=200, batch_size=50, optimizer=Adam(1e-2), progress=False)
    axis = np.linspace(-10, 10, 401)
    z = np.stack(np.meshgrid(*[axis] * latent_dim), axis=-1).reshape(-1, latent_dim)
    mean, log_dz = vae.decode(z), latent_dim * np.log(axis[1] - axis[0])
    if likelihood == "gaussian":
        std = np.exp(vae.parameters["decoder.output.logvar"] / 2)
        log_px_z = [stats.norm.logpdf(row, mean, std).sum(axis=1) for row in far]
    else:
        log_px_z = [stats.bernoulli.logpmf(row, mean).sum(axis=1) for row in far]
    return vae, far, logsumexp(np.array(log_px_z) + stats.norm.logpdf(z).sum(axis=1), axis=1) + log_dz


def test_estimates_of_rows_far_outside_agree_with_quadrature_or_say_that_they_do_not(trained, monkeypatch):
    vae, far, exact = trained
    found = log_likelihood(vae, far, 2000)
    off = np.abs(found.log_px - exact)
    assert found.trusted.mean() > 0.8
    assert np.all(off[found.trusted] < 0.5)
    assert np.all(off < 4 * found.standard_error + 2 * found.bias + 0.02)
    np.testing.assert_array_equal(np.argsort(found.log_px), np.argsort(exact))
    if vae.likelihood.name == "gaussian":  # and q alone is far off, with an error bar that does not know
        monkeypatch.setattr(importance, "rows_astray", no_rows)
        alone = log_likelihood(vae, far, 2000)
        assert np.any((np.abs(alone.log_px - exact) > 1) & (alone.standard_error < 1))


@pytest.mark.parametrize(("n_samples", "shift", "width"), [(1, 0, 1), (6, 0, 1), (50, 0, 1), (50, 6, 1), (50, 0, 0.25)])
def test_the_mean_weight_of_a_mixture_is_unbiased(n_samples, shift, width, monkeypatch):
    vae, exact = ppca(shift, width)
    monkeypatch.setattr(proposals, "led_astray", every_row)
    x = np.tile([[1.0, -2.0, 0.5, 1.0]], (600, 1))  # other rows, other noise
    ratio = np.exp(log_likelihood(vae, x, n_samples).log_px - exact.logpdf(x[0]))
    # Few draws come from q and the prior alone: of a wrong q their weights scatter too much to tell.
    assert abs(ratio.mean() - 1) < 5 * ratio.std() / np.sqrt(len(x)) + 1e-9
    assert n_samples < 8 or ratio.std() < 1


def test_without_being_forced_the_search_finds_what_q_misses():
    x = RNG.multivariate_normal(np.zeros(4), W.T @ W + VARIANCE * np.eye(4), 50)
    for (shift, width), astray in {(0, 1): 0, (0, 2): 0, (6, 1): 50, (0, 0.25): 50}.items():
        vae, exact = ppca(shift, width)
        found = log_likelihood(vae, x, 500)
        assert found.from_mixture.sum() == astray, (shift, width)
        assert found.trusted.all()
        np.testing.assert_allclose(found.log_px, exact.logpdf(x), atol=0.3)


def test_rows_that_need_nothing_keep_their_bits_and_gradients_are_left_alone(trained, monkeypatch):
    vae, far, _ = trained
    near = IRIS[::10] if vae.likelihood.name == "gaussian" else (IRIS[::10] > 0.3).astype(float)
    vae.loss_and_gradients(near)
    gradient = vae.store.gradient.copy()
    found = log_likelihood(vae, np.vstack([near, far]), 100)
    np.testing.assert_array_equal(vae.store.gradient, gradient)
    assert found.from_mixture[: len(near)].mean() < 0.2
    monkeypatch.setattr(importance, "rows_astray", no_rows)
    alone = log_likelihood(vae, np.vstack([near, far]), 100)
    for name in ("log_px", "standard_error", "effective_sample_size", "bias"):
        same = getattr(found, name) == getattr(alone, name)
        np.testing.assert_array_equal(same, ~found.from_mixture, err_msg=name)
    for name in ("recon_nll", "kl"):  # the terms of the bound are of q, for all rows
        np.testing.assert_array_equal(getattr(found, name), getattr(alone, name))


def test_a_row_has_the_same_estimate_whatever_rows_stand_beside_it(trained):
    vae, far, _ = trained
    together = log_likelihood(vae, far, 100)
    for n in (1, 2):
        np.testing.assert_allclose(log_likelihood(vae, far[:n], 100).log_px, together.log_px[:n], rtol=1e-6)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "categorical"])
@pytest.mark.parametrize("hidden_dims", [(), (5,)])
def test_the_slope_is_the_gradient_of_the_log_joint(likelihood, hidden_dims):
    vae = VAE(4, hidden_dims, 3, activation="tanh", likelihood=likelihood, dtype="float64")
    x, z, h = np.eye(4)[[0, 2, 3]], RNG.normal(size=(3, 3)), 1e-5
    value, slope = proposals.log_joint_and_slope(vae, z, x)
    np.testing.assert_allclose(value, proposals.log_joint(vae, z, x), rtol=1e-12)
    for k in range(3):
        step = h * np.eye(3)[k]
        numeric = (proposals.log_joint(vae, z + step, x) - proposals.log_joint(vae, z - step, x)) / (2 * h)
        np.testing.assert_allclose(slope[:, k], numeric, rtol=1e-6, atol=1e-8)


def test_the_climb_reaches_the_mode_of_a_gaussian_posterior_and_its_gaussian_is_the_widened_posterior():
    vae, _ = ppca(shift=30)
    x = RNG.normal(size=(5, 4))
    precision = W @ W.T / VARIANCE + np.eye(2)
    mode = np.linalg.solve(precision, W @ x.T / VARIANCE).T
    mu, logvar = vae.encode(x)
    found = proposals.find_mixture(vae, x, mu, logvar, 0)
    np.testing.assert_allclose(found.mean[:, 2], mode, atol=1e-4)
    covariance = found.factor[:, 2] @ found.factor[:, 2].swapaxes(1, 2)
    np.testing.assert_allclose(covariance, np.tile(2 * np.linalg.inv(precision), (5, 1, 1)), atol=1e-6)
    np.testing.assert_allclose(found.mean[:, 0], mu)
    np.testing.assert_allclose(found.mean[:, 1], 0)
    np.testing.assert_allclose(found.log_det[:, 0], logvar.sum(axis=1) / 2)


def test_densities_are_those_of_the_gaussians_that_the_draws_come_from():
    axes = np.array([stats.ortho_group.rvs(3, random_state=i) for i in range(4)])
    std = RNG.uniform(0.2, 2, (4, 3))
    mixture = proposals.Mixture(RNG.normal(size=(2, 2, 3)), *proposals.gaussians(axes, std, (2, 2)))
    components = np.repeat([0, 1], 4000)
    z = mixture.draw(components, np.random.default_rng(1).normal(size=(8000, 2, 3)))
    of_all = mixture.log_densities(z) - 1.5 * np.log(2 * np.pi)
    for b in range(2):
        for c in range(2):
            covariance = mixture.factor[b, c] @ mixture.factor[b, c].T
            exact = stats.multivariate_normal(mixture.mean[b, c], covariance)
            np.testing.assert_allclose(of_all[c, :, b], exact.logpdf(z[:, b]), rtol=1e-9)
            drawn = z[components == c, b]
            np.testing.assert_allclose(drawn.mean(axis=0), mixture.mean[b, c], atol=0.15)
            np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.3)


def test_two_humps_are_both_found():
    """x = |z| with mirrored humps at z = -2 and 2, of which q knows one, and has an excellent sample size there."""
    vae = VAE(1, (2,), 1, likelihood=Gaussian(0.01), dtype="float64")
    for name in vae.parameters:
        vae.parameters[name] = 0.0
    vae.parameters |= {"decoder.hidden.0.W": [[1.0, -1.0]], "decoder.output.W": [[1.0], [1.0]]}
    vae.parameters |= {"encoder.mu.b": 1.6, "encoder.logvar.b": np.log(0.01)}
    exact = stats.norm.logpdf(2, 0, np.sqrt(1.01)) + np.log(2)
    found = log_likelihood(vae, [[2.0]], 1000)
    assert found.from_mixture[0]
    assert abs(found.log_px[0] - exact) < 4 * found.standard_error[0] + 0.01


def test_an_estimator_says_it_where_a_row_is_not_to_be_trusted(trained, monkeypatch):
    vae, far, exact = trained
    estimator = VariationalAutoencoder(latent_dim=vae.latent_dim, n_importance_samples=1000, max_iter=1).fit(far)
    estimator.model_ = vae
    np.testing.assert_allclose(estimator.score_samples(far), exact, atol=0.6)
    monkeypatch.setattr(proposals, "led_astray", every_row)
    estimator.set_params(n_importance_samples=5)
    with pytest.warns(UntrustedEstimateWarning, match=f"{len(far)} of {len(far)} rows is not to be trusted, first of"):
        estimator.score_samples(far)
    with pytest.warns(UntrustedEstimateWarning):
        vae.log_likelihood(far, 5)


def test_a_report_counts_the_rows(trained):
    vae, far, _ = trained
    found, report = log_likelihood(vae, far, 200, seed=0), minivae.evaluation.evaluate(vae, far, 200)
    assert report["rows_from_mixture"] == found.from_mixture.sum()
    assert report["rows_not_trusted"] == (~found.trusted).sum()
    assert minivae.evaluation.evaluate(vae, far, 5)["rows_not_trusted"] == len(far)


def test_a_model_that_diverged_and_rows_beyond_all_numbers_do_not_break_the_search(monkeypatch):
    vae, _ = ppca()
    monkeypatch.setattr(proposals, "led_astray", every_row)
    vae.parameters["decoder.output.b"] = [np.nan, 0, 0, 0]
    found = log_likelihood(vae, FAR, 20)
    assert not found.trusted.any()
    found = log_likelihood(ppca()[0], FAR * 1e200, 20)
    assert not found.trusted.any()
