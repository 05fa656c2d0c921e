"""Missing values and columns of several kinds: what was not observed has no say, and the rest is exact."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from minivae import (
    SGD,
    VAE,
    Adam,
    Bernoulli,
    Categorical,
    DataError,
    EarlyStopping,
    Gaussian,
    LogNormal,
    Masking,
    Mixed,
    NegativeBinomial,
    Scaling,
    evaluation,
    fit,
)
from minivae.backend import load
from minivae.gradcheck.cases import TABLE_CASES
from minivae.model.likelihoods import LIKELIHOODS, from_config
from minivae.model.scaling import moments
from minivae.training.runaway import of_the_loss


@pytest.fixture(params=["numpy", pytest.param("numba", marks=pytest.mark.slow)])
def backend(request):
    """Not on every backend each time: Numba compiles anew for holes, which takes a minute; CuPy refuses them."""
    if request.param == "numba":
        pytest.importorskip("numba")
    return request.param


RNG = np.random.default_rng(0)
MIXED = Mixed([("gaussian", 2), ("lognormal", 1), ("poisson", 1), ("bernoulli", 1), ("categorical", 3)])
KINDS = {
    "real": slice(0, 2),
    "positive": slice(2, 3),
    "count": slice(3, 4),
    "binary": slice(4, 5),
    "category": slice(5, 8),
}


def table(n, holes=0.3):
    """Rows of five kinds that share one cause, some of them not observed; the first column always is."""
    cause = RNG.standard_normal((n, 1))
    real = 5 + 3 * cause * [1, -1] + RNG.standard_normal((n, 2))
    category = np.eye(3)[np.digitize(cause[:, 0] + 0.5 * RNG.standard_normal(n), [-0.5, 0.5])]
    binary, count = RNG.random((n, 1)) < expit(2 * cause), RNG.poisson(np.exp(3 + cause / 2))
    x = np.hstack([real, np.exp(9 + cause), count, binary, category])
    hole = RNG.random((n, 8)) < holes
    hole[:, 0], hole[:, 5:] = False, hole[:, 5:6]
    return np.where(hole, np.nan, x)


def mixed(x, **options):
    options = {"hidden_dims": (6,), "latent_dim": 2, "activation": "tanh", "dtype": "float64"} | options
    return VAE(8, likelihood=MIXED, scaling=Scaling.of("standard", x, likelihood=MIXED), **options)


def of_each_likelihood(dtype="float64"):
    """Models of 7 columns, each with its rows."""
    real = RNG.standard_normal((40, 7))
    one_hot = np.hstack([np.eye(3)[RNG.integers(3, size=40)], np.eye(4)[RNG.integers(4, size=40)]])
    for likelihood, x in (
        ("bernoulli", real > 0),
        ("gaussian", real),
        (Gaussian("per_dimension"), real),
        (Gaussian(0.5), real),
        ("lognormal", np.exp(real)),
        ("poisson", np.floor(np.exp(real + 1))),
        ("negative-binomial", np.floor(np.exp(real + 1))),
        (Categorical((3, 4)), one_hot),
        (
            Mixed([("gaussian", 3), (Categorical((2, 2)), 4)]),
            np.c_[real[:, :3], np.eye(2)[RNG.integers(2, size=(40, 2))].reshape(40, 4)],
        ),
    ):
        yield VAE(7, (5,), 3, likelihood=likelihood, dtype=dtype, activation="tanh"), x.astype(float)


# ---------------------------------------------------------------------------------------------------------
# The kernels


@pytest.mark.parametrize("case", TABLE_CASES, ids=lambda case: case.name)
def test_a_backend_agrees_with_the_reference_about_holes(case, kernels):
    if kernels.graph is not None:
        pytest.skip("no GPU kernel")
    for dtype, tolerance in (("float64", 1e-12), ("float32", 2e-5)):
        arrays = {name: array.astype(dtype) for name, array in case.draw(np.random.default_rng(1)).items()}
        truth = load("numpy")
        upstream = np.random.default_rng(2).standard_normal(np.shape(case.value(truth, arrays))).astype(dtype)
        np.testing.assert_allclose(
            case.value(kernels, arrays), case.value(truth, arrays), rtol=tolerance, atol=tolerance
        )
        for mine, right in zip(*(case.backward(k, arrays, upstream) for k in (kernels, truth)), strict=True):
            np.testing.assert_allclose(mine, right, rtol=tolerance, atol=tolerance)


def test_counts_and_log_rates_may_be_large(kernels):
    if kernels.graph is not None:
        pytest.skip("no GPU kernel")
    log_rate, x = np.array([[0.0, 11.5, -800, 800, 800]]), np.array([[0, 100_000, 3, 0, 1e7]])
    for dtype in ("float32", "float64"):
        args = kernels.asarray(log_rate, dtype), kernels.asarray(x, dtype), kernels.asarray(np.ones(1), dtype)
        nll, dlog_rate = kernels.poisson_nll(*args)
        assert np.isfinite(nll).all()
        assert np.isfinite(dlog_rate).all()
        assert nll.dtype == dtype
        one = kernels.poisson_nll(args[0][:, 1:2], args[1][:, 1:2])[0]
        assert one[0] == pytest.approx(-stats.poisson.logpmf(100_000, np.exp(11.5)), rel=1e-6)


# ---------------------------------------------------------------------------------------------------------
# p(x|z) is what it says: sums, densities, draws


def test_probabilities_of_a_table_add_up_to_one():
    """Over all 2 x 3 x 200 rows of a binary, a category and a (truncated) count, given z."""
    likelihood = Mixed([("bernoulli", 1), ("categorical", 3), ("poisson", 1)])
    rows = np.array([[b, *one_hot, count] for b in (0, 1) for one_hot in np.eye(3) for count in range(200)])
    output = np.tile([0.3, 1.0, -1.0, 0.5, 3.0], (len(rows), 1))
    assert np.exp(-likelihood.nll(load("numpy"), output, rows)).sum() == pytest.approx(1, abs=1e-12)
    assert likelihood.kinds(5) == ["probability"] * 5


def test_a_negative_binomial_is_the_one_of_scipy_and_a_poisson_where_its_size_is_large(kernels):
    if kernels.graph is not None:
        pytest.skip("no GPU kernel")
    x, l = np.array([[0.0, 3, 40, 100_000]]), np.array([[0.3, 1.0, 3.0, 11.5]])
    for log_size in (-3.0, 0.0, 2.0):
        r, ones = np.exp(log_size), np.full(4, log_size)
        exact = -stats.nbinom.logpmf(x, r, r / (r + np.exp(l))).sum()
        assert kernels.negative_binomial_nll(l, ones, x)[0][0] == pytest.approx(exact, rel=1e-10)
    whole = np.arange(2000.0)[:, None]
    of_all = kernels.negative_binomial_nll(np.full((2000, 1), 1.5), np.array([0.5]), whole)[0]
    assert np.exp(-of_all).sum() == pytest.approx(1, abs=1e-12)
    near, limit = kernels.negative_binomial_nll(l, np.full(4, 99.0), x)[0], kernels.poisson_nll(l, x)[0]
    assert near[0] == pytest.approx(limit[0], abs=5e-3)  # counts near 10^5 vary 0.02 % more
    for dtype in ("float32", "float64"):
        far = np.array([[800.0, -800, 800, 0]], dtype), np.array([99.0, -99, 0, 0], dtype), x.astype(dtype)
        found = kernels.negative_binomial_nll(*far, np.ones(1, dtype))
        assert all(np.isfinite(array).all() and array.dtype == dtype for array in found)
        assert (found[2][:2] == 0).all()  # log r is held: no gradient beyond


def test_a_negative_binomial_learns_the_size_that_the_counts_were_drawn_with():
    """r = 2, m = 6 in the first column, a Poisson in the second; by maximum likelihood of the constant model."""
    n, rng = 4000, np.random.default_rng(0)
    x = np.column_stack([rng.negative_binomial(2, 2 / 8, n), rng.poisson(6, n)])
    vae = VAE(2, (), 1, likelihood="negative-binomial", dtype="float64")
    vae.parameters |= {"decoder.output.W": np.zeros((1, 2)), "decoder.output.b": [1.0, 1.0]}
    fit(vae, x, epochs=25, optimizer=Adam(0.02), progress=False)
    r = np.exp(vae.parameters["decoder.output.logvar"])
    assert r[0] == pytest.approx(2, rel=0.12)  # 2 standard errors are 0.1
    assert r[1] > 50
    np.testing.assert_allclose(vae.decode(np.zeros((1, 1)))[0], [6, 6], rtol=0.1)
    drawn = NegativeBinomial().draw(np.full((n, 1), 6.0), np.log([2.0]), lambda: rng.random((n, 1)), None)[:, 0]
    counts = np.bincount(drawn.astype(int), minlength=25)[:25]
    expected = stats.nbinom.pmf(np.arange(25), 2, 2 / 8)
    assert stats.chisquare(counts, expected * counts.sum() / expected.sum()).pvalue > 1e-3
    # A size beyond what the likelihood holds is drawn as what it holds, and not as zeros.
    held = NegativeBinomial().draw(np.full((n, 1), 6.0), np.array([99.0]), lambda: rng.random((n, 1)), None)
    assert held.mean() == pytest.approx(6, abs=5 * np.sqrt(6 / n))
    output, log_size = NegativeBinomial().constant(x.astype(float))
    np.testing.assert_allclose(np.exp(output), x.mean(axis=0))
    assert np.exp(log_size[0]) == pytest.approx(2, rel=0.15)


def test_a_lognormal_density_is_that_of_x_and_draws_match_it():
    output, logvar, x = np.array([[0.7]]), np.array([-0.4]), np.array([[3.3]])
    exact = stats.lognorm(np.exp(-0.2), scale=np.exp(0.7))
    assert -LogNormal().nll(load("numpy"), output, x, logvar)[0] == pytest.approx(exact.logpdf(3.3), rel=1e-12)
    assert LogNormal().mean_given(load("numpy"), output, logvar)[0, 0] == pytest.approx(exact.mean(), rel=1e-12)


def test_draws_of_a_table_have_its_distribution_and_are_independent_given_z():
    n = 20_000
    e = RNG.standard_normal((n, 8))
    mean = np.tile([0.0, 2.0, np.exp(0.5 - 0.2), 4.0, 0.3, 0.2, 0.5, 0.3], (n, 1))
    logvar = np.array([0.0, 1.0, -0.4])
    x = MIXED.draw(mean, logvar, None, lambda: e)
    logmean = np.log(mean[0, 2]) - np.exp(logvar[2]) / 2  # exp(m + variance / 2) is the mean
    assert stats.kstest(x[:, 1], stats.norm(2, np.exp(0.5)).cdf).pvalue > 1e-3
    assert stats.kstest(np.log(x[:, 2]), stats.norm(logmean, np.exp(-0.2)).cdf).pvalue > 1e-3
    counts = np.bincount(x[:, 3].astype(int), minlength=12)[:12]
    expected = n * stats.poisson.pmf(np.arange(12), 4)
    assert stats.chisquare(counts, expected * counts.sum() / expected.sum()).pvalue > 1e-3
    np.testing.assert_allclose(x[:, 4:].mean(axis=0), [0.3, 0.2, 0.5, 0.3], atol=5 * 0.5 / np.sqrt(n))
    assert (x[:, 5:].sum(axis=1) == 1).all()
    assert np.abs(np.corrcoef(x[:, :6].T) - np.eye(6)).max() < 5 / np.sqrt(n)


def test_log_p_of_mixed_rows_is_that_of_quadrature():
    """One latent: p(x_observed) = int p(z) prod_d p(x_d|z) dz on a grid, every factor from SciPy."""
    x = table(12)
    vae = mixed(x, latent_dim=1, missing="mask")
    fit(vae, x, epochs=30, optimizer=SGD(0.02), progress=False)
    z = np.linspace(-8, 8, 801)[:, None]
    out, std = vae.decoder.forward(z).copy(), np.exp(vae.parameters["decoder.output.logvar"] / 2)
    scale, shift = vae.scaling.scale[:2], vae.scaling.shift[:2]
    p_category = np.exp(out[:, 5:]) / np.exp(out[:, 5:]).sum(axis=1, keepdims=True)
    expected = []
    for row in x:
        terms = np.column_stack(
            [
                stats.norm.logpdf(row[:2], shift + scale * out[:, :2], scale * std[:2]),
                stats.lognorm.logpdf(row[2], std[2], scale=np.exp(out[:, 2])),
                stats.poisson.logpmf(row[3], np.exp(out[:, 3])),
                stats.bernoulli.logpmf(row[4], expit(out[:, 4])),
                np.log(p_category) @ row[5:],
            ]
        )
        log_px_z = np.where(np.isnan([*row[:5], row[5]]), 0, terms).sum(axis=1)
        expected.append(np.logaddexp.reduce(log_px_z + stats.norm.logpdf(z[:, 0])) + np.log(z[1, 0] - z[0, 0]))
    estimate = evaluation.log_likelihood(vae, x, 4000)
    assert (np.abs(estimate.log_px - expected) < 5 * estimate.standard_error + 0.01).all()
    report = evaluation.evaluate(vae, x, 10)
    assert report["protocol"]["columns"] == {"density": 3, "probability": 5}
    assert report["protocol"]["missing"] == np.isnan(x).sum()
    assert report["protocol"]["values"] == "mixed"


# ---------------------------------------------------------------------------------------------------------
# A hole has no say


def test_a_row_with_a_hole_is_the_row_without_that_column():
    """The same numbers from a model of 6 columns with the parameters of the 7, less those of column 2."""
    for vae, x in of_each_likelihood():
        name = vae.likelihood.name
        if name in ("categorical", "mixed"):
            continue
        x[:, 2] = np.nan
        eps = RNG.standard_normal((len(x), 3))
        likelihood = vae.likelihood if name != "gaussian" else Gaussian(vae.likelihood.variance)
        less = VAE(6, (5,), 3, likelihood=likelihood, dtype="float64", activation="tanh")
        for parameter, array in vae.parameters.items():
            if array.ndim == 1 and parameter == "decoder.output.logvar":
                array[...] = np.linspace(-1, 1, len(array))
            axis = {"encoder.hidden.0.W": 0, "decoder.output.W": 1, "decoder.output.b": 0}.get(parameter)
            axis = 0 if parameter.endswith("logvar") and len(array) == 7 else axis
            less.parameters[parameter] = array if axis is None else np.delete(array, 2, axis)
        with_hole, without = vae.loss_and_gradients(x, eps), less.loss_and_gradients(np.delete(x, 2, 1), eps)
        np.testing.assert_allclose(with_hole, without, rtol=1e-12)
        for parameter, gradient in vae.gradients.items():
            if gradient.shape == less.gradients[parameter].shape:
                np.testing.assert_allclose(gradient, less.gradients[parameter], rtol=1e-9, atol=1e-12)
        assert not vae.gradients["decoder.output.b"][2]
        assert not vae.gradients["encoder.hidden.0.W"][2].any()
        logvar = vae.gradients.get("decoder.output.logvar", np.zeros(1))
        assert len(logvar) == 1 or logvar[2] == 0


def test_a_category_with_a_hole_is_missing_as_a_whole():
    vae, x = next(pair for pair in of_each_likelihood() if pair[0].likelihood.name == "categorical")
    x[:, 3:] = np.nan
    vae.loss_and_gradients(x)
    assert not vae.gradients["decoder.output.b"][3:].any()
    assert vae.gradients["decoder.output.b"][:3].all()
    with pytest.raises(DataError, match="in columns 0 to 2"):
        vae.loss(np.c_[np.full((40, 1), np.nan), x[:, 1:]])


def test_the_mask_tells_the_encoder_what_was_not_observed():
    x = table(20)
    zero, mask = mixed(x), mixed(x, missing="mask")
    assert mask.parameters["encoder.hidden.0.W"].shape == (16, 6)
    assert zero.parameters["encoder.hidden.0.W"].shape == (
        8,
        6,
    )
    mask.parameters["encoder.hidden.0.W"][:8] = zero.parameters["encoder.hidden.0.W"]
    mask.parameters["encoder.hidden.0.W"][8:] = 0
    for name in zero.parameters.keys() - {"encoder.hidden.0.W"}:
        mask.parameters[name] = zero.parameters[name]
    np.testing.assert_allclose(mask.encode(x), zero.encode(x), rtol=1e-12)
    mask.parameters["encoder.hidden.0.W"][10] = 1
    before, after = zero.encode(x)[0], mask.encode(x)[0]
    known = ~np.isnan(x[:, 2])
    np.testing.assert_allclose(after[~known], before[~known], rtol=1e-12)
    assert (after[known] != before[known]).all()


def test_the_encoder_sees_logarithms_near_unit_size_and_zero_for_a_hole():
    x = table(300)
    x[:, 2] *= 1e6
    x[0, 3] = 100_000
    vae = mixed(x)
    mean, variance = moments(vae.scaling.seen(MIXED.encoder_view(vae.check(x)))[:, :4])
    np.testing.assert_allclose(mean, 0, atol=1e-9)
    np.testing.assert_allclose(variance, 1, rtol=1e-9)
    np.testing.assert_allclose(vae.parameters["decoder.output.b"][2:4], vae.scaling.seen_shift[2:4], atol=1)
    hole, central = x[:1].copy(), x[:1].copy()
    hole[0, 1], central[0, 1] = np.nan, vae.scaling.shift[1]
    np.testing.assert_allclose(vae.encode(hole), vae.encode(central), rtol=1e-12)


# ---------------------------------------------------------------------------------------------------------
# Everything takes such rows


@pytest.mark.parametrize("dtype", [pytest.param("float32", marks=pytest.mark.slow), "float64"])
def test_every_method_takes_holes(dtype, kernels, tmp_path):
    if kernels.graph is not None:
        pytest.skip("needs complete rows")
    for vae, x in of_each_likelihood(dtype):
        vae = VAE(7, (5,), 3, likelihood=vae.likelihood, dtype=dtype, backend=kernels.name, missing="mask")
        hole = RNG.random((40, 7)) < 0.3
        wide = {"categorical": (slice(0, 3), slice(3, 7)), "mixed": (slice(3, 5), slice(5, 7))}
        for group in wide.get(vae.likelihood.name, ()):
            hole[:, group] = hole[:, group][:, :1]
        hole[np.arange(40), 0] = False
        if vae.likelihood.name == "categorical":
            hole[:, :3] = False
        x[hole] = np.nan
        vae.set_output_bias(x)
        early = EarlyStopping(2)
        history = fit(vae, x, 2, 16, SGD(0.01), x[:9], corruption=None, early_stopping=early, progress=False)
        twin = VAE(7, (5,), 3, likelihood=vae.likelihood, dtype=dtype, backend=kernels.name, missing="mask")
        twin.set_output_bias(x)
        path = tmp_path / "x.npy"
        np.save(path, x)
        on_disk = fit(
            twin, np.load(path, mmap_mode="r"), 2, 16, SGD(0.01), x[:9], early_stopping=EarlyStopping(2), progress=False
        )
        assert history == on_disk
        assert np.isfinite(history["loss"]).all()
        vae.save(tmp_path / "model.safetensors")
        again = VAE.load(tmp_path / "model.safetensors", backend=kernels.name)
        assert again.missing == "mask"
        assert repr(again.likelihood) == repr(vae.likelihood)
        np.testing.assert_array_equal(again.reconstruct(x), vae.reconstruct(x))
        assert np.isfinite(vae.reconstruct(x)).all()
        assert np.isfinite(vae.log_likelihood(x[:3], 20)).all()
        assert of_the_loss(vae, vae.check(x), 1e9)
        assert not of_the_loss(vae, vae.check(x), -1e9)
        filled, draws = vae.impute(x[:4], n_samples=20), vae.impute(x[:4], 2, n_samples=20)
        for each in (filled, *draws):
            assert np.isfinite(each).all()
            np.testing.assert_array_equal(each[~hole[:4]], x[:4][~hole[:4]])
        vae.likelihood.check(draws[0].astype(dtype))


@pytest.mark.parametrize(
    "options", [{"binarize": "stochastic"}, {"binarize": "threshold"}, {"corruption": Masking(0.2)}]
)
def test_binarising_and_corrupting_leave_holes_as_they_are(options):
    """A training step on rows with a hole in one column changes nothing that belongs to it."""
    x = RNG.random((32, 7)) if "binarize" in options else (RNG.random((32, 7)) < 0.5).astype(float)
    x[:31, 4] = np.nan
    x[31] = 0.25 if "binarize" in options else 1.0
    vae = VAE(7, (5,), 3, dtype="float64")
    before = vae.parameters["decoder.output.b"].copy()
    fit(vae, x, 1, 32, SGD(1.0), validation=x, progress=False, **options)
    step = np.abs(vae.parameters["decoder.output.b"] - before)
    assert 0 < step[4] <= 1 / 32
    assert (np.delete(step, 4) != step[4]).all()


def test_what_cannot_be_learned_from_is_refused_by_name():
    x = RNG.standard_normal((9, 7))
    x[4] = np.nan
    vae = VAE(7, (5,), 3, likelihood="gaussian")
    for method in (vae.loss, vae.encode, vae.impute, vae.log_likelihood, vae.reconstruct):
        with pytest.raises(DataError, match="row 4 of X holds no value at all"):
            method(x)
    x[4], x[:, 2] = 0, np.nan
    assert np.isfinite(vae.loss(x).loss)  # a column is only needed to learn from
    for learn in (lambda: fit(vae, x), lambda: Scaling.of("standard", x), lambda: vae.set_output_bias(x)):
        with pytest.raises(DataError, match="column 2 of X holds no value at all"):
            learn()


def test_a_gpu_and_an_own_likelihood_refuse_what_they_cannot_do():
    class Own(Bernoulli):
        takes_holes = False

    x = np.array([[1, np.nan, 0]])
    with pytest.raises(DataError, match="X contains NaN, first at row 0, column 1"):
        VAE(3, (2,), 1, likelihood=Own()).loss(x)


def test_a_grey_value_in_a_binary_column_of_a_table_is_refused():
    with pytest.raises(DataError, match="holds 0 and 1, and nothing between them"):
        VAE(2, (2,), 1, likelihood=Mixed([("gaussian", 1), ("bernoulli", 1)])).loss([[0.3, 0.3]])


def test_a_mixed_likelihood_is_rebuilt_from_its_configuration():
    import json

    likelihood = Mixed([("gaussian", 2), (Gaussian(0.5), 1), (Categorical((2, 3)), 5), ("poisson", 1)])
    again = from_config(json.loads(json.dumps(likelihood.config())))
    assert repr(again) == repr(likelihood)
    assert again.logvar_shape(9) == (2,)
    assert again.kinds(9) == ["density"] * 3 + ["probability"] * 6
    assert len(LIKELIHOODS) == 7
    assert all(name == kind.name for name, kind in LIKELIHOODS.items())
    with pytest.raises(ValueError, match="Mixed needs at least one part"):
        Mixed([])


# ---------------------------------------------------------------------------------------------------------
# Imputation


def conditional(x, mean, covariance):
    """Mean and covariance of a Gaussian's missing entries given the observed ones."""
    hole = np.isnan(x)
    of_both = covariance[np.ix_(hole, ~hole)] @ np.linalg.inv(covariance[np.ix_(~hole, ~hole)])
    return mean[hole] + of_both @ (x - mean)[~hole], covariance[np.ix_(hole, hole)] - of_both @ covariance[
        np.ix_(~hole, hole)
    ]


