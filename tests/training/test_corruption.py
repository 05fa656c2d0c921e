"""Corruption: which entries are hit, how often, by what, and what the loss is compared with."""

import json
from pathlib import Path

import numpy as np
import pytest

from minivae import SGD, VAE, Gaussian, GaussianNoise, Masking, SaltAndPepper, fit
from minivae.backend import Stream, load

RNG = np.random.default_rng(0)
X = (RNG.random((50, 7)) < 0.3).astype(float)
KINDS = [GaussianNoise(0.3), Masking(0.3), SaltAndPepper(0.3)]
each_kind = pytest.mark.parametrize("corruption", KINDS, ids=lambda kind: type(kind).__name__)


def small(**options):
    return VAE(7, (5,), 3, **{"dtype": "float64"} | options)


def noisy(corruption, x, kernels=None, step=0, rows=None, seed=0):
    kernels = kernels or load("numpy")
    rows = np.arange(len(x)) if rows is None else rows
    return corruption.apply(kernels, x, seed, step, rows, out=np.empty_like(x))


@each_kind
def test_what_an_example_suffers_is_its_own_and_every_steps_anew(corruption):
    x = RNG.random((9, 7))
    whole = noisy(corruption, x)
    np.testing.assert_array_equal(noisy(corruption, x[4:6], rows=np.array([4, 5])), whole[4:6])
    assert not np.array_equal(noisy(corruption, x, step=1), whole)
    assert not np.array_equal(noisy(corruption, x, seed=1), whole)
    assert not np.array_equal(whole, x)


@each_kind
def test_every_backend_does_the_same(corruption, kernels):
    x = RNG.random((40, 13))
    np.testing.assert_allclose(noisy(corruption, x, kernels), noisy(corruption, x), rtol=0, atol=1e-12)


def test_gaussian_noise_is_added_with_its_standard_deviation_from_stream_2():
    x = RNG.random((2000, 50))
    added = noisy(GaussianNoise(0.3), x) - x
    assert added.mean() == pytest.approx(0, abs=4 * 0.3 / added.size**0.5)
    assert added.std() == pytest.approx(0.3, rel=4 / (2 * added.size) ** 0.5)
    draws = load("numpy").standard_normal(0, Stream.CORRUPTION, 0, np.arange(2000), out=np.empty((2000, 50)))
    np.testing.assert_allclose(added, 0.3 * draws, atol=1e-14)


def test_masking_blackens_its_share_and_leaves_the_rest():
    x = RNG.random((2000, 50)) + 1
    masked = noisy(Masking(0.3), x)
    hit = masked == 0
    np.testing.assert_array_equal(masked[~hit], x[~hit])
    assert hit.mean() == pytest.approx(0.3, abs=4 * (0.3 * 0.7 / x.size) ** 0.5)


def test_salt_and_pepper_come_in_equal_parts():
    x = RNG.random((2000, 50))
    result = noisy(SaltAndPepper(0.3, low=-3, high=4), x)
    pepper, salt = result == -3, result == 4
    np.testing.assert_array_equal(result[~(pepper | salt)], x[~(pepper | salt)])
    for part in (pepper, salt):
        assert part.mean() == pytest.approx(0.15, abs=4 * (0.15 * 0.85 / x.size) ** 0.5)


@pytest.mark.parametrize("none", [GaussianNoise(0), Masking(0), SaltAndPepper(0)], ids=repr)
def test_no_noise_is_plain_training_to_the_last_bit(none):
    plain, corrupted = small(), small()
    fit(plain, X, epochs=3, batch_size=16)
    fit(corrupted, X, epochs=3, batch_size=16, corruption=none)
    np.testing.assert_array_equal(plain.store.vector, corrupted.store.vector)


@pytest.mark.parametrize("denoise", [True, False])
def test_a_step_is_one_by_hand_with_the_noisy_examples_going_in(denoise):
    corruption, vae, by_hand = Masking(0.4, denoise=denoise), small(), small()
    fit(vae, X, epochs=1, batch_size=50, optimizer=SGD(0.1, momentum=0), corruption=corruption)
    rows = np.arange(50)
    eps = by_hand.kernels.standard_normal(0, Stream.EPS, 0, rows, out=np.empty((50, 3)))
    masked = noisy(corruption, X)
    by_hand.forward_backward(masked, eps, X if denoise else masked)
    SGD(0.1, momentum=0).step(by_hand)
    np.testing.assert_allclose(vae.store.vector, by_hand.store.vector, rtol=0, atol=1e-14)


