"""What a user does with a GAN: fit, go on, sample, save, load; and how it refuses."""

import copy

import numpy as np
import pytest

import minivae
from minivae import GAN, SGD, VAE, CheckpointError, DataError, MinivaeError, TrainingDiverged
from minivae.backend import available
from minivae.gan import fitting
from minivae.gan.fitting import compare
from minivae.system import tensorfile

each_backend = pytest.mark.parametrize("backend", [name for name in available() if name != "cupy"])


def ring(n, seed=0, modes=8):
    rng = np.random.default_rng(seed)
    angle = 2 * np.pi * rng.integers(modes, size=n) / 8
    return 2 * np.stack((np.cos(angle), np.sin(angle)), axis=1) + 0.05 * rng.standard_normal((n, 2))


def small(**settings):
    return GAN(2, (16,), 4, **settings)


def fitted(steps, x=None, **settings):
    gan = small(**settings)
    gan.fit(ring(500) if x is None else x, steps, batch_size=32, progress=False)
    return gan


def assert_same(one, other):
    for name, array in one.parameters.items():
        np.testing.assert_array_equal(array, other.parameters[name], err_msg=name)


@each_backend
def test_the_same_seed_gives_the_same_bits_and_another_one_others(backend):
    one, other = (fitted(30, backend=backend, seed=3) for _ in range(2))
    assert_same(one, other)
    np.testing.assert_array_equal(one.sample(10), other.sample(10))
    assert not np.array_equal(fitted(30, backend=backend, seed=4).sample(10), one.sample(10))
    assert not np.array_equal(one.sample(10, seed=1), one.sample(10))


@pytest.mark.slow
def test_backends_play_the_same_game_in_float64():
    numpy, *others = (fitted(20, backend=name, dtype="float64") for name in available() if name != "cupy")
    for other in others:
        np.testing.assert_allclose(other.sample(10), numpy.sample(10), atol=1e-9)


@each_backend
@pytest.mark.parametrize("penalty", ["approximate-r1", "r1-r2"])
def test_a_resumed_run_ends_at_the_same_bits(backend, penalty, tmp_path):
    x, whole = ring(500), fitted(150, backend=backend, penalty=penalty)
    fitted(70, backend=backend, penalty=penalty).save(tmp_path / "gan.safetensors")
    resumed = GAN.load(tmp_path / "gan.safetensors", backend=backend)
    assert resumed.step == 70
    resumed.fit(x, 80, batch_size=32, progress=False)
    assert_same(resumed, whole)


def test_a_copy_goes_on_by_itself():
    gan, whole = fitted(10), fitted(20)
    twin = copy.deepcopy(gan)
    gan.fit(ring(500), 10, batch_size=32, progress=False)
    assert_same(gan, whole)
    twin.fit(ring(500), 10, batch_size=32, progress=False)
    assert_same(twin, whole)


def test_no_two_arrays_and_no_two_uses_share_noise():
    gan = GAN(8, (8,), 8)  # so that all matrices have one shape
    first, second = (gan.parameters[f"{name}.hidden.0.W"] for name in ("generator", "discriminator"))
    assert not np.any(first == second)


def test_the_history_has_both_losses_and_what_samples_cover():
    gan, validation = small(loss="nonsaturating", penalty="none"), ring(300, seed=1)
    history = gan.fit(ring(500), 250, batch_size=32, validation=validation, progress=False)
    assert list(history) == ["step", "discriminator_loss", "generator_loss", "penalty", "coverage", "precision"]
    assert history["step"] == [100, 200, 250]
    assert all(len(values) == 3 for values in history.values())
    assert history["coverage"][-1] == compare(gan.sample(300), validation.astype("float32"))["coverage"]
    assert "coverage" not in GAN(17, (4,), 2).fit(np.zeros((9, 17)), 1, validation=np.zeros((9, 17)), progress=False)


def test_coverage_sees_a_lost_mode_and_precision_a_smeared_sample():
    real = ring(1000)
    good, lost = compare(ring(1000, seed=1), real), compare(ring(1000, seed=1, modes=6), real)
    assert good["coverage"] > 0.94  # 1 - 2^-5 on average
    assert good["precision"] > 0.9
    assert lost["coverage"] < 0.77
    assert lost["precision"] > 0.9
    smeared = compare(np.concatenate((ring(500, seed=1), np.zeros((500, 2)))), real)
    assert 0.45 < smeared["precision"] < 0.5
    assert compare(ring(9), ring(1))["coverage"] in (0, 1)  # one example has no neighbour but itself