def test_imputations_of_a_linear_model_are_those_of_its_gaussian():
    """Mean and draws against E and Cov of x_missing given x_observed, in closed form, in the units of the data."""
    scaling = Scaling("standard", np.array([1.0, -2, 0, 4]), np.array([2.0, 1, 3, 0.5]))
    vae = VAE(4, (), 2, likelihood=Gaussian(0.3), dtype="float64", scaling=scaling)
    W, b = vae.parameters["decoder.output.W"], vae.parameters["decoder.output.b"]
    W[...], b[...] = [[1.0, 2, 0, -1], [0.5, -1, 1.5, 0]], [0.5, -1, 0, 2]
    covariance = np.outer(scaling.scale, scaling.scale) * (W.T @ W + 0.3 * np.eye(4))
    mean = scaling.shift + scaling.scale * b
    x = np.array([[3.0, np.nan, 1.0, np.nan], [np.nan, -6, np.nan, 4], [1.0, 2, 3, 4]])
    plug_in, draws = vae.impute(x, n_samples=20_000), vae.impute(x, 1000, n_samples=2000)
    for row in (0, 1):
        centre, spread = conditional(x[row], mean, covariance)
        hole, std = np.isnan(x[row]), np.sqrt(np.diag(spread))
        np.testing.assert_allclose((plug_in[row, hole] - centre) / std, 0, atol=0.03)
        np.testing.assert_allclose((draws[:, row][:, hole].mean(axis=0) - centre) / std, 0, atol=0.2)
        np.testing.assert_allclose(
            np.cov(draws[:, row][:, hole].T) / np.outer(std, std), spread / np.outer(std, std), atol=0.25
        )
    np.testing.assert_array_equal(draws[:, 2], np.tile(x[2], (1000, 1)))
    np.testing.assert_array_equal(vae.impute(x, n_samples=100), vae.impute(x, n_samples=100))
    assert (vae.impute(x, n_samples=100)[0] != vae.impute(x, seed=1, n_samples=100)[0]).any()


