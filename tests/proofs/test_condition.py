"""A condition: where it goes, what it is worth exactly, and what leaves it alone."""

import copy
import pickle
import sys
import warnings
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_digits, load_iris
from sklearn.svm import SVC
from test_exact_oracles import likelihood_of_ppca

import proofs
from minivae import VAE, Adam, BackendError, EarlyStopping, Masking, Mixed, SaltAndPepper, Scaling, evaluation, fit
from minivae.checkpoint import load_training, save_training
from minivae.errors import CheckpointError, DataError
from minivae.system import tensorfile
from minivae.training import step
from minivae.training.examples import held_out_rows
from minivae.training.recipe import Recipe
from minivae.workers import Pretend

RNG = np.random.default_rng(0)
X, C = RNG.standard_normal((30, 4)), np.eye(3)[RNG.integers(3, size=30)]
ROWS = np.hstack([X, C])


def model(**options):
    return VAE(4, (5,), 2, **{"likelihood": "gaussian", "dtype": "float64", "condition_dim": 3, "seed": 5} | options)


# -- what it is worth ------------------------------------------------------------------------------------------


def test_a_linear_model_of_a_class_reaches_probabilistic_pca_of_the_residuals_of_class_means():
    iris = load_iris()
    x, c = Scaling.of("standard", iris.data).apply(iris.data), np.eye(3)[iris.target]
    vae = VAE(4, (), 1, likelihood="gaussian", dtype="float64", condition_dim=3)
    for learning_rate in (5e-2, 1e-2, 1e-3):
        fit(vae, x, epochs=150, batch_size=len(x), optimizer=Adam(learning_rate), condition=c, progress=False)
    means = np.array([x[iris.target == k].mean(axis=0) for k in range(3)])
    best, without = likelihood_of_ppca(x - means[iris.target], 1), likelihood_of_ppca(x, 1)
    W, b, logvar = (vae.parameters[f"decoder.output.{name}"] for name in ("W", "b", "logvar"))
    covariance = W[:1].T @ W[:1] + np.exp(logvar) * np.eye(4)
    exact = stats.multivariate_normal(np.zeros(4), covariance).logpdf(x - b - c @ W[1:])
    assert best - 0.02 < exact.mean() <= best + 1e-9
    assert best > without + 1, "the class says much about the flower"
    np.testing.assert_allclose(b + W[1:], means, atol=0.05)
    np.testing.assert_allclose(vae.log_likelihood(x, 200, condition=c), exact, atol=0.05)


def test_holes_are_filled_as_the_class_says():
    """The exact posterior given what was observed and the condition, from the joint Gaussian."""
    vae, _ = proofs.conditional(VAE)
    x, c = np.tile([np.nan, 1.0, 2.0, -1.0], (2, 1)), np.array([[0.0], [2.0]])
    W, V, b = vae.parameters["decoder.output.W"][:2], vae.parameters["decoder.output.W"][2:], np.arange(4.0)
    covariance = W.T @ W + 0.7 * np.eye(4)
    mean = b + c @ V
    expected = mean[:, 0] + (x - mean)[:, 1:] @ np.linalg.solve(covariance[1:, 1:], covariance[1:, 0])
    np.testing.assert_allclose(vae.impute(x, condition=c, n_samples=2000)[:, 0], expected, atol=0.1)
    draws = vae.impute(x, n_draws=400, condition=c)[:, :, 0]
    np.testing.assert_allclose(draws.mean(axis=0), expected, atol=0.3)
    assert abs(np.diff(expected)) > 2