def test_it_shows_how_it_goes(capsys):
    small().fit(ring(50), 200, batch_size=8, validation=ring(20))
    lines = capsys.readouterr().err.splitlines()
    assert [line[:9] for line in lines] == ["round 1/2", "round 2/2"]
    assert "step 200, discriminator" in lines[1]
    assert "precision" in lines[1]


@pytest.mark.slow
def test_the_default_finds_every_mode_of_a_ring():
    gan = GAN(2)
    gan.fit(ring(20_000), progress=False)
    angle = 2 * np.pi * np.arange(8) / 8
    centres = 2 * np.stack((np.cos(angle), np.sin(angle)), axis=1)
    distance = np.linalg.norm(gan.sample(4000)[:, None] - centres, axis=2)
    nearest = distance.argmin(axis=1)[distance.min(axis=1) < 0.2]  # within four standard deviations
    assert np.bincount(nearest, minlength=8).min() >= 40


def test_what_diverges_is_undone():
    gan = fitted(100)
    before = {name: array.copy() for name, array in gan.parameters.items()}
    with pytest.raises(TrainingDiverged, match=r"in step 1\d\d: try a smaller learning rate \(now 1e\+20\)"):
        gan.fit(ring(500), 100, batch_size=32, progress=False, optimizer=SGD(1e20))
    assert gan.step == 100
    for name, array in gan.parameters.items():
        np.testing.assert_array_equal(array, before[name])


def test_ctrl_c_leaves_the_last_hundred_steps(monkeypatch):
    def interrupted(gan, x, batch_size):
        if gan.step == 150:
            raise KeyboardInterrupt
        return step(gan, x, batch_size)

    gan, step = fitted(100), fitting.step
    monkeypatch.setattr(fitting, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        gan.fit(ring(500), 100, batch_size=32, progress=False)
    assert_same(gan, fitted(100))
    monkeypatch.undo()
    gan.fit(ring(500), 100, batch_size=32, progress=False)
    assert_same(gan, fitted(200))


def test_what_has_no_meaning_says_so():
    for method in ("encode", "reconstruct", "log_likelihood"):
        with pytest.raises(MinivaeError, match="train a VAE"):
            getattr(small(), method)(ring(3))


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"loss": "wgan"}, ValueError, "loss must be one of 'nonsaturating', 'saturating', 'relativistic'"),
        ({"penalty": "gp"}, ValueError, "penalty must be one of 'none', 'approximate-r1', 'r1', 'r1-r2'"),
        ({"penalty_noise": 0}, ValueError, "penalty_noise must be finite and greater than 0"),
        ({"gamma": -1}, ValueError, "gamma must be finite and at least 0"),
        ({"latent_dim": 0}, ValueError, "latent_dim must be at least 1"),
        ({"backend": "tpu"}, minivae.BackendError, "unknown backend"),
    ],
)
def test_bad_settings_are_refused(settings, error, words):
    with pytest.raises(error, match=words):
        GAN(2, **settings)


def test_bad_arguments_are_refused():
    gan = small()
    with pytest.raises(DataError, match="3 features"):
        gan.fit(np.zeros((5, 3)))
    with pytest.raises(DataError, match="validation has 3 features"):
        gan.fit(ring(5), validation=np.zeros((5, 3)))
    with pytest.raises(TypeError, match="optimizer must be an object"):
        gan.fit(ring(5), optimizer="adam")
    with pytest.raises(ValueError, match="steps must be at least 0"):
        gan.fit(ring(5), -1)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    VAE(2, (3,), 1).save(path)
    with pytest.raises(CheckpointError, match="minivae-gan-1"):
        GAN.load(path)
    gan = fitted(3)
    gan.save(path)
    with pytest.raises(CheckpointError, match="its format is 'minivae-gan-1'"):
        VAE.load(path)
    tensors, metadata = gan.content()
    for change, words in (
        ({"config": gan.config | {"hidden_dims": (2**30,)}}, "holds less than the networks"),
        ({"config": gan.config | {"loss": "none"}}, "makes no model"),
        ({"config": gan.config | {"latent_dim": 3}}, "generator.hidden.0.W"),
        ({"step": -1}, "makes no model"),
        ({"format": "minivae-gan-2"}, "newer minivae"),
    ):
        tensorfile.write(path, tensors, metadata | change)
        with pytest.raises(CheckpointError, match=words):
            GAN.load(path)
