"""Noise in training: the seed reaches every use of it, whole, and no two uses share what they draw."""

import itertools

import numpy as np
import pytest

from minivae import VAE, Categorical, Gaussian, GaussianNoise, Masking, SaltAndPepper, Scaling, fit
from minivae.backend import Stream, load
from minivae.training import Recipe, minibatches
from minivae.training.examples import with_fixed_noise
from minivae.training.step import noisy_minibatch

K = load("numpy")
GREY = np.random.default_rng(0).random((40, 7))
ROWS = np.arange(40)
SEEDS = [0, 1, 2**31, 2**32, 2**33 + 1, 2**63, 2**64 - 1]  # each has bits that the others lack


def small(**options):
    return VAE(7, (5,), 3, **{"dtype": "float64"} | options)


def seen_in_training(seed, binarize="none", corruption=None):
    """What goes into the encoder, the noise of z, and what shall come out, of the first step of ``fit``."""
    vae, seen = small(), []
    forward_backward = vae.forward_backward
    vae.forward_backward = lambda *given: seen.append([np.copy(a) for a in given[:3]]) or forward_backward(*given)
    fit(vae, GREY, epochs=1, batch_size=40, seed=seed, binarize=binarize, corruption=corruption, progress=False)
    order = np.concatenate(minibatches(40, 40, seed, 0))
    return [array[np.argsort(order)] for array in seen[0]]  # by example, so that the order has no say


def order_of_fit(seed):
    vae, seen = small(likelihood="gaussian"), []
    forward_backward = vae.forward_backward
    vae.forward_backward = lambda x, *rest: seen.append(x[:, 0].copy()) or forward_backward(x, *rest)
    fit(vae, GREY, epochs=1, batch_size=8, seed=seed, progress=False)
    return np.concatenate(seen)


@pytest.mark.filterwarnings("ignore:the data hold grey")
@pytest.mark.parametrize(
    "drawn",
    [
        order_of_fit,
        lambda seed: seen_in_training(seed)[1],
        lambda seed: seen_in_training(seed, binarize="stochastic")[2],
        lambda seed: seen_in_training(seed, corruption=Masking(0.5))[0],
    ],
    ids=["order", "eps", "binarisation", "corruption"],
)
def test_all_bits_of_the_seed_reach_each_use_of_it_by_itself(drawn):
    found = {drawn(seed).tobytes() for seed in SEEDS}
    assert len(found) == len(SEEDS)
    assert drawn(SEEDS[-1]).tobytes() in found  # and nothing else does


@pytest.mark.parametrize("seed", SEEDS[1:])
def test_all_bits_of_the_seed_count_in_a_model_its_samples_and_its_likelihood(seed):
    assert not np.array_equal(small().store.vector, small(seed=seed).store.vector)
    vae = small()
    assert not np.array_equal(vae.sample(3), vae.sample(3, seed=seed))
    twin = small(seed=seed)
    twin.store.vector[:] = vae.store.vector
    x = GREY[:3].round()
    assert not np.array_equal(vae.log_likelihood(x, 5), twin.log_likelihood(x, 5))
    assert vae.loss(x) != twin.loss(x)
    holes = np.where(np.eye(3, 7) == 1, np.nan, x)
    means = vae.impute(holes, n_samples=5)
    assert not np.array_equal(means, vae.impute(holes, seed=seed, n_samples=5))
    twin.store.vector[:] = 0  # z has no say in x
    assert not np.array_equal(twin.impute(holes, 20, n_samples=5), twin.impute(holes, 20, seed, n_samples=5))


def test_the_seed_of_a_score_counts_in_its_columns_too():
    x, seeds = GREY[:3].round(), (0, 2**63)
    assert len({small().score(x, x, 5, seed)["odd_1_nats"].tobytes() for seed in seeds}) == 2


def correlation(a, b):
    """The largest correlation, in standard errors, between a column of ``a`` and one of ``b``."""
    a, b = ((array - array.mean(axis=0)) / array.std(axis=0) for array in (a, b))
    return np.abs(a.T @ b).max() / np.sqrt(len(a))


