"""What only a GPU can show: the whole backend in training. Run with ``pytest -m gpu``; not yet run on a GPU.

The proofs and the table of functions (test_proofs.py and others) run there too, because their backend is marked.
"""

import numpy as np
import pytest

from minivae import SGD, VAE, Adagrad, Adam, Categorical, Cosine, Gaussian, SaltAndPepper, Scaling, checkpoint, fit
from minivae.backend import load, permutation, states
from minivae.gradcheck.cases import check_kernels

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(states()["cupy"] != "available", reason=states()["cupy"]),
]

RNG = np.random.default_rng(0)
BITS = (RNG.random((70, 9)) < 0.4).astype(float)
REALS = RNG.standard_normal((70, 9))
ONE_HOT = np.hstack([np.eye(4)[RNG.integers(4, size=70)], np.eye(5)[RNG.integers(5, size=70)]])
RUNS = {
    "Bernoulli, Adam": (BITS, {}, lambda: Adam(1e-2), {}),
    "Gaussian, SGD": (REALS, {"likelihood": "gaussian"}, lambda: SGD(1e-3), {}),
    "per dimension, Adagrad": (REALS, {"likelihood": Gaussian("per_dimension")}, lambda: Adagrad(1e-2), {}),
    "fixed variance, scaled": (
        REALS,
        {"likelihood": Gaussian(0.3), "scaling": Scaling.of("standard", REALS)},
        lambda: Adam(1e-2),
        {},
    ),
    "categorical, Adam": (ONE_HOT, {"likelihood": Categorical((4, 5))}, lambda: Adam(1e-2), {}),
    "binarised, penalised": (
        RNG.random((70, 9)),
        {},
        lambda: Adam(1e-2),
        {"binarize": "stochastic", "l1": 0.01, "l2": 0.1},
    ),
    "corrupted, cosine": (
        BITS,
        {"beta": 0.5},
        lambda: Adam(1e-2),
        {"corruption": SaltAndPepper(0.2), "schedule": Cosine(30)},
    ),
    "linear": (REALS, {"likelihood": "gaussian", "hidden_dims": ()}, lambda: Adam(1e-2), {}),
    "deep, softplus": (BITS, {"hidden_dims": (6, 5), "activation": "softplus"}, lambda: Adam(1e-2), {}),
}


def trained(backend, x, options, optimizer, arguments, epochs=40, dtype="float64"):
    vae = VAE(9, **{"hidden_dims": (7,), "latent_dim": 3} | options, backend=backend, dtype=dtype)
    history = fit(vae, x, epochs, batch_size=16, optimizer=optimizer(), progress=False, **arguments)
    return vae, history


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
@pytest.mark.filterwarnings("ignore::minivae.GreyDataWarning")
def test_two_hundred_steps_in_float64_are_the_references(run):
    cpu, on_cpu = trained("numpy", *run)
    gpu, on_gpu = trained("cupy", *run)
    assert gpu.step == cpu.step == 200
    np.testing.assert_allclose(gpu.kernels.to_numpy(gpu.store.vector), cpu.store.vector, rtol=1e-9, atol=1e-9)
    for name in on_cpu:
        np.testing.assert_allclose(on_gpu[name], on_cpu[name], rtol=1e-9, atol=1e-9, err_msg=name)


def test_float32_stays_close_for_twenty_steps_and_ends_at_the_same_loss():
    x = (RNG.random((512, 784)) < 0.2).astype(float)
    losses = {}
    for backend in ("numpy", "cupy"):
        vae = VAE(784, (400,), 20, backend=backend)
        early = fit(vae, x[:128], 20, batch_size=128, optimizer=Adam(1e-3), progress=False)["loss"]
        late = fit(vae, x, 45, batch_size=128, progress=False)["loss"]
        losses[backend] = np.array(early), late[-1]
    np.testing.assert_allclose(losses["cupy"][0], losses["numpy"][0], rtol=1e-5)
    assert losses["cupy"][1] == pytest.approx(losses["numpy"][1], rel=1e-3)


def test_gradients_of_every_operation_in_float64():
    wrong = [check.message for check in check_kernels(load("cupy")) if not check.passed]
    assert wrong == []


