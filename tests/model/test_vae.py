"""The public contract of the model: names, shapes, units, determinism, options."""

import copy
import os
import signal
import warnings
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread

import numpy as np
import pytest

from minivae import VAE, Bernoulli, Categorical, Gaussian, GreyDataWarning, LossTerms

RNG = np.random.default_rng(0)
BINARY = (RNG.random((6, 7)) < 0.5).astype(float)


def small(**options):
    return VAE(7, (5,), 3, **{"dtype": "float64"} | options)


def test_parameters_have_the_names_and_shapes_of_the_contract():
    shapes = {name: array.shape for name, array in VAE(7, (5, 4), 3).parameters.items()}
    assert shapes == {
        "encoder.hidden.0.W": (7, 5),
        "encoder.hidden.0.b": (5,),
        "encoder.hidden.1.W": (5, 4),
        "encoder.hidden.1.b": (4,),
        "encoder.mu.W": (4, 3),
        "encoder.logvar.W": (4, 3),
        "encoder.mu.b": (3,),
        "encoder.logvar.b": (3,),
        "decoder.hidden.0.W": (3, 4),
        "decoder.hidden.0.b": (4,),
        "decoder.hidden.1.W": (4, 5),
        "decoder.hidden.1.b": (5,),
        "decoder.output.W": (5, 7),
        "decoder.output.b": (7,),
    }
    assert VAE(7, (5, 4), 3).gradients.keys() == shapes.keys()


def test_no_hidden_layers_make_a_linear_vae():
    vae = VAE(7, (), 3, likelihood="gaussian")
    assert vae.parameters["encoder.mu.W"].shape == (7, 3)
    assert vae.parameters["decoder.output.W"].shape == (3, 7)


def test_every_parameter_is_a_view_of_one_vector_and_nothing_is_left_over():
    vae = VAE(7, (5, 4), 3, likelihood=Gaussian("per_dimension"))
    vae.store.vector[:] = np.arange(len(vae.store.vector))
    values = np.concatenate([array.ravel() for array in vae.parameters.values()])
    assert sorted(values) == list(range(len(vae.store.vector)))
    vae.parameters["decoder.output.b"][...] = -1
    assert np.count_nonzero(vae.store.vector == -1) == 7


def test_weights_come_before_biases_in_the_vector():
    vae = VAE(7, (5,), 3, likelihood="gaussian")
    for name, array in vae.parameters.items():
        array[...] = name.endswith(".W")
    assert vae.store.vector[: vae.store.n_weights].all()
    assert not vae.store.vector[vae.store.n_weights :].any()


@pytest.mark.parametrize(
    ("likelihood", "shape"),
    [("gaussian", (1,)), (Gaussian("per_dimension"), (7,)), (Gaussian(0.1), None), ("bernoulli", None)],
)
def test_only_a_learned_variance_is_a_parameter(likelihood, shape):
    logvar = VAE(7, (5,), 3, likelihood=likelihood).parameters.get("decoder.output.logvar")
    assert (None if logvar is None else logvar.shape) == shape


def test_the_loss_is_made_of_its_terms_and_is_a_python_float():
    terms = small(beta=2.5).loss(BINARY)
    assert isinstance(terms, LossTerms)
    assert all(type(value) is float for value in terms)
    assert terms.loss == pytest.approx(terms.recon_nll + 2.5 * terms.kl)
    assert terms.elbo == -(terms.recon_nll + terms.kl)


def test_the_loss_is_a_mean_over_examples_and_a_sum_over_dimensions():
    vae = small()
    for array in vae.parameters.values():
        array[...] = 0  # logits 0: log 2 for each of the 7 pixels; mu = logvar = 0: no KL
    terms = vae.loss(BINARY)
    assert terms.recon_nll == pytest.approx(7 * np.log(2))
    assert terms.kl == 0
    vae.parameters["encoder.mu.b"][...] = 1
    assert vae.loss(BINARY).kl == pytest.approx(3 / 2)