def test_the_noise_of_a_drawn_x_is_independent_of_that_of_its_z():
    vae = small(likelihood=Gaussian(1.0))
    for array in vae.parameters.values():
        array[...] = 0
    vae.parameters["decoder.hidden.0.b"][...] = 100  # never at the kink: the decoder is linear
    vae.parameters["decoder.hidden.0.W"][...] = np.eye(3, 5)
    vae.parameters["decoder.output.W"][...] = np.eye(5, 7)
    mean, drawn = vae.sample(4000), vae.sample(4000, draw=True)
    assert (drawn - mean).std() == pytest.approx(1, rel=0.03)
    assert mean[:, :3].std() == pytest.approx(1, rel=0.03)
    assert correlation((drawn - mean), mean[:, :3]) < 5


def test_the_noise_of_an_imputed_x_is_independent_of_the_choice_of_its_z():
    vae, holes = VAE(3, (5,), 2, dtype="float64"), np.tile([np.nan, 0.0, 1.0], (20, 1))
    vae.store.vector *= 4  # p(x|z) differs from one z to the other: of two, so that the choice tells
    p, drawn = (vae.impute(holes, n, n_samples=2)[..., 0] for n in (None, 600))
    assert np.all(np.abs(drawn.mean(axis=0) - p) < 5 * np.sqrt(p * (1 - p) / 600))


@pytest.mark.parametrize("groups", [(2, 2, 3), (3, 4)])
def test_the_groups_of_a_categorical_draw_are_independent_of_each_other(groups):
    vae = small(likelihood=Categorical(groups))
    for array in vae.parameters.values():
        array[...] = 0
    drawn, starts = vae.sample(4000, draw=True), np.cumsum((0, *groups))
    for i, j in itertools.combinations(range(len(groups)), 2):
        one, other = (drawn[:, starts[g] : starts[g + 1] - 1] for g in (i, j))
        assert correlation(one, other) < 5


@pytest.mark.filterwarnings("ignore:the data hold grey")
def test_the_corruption_mask_the_binarisation_and_eps_are_independent_of_each_other():
    x, half = np.full((4000, 7), 0.5), np.arange(4000)
    recipe = Recipe(binarize="stochastic")
    drawn = np.copy(noisy_minibatch(small(), x, half, 0, recipe)[1])
    eps, ones = small().noise(half), np.ones((4000, 7))
    kinds = (Masking(0.5), SaltAndPepper(0.5), GaussianNoise(1.0))
    noisy = [np.copy(noisy_minibatch(small(), ones, half, 0, Recipe(corruption=kind))[0]) for kind in kinds]
    for one, other in ((drawn, eps), *itertools.product(noisy, (drawn, eps))):
        assert correlation(one, other) < 5


def test_the_copies_of_a_small_validation_set_have_noise_of_their_own():
    x, eps = with_fixed_noise(small(), GREY[:4], Recipe())
    assert len(x) == len(eps) == 512
    np.testing.assert_array_equal(x[:4], x[-4:])
    assert len(np.unique(eps)) == eps.size
    assert correlation(eps[:256], eps[256:]) < 5
    training = K.standard_normal(0, Stream.EPS, 0, np.arange(512), out=np.empty((512, 3)))
    assert not np.isin(eps, training).any()
    assert not np.array_equal(with_fixed_noise(small(), GREY[:4], Recipe(seed=1))[1], eps)


def test_validation_rows_stay_as_they_were_drawn_and_are_never_grey():
    vae, seen = small(), []
    loss_of_scaled = vae.loss_of_scaled
    vae.loss_of_scaled = lambda x, *rest: seen.append(np.copy(x)) or loss_of_scaled(x, *rest)
    fit(vae, GREY, epochs=3, validation=GREY, binarize="stochastic", progress=False)
    assert set(np.unique(seen[0])) == {0, 1}
    assert [np.array_equal(x, seen[0]) for x in seen] == [True] * 3
    other = []
    vae = small()
    vae.loss_of_scaled = lambda x, *rest: other.append(np.copy(x)) or loss_of_scaled(x, *rest)
    fit(vae, GREY, epochs=1, validation=GREY, binarize="stochastic", seed=1, progress=False)
    assert not np.array_equal(other[0], seen[0])


def test_set_output_bias_sees_the_data_as_the_model_does():
    x = np.random.default_rng(0).normal([5, -300, 0.01], [3, 20, 0.001], (200, 3))
    vae = VAE(3, (5,), 2, likelihood="gaussian", scaling=Scaling.of("standard", x), dtype="float64")
    vae.set_output_bias(x)
    np.testing.assert_allclose(vae.parameters["decoder.output.b"], 0, atol=1e-9)
    assert np.all(np.abs(vae.decode(np.zeros((1, 2)))[0] - x.mean(axis=0)) < 3 * x.std(axis=0))
