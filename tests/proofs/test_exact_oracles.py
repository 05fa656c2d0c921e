"""Against answers that are exact: log p(x) by quadrature for one and two latents, and probabilistic PCA.

The quadrature shares only ``decode`` with the library: its densities are SciPy's.
"""

import copy
import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp, xlog1py, xlogy
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.decomposition import PCA

from minivae import VAE, Adam, Gaussian, Scaling, fit
from minivae.backend import Stream, load
from minivae.evaluation import evaluate, log_likelihood
from minivae.model import importance
from minivae.model.importance import log_weights

SIGMAS = 5  # standard errors: chance exceeds it once in two million draws


def standardised(x):
    return (x - x.mean(axis=0)) / x.std(axis=0)


def trained(likelihood, latent_dim):
    """A model after a short training, when the posterior is neither the prior nor right; and a few examples."""
    x = standardised(load_iris().data)
    x = (x > 0).astype(float) if likelihood == "bernoulli" else x
    vae = VAE(4, (8,), latent_dim, activation="tanh", likelihood=likelihood, dtype="float64")
    fit(vae, x, epochs=100, batch_size=150, optimizer=Adam(1e-2))
    return vae, x[::15]


class Quadrature:
    """log p(x) and the ELBO of each example, as integrals over z: sums over a grid, exact to many digits.

    A sum is that good where the integrand is smooth and vanishes at the border.
    """

    def __init__(self, vae, x):
        axis = np.linspace(-8, 8, 161)
        z = np.stack(np.meshgrid(*[axis] * vae.latent_dim), axis=-1).reshape(-1, vae.latent_dim)
        log_dz = vae.latent_dim * np.log(axis[1] - axis[0])
        mean = vae.decode(z)[:, None]  # (grid, 1, D)
        if vae.likelihood.name == "bernoulli":
            log_px_z = xlogy(x, mean) + xlog1py(1 - x, -mean)
        else:
            log_px_z = stats.norm.logpdf(x, mean, np.exp(vae.parameters["decoder.output.logvar"] / 2))
        log_joint = log_px_z.sum(axis=2) + stats.norm.logpdf(z).sum(axis=1)[:, None]  # (grid, N)
        self.log_px = logsumexp(log_joint, axis=0) + log_dz

        mu, logvar = vae.encode(x)
        log_q = stats.norm.logpdf(z[:, None], mu, np.exp(logvar / 2)).sum(axis=2)
        self.elbo = np.sum(np.exp(log_q + log_dz) * (log_joint - log_q), axis=0)


CASES = {f"{name}, K = {K}": (name, K) for name in ("bernoulli", "gaussian") for K in (1, 2)}


@pytest.fixture(scope="module", params=CASES.values(), ids=CASES)
def case(request):
    vae, x = trained(*request.param)
    return vae, x, Quadrature(vae, x)


def forgetful(vae):
    """Its twin whose encoder answers with the prior: a poor proposal for the same log p(x)."""
    twin = copy.deepcopy(vae)
    for name, array in twin.parameters.items():
        if name.startswith(("encoder.mu", "encoder.logvar")):
            array[...] = 0
    return twin


@pytest.fixture(scope="module")
def log_w(case):
    """The log weights of 1000 samples of each example, (1000, N): what ``log_likelihood`` is made of."""
    vae, x, _ = case
    mu, logvar = (array.copy() for array in vae.encoder.forward(x))
    noise, rows, shape = load("numpy"), np.arange(len(x)), mu.shape
    eps = [noise.standard_normal(vae.seed, Stream.IMPORTANCE, s, rows, out=np.empty(shape)) for s in range(1000)]
    return np.array([log_weights(vae, x, mu, logvar, e)[0] for e in eps])


REPEATS = 15


@pytest.fixture(scope="module", params=["its own encoder", pytest.param("the prior", marks=pytest.mark.slow)])
def repeated(request, case):
    """Number of samples -> some independent estimates of each example; and the exact values."""
    vae, x, exact = case
    vae = vae if request.param == "its own encoder" else forgetful(vae)
    many = np.tile(x, (REPEATS, 1))  # other rows, other noise
    return {S: log_likelihood(vae, many, S) for S in (10, 100, 1000)}, np.tile(exact.log_px, REPEATS)


def mean_and_error(samples):
    """Over the first axis: the mean, and the tolerance that its standard error allows."""
    return samples.mean(axis=0), SIGMAS * samples.std(axis=0) / np.sqrt(len(samples))


