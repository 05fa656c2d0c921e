"""Every backend in float32, where rounding, overflow and cancellation wait: against the reference in float64."""

import numpy as np
import pytest

from minivae import VAE
from minivae.backend import load

RNG = np.random.default_rng(0)
REFERENCE = load("numpy")


def both(kernels, function, *arrays, **options):
    """Pairs (float32 on this backend, float64 of the reference) of what ``function`` returns for the same numbers."""
    single = [np.asarray(array, np.float32) for array in arrays]
    mine = getattr(kernels, function)(*(kernels.asarray(array, "float32") for array in single), **options)
    with np.errstate(all="ignore"):
        truth = getattr(REFERENCE, function)(*(array.astype(np.float64) for array in single), **options)
    mine, truth = (result if isinstance(result, tuple) else (result,) for result in (mine, truth))
    return [(kernels.to_numpy(a).astype(np.float64), b) for a, b in zip(mine, truth, strict=True) if a is not None]


def assert_right(pairs, rtol, atol):
    for mine, truth in pairs:
        np.testing.assert_allclose(mine, truth, rtol=rtol, atol=atol)


LOGITS = {
    "untrained": RNG.normal(0, 0.3, (20, 784)),
    "large": RNG.normal(0, 30, (20, 784)),
    "all of one sign": np.full((20, 784), 40.0),
    "all of the other": np.full((20, 784), -40.0),
    "just below overflow": np.full((20, 784), 88.0),
    "beyond it": RNG.choice([-500.0, -120.0, -89.5, 0.0, 89.5, 120.0, 500.0], (20, 784)),
}


@pytest.mark.parametrize("logits", LOGITS.values(), ids=LOGITS)
def test_the_bernoulli_loss_of_wide_rows_is_right(logits, kernels):
    x = (RNG.random((20, 784)) < 0.3).astype(float)
    for width in (1, 16, 255, 256, 257, 784):
        pairs = both(kernels, "bernoulli_nll", logits[:, :width], x[:, :width], np.ones(20))
        assert_right(pairs, rtol=1e-5, atol=1e-6)


def test_the_loss_of_an_untrained_model_is_log_2_for_each_of_784_pixels(backend):
    vae, x = VAE(784, (400,), 20, backend=backend), (RNG.random((128, 784)) < 0.5).astype(float)
    assert vae.loss(x).recon_nll == pytest.approx(784 * np.log(2), rel=0.03)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "softplus"])
def test_activations_are_right_near_zero_and_far_from_it(activation, kernels):
    a = np.concatenate([[500, 104, 89.5, 88, 20, 0], np.geomspace(1e-8, 1, 9)])
    a = np.concatenate([a, -a])[:, None]
    pairs = both(kernels, "linear_forward", a, np.ones((1, 1)), np.zeros(1), activation=activation)
    rounded_to_1 = activation == "softplus" and kernels is REFERENCE  # it says so: NumPy has no fast float32 log1p
    assert_right(pairs, rtol=2e-6, atol=1.2e-7 if rounded_to_1 else 1.2e-38)
    upstream = RNG.standard_normal(a.shape)
    assert_right(both(kernels, "activation_backward", upstream, pairs[0][0], activation=activation), 1e-5, 1.2e-38)


@pytest.mark.parametrize("size", [1e-1, 1e-2, 1e-3])
def test_the_kl_is_right_near_the_prior(size, kernels):
    mu, logvar = np.zeros((30, 4)), size * np.linspace(0.3, 1, 120).reshape(30, 4) * RNG.choice([-1, 1], (30, 4))
    assert_right(both(kernels, "gaussian_kl_forward", mu, logvar), rtol=1e-3, atol=2e-10)
    assert_right(both(kernels, "gaussian_kl_backward", np.ones(30), mu, logvar), rtol=1e-6, atol=0)


def test_l1_pulls_at_no_weight_that_is_exactly_zero(kernels):
    weights = kernels.asarray(np.array([0.0, -0.0, 2.0, -3.0, 1e-30, -1e-30]), "float32")
    gradient = kernels.zeros(6, "float32") + 7
    assert kernels.add_penalty(weights, gradient, l1=0.5, l2=0.0) == pytest.approx(2.5)
    np.testing.assert_array_equal(kernels.to_numpy(gradient), np.float32([7, 7, 7.5, 6.5, 7.5, 6.5]))


@pytest.mark.parametrize("size", [1e-30, 1e-20, 1e-12, 1e-8, 1e-4, 1.0, 1e12])
def test_adam_takes_right_steps_for_tiny_and_huge_gradients(size, kernels):
    g, settings = size * RNG.standard_normal(50), {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    g = g.astype(np.float32)
    mine = [kernels.zeros(50, "float32"), kernels.asarray(g, "float32"), *(kernels.zeros(50, "float32") for _ in "mv")]
    w, m, v, exact = np.zeros(50), 0.0, 0.0, g.astype(np.float64)
    for t in (1, 2, 3):
        kernels.adam_update(*mine, t, **settings)
        m, v = 0.9 * m + 0.1 * exact, 0.999 * v + 0.001 * exact**2
        w = w - 1e-3 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    np.testing.assert_allclose(kernels.to_numpy(mine[0]), w, rtol=1e-4, atol=1e-37)
