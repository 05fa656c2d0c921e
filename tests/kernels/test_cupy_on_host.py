"""The CUDA backend run on the CPU, by the stand-in in cuda_on_host: every proof, every function, whole trainings.

This proves the logic of kernels/cupy_gpu.py, of the .cu files and of minivae/training/captured.py. It is no GPU, and
the CUDA backend is not yet run on a GPU: see cuda_on_host/cupy_on_host.py for what a stand-in cannot know.
"""

import sys

import numpy as np
import pytest
import test_proofs
from cuda_on_host import cupy_on_host as cupy
from cuda_on_host import device, fixture

import minivae.backend
import proofs
from minivae import (
    SGD,
    VAE,
    Adagrad,
    Adam,
    Categorical,
    Cosine,
    EarlyStopping,
    Gaussian,
    GaussianNoise,
    LinearBeta,
    Masking,
    SaltAndPepper,
    TrainingDiverged,
    checkpoint,
    fit,
)
from minivae.backend import Stream, load, permutation, states
from minivae.gradcheck import relative_error

pytestmark = pytest.mark.slow  # minutes, on the CPU
kernels = fixture.cupy_on_host
TOLERANCE = 1e-9


@pytest.fixture
def cupy_can_be_loaded(kernels, monkeypatch):
    """Within a test, ``backend="cupy"`` is the stand-in's."""
    real = minivae.backend._load
    monkeypatch.setattr(minivae.backend, "_load", lambda name: kernels if name == "cupy" else real(name))


def test_it_stays_here(kernels):
    assert sys.modules.get("cupy") is not cupy
    assert not [name for name in sys.modules if name.startswith("minivae.kernels.cu")]
    assert states()["cupy"] == "available" or "cupy" in states()["cupy"]
    with pytest.raises(TypeError, match="Implicit conversion"):
        np.asarray(kernels.zeros(3, "float32"))


# ---------------------------------------------------------------------------------------------------------
# The proofs, and every function against the reference


@pytest.mark.parametrize("proof", proofs.OF_KERNELS, ids=test_proofs.name_of)
def test_of_the_kernels(proof, kernels):
    proof(kernels)


@pytest.mark.parametrize("proof", proofs.OF_MODELS, ids=test_proofs.name_of)
def test_of_the_model(proof, kernels):
    proof(proofs.vae_class(kernels))


@pytest.mark.parametrize("dtype", proofs.DTYPES)
@pytest.mark.parametrize("row", test_proofs.TABLE, ids=test_proofs.label)
def test_a_function_agrees_with_the_reference(row, dtype, kernels):
    test_proofs.test_a_function_agrees_with_the_reference_in_float64(row, dtype, kernels)


@pytest.mark.parametrize("dtype", proofs.DTYPES)
@pytest.mark.parametrize("row", [row for row in test_proofs.TABLE if row.out], ids=test_proofs.label)
def test_a_function_fills_the_buffers_it_is_given(row, dtype, kernels):
    test_proofs.test_a_function_fills_the_buffers_it_is_given(row, dtype, kernels)


def test_an_activation_gradient_may_overwrite_its_upstream(kernels):
    test_proofs.test_an_activation_gradient_may_overwrite_its_upstream(kernels)


@pytest.mark.parametrize("dtype", proofs.DTYPES)
def test_arrays_survive_the_way_to_the_device_and_back(dtype, kernels):
    test_proofs.test_arrays_survive_the_way_to_the_device_and_back(dtype, kernels)


@pytest.mark.parametrize("dims", [1, 4, 6, 784])
def test_the_integers_of_the_noise_are_equal(dims, kernels):
    """A uniform in float64 holds all the bits of its word."""
    examples = np.array([0, 1, 7, 59_999, 2**32 - 1])
    where = (2**64 - 3, Stream.BINARIZE, 2**32 - 1, examples)
    theirs = load("numpy").uniform(*where, out=np.empty((5, dims)))
    ours = kernels.to_numpy(kernels.uniform(*where, out=kernels.zeros((5, dims), "float64")))
    np.testing.assert_array_equal(ours, theirs)


def test_a_function_of_a_step_on_the_device_takes_what_stands_there(kernels):
    rows, out = kernels.asarray(np.arange(3), "uint32"), kernels.zeros((3, 5), "float64")
    step = kernels.asarray(np.array([9]), "uint32")
    ours = kernels.to_numpy(kernels.standard_normal(1, 0, step, rows, out=out))
    theirs = load("numpy").standard_normal(1, 0, 9, np.arange(3), out=np.empty((3, 5)))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize("n", [1, 5, 1000])