def test_a_loss_without_noise_repeats_itself_until_the_step_moves_on():
    vae = small()
    first = vae.loss(BINARY)
    assert vae.loss(BINARY) == first
    assert vae.loss_and_gradients(BINARY) == first
    vae.step += 1
    assert vae.loss(BINARY) != first


def test_the_loss_of_many_rows_is_that_of_its_pieces():
    vae, x = small(), (RNG.random((1100, 7)) < 0.5).astype(float)
    eps = RNG.standard_normal((1100, 3))
    pieces = [vae.loss(x[i : i + 100], eps[i : i + 100]).loss for i in range(0, 1100, 100)]
    assert vae.loss(x, eps).loss == pytest.approx(np.mean(pieces), rel=1e-12)
    assert vae.loss(x, eps).loss == pytest.approx(vae.loss_and_gradients(x, eps).loss, rel=1e-12)


def test_eps_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"eps must have shape \(6, 3\).*got \(6, 2\)"):
        small().loss(BINARY, np.zeros((6, 2)))


def test_gradients_are_overwritten_and_not_added_to():
    vae = small()
    vae.loss_and_gradients(BINARY)
    first = vae.store.gradient.copy()
    vae.loss_and_gradients(BINARY)
    np.testing.assert_array_equal(vae.store.gradient, first)


def test_models_of_one_seed_are_equal_and_of_two_are_not():
    np.testing.assert_array_equal(small(seed=1).store.vector, small(seed=1).store.vector)
    assert not np.array_equal(small(seed=1).store.vector, small(seed=2).store.vector)


def test_default_initialisation_is_uniform_within_one_over_root_fan_in():
    vae = VAE(100, (400,), 20)
    for name, fan_in in (("encoder.hidden.0.W", 100), ("encoder.hidden.0.b", 100), ("decoder.output.W", 400)):
        scaled = vae.parameters[name] * np.sqrt(fan_in)
        assert np.abs(scaled).max() <= 1
        assert scaled.std() == pytest.approx(1 / np.sqrt(3), rel=0.1)


@pytest.mark.parametrize(("init", "variance"), [("glorot", 2 / 500), ("he", 2 / 100)])
def test_other_initialisations_have_their_variance_and_no_biases(init, variance):
    vae = VAE(100, (400,), 20, init=init)
    assert vae.parameters["encoder.hidden.0.W"].var() == pytest.approx(variance, rel=0.05)
    assert not vae.parameters["encoder.hidden.0.b"].any()


def test_the_two_heads_start_different():
    vae = VAE(7, (5,), 3)
    assert not np.array_equal(vae.parameters["encoder.mu.W"], vae.parameters["encoder.logvar.W"])


def test_encode_decode_and_reconstruct_fit_together():
    vae, x = small(), (RNG.random((1100, 7)) < 0.5).astype(float)
    mu, logvar = vae.encode(x)
    assert mu.shape == logvar.shape == (1100, 3)
    np.testing.assert_allclose(vae.reconstruct(x), vae.decode(mu))
    np.testing.assert_allclose(vae.encode(x[700:])[1], logvar[700:])
    assert np.all((vae.decode(mu) > 0) & (vae.decode(mu) < 1))


def test_what_encode_returns_survives_the_next_call():
    vae = small()
    mu, _ = vae.encode(BINARY)
    before = mu.copy()
    vae.encode(1 - BINARY)
    np.testing.assert_array_equal(mu, before)


def test_encode_agrees_with_the_formulas_written_out():
    vae = VAE(7, (5,), 3, dtype="float64")
    p = vae.parameters
    h = np.maximum(BINARY @ p["encoder.hidden.0.W"] + p["encoder.hidden.0.b"], 0)
    mu, logvar = vae.encode(BINARY)
    np.testing.assert_allclose(mu, h @ p["encoder.mu.W"] + p["encoder.mu.b"])
    np.testing.assert_allclose(logvar, h @ p["encoder.logvar.W"] + p["encoder.logvar.b"])


def test_decode_agrees_with_the_formulas_written_out():
    vae, z = VAE(7, (5,), 3, dtype="float64"), RNG.standard_normal((4, 3))
    p = vae.parameters
    h = np.maximum(z @ p["decoder.hidden.0.W"] + p["decoder.hidden.0.b"], 0)
    logits = h @ p["decoder.output.W"] + p["decoder.output.b"]
    np.testing.assert_allclose(vae.decode(z), 1 / (1 + np.exp(-logits)))


