"""The noise: known answers, where every word comes from, and whether it looks like noise."""

import math

import numpy as np
import pytest
from scipy import stats

from minivae.backend import Stream, permutation
from minivae.kernels.philox import philox4x32

ONES = 2**32 - 1


def philox_in_python_integers(counter, seed):
    """Philox4x32-10 as the paper states it, one counter at a time: the oracle of this file."""
    c0, c1, c2, c3 = counter
    k0, k1 = seed % 2**32, seed // 2**32
    for _ in range(10):
        a, b = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (b >> 32) ^ c1 ^ k0, b % 2**32, (a >> 32) ^ c3 ^ k1, a % 2**32
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return c0, c1, c2, c3


def uniform_of(seed, stream, step, example, d):
    """Dimension d takes word d % 4 of counter (d // 4, example, step, stream)."""
    word = philox_in_python_integers((d // 4, example, step, stream), seed)[d % 4]
    return (word + 0.5) / 2**32


def normal_of(seed, stream, step, example, d):
    """Box-Muller on words (0, 1) and (2, 3): cosine for an even dimension, sine for an odd one."""
    first = d - d % 2
    u, v = (uniform_of(seed, stream, step, example, d) for d in (first, first + 1))
    return math.sqrt(-2 * math.log(u)) * (math.sin if d % 2 else math.cos)(2 * math.pi * v)


def noise(kernels, kind, seed, stream, step, examples, dims, dtype="float64"):
    examples = np.asarray(examples)
    out = kernels.zeros((len(examples), dims), dtype)
    return kernels.to_numpy(getattr(kernels, kind)(seed, stream, step, examples, out=out)).copy()


# ---------------------------------------------------------------------------------------------------------
# The right words


@pytest.mark.parametrize(
    ("counter", "seed", "words"),
    [
        ((0, 0, 0, 0), 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((ONES, ONES, ONES, ONES), 2**64 - 1, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),  # the digits of pi
            0x299F31D0_A4093822,
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
    ids=["zeros", "ones", "pi"],
)
def test_philox_gives_the_known_answers_of_random123(counter, seed, words):
    assert tuple(philox4x32(tuple([word] for word in counter), seed)[0]) == words
    assert philox_in_python_integers(counter, seed) == words


def test_the_streams_have_the_numbers_of_the_design():
    names = ("EPS", "BINARIZE", "CORRUPTION", "IMPORTANCE", "PRIOR", "SHUFFLE", "INITIALISATION")
    names += ("GAN_ROWS", "GAN_LATENT", "GAN_PENALTY", "IMPUTATION")
    assert {stream.name: int(stream) for stream in Stream} == {name: i for i, name in enumerate(names)}


@pytest.mark.parametrize("dims", [1, 2, 3, 4, 5, 7, 8, 20])
@pytest.mark.parametrize("seed", [0, 7, 2**32, 2**64 - 1])
def test_every_number_comes_from_its_own_counter(seed, dims, kernels):
    stream, step, examples = Stream.CORRUPTION, 2**32 - 1, [0, 5, 3, 70_000]
    for kind, expected_of in (("uniform", uniform_of), ("standard_normal", normal_of)):
        expected = [[expected_of(seed, stream, step, n, d) for d in range(dims)] for n in examples]
        for dtype, tolerance in (("float64", 1e-12), ("float32", 1e-5)):
            got = noise(kernels, kind, seed, stream, step, examples, dims, dtype)
            assert got.dtype == dtype
            np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance)


def test_many_examples_at_once_get_what_each_gets_alone(kernels):
    """More rows than a kernel works on at a time."""
    examples = np.arange(5000)[::-1]
    for kind in ("uniform", "standard_normal"):
        together = noise(kernels, kind, 1, Stream.EPS, 2, examples, 5)
        for row in (0, 1, 1023, 1024, 2047, 2048, 4999):
            alone = noise(kernels, kind, 1, Stream.EPS, 2, examples[[row]], 5)
            np.testing.assert_array_equal(together[row], alone[0])


def test_the_noise_of_a_dimension_does_not_depend_on_how_many_there_are(kernels):
    for kind in ("uniform", "standard_normal"):
        wide = noise(kernels, kind, 1, Stream.EPS, 2, np.arange(10), 75)
        for dims in (*range(1, 11), 20, 63, 64):  # with and without what vector registers leave over
            np.testing.assert_array_equal(noise(kernels, kind, 1, Stream.EPS, 2, np.arange(10), dims), wide[:, :dims])


def test_seed_stream_step_and_example_each_matter(kernels):
    places = [(1, 0, 0, 0), (2, 0, 0, 0), (2**32 + 1, 0, 0, 0), (1, 1, 0, 0), (1, 0, 1, 0), (1, 0, 0, 1)]
    draws = [noise(kernels, "uniform", seed, stream, step, [n], 4).tobytes() for seed, stream, step, n in places]
    assert len(set(draws)) == len(places)


# ---------------------------------------------------------------------------------------------------------
# It looks like noise. The seeds are fixed, so these pass or fail for good; chance would fail one in a thousand.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniforms_are_uniform(dtype, kernels):
    u = noise(kernels, "uniform", 1, Stream.CORRUPTION, 0, np.arange(5000), 10, dtype).ravel()
    assert stats.kstest(u, "uniform").pvalue > 1e-3
    assert u.min() > 0
    assert u.max() <= 1 if dtype == "float32" else u.max() < 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normals_are_normal(dtype, kernels):
    draws = noise(kernels, "standard_normal", 1, Stream.EPS, 0, np.arange(5000), 10, dtype).astype(float)
    assert stats.kstest(draws.ravel(), "norm").pvalue > 1e-3
    n = draws.size
    # The variances of the first four sample moments of a standard normal are 1, 2, 15 and 96, over n.
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(np.mean(draws**power) - moment) < 4 * math.sqrt(variance / n)


def test_streams_steps_examples_and_dimensions_are_uncorrelated(kernels):
    def draw(stream=0, step=0, first=0):
        return noise(kernels, "standard_normal", 1, stream, step, np.arange(first, first + 5000), 4)

    reference = draw()
    others = [draw(stream=s) for s in range(1, 7)] + [draw(step=t) for t in (1, 2, 2**31)] + [draw(first=1)]
    others += [np.roll(reference, shift, axis=1) for shift in (1, 2, 3)]
    for other in others:
        # For independent normals each of these is a standard normal.
        assert abs(np.sum(reference * other)) / math.sqrt(reference.size) < 4.5
        assert abs(np.sum((reference**2 - 1) * (other**2 - 1))) / math.sqrt(4 * reference.size) < 4.5


def test_pairs_fill_the_square_evenly(kernels):
    u = noise(kernels, "uniform", 1, Stream.CORRUPTION, 0, np.arange(20_000), 8)
    for first, second in ((u[:, 0], u[:, 1]), (u[:, 1], u[:, 2]), (u[:, 3], u[:, 4]), (u[:-1, 0], u[1:, 0])):
        counts, _, _ = np.histogram2d(first, second, bins=16, range=[[0, 1], [0, 1]])
        assert stats.chisquare(counts.ravel()).pvalue > 1e-3


# ---------------------------------------------------------------------------------------------------------
# What is made of it


def test_a_permutation_is_one_and_depends_on_seed_and_epoch_alone():
    orders = [permutation(seed, epoch, 1000) for seed, epoch in ((0, 0), (0, 1), (1, 0), (2**32, 0))]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(1000))
    assert len({order.tobytes() for order in orders}) == 4
    np.testing.assert_array_equal(permutation(0, 1, 1000), orders[1])
    assert list(permutation(0, 0, 1)) == [0]


@pytest.mark.parametrize("n", [1, 5, 5000])
def test_a_permutation_sorts_tickets_of_two_words(n):
    """The order of past runs must not change: they could not be resumed, nor compared."""
    seed, epoch = 2**64 - 3, 7
    words = [philox_in_python_integers((0, i, epoch, Stream.SHUFFLE), seed) for i in range(n)]
    by_ticket = sorted(range(n), key=lambda i: words[i][:2])
    np.testing.assert_array_equal(permutation(seed, epoch, n), by_ticket)


def test_all_orders_are_equally_likely():
    orders = np.array([permutation(0, epoch, 4) for epoch in range(1200)])
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_binarising_keeps_black_and_white_and_the_mean_of_grey(dtype, kernels):
    n = 20_000
    grey = np.array([0, 1, 0.5, 0.1, 0.9, 1 / 255, 254 / 255])
    x = kernels.asarray(np.tile(grey, (n, 1)), dtype)
    pixels = kernels.to_numpy(kernels.binarize(x, 3, 4, np.arange(n), out=kernels.zeros(x.shape, dtype)))
    assert pixels.dtype == dtype
    assert set(np.unique(pixels)) == {0, 1}
    assert not pixels[:, 0].any()
    assert pixels[:, 1].all()
    standard_error = np.sqrt(grey * (1 - grey) / n)
    assert np.all(abs(pixels.mean(axis=0) - grey) <= 4.5 * standard_error)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_black_and_white_stay_even_where_the_uniform_is_next_to_0_or_1(dtype, kernels):
    highest, lowest = (33_483_725, 0), (1_218_441, 3)  # (example, dimension), found by search
    assert np.float32(uniform_of(0, Stream.BINARIZE, 0, *highest)) == 1
    assert uniform_of(0, Stream.BINARIZE, 0, *lowest) < 2e-8
    examples = np.array([highest[0], lowest[0]])
    for value in (0, 1):
        x = kernels.zeros((2, 4), dtype) + value
        assert np.all(kernels.to_numpy(kernels.binarize(x, 0, 0, examples, out=x)) == value)


def test_binarising_is_a_coin_of_stream_1_and_may_overwrite_its_input(kernels):
    x = kernels.asarray(np.random.default_rng(0).random((30, 9)), "float64")
    u = noise(kernels, "uniform", 3, Stream.BINARIZE, 4, np.arange(30), 9)
    expected = u < kernels.to_numpy(x)
    assert kernels.binarize(x, 3, 4, np.arange(30), out=x) is x
    np.testing.assert_array_equal(kernels.to_numpy(x), expected)


def test_a_counter_of_plain_numbers_gives_the_known_answer_too():
    counter, key = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), 0x299F31D0A4093822
    words = philox4x32(counter, key)
    assert words.shape == (1, 4)
    assert int(words[0, 0]) == 0xD16CFE09
