"""Awkward data end in finite numbers or a clear sentence; runaway variances are reported; long data stay on disk."""

import itertools
import os
import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pytest

from minivae import (
    SGD,
    VAE,
    Adam,
    DataError,
    EarlyStopping,
    Gaussian,
    GreyDataWarning,
    PoorFitWarning,
    RunawayVarianceWarning,
    Scaling,
    TrainingDiverged,
    UntrustedEstimateWarning,
    VariationalAutoencoder,
    evaluation,
    fit,
)

RNG = np.random.default_rng(0)
BASE = RNG.standard_normal((24, 4))
BITS = (RNG.random((24, 4)) < 0.4).astype(float)
AWKWARD = {
    "a constant column": np.c_[BASE, np.full(24, 0.1)],
    "one example": BASE[:1],
    "one feature": BASE[:, :1],
    "one number": BASE[:1, :1],
    "huge": 1e30 * BASE,
    "beyond float32": 1e200 * BASE,
    "tiny": 1e-30 * BASE,
    "next to nothing": 1e-320 * BASE,
    "scales from 1e-8 to 1e8": BASE * [1e-8, 1e-3, 1, 1e8],
    "far from zero": BASE + 1e7,
    "duplicated rows": np.repeat(BASE[:2], 12, axis=0),
    "all zeros": np.zeros((24, 4)),
    "all ones": np.ones((24, 4)),
    "wide": RNG.standard_normal((3, 300)),
    "whole numbers": np.arange(96).reshape(24, 4),
}
MODELS = [*itertools.product(("learned", "per_dimension", 0.1), ("none", "standard", "minmax"), ("float32", "float64"))]


def everything_is_finite(vae, x):
    mu, logvar = vae.encode(x)
    results = [mu, logvar, vae.reconstruct(x), vae.sample(3), vae.sample(3, draw=True), vae.log_likelihood(x, 20)]
    return all(np.all(np.isfinite(array)) for array in (*results, vae.store.vector))


