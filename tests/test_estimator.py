"""The estimator keeps scikit-learn's contract, on every backend, and its numbers are the model's."""

import os
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from minivae import VAE, Gaussian, GreyDataWarning, Scaling, VariationalAutoencoder, fit
from minivae.backend import states

X = StandardScaler().fit_transform(load_wine().data)
Y = load_wine().target
DIGITS = load_digits().data[:200]
CPU = [name for name, state in states().items() if state == "available" and name != "cupy"]


def checks():
    for backend in CPU:
        estimator = VariationalAutoencoder(max_iter=5, hidden_dims=(8,), n_importance_samples=5, backend=backend)
        for _, check in estimator_checks_generator(estimator):
            yield pytest.param(check, backend, id=f"{backend}-{check.func.__name__}")


@pytest.mark.parametrize(("check", "backend"), list(checks()))
@pytest.mark.filterwarnings("ignore::minivae.GreyDataWarning")
def test_what_scikit_learn_demands(check, backend):
    estimator = VariationalAutoencoder(max_iter=5, hidden_dims=(8,), n_importance_samples=5, backend=backend)
    check(estimator)


ALL_CHECKS = """
from collections import Counter
from sklearn.utils.estimator_checks import check_estimator
from minivae import VariationalAutoencoder
results = check_estimator(VariationalAutoencoder(max_iter=2, hidden_dims=(5,), backend={backend!r}), on_fail=None)
print(dict(Counter(result["status"] for result in results)), not any(r["expected_to_fail"] for r in results))
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", CPU)
def test_check_estimator_passes_whole_with_nothing_skipped_or_expected_to_fail(backend):
    # scikit-learn skips its check of the array API unless SciPy was imported with this variable.
    command = [sys.executable, "-W", "ignore", "-c", ALL_CHECKS.format(backend=backend)]
    environment = os.environ | {"SCIPY_ARRAY_API": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert re.fullmatch(r"\{'passed': \d\d\} True\n", done.stdout), done.stdout + done.stderr


@pytest.fixture(scope="module")
def fitted():
    return VariationalAutoencoder(latent_dim=3, max_iter=60, random_state=0).fit(X)


def test_it_learns(fitted):
    assert fitted.score(X) > VariationalAutoencoder(latent_dim=3, max_iter=1, random_state=0).fit(X).score(X) + 2
    assert fitted.history_["loss"][-1] < fitted.history_["loss"][0]
    assert fitted.n_iter_ == len(fitted.history_["loss"]) == 60


def test_its_numbers_are_those_of_its_model(fitted):
    vae = fitted.model_
    np.testing.assert_array_equal(fitted.transform(X), vae.encode(X)[0])
    np.testing.assert_array_equal(fitted.reconstruct(X), fitted.inverse_transform(fitted.transform(X)))
    assert vae.dtype == "float64"
    exact = vae.log_likelihood(X, 4000)
    more = clone(fitted).set_params(n_importance_samples=4000)
    more.model_, more.n_features_in_, more.columns_ = vae, fitted.n_features_in_, None
    assert abs(more.score_samples(X) - exact).mean() < 0.1
    assert fitted.score(X) == pytest.approx(fitted.score_samples(X).mean())


def test_a_score_does_not_depend_on_its_neighbours_or_their_order(fitted):
    scores = fitted.score_samples(X)
    np.testing.assert_allclose(fitted.score_samples(X[17:18]), scores[17:18], rtol=1e-9)
    np.testing.assert_allclose(fitted.score_samples(X[::-1])[::-1], scores, rtol=1e-9)
    np.testing.assert_allclose(fitted.score_samples(np.tile(X, (20, 1)))[-len(X) :], scores, rtol=1e-9)


def test_an_int_makes_fits_and_samples_repeatable(fitted):
    again = VariationalAutoencoder(latent_dim=3, max_iter=60, random_state=0).fit(X)
    np.testing.assert_array_equal(again.transform(X), fitted.transform(X))
    np.testing.assert_array_equal(again.sample(4), fitted.sample(4))
    assert not np.array_equal(fitted.sample(4, random_state=1), fitted.sample(4))
    other = VariationalAutoencoder(latent_dim=3, max_iter=60, random_state=1).fit(X)
    assert not np.array_equal(other.transform(X), fitted.transform(X))


def test_samples_are_draws_and_their_means_are_not(fitted):
    draws, means = fitted.sample(4000), fitted.sample(4000, draw=False)
    assert draws.shape == (4000, 13)
    noise = np.exp(fitted.model_.parameters["decoder.output.logvar"])
    np.testing.assert_allclose(np.var(draws - means), noise, rtol=0.1)


def test_partial_fit_goes_on_and_warm_start_too():
    parts = VariationalAutoencoder(random_state=0)
    for _ in range(3):
        parts.partial_fit(X)
    assert parts.n_iter_ == 3
    whole = VariationalAutoencoder(random_state=0, max_iter=3).fit(X)
    np.testing.assert_allclose(parts.transform(X), whole.transform(X), rtol=1e-10)
    warm = VariationalAutoencoder(random_state=0, max_iter=2, warm_start=True).fit(X)
    warm.set_params(max_iter=1).fit(X)
    assert warm.n_iter_ == 3
    np.testing.assert_allclose(warm.transform(X), whole.transform(X), rtol=1e-10)
    assert VariationalAutoencoder(max_iter=1).fit(X).fit(X).n_iter_ == 1


@pytest.mark.parametrize(
    ("x", "parameters", "likelihood", "scaling"),
    [
        (DIGITS > 7, {}, "Bernoulli()", "none"),
        (DIGITS / 16, {}, "Gaussian(variance='learned')", "standard"),
        (DIGITS, {}, "Gaussian(variance='learned')", "standard"),
        (DIGITS, {"likelihood": "gaussian", "scaling": "minmax"}, "Gaussian(variance='learned')", "minmax"),
        (DIGITS, {"likelihood": Gaussian("per_dimension")}, "Gaussian(variance='per_dimension')", "standard"),
        (DIGITS, {"likelihood": Gaussian(0.5)}, "Gaussian(variance=0.5)", "none"),
        (DIGITS, {"scaling": Scaling.of("minmax", DIGITS)}, "Gaussian(variance='learned')", "minmax"),
        (DIGITS, {"scaling": "none"}, "Gaussian(variance='learned')", "none"),
        (np.eye(7), {"likelihood": "categorical"}, "Categorical(groups=None)", "none"),
    ],
)
def test_auto_is_bernoulli_for_exact_0_and_1_and_else_gaussian_and_standardised(x, parameters, likelihood, scaling):
    model = VariationalAutoencoder(max_iter=1, **parameters).fit(x).model_
    assert (repr(model.likelihood), model.scaling.kind) == (likelihood, scaling)


def test_grey_values_can_still_be_asked_to_be_bernoulli():
    with pytest.warns(GreyDataWarning):
        VariationalAutoencoder(max_iter=1, likelihood="bernoulli").fit(DIGITS / 16)


def test_scores_do_not_depend_on_the_units_but_for_the_volume():
    r = np.random.default_rng(0)
    x = r.normal(size=(150, 2)) @ r.normal(size=(2, 6)) + 0.3 * r.normal(size=(150, 6))
    scores = []
    for scale, shift in ((1, 0), (10, 50), (1e-3, 20)):
        estimator = VariationalAutoencoder(random_state=0, max_iter=150, learning_rate=5e-3).fit(
            scale * x[:100] + shift
        )
        scores.append(estimator.score(scale * x[100:] + shift) + 6 * np.log(scale))
        np.testing.assert_allclose(
            (estimator.sample(2000).mean(axis=0) - shift) / scale, x[:100].mean(axis=0), atol=0.3
        )
    np.testing.assert_allclose(scores, scores[0], atol=0.01)
    assert scores[0] > PCA(2).fit(x[:100]).score(x[100:]) - 1


def test_rows_outside_a_scaler_in_front_are_scored():
    pipeline = make_pipeline(MinMaxScaler(), VariationalAutoencoder(max_iter=5, random_state=0))
    assert np.all(np.isfinite(cross_val_score(pipeline, load_wine().data, cv=4, error_score="raise")))


@pytest.mark.parametrize("name", ["l2", "activation", "scaling", "early_stopping"])
def test_no_parameter_is_accepted_and_ignored(name):
    value = {"l2": 1.0, "activation": "tanh", "scaling": "minmax", "early_stopping": True}[name]
    usual = VariationalAutoencoder(max_iter=3, random_state=0).fit(X).model_
    other = VariationalAutoencoder(max_iter=3, random_state=0, **{name: value}).fit(X).model_
    assert not np.array_equal(other.store.vector, usual.store.vector)
    if name != "early_stopping":
        arguments = {name: value} if name == "activation" else {}
        vae = VAE(13, (100,), 2, likelihood="gaussian", dtype="float64", seed=other.seed, **arguments)
        vae.scaling = Scaling.of(value if name == "scaling" else "standard", X)
        fit(vae, X, 3, 32, seed=vae.seed, progress=False, **({name: value} if name == "l2" else {}))
        np.testing.assert_array_equal(vae.store.vector, other.store.vector)


def test_early_stopping_sets_rows_aside_and_keeps_the_best():
    estimator = VariationalAutoencoder(
        hidden_dims=(200,), max_iter=500, learning_rate=1e-2, early_stopping=True, n_iter_no_change=3, random_state=0
    ).fit(X[:60])
    losses = estimator.history_["val_loss"]
    assert estimator.n_iter_ == len(losses) == np.argmin(losses) + 4 < 500
    assert estimator.model_.step == estimator.n_iter_ * 2  # 54 rows in batches of 32
    with pytest.raises(ValueError, match="early_stopping=True needs fit"):
        estimator.partial_fit(X)
    for wrong in ({"validation_fraction": 1.0}, {"validation_fraction": 0.999}, {"n_iter_no_change": 0}):
        with pytest.raises(ValueError, match=r"validation_fraction|set some aside|n_iter_no_change"):
            clone(estimator).set_params(**wrong).fit(X)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("latent_dim", 3),
        ("hidden_dims", (7,)),
        ("likelihood", "gaussian"),
        ("activation", "tanh"),
        ("scaling", "minmax"),
        ("dtype", "float32"),
        ("random_state", 1),
    ],
)
def test_what_a_model_was_built_with_cannot_change_under_way(name, value):
    estimator = VariationalAutoencoder(max_iter=1, random_state=0, warm_start=True).fit(X)
    estimator = pickle.loads(pickle.dumps(estimator)).set_params(**{name: value})
    for goes_on in (estimator.fit, estimator.partial_fit):
        with pytest.raises(ValueError, match=f"{name} was .* when training began and is .*warm_start=False"):
            goes_on(X)
    assert estimator.n_iter_ == 1
    estimator.set_params(warm_start=False).fit(X)
    drawn = VariationalAutoencoder(random_state=np.random.RandomState(0)).partial_fit(X)
    assert pickle.loads(pickle.dumps(drawn)).partial_fit(X).n_iter_ == 2  # though its generator lies elsewhere now


@pytest.mark.parametrize(("name", "value"), [("beta", 5.0), ("l2", 1.0), ("batch_size", 7), ("learning_rate", 0.1)])
def test_what_can_change_under_way_counts_from_then_on(name, value):
    usual, changed = (VariationalAutoencoder(random_state=0).partial_fit(X) for _ in range(2))
    changed.set_params(**{name: value}).partial_fit(X)
    assert not np.array_equal(changed.model_.store.vector, usual.partial_fit(X).model_.store.vector)


def test_it_works_in_a_pipeline_and_in_a_search_with_two_processes():
    pipeline = make_pipeline(
        StandardScaler(), VariationalAutoencoder(max_iter=40, random_state=0), LogisticRegression()
    )
    assert pipeline.fit(load_wine().data, Y).score(load_wine().data, Y) > 0.8
    grid = {"variationalautoencoder__latent_dim": [1, 3]}
    search = GridSearchCV(pipeline, grid, n_jobs=2, cv=2, error_score="raise").fit(load_wine().data, Y)
    assert search.best_params_ == {"variationalautoencoder__latent_dim": 3}
    densities = GridSearchCV(VariationalAutoencoder(max_iter=10, random_state=0), {"latent_dim": [1, 2]}, cv=2).fit(X)
    assert np.isfinite(densities.best_score_)


def test_a_pickle_goes_on_where_it_was(fitted):
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.transform(X), fitted.transform(X))
    np.testing.assert_array_equal(copy.score_samples(X[:5]), fitted.score_samples(X[:5]))


@pytest.mark.peers
def test_names_come_in_and_go_out(fitted):
    assert list(fitted.get_feature_names_out()) == [f"variationalautoencoder{k}" for k in range(3)]
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame(X, columns=load_wine().feature_names)
    estimator = VariationalAutoencoder(max_iter=1).set_output(transform="pandas").fit(frame)
    assert list(estimator.feature_names_in_) == load_wine().feature_names
    assert list(estimator.transform(frame).columns) == ["variationalautoencoder0", "variationalautoencoder1"]


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (sparse.csr_matrix(X), TypeError, "[Ss]parse"),
        (np.where(X.max() == X, np.inf, X), ValueError, "infinity"),
        (X[:, :5], ValueError, "5 features, but VariationalAutoencoder is expecting 13"),
    ],
)
def test_bad_data_are_refused_clearly(fitted, data, error, message):
    with pytest.raises(error, match=message):
        fitted.transform(data)
    if data.shape[1] == 13:
        with pytest.raises(error, match=message):
            VariationalAutoencoder(max_iter=1).fit(data)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_iter": 0},
        {"latent_dim": 0},
        {"learning_rate": -1.0},
        {"batch_size": 0},
        {"likelihood": "cauchy"},
        {"beta_warm_up": -1},
    ],
)
def test_bad_parameters_are_refused_by_fit_and_not_before(wrong):
    estimator = VariationalAutoencoder(**wrong)
    with pytest.raises(ValueError, match=next(iter(wrong))):
        estimator.fit(X)


def test_a_changed_learning_rate_counts_in_a_warm_start():
    estimator = VariationalAutoencoder(max_iter=1, warm_start=True, random_state=0).fit(X)
    before = estimator.model_.store.vector.copy()
    estimator.set_params(learning_rate=1e-30).fit(X)
    np.testing.assert_allclose(estimator.model_.store.vector, before, rtol=0, atol=1e-12)


def test_an_unfitted_one_says_so():
    for method in ("transform", "inverse_transform", "reconstruct", "score_samples", "score"):
        with pytest.raises(NotFittedError):
            getattr(VariationalAutoencoder(), method)(X)
    with pytest.raises(NotFittedError):
        VariationalAutoencoder().sample()


def test_importing_minivae_does_not_import_scikit_learn():
    code = "import sys, minivae; assert not any(name.startswith('sklearn') for name in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("likelihood", ["poisson", "negative-binomial", "lognormal"])
def test_counts_and_positive_numbers_are_not_standardised(likelihood):
    X = np.random.default_rng(0).negative_binomial(2, 0.2, (100, 4)) + 1
    estimator = VariationalAutoencoder(2, (8,), likelihood=likelihood, max_iter=3).fit(X)
    assert estimator.model_.scaling.kind == "none"
    assert np.isfinite(estimator.score(X))