def test_the_quadrature_gives_all_images_together_probability_one():
    vae, _ = trained("bernoulli", 2)
    images = np.array(list(itertools.product((0.0, 1.0), repeat=4)))
    np.testing.assert_allclose(np.exp(Quadrature(vae, images).log_px).sum(), 1, rtol=1e-9)


def test_the_elbo_is_the_integral_and_stays_below_log_px(case):
    vae, x, exact = case
    n = 2000
    eps = np.random.default_rng(0).standard_normal((n * len(x), vae.latent_dim))
    many = np.tile(x, (n, 1))
    recon_nll, kl = vae.terms(many, eps)
    elbo, tolerance = mean_and_error(-(recon_nll + kl).reshape(n, len(x)))
    np.testing.assert_allclose(elbo.mean(), vae.loss(many, eps).elbo, rtol=1e-12)
    np.testing.assert_array_less(abs(elbo - exact.elbo), tolerance)
    np.testing.assert_array_less(exact.elbo, exact.log_px)
    assert elbo.mean() < exact.log_px.mean()


def test_importance_sampling_agrees_with_quadrature(case, log_w):
    vae, x, exact = case
    estimate = vae.log_likelihood(x, n_samples=len(log_w))
    np.testing.assert_allclose(estimate, logsumexp(log_w, axis=0) - np.log(len(log_w)), rtol=1e-12)
    ratio, tolerance = mean_and_error(np.exp(log_w - exact.log_px))  # w / p(x) has mean one
    np.testing.assert_array_less(abs(ratio - 1), tolerance)
    assert np.all(tolerance < 0.5), "too few samples to say anything"


def test_the_bound_that_training_raises_comes_to_the_exact_value_from_below(case):
    vae, x, exact = case
    twin = copy.deepcopy(vae)
    twin.objective, found = "iwae", []
    for twin.draws in (1, 10, 100, 1000):
        eps = np.random.default_rng(0).standard_normal((20, len(x), twin.draws, vae.latent_dim))
        found.append(mean_and_error(np.array([-twin.loss(x, e).loss for e in eps])))
    means, tolerances = np.transpose(found)
    assert means[0] < means[1] < means[2], "more draws, no tighter"
    np.testing.assert_array_less(means - exact.log_px.mean(), tolerances)
    assert abs(means[3] - exact.log_px.mean()) < tolerances[3] + 0.01 < 0.1
    assert abs(means[0] - exact.elbo.mean()) < tolerances[0]


def test_one_importance_sample_is_the_elbo_in_expectation(case, log_w):
    vae, x, exact = case
    np.testing.assert_allclose(vae.log_likelihood(x, n_samples=1), log_w[0], rtol=1e-12)
    elbo, tolerance = mean_and_error(log_w)
    np.testing.assert_array_less(abs(elbo - exact.elbo), tolerance)


def test_with_more_samples_the_estimate_converges_and_its_error_bars_cover_the_exact_value(repeated):
    estimates, exact = repeated
    spread = [np.std(estimate.log_px - exact) for estimate in estimates.values()]
    assert spread[0] > spread[1] > spread[2]
    for estimate in estimates.values():
        error, bar = abs(estimate.log_px - exact), estimate.standard_error + estimate.bias
        for bars, share in {1: 0.55, 2: 0.82, 3: 0.93}.items():
            assert np.mean(error <= bars * bar) > share, f"{bars} error bars"


@pytest.mark.slow
def test_the_interval_that_evaluate_reports_covers_the_exact_value(case):
    vae, x, exact = case
    truth, covered, widths = exact.log_px.mean(), [], {}
    for model in (vae, forgetful(vae)):
        for S, seed in itertools.product((10, 100), range(6)):
            low, high = evaluate(model, x, n_samples=S, seed=seed)["log_likelihood_interval"]
            covered.append(low <= truth <= high)
            widths.setdefault(S, []).append(high - low)
    assert np.mean(covered) > 0.8
    assert np.mean(widths[100]) < np.mean(widths[10]) / 2


def test_the_standard_error_is_the_spread_over_independent_noise(repeated):
    estimates, _ = repeated
    log_px, standard_error = (array.reshape(REPEATS, -1) for array in estimates[1000][:2])
    spread = np.sqrt(log_px.var(axis=0, ddof=1).mean())
    assert 0.85 < spread / np.sqrt(np.mean(standard_error**2)) < 1.4