def test_the_gradient_with_a_target_is_that_of_the_loss_with_a_target():
    vae = small(activation="tanh")
    eps, masked = RNG.standard_normal((50, 3)), noisy(Masking(0.4), X)

    def loss():
        recon_nll, kl = vae.terms(masked, eps, X)
        return float(np.mean(recon_nll + kl))

    vae.forward_backward(masked, eps, X)
    direction, h = RNG.standard_normal(len(vae.store.vector)), 1e-5
    slope = float(vae.store.gradient @ direction)
    start = vae.store.vector.copy()
    vae.store.vector[:] = start + h * direction
    above = loss()
    vae.store.vector[:] = start - h * direction
    assert slope == pytest.approx((above - loss()) / (2 * h), rel=1e-6)


def test_the_validation_loss_is_that_of_clean_examples():
    vae = small()
    history = fit(vae, X[:40], epochs=2, validation=X[40:], corruption=Masking(0.5))
    assert history["val_loss"][-1] == vae.loss(X[40:]).loss


def test_the_best_linear_denoiser_is_where_the_gradient_vanishes():
    """For x from N(0, C), noise of std s, and a decoder W of variance v, calculus gives the best encoder.

    It replaces the noisy x by E[x | noisy x] = C (C + s^2 I)^-1 x, then does what the posterior of a linear VAE does.
    """
    n, s, v = 200_000, 0.8, 0.5
    W, A = RNG.standard_normal((2, 4)), RNG.standard_normal((4, 4))
    x = RNG.standard_normal((n, 4)) @ A
    C = A.T @ A
    vae = VAE(4, (), 2, likelihood=Gaussian(v), dtype="float64")
    precision = np.eye(2) + W @ W.T / v
    denoiser = np.linalg.solve(C + s**2 * np.eye(4), C)
    for name, value in {
        "decoder.output.W": W,
        "decoder.output.b": 0,
        "encoder.mu.W": denoiser @ W.T @ np.linalg.inv(precision) / v,
        "encoder.mu.b": 0,
        "encoder.logvar.W": 0,
        "encoder.logvar.b": -np.log(np.diag(precision)),
    }.items():
        vae.parameters[name][...] = value
    eps = RNG.standard_normal((n, 2))
    sizes = {}
    for level in (s, 0.5 * s):
        vae.forward_backward(noisy(GaussianNoise(level), x), eps, x)
        sizes[level] = max(np.abs(vae.gradients[name]).max() for name in vae.gradients if name.startswith("encoder"))
    assert sizes[s] < 0.03
    assert sizes[0.5 * s] > 0.2


@pytest.mark.parametrize(
    ("arguments", "likelihood", "error", "message"),
    [
        ({"corruption": "masking"}, "bernoulli", TypeError, "corruption must be an object such as Masking"),
        ({"corruption": GaussianNoise(0.1, denoise=False)}, "bernoulli", ValueError, "use denoise=True"),
        ({"corruption": SaltAndPepper(0.1, high=2, denoise=False)}, "bernoulli", ValueError, "use denoise=True"),
        ({"corruption": Masking(0.1, denoise=False)}, "categorical", ValueError, "a categorical likelihood cannot"),
    ],
)
def test_noise_that_makes_no_sense_is_refused_before_anything_changes(arguments, likelihood, error, message):
    vae = small(likelihood=likelihood)
    with pytest.raises(error, match=message):
        fit(vae, np.eye(7), **arguments)
    assert (vae.epoch, vae.optimizer) == (0, None)


@pytest.mark.parametrize("make", [lambda: Masking(1.0), lambda: GaussianNoise(-1), lambda: SaltAndPepper(0.1, 2, 1)])
def test_bad_levels_are_refused(make):
    with pytest.raises(ValueError, match="must be finite"):
        make()


def test_the_command_line_knows_it_and_a_resumed_run_goes_on_with_it(minivae):
    train = ["train", "--hidden", 8, "--latent", 2, "--no-pictures", "--corruption", "salt-and-pepper"]
    minivae(*train, "--epochs", 4, "--out", "whole")
    minivae(*train, "--epochs", 2, "--out", "cut")
    assert minivae("train", "--resume", "--no-pictures", "--epochs", 4, "--out", "cut")[0] == 0
    weights = [VAE.load(f"{name}/model.safetensors").store.vector for name in ("whole", "cut")]
    np.testing.assert_array_equal(*weights)
    minivae("train", "--hidden", 8, "--latent", 2, "--no-pictures", "--epochs", 4, "--out", "clean")
    assert not np.array_equal(weights[0], VAE.load("clean/model.safetensors").store.vector)
    settings = json.loads(Path("whole/config.json").read_text())["settings"]
    assert (settings["corruption"], settings["corruption_level"]) == ("salt-and-pepper", 0.25)
    status, _, err = minivae("train", "--corruption-level", "0.5")
    assert (status, "belong to a --corruption" in err) == (2, True)
    noisy_target = ["--corruption", "gaussian", "--corruption-target", "noisy", "--out", "x"]
    assert "use denoise=True" in minivae("train", *noisy_target)[2]
    assert not Path("x").exists()