@pytest.mark.slow
def test_a_classifier_of_real_digits_names_the_class_that_was_asked_for():
    """Measured with the settings of ``minivae train --conditional``: 99.9 to 100 % of means, 87 to 91 % of draws."""
    digits = load_digits()
    x, c, asked = digits.data / 16, np.eye(10)[digits.target], np.repeat(np.arange(10), 100)
    train, judge = slice(1437), SVC().fit(digits.data / 16, digits.target)
    vae = VAE(64, condition_dim=10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # grey values
        fit(vae, x[train], epochs=200, condition=c[train], progress=False)
    for draw, share in ((False, 0.98), (True, 0.84)):
        samples = vae.sample(1000, draw=draw, condition=np.eye(10)[asked])
        assert np.mean(judge.predict(samples) == asked) > share, draw


# -- where it goes ---------------------------------------------------------------------------------------------


def test_rows_that_end_with_their_condition_are_the_same_as_both_by_themselves():
    vae, z = model(), RNG.standard_normal((30, 2))
    pairs = [
        (vae.loss(ROWS), vae.loss(X, condition=C)),
        (vae.loss_and_gradients(ROWS), vae.loss_and_gradients(X, condition=C)),
        (vae.encode(ROWS), vae.encode(X, C)),
        (vae.decode(np.hstack([z, C])), vae.decode(z, C)),
        (vae.reconstruct(ROWS), vae.reconstruct(X, C)),
        (vae.reconstruct(ROWS), vae.decode(vae.encode(X, C)[0], C)),
        (vae.log_likelihood(ROWS, 9), vae.log_likelihood(X, 9, condition=C)),
        (evaluation.log_likelihood(vae, ROWS, 9), evaluation.log_likelihood(vae, X, 9, condition=C)),
        (evaluation.evaluate(vae, ROWS, 9), evaluation.evaluate(vae, X, 9, condition=C)),
        (evaluation.kl_per_dimension(vae, ROWS), evaluation.kl_per_dimension(vae, X, C)),
        (evaluation.active_units(vae, ROWS), evaluation.active_units(vae, X, condition=C)),
        (vae.sample(7, condition=C[0]), vae.sample(7, condition=np.tile(C[0], (7, 1)))),
        (vae.sample(7, condition=C[:1], draw=True), vae.sample(7, condition=np.tile(C[0], (7, 1)), draw=True)),
    ]
    for one, other in pairs:
        assert str(one) == str(other)
    fitted = model(), model()
    one = fit(fitted[0], ROWS, 2, 8, validation=ROWS, progress=False, early_stopping=EarlyStopping(9))
    two = fit(fitted[1], X, 2, 8, validation=(X, C), condition=C, progress=False, early_stopping=EarlyStopping(9))
    assert one == two
    np.testing.assert_array_equal(fitted[0].store.vector, fitted[1].store.vector)
    other = [
        vae.encode(X, np.roll(C, 1, axis=1)),
        vae.decode(z, np.roll(C, 1, axis=1)),
        vae.sample(7, condition=C[1] + 1),
    ]
    for one, another in zip(other, [vae.encode(X, C), vae.decode(z, C), vae.sample(7, condition=C[1])], strict=True):
        assert not np.allclose(one, another), "the condition has a say"


@pytest.mark.parametrize("likelihood", ["gaussian", "poisson", "negative-binomial", "lognormal"])
def test_the_encoder_sees_the_condition_beside_columns_of_any_kind(likelihood):
    """Those of counts and positive numbers go to it as logarithms, by a way of their own."""
    rng = np.random.default_rng(0)
    x, c = rng.integers(1, 9, (20, 3)).astype(float), np.eye(2)[rng.integers(0, 2, 20)]
    kinds = Mixed([(likelihood, 3)])
    scaling = Scaling.of("standard", x, likelihood=kinds)
    vae = VAE(3, (), 2, likelihood=kinds, condition_dim=2, dtype="float64", scaling=scaling)
    view = {"gaussian": x, "lognormal": np.log(x)}.get(likelihood, np.log1p(x))
    seen = np.hstack([(view - view.mean(axis=0)) / view.std(axis=0), c])
    expected = seen @ vae.parameters["encoder.mu.W"] + vae.parameters["encoder.mu.b"]
    np.testing.assert_allclose(vae.encode(x, condition=c)[0], expected, rtol=1e-9)


def test_bounds_of_several_draws_see_the_condition_of_each_row():
    """With the exact posterior a bound is log p(x|c), whatever the draws."""
    rng = np.random.default_rng(0)
    x, c = 3 * rng.standard_normal((9, 4)), rng.standard_normal((9, 1))
    for objective, draws in (("iwae", 3), ("dreg", 2), ("stl", 4)):
        vae, log_density = proofs.conditional(partial(VAE, objective=objective, draws=draws))
        exact = -log_density(x, c).mean()
        assert vae.loss(x, condition=c).loss == pytest.approx(exact, rel=1e-10)
        assert vae.loss_and_gradients(x, condition=c).loss == pytest.approx(exact, rel=1e-10)
        assert evaluation.evaluate(vae, x, 5, condition=c)["loss"] == pytest.approx(exact, rel=1e-10)


def test_odd_rows_are_odd_for_their_class():
    vae, log_density = proofs.conditional(VAE)
    x, c = RNG.standard_normal((40, 4)), np.zeros((40, 1))
    x += np.arange(4.0)
    odd = np.vstack([x[0], x[0] + [9, 0, 3, 0]])
    found = vae.score(np.hstack([odd, [[3], [3]]]), np.hstack([x, c]))
    assert (found["quantile"] > 0).tolist() == [False, True], "the second is as its class should be"
    np.testing.assert_allclose(found["log_px"], log_density(odd, np.full((2, 1), 3.0)), rtol=1e-6)
    assert found["odd_1"][0] in (0, 2), "the two columns that the condition moves"
    rows = np.hstack([odd, [[0], [3]]])
    both = vae.score(rows, np.hstack([x, c]))
    for i, row in enumerate(rows):
        alone = vae.score(row[None], np.hstack([x, c]))
        np.testing.assert_allclose(both["odd_1_nats"][i], alone["odd_1_nats"][0], rtol=1e-9)


def test_what_a_model_cannot_take_is_refused_in_one_sentence():
    vae, plain, z = model(), model(condition_dim=0), np.zeros((30, 2))
    for call in (
        lambda v, **given: v.loss(X, **given),
        lambda v, **given: v.loss_and_gradients(X, **given),
        lambda v, **given: v.encode(X, **given),
        lambda v, **given: v.decode(z, **given),
        lambda v, **given: v.reconstruct(X, **given),
        lambda v, **given: v.sample(30, **given),
        lambda v, **given: v.impute(X, **given),
        lambda v, **given: v.log_likelihood(X, **given),
        lambda v, **given: fit(v, X, **given),
        lambda v, **given: evaluation.log_likelihood(v, X, **given),
        lambda v, **given: evaluation.evaluate(v, X, **given),
        lambda v, **given: evaluation.active_units(v, X, **given),
        lambda v, **given: evaluation.kl_per_dimension(v, X, **given),
    ):
        with pytest.raises(ValueError, match="needs a condition: hand in condition= of 3 columns"):
            call(vae)
        with pytest.raises(ValueError, match="has no condition: leave it out"):
            call(plain, condition=C)
        with pytest.raises(ValueError, match="condition has 29 rows, and there are 30 examples"):
            call(vae, condition=C[1:])
        with pytest.raises(DataError, match="condition has 2 features, but this model is expecting 3"):
            call(vae, condition=C[:, :2])
        with pytest.raises(DataError, match="condition contains NaN, first at row 4, column 1"):
            call(vae, condition=np.where((np.arange(30) == 4)[:, None] & (np.arange(3) == 1), np.nan, C))
    with pytest.raises(ValueError, match="needs a condition"):
        fit(vae, X, validation=X, condition=C)
    with pytest.raises(ValueError, match="needs a condition"):
        vae.score(X, X)
    with pytest.raises(ValueError, match=r"without columns: hand in 3 columns, such as numpy\.eye\(3\)\[labels\]"):
        vae.loss(X, condition=C.argmax(axis=1))
    with pytest.raises(ValueError, match=r"without columns: hand in condition\.reshape\(-1, 1\)"):
        model(condition_dim=1).loss(X, condition=C[:, 0])
    for wrong, how in ((1, "hand in 3 columns"), ([0] * 5, "hand in 3 columns")):
        with pytest.raises(ValueError, match=how):
            vae.sample(5, condition=wrong)
    with pytest.raises(ValueError, match=r"hand in condition\.reshape\(-1, 1\)"):
        model(condition_dim=1).sample(5, condition=C[:5, 0])
    np.testing.assert_array_equal(vae.sample(3, condition=C[0]), vae.sample(3, condition=C[[0, 0, 0]]))
    with pytest.raises(ValueError, match="needs a condition"):  # two rows are no pair of data and condition
        fit(vae, X, validation=[list(row) for row in X[:2]], condition=C)
    with pytest.raises(ValueError, match="needs a condition"):
        fit(vae, X, validation=(X,), condition=C)
    pairs = [fit(model(), X, 1, validation=pair([X, C]), condition=C, progress=False) for pair in (tuple, list)]
    assert pairs[0] == pairs[1]
    with pytest.raises(ValueError, match="at least 0"):
        model(condition_dim=-1)
    assert vae.step == 0


def test_a_gpu_is_not_asked(monkeypatch):
    monkeypatch.setattr("minivae.model.vae.backends.load", lambda name: SimpleNamespace(name=name))
    with pytest.raises(BackendError, match="does not compute a condition yet: use numpy or numba"):
        VAE(2, (), 1, backend="cupy", condition_dim=1)


# -- what leaves it alone --------------------------------------------------------------------------------------

GREY = RNG.random((20, 4))
GREY[3, 2] = np.nan
COLUMNS = RNG.random((20, 2))


def conditions_seen():
    """Those that the encoder sees in one step with everything that can happen to data."""
    seen, vae = [], VAE(4, (3,), 2, dtype="float64", condition_dim=2)
    forward = vae.encoder.forward
    vae.encoder.forward = lambda rows: forward(seen.append(rows[:, -2:].copy()) or rows)
    noise = SaltAndPepper(0.5)
    fit(vae, GREY, 1, 20, binarize="stochastic", corruption=noise, condition=COLUMNS, progress=False)
    return seen[0]


PLANTED = {
    "none": (),
    "drawn black or white with the data": ("target[:, data], recipe.seed, step, rows, target[:, data]",
                                           "target, recipe.seed, step, rows, target"),
    "corrupted with the data": ("(k, target[:, data], recipe.seed, step, rows, out=noisy[:, data])",
                                "(k, target, recipe.seed, step, rows, out=noisy)"),
    "left behind by the corruption": ("noisy[:, vae.input_dim :] = target[:, vae.input_dim :]", "pass"),
}  # fmt: skip


@pytest.mark.parametrize("bug", PLANTED)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_noise_and_holes_are_the_datas_alone(bug, monkeypatch):
    source = Path(step.__file__).read_text(encoding="utf-8")
    if PLANTED[bug]:
        assert source.count(PLANTED[bug][0]) == 1
        twin = ModuleType(step.__name__)
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, step.__name__, twin)
            exec(compile(source.replace(*PLANTED[bug]), f"step.py, {bug}", "exec"), vars(twin))
        monkeypatch.setattr(step, "noisy_minibatch", twin.noisy_minibatch)
    is_right = np.array_equal(np.sort(conditions_seen(), axis=0), np.sort(COLUMNS, axis=0))
    assert is_right == (bug == "none")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("how", ["threshold", "stochastic"])