def marginal_log_density(vae, x):
    """log p of what was observed of each row, from the parameters of a linear model."""
    W, b = vae.parameters["decoder.output.W"], vae.parameters["decoder.output.b"]
    variance = np.exp(vae.parameters["decoder.output.logvar"][0])
    covariance, result = W.T @ W + variance * np.eye(len(b)), []
    for row in x:
        seen = ~np.isnan(row)
        result.append(stats.multivariate_normal(b[seen], covariance[np.ix_(seen, seen)]).logpdf(row[seen]))
    return np.array(result)


def em_for_ppca(x, latent_dim, rounds=150):
    """The largest mean log p(observed) of probabilistic PCA with missing entries, by EM over rows."""
    rng = np.random.default_rng(1)
    (n, D), W, b, variance = x.shape, rng.standard_normal((latent_dim, x.shape[1])), np.nanmean(x, axis=0), 1.0
    seen = ~np.isnan(x)
    for _ in range(rounds):
        z, zz = np.empty((n, latent_dim + 1)), np.empty((n, latent_dim + 1, latent_dim + 1))
        for i in range(n):
            Ws = W[:, seen[i]]
            spread = np.linalg.inv(np.eye(latent_dim) + Ws @ Ws.T / variance) if seen[i].any() else np.eye(latent_dim)
            z[i] = np.r_[spread @ Ws @ (x[i] - b)[seen[i]] / variance, 1]
            zz[i] = np.outer(z[i], z[i])
            zz[i, :-1, :-1] += spread
        total = 0.0
        for d in range(D):
            rows = seen[:, d]
            solution = np.linalg.solve(zz[rows].sum(axis=0), z[rows].T @ x[rows, d])
            W[:, d], b[d] = solution[:-1], solution[-1]
            total += (
                (x[rows, d] ** 2).sum()
                - 2 * solution @ (z[rows].T @ x[rows, d])
                + np.einsum("nij,i,j->", zz[rows], solution, solution)
            )
        variance = total / seen.sum()
    vae = VAE(D, (), latent_dim, likelihood="gaussian", dtype="float64")
    vae.parameters |= {"decoder.output.W": W, "decoder.output.b": b, "decoder.output.logvar": np.log([variance])}
    return marginal_log_density(vae, x).mean()


@pytest.mark.slow
def test_a_linear_model_trained_on_rows_with_holes_is_nearly_the_best_ppca():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((300, 2)) @ rng.standard_normal((2, 6)) + 0.5 * rng.standard_normal((300, 6))
    x[rng.random(x.shape) < 0.2] = np.nan
    x = x[~np.isnan(x).all(axis=1)]
    vae = VAE(6, (), 2, likelihood="gaussian", dtype="float64", missing="mask")
    fit(vae, x, 1500, 100, progress=False, schedule=lambda epoch: 5.0 if epoch < 1000 else 0.5)
    exact = marginal_log_density(vae, x)
    estimate = vae.log_likelihood(x, 2000)
    assert abs(estimate.mean() - exact.mean()) < 0.05
    assert em_for_ppca(x, 2) - exact.mean() < 0.15
