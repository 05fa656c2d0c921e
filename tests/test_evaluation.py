"""Reports on a trained model: what its numbers are, and that they state their protocol.

That log p(x) is right is in test_exact_oracles.py, how it is sampled in test_importance.py.
"""

import json
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from minivae import VAE, Categorical, GreyDataWarning, Scaling
from minivae.backend import load
from minivae.evaluation import active_units, evaluate, kl_per_dimension, log_likelihood

RNG = np.random.default_rng(0)
BINARY = (RNG.random((700, 7)) < 0.4).astype(float)  # more rows than one piece holds
GREY = RNG.random((50, 7))


def small(dtype="float64", **arguments):
    """An untrained model whose encoder's variances are not all near 1."""
    vae = VAE(7, (5,), 3, activation="tanh", dtype=dtype, seed=1, **arguments)
    vae.parameters["encoder.logvar.b"][...] = [-1, 0, 0.5]
    return vae


# -- the latent dimensions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_kl_of_the_dimensions_adds_up_to_the_kl(dtype):
    vae = small(dtype)
    found = kl_per_dimension(vae, BINARY)
    mu, logvar = (array.astype(float) for array in vae.encode(BINARY))
    np.testing.assert_allclose(found, np.mean(0.5 * (mu**2 + np.exp(logvar) - 1 - logvar), axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.sum(), vae.loss(BINARY).kl, rtol=1e-5)


def test_a_unit_is_active_if_its_posterior_mean_varies_over_the_data():
    vae = small()
    vae.parameters["encoder.mu.W"][:, 1] = 0  # collapsed: q(z_1|x) is the same for every x
    units = active_units(vae, BINARY)
    np.testing.assert_allclose(units.variance, np.var(vae.encode(BINARY)[0], axis=0))
    np.testing.assert_array_equal(units.active, units.variance > 0.01)
    assert units.variance[1] < 1e-20
    least, most = sorted(units.variance[[0, 2]])
    np.testing.assert_array_equal(active_units(vae, BINARY, threshold=least).active, units.variance == most)


def test_the_variance_is_over_the_full_set():
    x = np.zeros((700, 7))
    x[512:] = BINARY[512:]  # nothing varies within the first piece
    np.testing.assert_allclose(active_units(small(), x).variance, np.var(small().encode(x)[0], axis=0))
    assert active_units(small(), x, threshold=1e-3).active.all()


# -- reports -----------------------------------------------------------------------------------------------


def test_a_report_holds_the_means_of_what_log_likelihood_returns():
    vae = small(beta=4.0)
    report, found = evaluate(vae, BINARY, 20, seed=3), log_likelihood(vae, BINARY, 20, seed=3)
    recon_nll, kl, log_px = found.recon_nll.mean(), found.kl.mean(), found.log_px.mean()
    ess, error = found.effective_sample_size, np.sqrt(np.sum(found.standard_error**2)) / 700
    expected = {
        "recon_nll": recon_nll,
        "kl": kl,
        "elbo": -(recon_nll + kl),
        "loss": recon_nll + 4 * kl,
        "log_likelihood": log_px,
        "log_likelihood_standard_error": error,
        "log_likelihood_bias": found.bias.mean(),
        "log_likelihood_standard_error_of_examples": np.std(found.log_px, ddof=1) / np.sqrt(700),
        "log_likelihood_interval": [log_px - 2 * error, log_px + 2 * (error + found.bias.mean())],
        "rows_from_mixture": 0,
        "rows_not_trusted": np.sum(ess < 10),
        "bits_per_dimension": -log_px / 7 / np.log(2),
        "effective_sample_size": {
            "min": ess.min(),
            "median": np.median(ess),
            "mean": ess.mean(),
            "below_10": np.sum(ess < 10),
        },
    }
    for name, value in expected.items():
        assert report[name] == pytest.approx(value, rel=1e-12), name
    assert report["elbo"] < report["log_likelihood"]

    units = active_units(vae, BINARY)
    np.testing.assert_array_equal(report["kl_per_dimension"], kl_per_dimension(vae, BINARY))
    np.testing.assert_array_equal(report["latent_variance"], units.variance)
    np.testing.assert_array_equal(report["active_dimensions"], np.flatnonzero(units.active))
    assert report["active_units"] == units.active.sum()
    assert sum(report["kl_per_dimension"]) == pytest.approx(report["kl"])
    others = {"kl_per_dimension", "latent_variance", "active_dimensions", "active_units", "protocol"}
    assert report.keys() == expected.keys() | others


@pytest.mark.parametrize(("x", "n_samples"), [(BINARY, 1), (BINARY[:1], 1), (BINARY[:1], 5)])
def test_a_report_is_plain_json_also_where_a_number_does_not_exist(x, n_samples):
    report = evaluate(small(), x, n_samples, seed=np.int64(3))
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert (report["log_likelihood_standard_error"] is None) == (n_samples == 1)
    assert (report["log_likelihood_standard_error_of_examples"] is None) == (len(x) == 1)
    assert (report["active_units"] is None) == (report["active_dimensions"] is None) == (len(x) == 1)


def test_a_model_that_diverged_has_no_numbers():
    vae = small()
    vae.parameters["decoder.output.b"][0] = np.nan
    assert evaluate(vae, BINARY, 3)["log_likelihood"] is None


def test_the_protocol_says_how_the_numbers_came_about():
    import minivae

    assert evaluate(small(beta=0.5), BINARY, 2, seed=9)["protocol"] == {
        "examples": 700,
        "dimensions": 7,
        "samples": 2,
        "seed": 9,
        "binarize": "none",
        "values": "binary",
        "likelihood": "bernoulli",
        "condition": 0,
        "columns": {"density": 0, "probability": 7},
        "missing": 0,
        "scaling": "none",
        "is_log_likelihood": True,
        "units": "nats per example",
        "beta": 0.5,
        "objective": "elbo",
        "draws": 1,
        "dtype": "float64",
        "active_threshold": 0.01,
        "minivae_version": minivae.__version__,
    }


def protocol_of(vae, x, binarize="none"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GreyDataWarning)
        protocol = evaluate(vae, x, 2, binarize=binarize)["protocol"]
    return protocol["values"], protocol["is_log_likelihood"]


def test_grey_values_binary_ones_and_others_never_mix():
    assert protocol_of(small(), GREY) == ("grey", False)
    late = BINARY.copy()
    late[-1, -1] = 0.5
    assert protocol_of(small(), late) == ("grey", False)
    assert protocol_of(small(), GREY, "stochastic") == protocol_of(small(), GREY, "threshold") == ("binary", True)
    assert protocol_of(small(likelihood="gaussian"), GREY) == ("real", True)
    one_hot = np.hstack([np.eye(3)[[0, 1, 2]], np.eye(4)[[3, 0, 1]]])
    assert protocol_of(small(likelihood=Categorical((3, 4))), one_hot) == ("one-hot", True)


def test_binarisation_happens_once_and_is_a_function_of_the_seed():
    vae = small()
    draw = load("numpy").binarize(GREY, 3, 2**32 - 1, np.arange(50), out=np.empty_like(GREY))
    for binarize, x in {"stochastic": draw, "threshold": GREY >= 0.5}.items():
        report = evaluate(vae, GREY, 20, seed=3, binarize=binarize)
        assert report["log_likelihood"] == log_likelihood(vae, x, 20, seed=3).log_px.mean()
        np.testing.assert_array_equal(report["kl_per_dimension"], kl_per_dimension(vae, x))
    assert evaluate(vae, GREY, 2, seed=4, binarize="stochastic") != evaluate(
        vae, GREY, 2, seed=3, binarize="stochastic"
    )


def test_a_report_scales_the_data_once():
    scaling = Scaling.of("minmax", 255 * GREY)
    scaled = evaluate(small(scaling=scaling), 255 * GREY, 5, binarize="threshold")
    plain = evaluate(small(), scaling.apply(255 * GREY), 5, binarize="threshold")
    assert (scaled.pop("protocol")["scaling"], plain.pop("protocol")["scaling"]) == ("minmax", "none")
    assert scaled == plain


def test_threads_take_turns_on_one_model():
    vae, inputs = small(), [BINARY[start : start + 300] for start in range(0, 400, 20)]
    expected = [evaluate(vae, x, 20) for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda x: evaluate(vae, x, 20), inputs)) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_samples": 0}, "n_samples must be at least 1"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"binarize": "maybe"}, "binarize must be one of 'none', 'stochastic', 'threshold'"),
    ],
)
def test_a_protocol_that_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        evaluate(small(), BINARY, **arguments)


def test_a_report_shows_its_progress_if_asked(capsys):
    evaluate(small(), BINARY, 3, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "of 2,100 samples" in err