def refusal_of(train, x):
    """The sentence of what is refused, or None."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", RunawayVarianceWarning)
        warnings.simplefilter("ignore", PoorFitWarning)  # five epochs on such data
        warnings.simplefilter("ignore", UntrustedEstimateWarning)  # by 20 samples
        try:
            train(x)
        except (DataError, TrainingDiverged) as error:
            return str(error)


def says_what_to_do(sentence):
    return ("scaled" in sentence or "rescale" in sentence) and "\n" not in sentence


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS, ids=lambda model: "-".join(map(str, model)))
@pytest.mark.parametrize("x", AWKWARD.values(), ids=AWKWARD)
def test_a_gaussian_model_of_awkward_data_is_finite_or_refused_in_a_sentence(x, model):
    variance, scaling, dtype = model

    def train(x):
        scaled = Scaling.of(scaling, x)
        vae = VAE(x.shape[1], (5,), 2, likelihood=Gaussian(variance), dtype=dtype, scaling=scaled)
        history = fit(vae, x, epochs=20, batch_size=10, optimizer=Adam(1e-2), progress=False)
        assert np.all(np.isfinite(list(history.values())))
        assert everything_is_finite(vae, x)

    sentence = refusal_of(train, x)
    assert sentence is None or says_what_to_do(sentence)


@pytest.mark.parametrize(
    "x",
    [np.zeros((24, 4)), np.ones((24, 4)), BITS[:1], BITS[:, :1], np.repeat(BITS[:2], 12, axis=0)],
    ids=["all zeros", "all ones", "one example", "one feature", "duplicated rows"],
)
def test_a_bernoulli_model_of_awkward_data_is_finite(x, backend):
    vae = VAE(x.shape[1], (5,), 2, backend=backend)
    history = fit(vae, x, epochs=100, batch_size=8, optimizer=Adam(5e-2), progress=False)
    assert np.all(np.isfinite(list(history.values())))
    assert everything_is_finite(vae, x)
    report = evaluation.evaluate(vae, x, n_samples=20)
    assert report["log_likelihood"] <= 0


@pytest.mark.parametrize("name", [name for name, x in AWKWARD.items() if len(x) > 1])
def test_the_estimator_is_as_robust(name):
    def train(x):
        vae = VariationalAutoencoder(hidden_dims=(5,), max_iter=5, likelihood="gaussian", random_state=0).fit(x)
        assert np.all(np.isfinite(vae.score_samples(x)))

    sentence = refusal_of(train, AWKWARD[name])
    assert sentence is None or says_what_to_do(sentence)


def test_data_in_their_usual_range_are_never_refused():
    refused = {"huge", "beyond float32", "scales from 1e-8 to 1e8", "far from zero"}
    for name in AWKWARD.keys() - refused:
        vae = VAE(AWKWARD[name].shape[1], (5,), 2, likelihood="gaussian")
        assert refusal_of(lambda x, vae=vae: fit(vae, x, epochs=5, progress=False), AWKWARD[name]) is None


# -- variances that run away -------------------------------------------------------------------------------


def train_with_a_constant_column(likelihood):
    x = np.c_[BASE, np.full(24, 5.0)]
    vae = VAE(5, (), 2, likelihood=likelihood, dtype="float64", scaling=Scaling.of("standard", x))
    fit(vae, x, epochs=1500, batch_size=24, optimizer=Adam(1e-2), progress=False)
    return vae


def test_a_likelihood_that_runs_away_is_reported_once_with_its_column_and_what_to_do():
    with pytest.warns(RunawayVarianceWarning, match=r"column 4 has run down to -10.*fix the variance") as seen:
        vae = train_with_a_constant_column(Gaussian("per_dimension"))
    assert len(seen) == 1
    assert vae.parameters["decoder.output.logvar"][4] < -11  # reported, not clipped


@pytest.mark.slow
def test_what_the_report_advises_helps():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train_with_a_constant_column(Gaussian(0.01))


def test_an_encoder_that_runs_away_is_reported_before_it_overflows():
    vae = VAE(4, (5,), 2, likelihood="gaussian", dtype="float64")
    vae.parameters["encoder.logvar.b"][...] = 25
    with pytest.warns(RunawayVarianceWarning, match="encoder's logvar has run up to 2.*smaller learning rate"):
        fit(vae, BASE, epochs=1, optimizer=SGD(1e-30), progress=False)


def test_a_loss_that_overflows_says_how_far_the_logvar_had_run():
    vae = VAE(4, (5,), 2, likelihood="gaussian", dtype="float32")
    vae.parameters["encoder.logvar.b"][...] = 95
    with pytest.raises(TrainingDiverged, match="the encoder's largest logvar 9"):
        fit(vae, BASE, epochs=1, progress=False)


def test_the_command_line_says_it_in_a_line(minivae):
    np.save("x.npy", np.full((40, 3), 5.0))
    options = ["--lr", 0.01, "--hidden", "none", "--latent", 1, "--epochs", 1500, "--no-pictures"]
    status, out, err = minivae("train", "--data", "x.npy", *options)
    assert status == 0, err
    assert "note        the likelihood's logvar has run down to" in out
    assert "Warning" not in err


# -- long data ---------------------------------------------------------------------------------------------


@pytest.fixture
def on_disk(tmp_path):
    """A function that writes an array and maps it."""

    def mapped(array):
        np.save(tmp_path / "x.npy", array)
        return np.load(tmp_path / "x.npy", mmap_mode="r")

    return mapped


@pytest.mark.parametrize("options", [{}, {"binarize": "stochastic"}, {"binarize": "threshold"}], ids=str)
def test_training_from_the_disk_is_training_from_memory(options, on_disk, backend):
    x = RNG.random((50, 7))
    models = [VAE(7, (5,), 3, backend=backend, dtype="float64") for _ in range(2)]
    for vae, data in zip(models, (x, on_disk(x)), strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GreyDataWarning)
            fit(vae, data, epochs=3, batch_size=16, validation=x[:5], early_stopping=EarlyStopping(3), **options)
    np.testing.assert_array_equal(*(vae.kernels.to_numpy(vae.store.vector) for vae in models))


def test_training_from_the_disk_scales_and_converts_like_training_from_memory(on_disk):
    x = (100 * RNG.standard_normal((50, 7))).astype(np.int16)
    models = [VAE(7, (5,), 3, likelihood="gaussian", scaling=Scaling.of("standard", x)) for _ in range(2)]
    for vae, data in zip(models, (x, on_disk(x)[:]), strict=True):
        fit(vae, data, epochs=3, batch_size=16)
    np.testing.assert_array_equal(models[0].store.vector, models[1].store.vector)


def test_a_bad_row_on_the_disk_is_found_before_anything_changes(on_disk):
    x = np.zeros((5000, 3))
    x[4100, 1] = np.inf
    vae = VAE(3, (), 1)
    with pytest.raises(DataError, match="counted from row 4096: X contains infinity, first at row 4, column 1"):
        fit(vae, on_disk(x), epochs=1)
    assert (vae.step, vae.optimizer) == (0, None)


CHILD = """
    import resource, sys
    import numpy as np
    from minivae import VAE, VariationalAutoencoder, fit, warm_up

    path, limit, how = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    small = VAE(1000, (8,), 2, backend="numpy")
    fit(small, np.zeros((64, 1000)), epochs=1, progress=False)  # everything is imported and allocated
    with open("/proc/self/status") as file:
        used = next(int(line.split()[1]) for line in file if line.startswith("VmData")) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (used + limit, used + limit))
    x = np.load(path, mmap_mode=None if how == "in memory" else "r")
    if how == "estimator":
        VariationalAutoencoder(hidden_dims=(8,), max_iter=1, batch_size=512, dtype="float32", backend="numpy").fit(x)
    else:
        vae = VAE(1000, (8,), 2, backend="numpy")
        fit(vae, x, epochs=1, batch_size=512, progress=False)
        assert vae.step == -(-len(x) // 512)
    print("trained")
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux limits the memory of a process in this way"
)
@pytest.mark.parametrize("how", ["on disk", "estimator", "in memory"])
def test_data_larger_than_the_memory_that_is_allowed(how, tmp_path):
    rows, limit = 60_000, 100 * 2**20  # 240 MB of float32
    path = tmp_path / "x.npy"
    x = np.lib.format.open_memmap(path, "w+", np.float32, (rows, 1000))
    x[::7, ::3] = 1
    x.flush()
    assert path.stat().st_size > 2 * limit
    command = [sys.executable, "-c", textwrap.dedent(CHILD), str(path), str(limit), how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if how == "in memory":  # the limit is a limit
        assert "MemoryError" in done.stderr
    else:
        assert done.stdout == "trained\n", done.stderr


@pytest.mark.parametrize("offset", [0, 3])
def test_a_file_that_was_cut_short_between_two_epochs_is_refused_and_the_last_epoch_stays(offset, tmp_path):
    """Reading on would end the process with SIGBUS; so this test would, without the check."""
    x, path = RNG.random((2000, 40)), tmp_path / "x.npy"
    np.save(path, x)
    mapped = np.load(path, mmap_mode="r")
    if offset:
        mapped = np.memmap(path, float, "r", offset=128 + 8 * 40 * offset, shape=(2000 - offset, 40))[1:]
    vae, whole = (VAE(40, (), 2) for _ in range(2))
    fit(whole, x[1 + offset :] if offset else x, epochs=2, binarize="stochastic")
    with pytest.raises(DataError, match=r"x\.npy' was cut short .* to 5000: put the whole file back"):
        fit(vae, mapped, epochs=5, binarize="stochastic", callbacks=[lambda *_: vae.epoch == 2 and cut(path)])
    assert vae.epoch == 2
    np.testing.assert_array_equal(vae.store.vector, whole.store.vector)


def cut(path):
    os.truncate(path, 5000)