def test_samples_repeat_by_seed_and_do_not_move_the_model():
    vae = small()
    np.testing.assert_array_equal(vae.sample(5, seed=1), vae.sample(5, seed=1))
    assert not np.array_equal(vae.sample(5, seed=1), vae.sample(5, seed=2))
    assert vae.step == 0


@pytest.mark.parametrize("likelihood", ["bernoulli", Gaussian(0.25), Categorical((3, 4))])
def test_drawn_samples_have_the_mean_that_is_returned_without_drawing(likelihood):
    vae = small(likelihood=likelihood)
    for array in vae.parameters.values():
        array[...] = 0
    vae.parameters["decoder.output.b"][...] = np.linspace(-1, 1, 7)
    mean, drawn = vae.sample(4000), vae.sample(4000, draw=True)
    standard_error = 0.5 / np.sqrt(4000)
    assert np.abs(drawn.mean(axis=0) - mean[0]).max() < 4 * standard_error
    if not isinstance(likelihood, Gaussian):
        assert set(np.unique(drawn)) == {0, 1}
    if isinstance(likelihood, Gaussian):
        assert drawn.std(axis=0) == pytest.approx(0.5, rel=0.05)
    if isinstance(likelihood, Categorical):
        assert np.all(drawn[:, :3].sum(axis=1) == 1)


def test_the_output_bias_can_start_at_the_mean_of_the_data():
    x = (RNG.random((500, 7)) < np.linspace(0.1, 0.9, 7)).astype(float)
    vae = small()
    vae.set_output_bias(x)
    np.testing.assert_allclose(1 / (1 + np.exp(-vae.parameters["decoder.output.b"])), x.mean(axis=0))
    gaussian = small(likelihood="gaussian")
    gaussian.set_output_bias(x * 3)
    np.testing.assert_allclose(gaussian.parameters["decoder.output.b"], 3 * x.mean(axis=0))


def test_grey_values_are_pointed_out_once():
    vae, grey = small(), BINARY * 0.5
    with pytest.warns(GreyDataWarning, match="cross-entropy, not -log p"):
        vae.loss(grey)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vae.loss(grey)
        small().loss(BINARY)
        small(likelihood="gaussian").loss(grey)


def test_likelihoods_come_by_name_or_as_objects():
    assert isinstance(VAE(7, (5,), 3, likelihood="bernoulli").likelihood, Bernoulli)
    assert VAE(7, (5,), 3, likelihood=Categorical((3, 4))).likelihood.groups == (3, 4)
    assert repr(Gaussian(0.1)) == "Gaussian(variance=0.1)"


def test_float32_models_stay_float32():
    vae = VAE(7, (5,), 3)
    assert {array.dtype for array in vae.parameters.values()} == {np.dtype("float32")}
    assert vae.decode(np.zeros((2, 3))).dtype == vae.encode(BINARY)[0].dtype == np.float32
    vae.loss_and_gradients(BINARY)
    assert vae.store.gradient.dtype == np.float32


def test_assigning_to_a_name_writes_into_the_model():
    vae = small()
    vae.parameters["encoder.mu.b"] = np.array([7.0, 8.0, 9.0])
    assert np.count_nonzero(np.isin(vae.store.vector, [7, 8, 9])) == 3
    np.testing.assert_allclose(vae.encode(np.zeros((1, 7)))[0] - small().encode(np.zeros((1, 7)))[0],
                               [[7, 8, 9]] - small().parameters["encoder.mu.b"])  # fmt: skip


