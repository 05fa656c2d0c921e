"""SGD, Adagrad and Adam: the formulas written out, on numbers small enough to follow. See also test_torch_oracle.py."""

import gc
import json

import numpy as np
import pytest

from minivae import SGD, VAE, Adagrad, Adam
from minivae.training.optimizers import from_config


def model():
    vae = VAE(2, (), 1, dtype="float64")
    vae.store.gradient[:] = np.linspace(-1, 1, len(vae.store.gradient))
    return vae


def assert_steps(optimizer, formula):
    """Three steps, with a gradient that shrinks: ``formula(w, g, t)`` is the new w."""
    vae = model()
    w = vae.store.vector.copy()
    for t in (1, 2, 3):
        g = vae.store.gradient = vae.store.gradient * 0.7
        optimizer.step(vae)
        w = formula(w, g, t)
        np.testing.assert_allclose(vae.store.vector, w, rtol=1e-12)
    assert vae.step == optimizer.state_of(vae).t == 3


def test_sgd_with_momentum_written_out():
    u = 0.0

    def formula(w, g, t):
        nonlocal u
        u = 0.5 * u + g
        return w - 0.1 * u

    assert_steps(SGD(0.1, momentum=0.5), formula)


def test_the_first_step_of_adam_is_the_learning_rate_in_each_coordinate():
    vae = model()
    w, g = vae.store.vector.copy(), vae.store.gradient.copy()
    Adam(0.01).step(vae)
    moved = (w - vae.store.vector)[np.abs(g) > 1e-3]
    np.testing.assert_allclose(np.abs(moved), 0.01, rtol=1e-4)
    assert np.array_equal(np.sign(moved), np.sign(g[np.abs(g) > 1e-3]))


def test_adam_written_out_over_three_steps():
    m = v = 0.0

    def formula(w, g, t):
        nonlocal m, v
        m, v = 0.8 * m + 0.2 * g, 0.9 * v + 0.1 * g**2
        return w - 0.01 * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.9**t)) + 1e-3)

    assert_steps(Adam(0.01, betas=(0.8, 0.9), epsilon=1e-3), formula)


def test_adagrad_written_out_over_three_steps():
    total = 0.0

    def formula(w, g, t):
        nonlocal total
        total = total + g**2
        return w - 0.1 * g / (np.sqrt(total) + 1e-3)

    assert_steps(Adagrad(0.1, epsilon=1e-3), formula)


@pytest.mark.parametrize("kind", [SGD, Adagrad, Adam])
def test_a_factor_on_the_learning_rate_is_a_smaller_learning_rate(kind):
    one, other = model(), model()
    kind(0.1).step(one, factor=0.25)
    kind(0.025).step(other)
    np.testing.assert_array_equal(one.store.vector, other.store.vector)


@pytest.mark.parametrize("optimizer", [SGD(0.1, 0.5), Adagrad(0.2, 1e-3), Adam(0.1, (0.5, 0.6), 1e-4)])
def test_a_configuration_makes_the_optimizer_again_also_through_json(optimizer):
    twin = from_config(json.loads(json.dumps(optimizer.config())))
    assert repr(twin) == repr(optimizer)


def test_optimizers_say_what_they_are():
    assert repr(Adam(0.01)) == "Adam(learning_rate=0.01, betas=(0.9, 0.999), epsilon=1e-08)"
    assert repr(Adagrad()) == "Adagrad(learning_rate=0.01, epsilon=1e-10)"
    assert repr(SGD(0.1)) == "SGD(learning_rate=0.1, momentum=0.9)"


def test_a_state_goes_away_with_its_model():
    optimizer = Adam()
    vae = model()
    optimizer.step(vae)
    del vae
    gc.collect()
    assert len(optimizer._states) == 0


@pytest.mark.parametrize("optimizer", [SGD(0.1), Adagrad(0.1), Adam(0.1)])
def test_float32_models_have_float32_states(optimizer):
    vae = VAE(2, (), 1)
    optimizer.step(vae)
    assert {array.dtype for array in optimizer.state_of(vae).arrays.values()} == {np.dtype("float32")}
