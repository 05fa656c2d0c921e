"""Importance sampling: the formulas by hand, noise that is a function of its counters, flat memory, units, progress.

That the numbers are right is in test_exact_oracles.py; here it is that they are the ones that are documented.
"""

import io
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from minivae import VAE, Scaling
from minivae.evaluation import log_likelihood
from minivae.model import importance, proposals
from minivae.model.importance import LogLikelihood, Sums, estimate_rows

RNG = np.random.default_rng(0)
BINARY = (RNG.random((700, 7)) < 0.4).astype(float)  # more rows than one piece holds
REAL = RNG.normal(5, [3, 1, 0.1, 2, 1, 1, 10], (50, 7))


def small(dtype="float64", **arguments):
    """An untrained model whose encoder's variances are not all near 1."""
    vae = VAE(7, (5,), 3, activation="tanh", dtype=dtype, seed=1, **arguments)
    vae.parameters["encoder.logvar.b"][...] = [-1, 0, 0.5]
    return vae


def assert_same(found, expected, rtol=1e-9):
    """Up to rounding; some fields may be left out at the end."""
    for name, a, b in zip(LogLikelihood._fields, found, expected, strict=False):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-6, err_msg=name)


# -- the formulas ------------------------------------------------------------------------------------------


def sums_of(log_w, recon_nll, at_once):
    sums = Sums(log_w.shape[1])
    for start in range(0, len(log_w), at_once):
        samples = range(start, min(start + at_once, len(log_w)))
        sums.add(samples, log_w[samples.start : samples.stop], recon_nll[samples.start : samples.stop])
    return sums


@pytest.mark.parametrize("S", [2, 3, 4, 11])
@pytest.mark.parametrize("at_once", [1, 2, 3, 6, 100])
def test_every_number_is_its_formula_however_the_samples_come_in(S, at_once):
    log_w, recon_nll = RNG.normal(0, 2, (2, S, 4))
    found = sums_of(log_w, recon_nll, at_once).estimate(np.arange(4.0))
    w = np.exp(log_w)
    quarters = [w[part::4] for part in range(min(4, S))]
    np.testing.assert_allclose(found.log_px, np.log(w.mean(axis=0)))
    np.testing.assert_allclose(found.effective_sample_size, w.sum(axis=0) ** 2 / (w**2).sum(axis=0))
    np.testing.assert_allclose(found.standard_error, w.std(axis=0, ddof=1) / np.sqrt(S) / w.mean(axis=0))
    of_quarters = sum(len(quarter) / S * np.log(quarter.mean(axis=0)) for quarter in quarters)
    np.testing.assert_allclose(found.bias, found.log_px - of_quarters, atol=1e-12)
    np.testing.assert_allclose(found.recon_nll, recon_nll.mean(axis=0))
    np.testing.assert_array_equal(found.kl, np.arange(4.0))


def test_weights_far_beyond_the_range_of_floats_are_no_trouble():
    log_w = RNG.normal(0, 2, (10, 4))
    near, far = (sums_of(log_w + shift, 0 * log_w, 3).estimate(np.zeros(4)) for shift in (0, -1e5))
    np.testing.assert_allclose(far.log_px + 1e5, near.log_px, atol=1e-9)
    np.testing.assert_allclose(far[1:4], near[1:4], atol=1e-9)


def test_equal_weights_have_no_error_and_one_that_dominates_has_an_error_of_one():
    equal, one = np.full((8, 1), -3.0), np.full((8, 1), -np.inf)
    one[5] = 0
    for log_w, ess, standard_error in ((equal, 8, 0), (one, 1, 1)):
        found = sums_of(log_w, log_w, 8).estimate(np.zeros(1))
        np.testing.assert_allclose(found[1:3], [[standard_error], [ess]], atol=1e-7)


def test_one_sample_is_the_elbo_and_has_no_error_that_could_be_known():
    vae = small()
    found = log_likelihood(vae, BINARY, n_samples=1)
    assert np.isnan(found.standard_error).all()
    assert np.isnan(found.bias).all()
    np.testing.assert_array_equal(found.effective_sample_size, 1)
    gap = found.log_px + found.recon_nll + found.kl  # log p(z)/q(z|x) has mean -KL
    assert abs(gap.mean()) < 5 * gap.std() / np.sqrt(len(gap))


def test_both_terms_of_the_bound_come_from_the_same_samples():
    vae, x = small(), BINARY[:5]
    found = log_likelihood(vae, x, n_samples=2000)
    np.testing.assert_allclose(found.kl.mean(), vae.loss(x).kl)
    many = vae.loss(np.tile(x, (2000, 1)))
    np.testing.assert_allclose(found.recon_nll.mean(), many.recon_nll, rtol=0.01)


def test_no_error_is_below_zero_by_rounding():
    for S in range(2, 40):
        log_w = np.full((S, 1), -100 / S)
        found = sums_of(log_w, log_w, S).estimate(np.zeros(1))
        assert min(found.standard_error, found.bias) >= 0, S


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_decoder_that_ignores_z_makes_all_weights_of_the_prior_equal_and_they_are_summed_in_float64(dtype):
    vae = small(dtype)
    for name, array in vae.parameters.items():
        if name != "decoder.output.b":
            array[...] = 0
    found = log_likelihood(vae, BINARY[:9], n_samples=20)
    np.testing.assert_allclose(found.effective_sample_size, 20, rtol=1e-12)
    np.testing.assert_allclose(found.log_px, -found.recon_nll, rtol=1e-12)