def test_a_held_out_set_and_the_bias_of_the_output_are_made_of_the_data_alone(how):
    vae, plain = VAE(4, (3,), 2, condition_dim=2), VAE(4, (3,), 2)
    given, alone = (
        held_out_rows(vae, GREY, Recipe(binarize=how), COLUMNS),
        held_out_rows(plain, GREY, Recipe(binarize=how)),
    )
    np.testing.assert_array_equal(given, np.hstack([alone, COLUMNS.astype("float32")]))
    for one in (vae, plain):
        one.set_output_bias(GREY)
    np.testing.assert_array_equal(vae.parameters["decoder.output.b"], plain.parameters["decoder.output.b"])


# -- kept and shared -------------------------------------------------------------------------------------------


def test_a_model_comes_back_from_a_file_a_pickle_and_a_checkpoint(tmp_path):
    vae = model(missing="mask")
    vae.classes = ("a", "b", "c")
    fit(vae, X, 2, 8, condition=C, progress=False)
    vae.save(tmp_path / "m.safetensors")
    save_training(vae, tmp_path / "c.safetensors")
    twins = [VAE.load(tmp_path / "m.safetensors"), pickle.loads(pickle.dumps(vae)), copy.deepcopy(vae)]
    resumed, _ = load_training(tmp_path / "c.safetensors")
    for twin in (*twins, resumed):
        assert (twin.condition_dim, twin.classes) == (3, ("a", "b", "c"))
        np.testing.assert_array_equal(twin.sample(3, condition=C[:3]), vae.sample(3, condition=C[:3]))
    fit(vae, X, 2, 8, condition=C, progress=False)
    fit(resumed, X, 2, 8, condition=C, progress=False)
    np.testing.assert_array_equal(resumed.store.vector, vae.store.vector)


