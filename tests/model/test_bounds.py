"""Several draws of z: what the loss is, which gradients are right in the mean, and that nothing else changes."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

import proofs
from minivae import VAE, Adam, BackendError, EarlyStopping, Gaussian, LinearBeta, Masking, Mixed, fit
from minivae.checkpoint import load_training, save_training
from minivae.gradcheck import numerical_gradient
from minivae.kernels import reference
from minivae.model import bounds, weights
from minivae.runs.notes import Known, note_collapse
from minivae.runs.settings import Settings
from minivae.workers.group import Pretend

RNG = np.random.default_rng(0)
X = (RNG.random((30, 7)) < 0.5).astype(float)
OBJECTIVES = ("iwae", "stl", "dreg")
ALL = [("elbo", 3), ("iwae", 3), ("stl", 3), ("dreg", 3), ("iwae", 1)]


def small(objective, draws, **options):
    return VAE(7, (5,), 3, objective=objective, draws=draws, **{"dtype": "float64"} | options)


def gradient_of(vae, x, eps):
    terms = vae.loss_and_gradients(x, eps)
    return terms, vae.store.gradient.copy()


# -- what it is --------------------------------------------------------------------------------------------


def test_the_bound_is_that_of_scipys_densities():
    vae = small("iwae", 4, likelihood="gaussian")
    x, eps = RNG.standard_normal((5, 7)), RNG.standard_normal((5, 4, 3))
    mu, logvar = (array[:, None] for array in vae.encode(x))
    z = mu + np.exp(logvar / 2) * eps
    mean = vae.decode(z.reshape(-1, 3)).reshape(5, 4, 7)
    nll = -stats.norm.logpdf(x[:, None], mean, np.exp(vae.parameters["decoder.output.logvar"] / 2)).sum(axis=2)
    log_w = -nll + (stats.norm.logpdf(z) - stats.norm.logpdf(z, mu, np.exp(logvar / 2))).sum(axis=2)
    terms = vae.loss(x, eps)
    assert terms.loss == pytest.approx(-(logsumexp(log_w, axis=1) - np.log(4)).mean(), rel=1e-12)
    kl = -(log_w + nll).mean()
    assert (terms.recon_nll, terms.kl) == (pytest.approx(nll.mean(), rel=1e-12), pytest.approx(kl, rel=1e-12))
    assert terms.elbo == -(terms.recon_nll + terms.kl)
    assert terms.loss < -terms.elbo
    exact = vae.kernels.gaussian_kl_forward(mu[:, 0], logvar[:, 0]).mean()
    many = vae.loss(np.repeat(x, 500, axis=0), RNG.standard_normal((2500, 4, 3)))
    assert many.kl == pytest.approx(exact, abs=0.1)  # its mean; 5 standard errors


def test_the_elbo_of_several_draws_is_the_mean_of_that_of_each():
    one, several = (small("elbo", draws, beta=1.7, likelihood="gaussian") for draws in (1, 3))
    x, eps = RNG.standard_normal((5, 7)), RNG.standard_normal((5, 3, 3))
    parts = [gradient_of(one, x, eps[:, s]) for s in range(3)]
    terms, gradient = gradient_of(several, x, eps)
    np.testing.assert_allclose(terms, np.mean([part[0] for part in parts], axis=0), rtol=1e-12)
    np.testing.assert_allclose(gradient, np.mean([part[1] for part in parts], axis=0), rtol=1e-9, atol=1e-13)


def test_one_draw_has_the_elbos_loss_and_gradient_in_the_mean():
    plain, rng = proofs.linear_gaussian(VAE, (0.3, 0.4))[0], np.random.default_rng(0)
    for objective in OBJECTIVES:
        vae, found = proofs.linear_gaussian(VAE, (0.3, 0.4), objective=objective)[0], []
        for _ in range(40):
            x, eps = rng.standard_normal((500, 2)), rng.standard_normal((500, 1))
            (terms, gradient), (of_elbo, expected) = (gradient_of(model, x, eps) for model in (vae, plain))
            found.append(np.append(gradient - expected, terms.loss - of_elbo.loss))
        error = np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
        assert np.all(abs(np.mean(found, axis=0)) < 4 * error + 1e-12), objective


def test_stl_is_biased_for_two_draws_and_the_test_of_the_mean_can_tell():
    proofs.gradient_has_the_mean_of_the_slope(VAE, "stl", 1)
    with pytest.raises(AssertionError, match="stl, 2 draws: biased"):
        proofs.gradient_has_the_mean_of_the_slope(VAE, "stl", 2)


def test_a_path_gradient_is_that_of_log_w_with_the_parameters_of_log_q_held():
    mu, logvar, eps, slope = RNG.standard_normal((4, 6, 3))
    dnll, factor = RNG.random((2, 6))

    def loss(moved_mu, moved_logvar):
        z = moved_mu + np.exp(moved_logvar / 2) * eps
        log_w = -(slope * z).sum(axis=1) + stats.norm.logpdf(z).sum(axis=1)
        return -np.sum(factor * dnll * (log_w - stats.norm.logpdf(z, mu, np.exp(logvar / 2)).sum(axis=1)))

    z = mu + np.exp(logvar / 2) * eps
    dmu, dlogvar = reference.path_gradient(dnll[:, None] * slope, dnll, z, logvar, eps, factor)
    np.testing.assert_allclose(dmu, numerical_gradient(lambda m: loss(m, logvar), mu.copy()), atol=1e-8)
    np.testing.assert_allclose(dlogvar, numerical_gradient(lambda v: loss(mu, v), logvar.copy()), atol=1e-8)


@pytest.mark.parametrize("shift", [-800.0, 800.0])
def test_weights_of_any_size_are_finite_and_a_shift_moves_the_bound_alone(shift):
    log_w = RNG.standard_normal((4, 5))
    (bound, w), (moved, same) = reference.importance_bound(log_w), reference.importance_bound(log_w + shift)
    np.testing.assert_allclose(moved, bound + shift, rtol=1e-12)
    np.testing.assert_allclose(same, w, rtol=1e-9)
    assert reference.importance_bound(np.array([[0.0, -5000.0]]))[1].tolist() == [[1, 0]]


# -- how it is computed ------------------------------------------------------------------------------------


def test_more_draws_leave_the_first_ones_as_they_are(backend):
    rows = np.array([4, 0, 9])
    one, three = (VAE(7, (5,), 3, backend=backend) for _ in range(2))
    three.draws = 3
    eps = [np.array(vae.kernels.to_numpy(vae.noise(rows))) for vae in (one, three)]
    np.testing.assert_array_equal(eps[1][:, :3], eps[0])
    assert len(np.unique(eps[1])) == 27


@pytest.mark.parametrize(("objective", "draws"), ALL)
def test_in_pieces_or_at_once_to_rounding(objective, draws, monkeypatch):
    vae, eps = small(objective, draws, likelihood="gaussian"), RNG.standard_normal((30, draws, 3))
    whole = gradient_of(vae, X, eps)
    for rows in (1, 7, 50):  # one example at a time, then two, ...
        monkeypatch.setattr(bounds, "ROWS_OF_DRAWS", rows)
        found = gradient_of(vae, X, eps)
        np.testing.assert_allclose(found[0], whole[0], rtol=1e-12)
        np.testing.assert_allclose(found[1], whole[1], rtol=1e-9, atol=1e-13)


def test_memory_is_that_of_so_many_rows_whatever_the_batch_is():
    vae = small("dreg", 40)
    vae.loss_and_gradients(np.tile(X, (10, 1)))
    assert max(len(array) for array in vae.workspace.arrays()) <= bounds.ROWS_OF_DRAWS < 300 * 40
    vae.loss(X)
    assert max(len(array) for array in vae.workspace.arrays()) <= bounds.ROWS_OF_DRAWS


@pytest.mark.parametrize(("objective", "draws"), ALL)
def test_numba_agrees_with_numpy_on_a_table_with_holes(objective, draws):
    kinds = Mixed([("gaussian", 2), ("lognormal", 1), ("poisson", 1), ("categorical", 3)])
    x = np.hstack([RNG.standard_normal((9, 2)), RNG.random((9, 2)) + 0.5, np.eye(3)[RNG.integers(3, size=9)]])
    x[:, 3] = np.round(x[:, 3] * 3)
    x[[0, 1, 2], [0, 2, 3]] = x[3, 4:] = np.nan
    eps, found = RNG.standard_normal((9, draws, 3)), []
    for backend in ("numpy", "numba"):
        found.append(gradient_of(small(objective, draws, likelihood=kinds, missing="mask", backend=backend), x, eps))
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e-12)
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("objective", ["elbo", "dreg"])
def test_fixed_shards_train_the_same_bits_by_every_number_of_workers(objective):
    found = []
    for n in (1, 2, 4):
        vae = small(objective, 3)
        history = fit(vae, X, 2, 16, group=Pretend(n), shards=4, validation=X[:9], progress=False)
        found.append((vae.store.vector.tobytes(), history))
    assert found[0] == found[1] == found[2]
    alone = small(objective, 3)
    fit(alone, X, 2, 16, progress=False)
    np.testing.assert_allclose(np.frombuffer(found[0][0]), alone.store.vector, rtol=1e-9, atol=1e-12)


# -- training ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("objective", "draws"), ALL)
def test_a_training_that_was_kept_and_read_again_ends_with_the_same_bits(objective, draws, tmp_path):
    settings = {"batch_size": 16, "seed": 3, "corruption": Masking(0.2), "progress": False}
    whole, part = small(objective, draws), small(objective, draws)
    fit(whole, X, 4, optimizer=Adam(1e-2), **settings)
    fit(part, X, 2, optimizer=Adam(1e-2), **settings)
    save_training(part, tmp_path / "kept.safetensors")
    again, _ = load_training(tmp_path / "kept.safetensors")
    assert (again.objective, again.draws) == (objective, draws)
    for vae in (again, pickle.loads(pickle.dumps(part)), copy.deepcopy(part)):
        fit(vae, X, 2, **settings)
        assert vae.store.vector.tobytes() == whole.store.vector.tobytes()
    assert whole.loss(X) == again.loss(X)


def test_a_file_of_before_is_a_model_of_one_draw(tmp_path, monkeypatch):
    vae = VAE(7, (5,), 3)
    config = {name: value for name, value in vae.config.items() if name not in ("objective", "draws")}
    monkeypatch.setattr(VAE, "config", config)
    weights.save(vae, tmp_path / "old.safetensors")
    old = VAE.load(tmp_path / "old.safetensors")
    assert (old.objective, old.draws, old.has_one_draw) == ("elbo", 1, True)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_history_has_minus_the_bound_and_the_elbo_below_it(objective):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 2)) @ rng.standard_normal((2, 7)) + 0.3 * rng.standard_normal((60, 7))
    vae = small(objective, 8, likelihood=Gaussian("per_dimension"))
    stop = EarlyStopping(100)
    history = fit(vae, x, 40, 20, Adam(1e-2), validation=x[:20], early_stopping=stop, progress=False)
    assert history["loss"][-1] < history["loss"][0] - 1
    for part in ("", "val_"):
        loss, elbo = (np.array(history[part + name]) for name in ("loss", "elbo"))
        np.testing.assert_allclose(elbo, -np.add(history[part + "recon_nll"], history[part + "kl"]), rtol=1e-12)
        assert np.all(elbo < -loss), "the bound is tighter"
    assert history["val_loss"][-1] == pytest.approx(vae.loss(np.tile(x[:20], (50, 1))).loss, abs=0.1)


def test_a_callback_that_sets_beta_cannot_hide_it_from_the_next_fit():
    vae = small("iwae", 2)
    vae.beta = 0.5
    with pytest.raises(ValueError, match=r"beta=0\.5 belongs to the objective 'elbo'"):
        fit(vae, X, 1, progress=False)


# -- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"objective": "vae"}, ValueError, "objective must be one of 'elbo', 'iwae', 'stl', 'dreg', got 'vae'"),
        ({"draws": 0}, ValueError, "draws must be at least 1, got 0"),
        ({"draws": 2.5}, TypeError, "draws must be a whole number, got 2.5"),
        ({"draws": 10**9}, ValueError, "draws must be at most 65536"),
        (
            {"objective": "stl", "beta": 2},
            ValueError,
            "beta=2 belongs to the objective 'elbo': 'stl' holds the KL in its weights",
        ),
        ({"objective": "iwae", "free_bits": 0.1}, ValueError, "free_bits=0.1 belongs to the objective 'elbo' with one"),
        ({"draws": 2, "free_bits": 0.1}, ValueError, "free_bits=0.1 belongs to the objective 'elbo' with one draw"),
    ],
)
def test_what_makes_no_bound_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        VAE(7, (5,), 3, **options)


def test_a_warm_up_weighs_the_kl_of_several_draws_and_is_refused_by_a_bound():
    vae = VAE(7, (5,), 3, draws=3, dtype="float64", seed=1)
    eps = np.random.default_rng(0).standard_normal((len(X), 3, 3))
    vae.forward_backward(X, eps, weight=0.0)
    without = vae.store.gradient.copy()
    vae.beta = 0.0
    vae.forward_backward(X, eps)
    np.testing.assert_array_equal(vae.store.gradient, without)
    vae.beta = 1.0
    assert vae.forward_backward(X, eps, weight=0.5).loss == vae.loss_and_gradients(X, eps).loss
    with pytest.raises(ValueError, match="a warm-up of beta belongs to the objective 'elbo', not 'dreg'"):
        fit(VAE(7, (5,), 3, objective="dreg", draws=2), X, 2, beta_schedule=LinearBeta(1), progress=False)


def test_a_gpu_refuses_more_than_one_draw():
    for objective, draws in (("elbo", 2), ("iwae", 1)):
        with pytest.raises(BackendError, match=f"objective='{objective}' with draws={draws} yet: use numpy or numba"):
            bounds.check_objective(objective, draws, 1.0, 0.0, "cupy")
    assert bounds.check_objective("elbo", 1, 2.0, 0.0, "cupy") == 1


@pytest.mark.parametrize("shape", [(30, 3), (30, 3, 2), (30, 6), (29, 2, 3)])
def test_noise_of_another_shape_is_refused(shape):
    message = r"eps must have shape \(30, 2, 3\) \(examples, draws, latent_dim\), got "
    for method in (small("iwae", 2).loss, small("iwae", 2).loss_and_gradients):
        with pytest.raises(ValueError, match=message):
            method(X, np.zeros(shape))
    assert small("elbo", 1).loss(X, np.ones((30, 1, 3))) == small("elbo", 1).loss(X, np.ones((30, 3)))


# -- the commands ------------------------------------------------------------------------------------------


def test_the_command_says_which_bound_it_raised_and_evaluate_with_what_protocol(minivae):
    data = ["--data", "iris", "--hidden", 5, "--latent", 2, "--epochs", 2, "--no-pictures", "--out", "run"]
    status, out, err = minivae("train", *data, "--objective", "dreg", "--draws", 3)
    assert status == 0, err
    assert "= minus the bound of dreg, draws 3; -ELBO " in out
    assert ", -ELBO " in err
    status, out, err = minivae("evaluate", "run", "--samples", 10, "--json")
    assert status == 0, err
    assert '"objective": "dreg", "draws": 3' in out
    status, _, err = minivae("train", "--resume", "--out", "run", "--objective", "iwae")
    assert status != 0
    assert "--objective dreg, not iwae" in err
    status, _, err = minivae("train", *data[:-1], "other", "--objective", "iwae", "--beta", 2)
    assert status != 0
    assert "beta=2 belongs to the objective 'elbo'" in err


def test_what_is_said_of_a_collapse_is_nothing_that_a_bound_refuses():
    settings, mu = Settings(likelihood="bernoulli"), np.zeros((5, 2))
    [(sentence, answer)] = note_collapse(Known(None, settings, mu))
    assert ("one reconstruction; try a smaller --beta, more" in sentence, answer) == (True, "--beta")
    [(sentence, answer)] = note_collapse(Known(None, replace(settings, objective="iwae"), mu))
    assert "; try --objective elbo with a smaller --beta, more" in sentence
    assert answer == "--objective elbo"