# -- noise, pieces, memory ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_call_twice_is_equal_and_another_seed_is_not(dtype):
    vae = small(dtype)
    first, second, by_name = (log_likelihood(vae, BINARY, 7, seed=seed) for seed in (None, None, 1))
    for name, a, b, c in zip(LogLikelihood._fields, first, second, by_name, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
        assert a.dtype == (bool if name in ("from_mixture", "trusted") else np.float64)
        assert a.shape == (700,)
    assert not np.any(log_likelihood(vae, BINARY, 7, seed=2).log_px == first.log_px)
    np.testing.assert_array_equal(vae.log_likelihood(BINARY, 7), first.log_px)


def test_an_example_has_the_same_estimate_whatever_rows_and_samples_share_its_pass():
    vae = small()
    together = log_likelihood(vae, BINARY, 103)
    for n in (1, 3, 200):
        assert_same(log_likelihood(vae, BINARY[:n], 103), (array[:n] for array in together))
    alone = estimate_rows(vae, BINARY[600:601], np.array([600]), 103, vae.seed, lambda n: None)
    assert_same(alone, (array[600:601] for array in together))


def test_each_example_and_each_sample_has_noise_of_its_own():
    vae, x = small(), np.tile(BINARY[:1], (600, 1))
    found = log_likelihood(vae, x, 1).log_px
    assert len(np.unique(found)) == 600
    assert len(np.unique(np.diff([log_likelihood(vae, x[:1], S).recon_nll[0] * S for S in range(1, 30)]))) == 28


def peak_memory(rows, n_samples):
    vae, x = small(), np.tile(BINARY[:10], (1000, 1))[:rows]
    tracemalloc.start()
    try:
        importance.log_likelihood(vae, x, n_samples, 0)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_is_flat_from_10_to_10000_examples_and_from_60_to_1000_samples():
    few, some, result = peak_memory(10, 60), peak_memory(512, 10), 10_000 * 8 * len(LogLikelihood._fields)
    assert few > 60 * 10 * 3 * 8  # the noise is seen
    assert 0.9 * result < peak_memory(10_000, 10) < 1.5 * some + result  # so is the result
    assert peak_memory(100, 1000) < 1.5 * few


@pytest.mark.slow
def test_memory_is_flat_where_every_row_needs_a_mixture(monkeypatch):
    monkeypatch.setattr(proposals, "led_astray", lambda network, x, *_: np.ones(len(x), bool))
    few, result = peak_memory(20, 30), 80 * 8 * len(LogLikelihood._fields)
    assert peak_memory(80, 30) < 1.5 * few + result
    assert peak_memory(20, 300) < 1.5 * few


def test_threads_take_turns_on_one_model():
    vae, inputs = small(), [BINARY[start : start + 300] for start in range(0, 400, 20)]
    expected = [vae.log_likelihood(x, 20) for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        np.testing.assert_array_equal(list(pool.map(lambda x: log_likelihood(vae, x, 20).log_px, inputs)), expected)


def test_a_model_that_diverged_says_so_with_nan():
    vae = small()
    vae.parameters["decoder.output.b"][0] = np.nan
    assert np.isnan(log_likelihood(vae, BINARY, 3).log_px).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"n_samples": 0}, "n_samples must be at least 1"), ({"seed": -1}, "seed must be at least 0")],
)
def test_samples_and_seeds_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        log_likelihood(small(), BINARY, **arguments)


# -- units -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["standard", "minmax"])
def test_a_density_is_per_unit_of_the_data_as_they_came(kind):
    scaling = Scaling.of(kind, REAL)
    scaled = log_likelihood(small(likelihood="gaussian", scaling=scaling), REAL, 20)
    unscaled = log_likelihood(small(likelihood="gaussian"), scaling.apply(REAL), 20)
    np.testing.assert_allclose(scaled.log_px, unscaled.log_px - np.log(scaling.scale).sum())
    np.testing.assert_allclose(scaled.recon_nll, unscaled.recon_nll + np.log(scaling.scale).sum())
    np.testing.assert_allclose(scaled[1:4], unscaled[1:4], atol=1e-9)


def test_probabilities_have_no_unit():
    scaling = Scaling.of("minmax", 255 * BINARY)
    scaled = log_likelihood(small(scaling=scaling), 255 * BINARY, 20)
    np.testing.assert_allclose(scaled.log_px, log_likelihood(small(), BINARY, 20).log_px)


# -- progress ----------------------------------------------------------------------------------------------


def test_progress_is_about_ten_lines_on_standard_error(capsys):
    log_likelihood(small(), BINARY, 100, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 10
    assert err.endswith("log p(x): 70,000 of 70,000 samples\n")


def test_progress_is_a_bar_on_a_terminal(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    log_likelihood(small(), BINARY, 3, progress=True)
    assert "log p(x): 100%" in terminal.getvalue()


def test_without_standard_error_and_by_default_there_is_no_progress(monkeypatch, capsys):
    log_likelihood(small(), BINARY, 3)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(sys, "stderr", None)
    log_likelihood(small(), BINARY, 3, progress=True)