def test_the_bound_grows_with_the_number_of_samples_and_the_bias_foretells_by_how_much(monkeypatch):
    monkeypatch.setattr(importance, "rows_astray", lambda *_: [])  # or its search finds what the prior misses
    digits = load_digits().data >= 8
    vae = VAE(64, (32,), 10)
    fit(vae, digits, epochs=40, optimizer=Adam(1e-2), progress=False)
    bounds = [log_likelihood(forgetful(vae), digits[:120], S) for S in (1, 10, 100, 1000)]
    for fewer, more in itertools.pairwise(bounds):
        growth, tolerance = mean_and_error(more.log_px - fewer.log_px)
        assert growth > tolerance
        assert not growth > fewer.bias.mean() + tolerance  # one sample says nothing: NaN


# ---------------------------------------------------------------------------------------------------------
# A linear VAE is probabilistic PCA (Tipping and Bishop 1999; Lucas et al. 2019)


@pytest.mark.parametrize("latent_dim", [1, 2])
def test_a_linear_vae_reaches_the_exact_log_likelihood_of_probabilistic_pca(latent_dim):
    x = standardised(load_wine().data)
    vae = VAE(13, (), latent_dim, likelihood="gaussian", dtype="float64")
    for learning_rate in (5e-2, 1e-2, 1e-3):
        fit(vae, x, epochs=120, batch_size=len(x), optimizer=Adam(learning_rate))
    best = PCA(n_components=latent_dim).fit(x).score(x)

    W, b, logvar = (vae.parameters[f"decoder.output.{name}"] for name in ("W", "b", "logvar"))
    exact = stats.multivariate_normal(b, W.T @ W + np.exp(logvar) * np.eye(13)).logpdf(x)
    assert abs(exact.mean() - best) < 0.02
    assert exact.mean() <= likelihood_of_ppca(x, latent_dim) + 1e-9

    elbo = vae.loss(np.tile(x, (100, 1))).elbo
    assert abs(elbo - best) < 0.05, "the bound is tight: the posterior of a linear model is Gaussian"

    # With the right posterior every weight is p(x) itself: few samples will do, and each example is exact.
    estimate = vae.log_likelihood(x, n_samples=200)
    assert abs(estimate.mean() - best) < 0.05
    np.testing.assert_allclose(estimate, exact, atol=0.05)


def likelihood_of_ppca(x, latent_dim):
    """The mean log-likelihood at its maximum, from the eigenvalues of the covariance (Tipping and Bishop, eq. 7)."""
    eigenvalues = np.linalg.eigvalsh(np.cov(x.T, bias=True))[::-1]
    kept, rest = eigenvalues[:latent_dim], eigenvalues[latent_dim:]
    log_det = np.log(kept).sum() + len(rest) * np.log(rest.mean())
    return -0.5 * (len(eigenvalues) * np.log(2 * np.pi) + log_det + len(eigenvalues))


def ppca(scaling=None):
    """A linear VAE with parameters by hand whose encoder is the exact posterior; and p(x) as SciPy knows it.

    With orthogonal rows of W the posterior's precision (W W^T + sigma^2 I) / sigma^2 is diagonal, as q's is.
    """
    W, b, variance = np.array([[1.0, 2, 0, -1], [2, -1, 3, 0]]), np.array([0.5, -1, 0, 2]), 0.7
    vae = VAE(4, (), 2, likelihood=Gaussian(variance), dtype="float64", scaling=scaling)
    m = np.diag(W @ W.T) + variance
    for name, value in {
        "decoder.output.W": W,
        "decoder.output.b": b,
        "encoder.mu.W": W.T / m,
        "encoder.mu.b": -(W @ b) / m,
        "encoder.logvar.W": 0,
        "encoder.logvar.b": np.log(variance / m),
    }.items():
        vae.parameters[name][...] = value
    shift, scale = (0, np.ones(4)) if scaling is None else (scaling.shift, scaling.scale)
    covariance = W.T @ W + variance * np.eye(4)
    return vae, stats.multivariate_normal(shift + scale * b, np.outer(scale, scale) * covariance)


@pytest.mark.parametrize("kind", ["none", "standard", "minmax"])
def test_with_the_exact_posterior_every_weight_is_the_density_of_the_data_in_their_own_units(kind):
    x = load_iris().data
    vae, exact = ppca(None if kind == "none" else Scaling.of(kind, x))
    estimate = log_likelihood(vae, x, n_samples=9)
    np.testing.assert_allclose(estimate.log_px, exact.logpdf(x), rtol=1e-10)
    np.testing.assert_allclose(estimate.effective_sample_size, 9, rtol=1e-10)
    np.testing.assert_allclose([estimate.standard_error, estimate.bias], 0, atol=1e-5)