@pytest.mark.parametrize("n", [1, 5, 60_000])
def test_the_order_of_an_epoch_is_that_of_the_host(n):
    kernels = load("cupy")
    ours = kernels.to_numpy(kernels.graph.permutation(2**64 - 3, 2**32 - 1, n))
    np.testing.assert_array_equal(ours, permutation(2**64 - 3, 2**32 - 1, n))


def test_many_rows_and_columns_add_up():
    kernels, da = load("cupy"), RNG.standard_normal((4099, 785))
    sums = kernels.to_numpy(kernels.bias_gradient(kernels.asarray(da, "float64")))
    np.testing.assert_allclose(sums, da.sum(axis=0), rtol=1e-9, atol=1e-9)


def test_the_memory_of_a_graph_is_given_back():
    """Also what the steps allocate while they are captured, which CuPy's pools keep."""
    import cupy

    def free():
        cupy.get_default_memory_pool().free_all_blocks()
        return cupy.cuda.Device().mem_info[0]

    vae, x, left = VAE(784, (400,), 20, backend="cupy"), (RNG.random((1024, 784)) < 0.2).astype(np.float32), []
    for _ in range(6):
        fit(vae, x, 1, batch_size=512, l2=1e-4, corruption=SaltAndPepper(0.1), progress=False)
        left.append(free())
    assert left[-1] >= left[1]


def test_the_memory_of_the_device_is_flat_after_the_first_epochs():
    import cupy

    pool, used = cupy.get_default_memory_pool(), []
    vae = VAE(784, (400,), 20, backend="cupy")
    x = (RNG.random((1000, 784)) < 0.2).astype(np.float32)
    fit(vae, x, 20, batch_size=128, progress=False, callbacks=[lambda *_: used.append(pool.used_bytes())])
    assert len(set(used[2:])) == 1


def test_a_run_repeats_to_the_last_bit_and_goes_on_from_a_checkpoint(tmp_path):
    whole, _ = trained("cupy", *RUNS["Bernoulli, Adam"], epochs=8)
    part, _ = trained("cupy", *RUNS["Bernoulli, Adam"], epochs=5)
    checkpoint.save_training(part, tmp_path / "c.safetensors")
    resumed, _ = checkpoint.load_training(tmp_path / "c.safetensors", backend="cupy")
    fit(resumed, BITS, 3, batch_size=16, progress=False)
    np.testing.assert_array_equal(*(vae.kernels.to_numpy(vae.store.vector) for vae in (whole, resumed)))


def test_models_move_between_backends(tmp_path):
    vae, _ = trained("cupy", *RUNS["Gaussian, SGD"], epochs=3)
    vae.save(tmp_path / "m.safetensors")
    moved = VAE.load(tmp_path / "m.safetensors", backend="numpy")
    for method in (lambda v: v.encode(REALS)[1], lambda v: v.reconstruct(REALS), lambda v: v.log_likelihood(REALS, 50)):
        np.testing.assert_allclose(method(vae), method(moved), rtol=1e-9)
    moved.save(tmp_path / "back.safetensors")
    back = VAE.load(tmp_path / "back.safetensors", backend="cupy")
    np.testing.assert_array_equal(back.encode(REALS), vae.encode(REALS))


def test_two_models_train_side_by_side_without_touching_each_other():
    alone, _ = trained("cupy", *RUNS["linear"], epochs=6)
    pair = [trained("cupy", *RUNS["linear"], epochs=0)[0] for _ in range(2)]
    for _ in range(6):
        for vae in pair:
            fit(vae, REALS, 1, batch_size=16, progress=False)
    for vae in pair:
        np.testing.assert_array_equal(*(v.kernels.to_numpy(v.store.vector) for v in (vae, alone)))


def test_a_weight_of_the_kl_that_changes_between_epochs_reaches_the_captured_graph():
    def grow(vae, epoch, metrics):
        vae.beta = min(1.0, 0.1 * epoch)

    models = []
    for backend in ("numpy", "cupy"):
        vae = VAE(9, (7,), 3, beta=0.0, backend=backend, dtype="float64")
        fit(vae, BITS, 20, batch_size=16, optimizer=Adam(1e-2), callbacks=[grow], progress=False)
        models.append(vae.kernels.to_numpy(vae.store.vector))
    np.testing.assert_allclose(*models, rtol=1e-9, atol=1e-9)