def test_a_file_from_before_conditions_and_one_with_a_wrong_width(tmp_path):
    vae, path = model(condition_dim=0), tmp_path / "m.safetensors"
    vae.save(path)
    tensors, metadata = tensorfile.read(path)
    del metadata["config"]["condition_dim"]
    tensorfile.write(path, tensors, metadata)
    np.testing.assert_array_equal(VAE.load(path).sample(3), vae.sample(3))
    for width in (2, 10**9, "three"):
        metadata["config"]["condition_dim"] = width
        tensorfile.write(path, tensors, metadata)
        with pytest.raises(CheckpointError):
            VAE.load(path)


def test_both_backends_train_the_same_model(backend):
    if backend == "cupy":
        pytest.skip("a GPU refuses conditions")
    trained = []
    for name in {"numpy", backend}:
        vae = model(backend=name)
        fit(vae, X, 3, 8, condition=C, progress=False)
        trained.append(vae.store.vector)
    np.testing.assert_allclose(trained[0], trained[-1], rtol=1e-10, atol=1e-13)


def test_rows_on_disk_and_shards_train_the_same_bits(tmp_path):
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "rows.npy", ROWS)
    on_disk = np.load(tmp_path / "x.npy", mmap_mode="r")
    trained = []
    for x, c, more in (
        (X, C, {}),
        (on_disk, C, {}),
        (np.load(tmp_path / "rows.npy", mmap_mode="r"), None, {}),
        (X, C, {"shards": 4}),
        (X, C, {"shards": 4, "group": Pretend(2)}),
    ):
        vae = model(scaling=Scaling.of("standard", X))
        fit(vae, x, 2, 8, corruption=Masking(0.2), condition=c, progress=False, **more)
        trained.append(vae.store.vector)
    for other in trained[1:3]:
        np.testing.assert_array_equal(other, trained[0])
    np.testing.assert_array_equal(*trained[3:])
    with pytest.raises(ValueError, match="29 rows"):
        fit(model(), on_disk, 1, condition=C[1:])
    with pytest.raises(ValueError, match="needs a condition"):
        fit(model(), on_disk, 1)
    with pytest.raises(ValueError, match="has no condition"):
        fit(model(condition_dim=0), on_disk, 1, condition=C)