def test_parameters_are_a_mapping_of_which_every_way_to_assign_writes_into_the_model():
    vae, values = small(), np.arange(3.0)
    p = vae.parameters
    assert dict(**p).keys() == p.keys() == dict(p.items()).keys()
    assert len(p) == len(list(p)) == 10
    assert "encoder.mu.b" in p
    assert (p | {"more": 1})["more"] == ({"more": 1} | p)["more"] == 1
    for number, assign in enumerate(
        (
            lambda new: p.update(new),
            lambda new: p.__ior__(new),
            lambda new: p.__setitem__("encoder.mu.b", new["encoder.mu.b"]),
            lambda new: setattr(vae, "parameters", new),
        )
    ):
        assign({"encoder.mu.b": values + number})
        np.testing.assert_allclose(vae.encode(np.zeros((1, 7)))[0][0] - mu_without_bias(vae), values + number)
    vae.parameters |= {"encoder.mu.b": values}
    np.testing.assert_array_equal(vae.store.arrays["encoder.mu.b"], values)
    assert p.setdefault("encoder.mu.b", 7.0) is p["encoder.mu.b"]


def mu_without_bias(vae):
    h = np.maximum(vae.parameters["encoder.hidden.0.b"], 0)
    return h @ vae.parameters["encoder.mu.W"]


@pytest.mark.parametrize("how", ["pop", "clear", "popitem", "del", "add", "update", "setdefault"])
def test_no_parameter_can_be_removed_or_added(how):
    vae = small()
    before, p = vae.store.vector.copy(), vae.parameters
    ways = {
        "pop": lambda: p.pop("encoder.mu.b"),
        "clear": lambda: p.clear(),
        "popitem": lambda: p.popitem(),
        "del": lambda: p.__delitem__("encoder.mu.b"),
        "add": lambda: p.__setitem__("mine", 1.0),
        "update": lambda: p.update(mine=1.0),
        "setdefault": lambda: p.setdefault("mine", 1.0),
    }
    with pytest.raises((TypeError, KeyError), match=r"cannot be removed|no parameter is called 'mine'"):
        ways[how]()
    assert len(p) == 10
    np.testing.assert_array_equal(vae.store.vector, before)


def test_a_forked_process_does_not_wait_for_a_thread_that_it_has_not():
    if not hasattr(os, "fork"):
        pytest.skip("this system does not fork")
    vae, held, done = small(), Event(), Event()

    def hold():
        with vae.lock:
            held.set()
            done.wait()

    thread = Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # ends a child that waits
        os._exit(0 if np.isfinite(vae.loss(BINARY).loss) else 1)
    status = os.waitpid(child, 0)[1]
    done.set()
    thread.join()
    assert status == 0


def test_threads_take_turns_on_one_model():
    vae = VAE(7, (50,), 3, dtype="float64")
    inputs = [(RNG.random((400, 7)) < 0.5).astype(float) for _ in range(40)]
    expected = [vae.encode(x)[0] for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda x: vae.encode(x)[0], inputs))
    np.testing.assert_array_equal(found, expected)


def test_a_subclass_can_be_copied():
    class Mine(VAE):
        def __init__(self):
            super().__init__(7, (5,), 3)
            self.note = "mine"

    twin = copy.deepcopy(Mine())
    assert (type(twin), twin.note) == (Mine, "mine")
    np.testing.assert_array_equal(twin.store.vector, Mine().store.vector)


def test_small_probabilities_are_right_in_float32():
    vae = VAE(7, (5,), 3)
    for array in vae.parameters.values():
        array[...] = 0
    logits = np.array([-80, -20, -10, 0, 10, 20, 80], dtype=np.float32)
    vae.parameters["decoder.output.b"] = logits
    np.testing.assert_allclose(vae.decode(np.zeros((1, 3)))[0], 1 / (1 + np.exp(-logits.astype(float))), rtol=1e-5)


def test_the_kl_is_right_near_the_prior_in_float32():
    vae = VAE(7, (5,), 3)
    mu, logvar = np.zeros((1, 1), "f"), np.full((1, 1), 1e-3, "f")
    assert vae.kernels.gaussian_kl_forward(mu, logvar)[0] == pytest.approx(0.25e-6, rel=1e-3)
    gradient = vae.kernels.gaussian_kl_backward(np.ones(1, "f"), mu, logvar)[1]
    assert gradient[0, 0] == pytest.approx(0.5 * np.expm1(1e-3), rel=1e-6)