def test_the_order_of_an_epoch_is_that_of_the_host(n, kernels):
    ours = kernels.to_numpy(kernels.graph.permutation(2**64 - 3, 2**32 - 1, n))
    np.testing.assert_array_equal(ours, permutation(2**64 - 3, 2**32 - 1, n))


@pytest.mark.parametrize("shape", [(1, 1), (63, 7), (64, 8), (65, 9), (200, 17), (3, 1000)])
def test_columns_add_up_whatever_the_groups_of_rows_and_columns(shape, kernels):
    da = np.random.default_rng(0).standard_normal(shape)
    sums = kernels.to_numpy(kernels.bias_gradient(kernels.asarray(da, "float64")))
    np.testing.assert_allclose(sums, da.sum(axis=0), rtol=1e-12)


def test_a_mix_of_numpy_and_device_arrays_answers_on_the_device(kernels):
    mu, logvar = np.ones((3, 2)), kernels.zeros((3, 2), "float64")
    np.testing.assert_allclose(kernels.to_numpy(kernels.gaussian_kl_forward(mu, logvar)), [1, 1, 1])


# ---------------------------------------------------------------------------------------------------------
# Trainings: the same trajectory as with the reference


def data(kind, n=22, width=7):
    rng = np.random.default_rng(0)
    if kind == "binary":
        return (rng.random((n, width)) < 0.4).astype(float)
    if kind == "one-hot":
        return np.hstack([np.eye(3)[rng.integers(3, size=n)], np.eye(width - 3)[rng.integers(width - 3, size=n)]])
    return rng.random((n, width)) if kind == "grey" else rng.standard_normal((n, width))


RECIPES = {  # of 22 examples; batches of 6 leave 4 for the last of an epoch, so that an epoch has four steps
    "bernoulli-adam": ("binary", {}, {"optimizer": Adam}),
    "gaussian-sgd": ("real", {"likelihood": Gaussian("learned")}, {"optimizer": SGD}),
    "per-dimension-adagrad": ("real", {"likelihood": Gaussian("per_dimension")}, {"optimizer": Adagrad}),
    "fixed-variance-softplus": ("real", {"likelihood": Gaussian(0.5), "activation": "softplus"}, {}),
    "categorical": ("one-hot", {"likelihood": Categorical((3, 4)), "activation": "tanh"}, {}),
    "stochastic-binarisation": ("grey", {}, {"binarize": "stochastic"}),
    "penalties": ("binary", {"activation": "sigmoid"}, {"l1": 1e-3, "l2": 1e-2}),
    "gaussian-noise": ("real", {"likelihood": "gaussian"}, {"corruption": GaussianNoise(0.3)}),
    "masking": ("binary", {}, {"corruption": Masking(0.3)}),
    "salt-and-pepper": ("binary", {"beta": 0.5}, {"corruption": SaltAndPepper(0.3, denoise=False)}),
    "one-batch": ("binary", {}, {"batch_size": 1000}),
    "deep-and-schedule": ("binary", {"hidden_dims": (6, 5)}, {"schedule": Cosine(50)}),
    "linear": ("real", {"hidden_dims": (), "likelihood": "gaussian"}, {}),
    "warm-up": ("binary", {"beta": 2.0}, {"beta_schedule": LinearBeta(20)}),
}


def model(kernels, **settings):
    return proofs.vae_class(kernels)(
        **{"input_dim": 7, "hidden_dims": (5,), "latent_dim": 3, "dtype": "float64"} | settings
    )


def parameters(vae):
    return vae.kernels.to_numpy(vae.store.vector)


def assert_same(vae, twin, history=None, twins=None):
    assert relative_error(parameters(vae), parameters(twin)) < TOLERANCE
    assert (vae.step, vae.epoch, vae.optimizer.state_of(vae).t) == (
        twin.step,
        twin.epoch,
        twin.optimizer.state_of(twin).t,
    )
    for name, values in (history or {}).items():
        np.testing.assert_allclose(values, twins[name], rtol=TOLERANCE, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("recipe", RECIPES)
def test_two_hundred_steps_are_those_of_the_reference(recipe, kernels):
    steps = 200
    kind, settings, options = RECIPES[recipe]
    x, results = data(kind), []
    for k in (kernels, load("numpy")):
        vae = model(k, **settings)
        arguments = {"batch_size": 6, "seed": 3, "progress": False} | options
        arguments["optimizer"] = arguments.get("optimizer", Adam)(1e-2)
        epochs = steps if arguments["batch_size"] > len(x) else steps // 4
        results.append((vae, fit(vae, x, epochs, validation=x[:5], **arguments)))
        assert vae.step == steps
    (vae, history), (twin, twins) = results
    assert_same(vae, twin, history, twins)


def test_float32_training_stays_close(kernels):
    histories = [
        fit(model(k, dtype="float32"), data("binary"), epochs=10, batch_size=6, progress=False)
        for k in (kernels, load("numpy"))
    ]
    np.testing.assert_allclose(histories[0]["loss"], histories[1]["loss"], rtol=1e-4)


def test_a_step_is_captured_once_for_each_batch_size_and_replayed(kernels, monkeypatch):
    launched = []
    launch = device.Graph.launch
    monkeypatch.setattr(
        device.Graph, "launch", lambda graph, stream=None: (launched.append(graph), launch(graph, stream))
    )
    fit(model(kernels), data("binary"), epochs=5, batch_size=6, progress=False)
    assert len(launched) == 5 * 4 - 2, "the first step of each of two sizes goes kernel by kernel"
    assert len(set(map(id, launched))) == 2


def test_two_fits_in_a_row_and_larger_batches_in_between(kernels):
    x, vaes = data("binary"), [model(kernels), model(load("numpy"))]
    for vae in vaes:
        fit(vae, x, epochs=3, batch_size=6, optimizer=Adam(1e-2), progress=False)
        vae.loss(np.tile(x, (30, 1)))  # more rows than any buffer has
        fit(vae, x, epochs=2, batch_size=11, progress=False)
        fit(vae, x, epochs=2, batch_size=6, optimizer=SGD(1e-2), seed=1, progress=False)
    assert_same(*vaes)


def test_a_callback_that_makes_buffers_grow_changes_nothing(kernels):
    x, vaes = data("binary"), [model(kernels), model(load("numpy"))]

    def callback(vae, epoch, metrics):
        vae.loss_and_gradients(np.tile(x, (epoch, 1)))

    for vae in vaes:
        fit(vae, x, epochs=6, batch_size=6, optimizer=Adam(1e-2), callbacks=[callback], progress=False)
    assert_same(*vaes)


def test_a_learning_rate_that_a_callback_changes_counts(kernels):
    def callback(vae, epoch, metrics):
        vae.optimizer.learning_rate /= 2

    vaes = [model(kernels), model(load("numpy"))]
    for vae in vaes:
        fit(vae, data("binary"), epochs=6, batch_size=6, optimizer=Adam(1e-2), callbacks=[callback], progress=False)
    assert_same(*vaes)


@pytest.mark.parametrize("changed", ["optimizer", "corruption"])
def test_other_settings_that_a_callback_changes_count_too(changed, kernels):
    vaes = [model(kernels), model(load("numpy"))]
    for vae in vaes:
        noise = Masking(0.5)

        def callback(vae, epoch, metrics, noise=noise):
            if changed == "optimizer":
                vae.optimizer.momentum /= 2
            else:
                noise.rate /= 2

        arguments = {"optimizer": SGD(1e-2), "corruption": noise, "callbacks": [callback]}
        fit(vae, data("binary"), epochs=6, batch_size=6, progress=False, **arguments)
    assert_same(*vaes)


def test_noise_of_ones_own_is_asked_in_every_step_and_not_recorded(kernels):
    class Ones(Masking):
        def apply(self, kernels, x, seed, step, rows, *, out):
            asked.append(int(step))
            out[...] = 1
            return out

    asked = []
    fit(model(kernels), data("binary"), epochs=2, batch_size=6, corruption=Ones(0.5), progress=False)
    assert asked == list(range(8))


def test_a_parameter_can_be_assigned_from_numpy(kernels):
    vae = model(kernels)
    vae.parameters["encoder.mu.b"] = np.arange(3)
    np.testing.assert_array_equal(kernels.to_numpy(vae.parameters["encoder.mu.b"]), [0, 1, 2])
    vae.parameters["encoder.mu.b"] = 7
    np.testing.assert_array_equal(kernels.to_numpy(vae.parameters["encoder.mu.b"]), 7)


def test_factors_of_two_precisions_are_refused(kernels):
    a, b = kernels.zeros((2, 2), "float64"), kernels.zeros((2, 2), "float32")
    with pytest.raises(TypeError, match="one dtype"):
        kernels.graph.matmul(a, b, b)


def test_early_stopping_puts_the_best_parameters_back(kernels):
    x, vaes = data("binary"), [model(kernels), model(load("numpy"))]
    for vae in vaes:
        fit(
            vae,
            x[:12],
            epochs=100,
            batch_size=6,
            optimizer=Adam(0.05),
            validation=x[12:],
            early_stopping=EarlyStopping(3),
            progress=False,
        )
        assert vae.epoch < 100
    assert_same(*vaes)


@pytest.mark.usefixtures("cupy_can_be_loaded")
def test_a_run_goes_on_from_its_checkpoint(tmp_path):
    x, options = data("binary"), {"batch_size": 6, "progress": False}
    whole = VAE(7, (5,), 3, dtype="float64", backend="cupy")
    fit(whole, x, epochs=6, optimizer=Adam(1e-2), **options)
    first = VAE(7, (5,), 3, dtype="float64", backend="cupy")
    fit(first, x, epochs=2, optimizer=Adam(1e-2), **options)
    checkpoint.save_training(first, tmp_path / "checkpoint.safetensors")
    second, _ = checkpoint.load_training(tmp_path / "checkpoint.safetensors", backend="cupy")
    fit(second, x, epochs=4, **options)
    np.testing.assert_array_equal(parameters(second), parameters(whole))


@pytest.mark.usefixtures("cupy_can_be_loaded")
def test_a_model_moves_between_backends(tmp_path):
    x = data("real")
    vae = VAE(7, (5,), 3, likelihood="gaussian", backend="cupy")
    fit(vae, x, epochs=2, progress=False)
    vae.save(tmp_path / "model.safetensors")
    twin = VAE.load(tmp_path / "model.safetensors", backend="numpy")
    again = VAE.load(tmp_path / "model.safetensors", backend="cupy")
    np.testing.assert_array_equal(parameters(again), parameters(twin))
    np.testing.assert_allclose(vae.log_likelihood(x[:3], 20), twin.log_likelihood(x[:3], 20), rtol=1e-4)
    for of in (
        lambda v: v.encode(x)[1],
        lambda v: v.reconstruct(x),
        lambda v: v.sample(4),
        lambda v: v.sample(4, draw=True),
    ):
        assert isinstance(of(vae), np.ndarray)
        np.testing.assert_allclose(of(vae), of(twin), rtol=1e-4, atol=1e-5)


def test_an_interrupted_epoch_is_undone_with_all_that_was_still_under_way(kernels, monkeypatch):
    vae, x = model(kernels), data("binary")
    fit(vae, x, epochs=2, batch_size=6, progress=False)
    before, launches, launch = parameters(vae), [], device.Graph.launch

    def interrupted(graph, stream=None):
        launch(graph, stream)
        launches.append(graph)
        if len(launches) == 2:  # in the first epoch
            raise KeyboardInterrupt

    monkeypatch.setattr(device.Graph, "launch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(vae, x, epochs=3, batch_size=6, progress=False)
    device.synchronize()  # now the device has done all that it was told
    np.testing.assert_array_equal(parameters(vae), before)


def test_a_diverging_epoch_is_undone(kernels):
    vae, x = model(kernels, likelihood="gaussian"), data("real")
    fit(vae, x, epochs=1, batch_size=6, optimizer=SGD(1e-3), progress=False)
    before = parameters(vae)
    with pytest.raises(TrainingDiverged):
        fit(vae, x, epochs=50, batch_size=6, optimizer=SGD(1e6), progress=False)
    device.synchronize()
    assert np.all(np.isfinite(parameters(vae)))
    np.testing.assert_array_equal(parameters(vae), before)


def test_what_a_graph_uses_is_freed_with_it(kernels):
    def allocated():
        device.synchronize()
        return sum(memory.nbytes for memory in device.Memory.alive)

    def train(epochs):
        options = {"l2": 1e-3, "corruption": SaltAndPepper(0.1)}  # which need memory in every step
        fit(vae, data("binary"), epochs=epochs, batch_size=6, optimizer=optimizer, progress=False, **options)

    vae, optimizer = model(kernels), Adam(1e-2)
    train(2)
    before = allocated()
    train(3)
    train(10)
    assert allocated() == before
