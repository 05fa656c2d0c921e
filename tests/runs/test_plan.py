"""What a run decides and builds, and that neither validation nor test rows have a say in it."""

from dataclasses import replace

import numpy as np
import pytest

from minivae import Columns, Masking, SaltAndPepper, datasets
from minivae.datasets import Dataset
from minivae.datasets.split import held_out
from minivae.runs.identity import fingerprint
from minivae.runs.plan import decide, default_epochs, make_plan
from minivae.runs.settings import OF_GAN, Settings

RNG = np.random.default_rng(0)
TABLE = Dataset("table", RNG.normal(5, 3, (80, 4)), RNG.normal(5, 3, (20, 4)))
BITS = Dataset("bits", (RNG.random((80, 6)) < 0.3).astype(float), (RNG.random((20, 6)) < 0.3).astype(float))
IMAGES = Dataset("images", RNG.random((80, 6)), RNG.random((20, 6)), image_shape=(2, 3))
SMALL = Settings(hidden=(5,), latent=2, batch_size=16)


def planned(data, **options):
    settings = decide(replace(SMALL, **options), data)
    return settings, make_plan(settings, data)


@pytest.mark.parametrize(
    ("data", "likelihood", "scale"),
    [(TABLE, "gaussian", "standard"), (BITS, "bernoulli", "none"), (IMAGES, "bernoulli", "none")],
    ids=["table", "bits", "images"],
)
@pytest.mark.filterwarnings("ignore:the data hold grey")
def test_what_is_decided_is_what_is_built(data, likelihood, scale):
    settings, plan = planned(data)
    assert (settings.likelihood, settings.scale) == (likelihood, scale)
    assert (plan.model.likelihood.name, plan.model.scaling.kind) == (likelihood, scale)
    if scale == "standard":
        np.testing.assert_allclose(plan.model.scaling.shift, data.train.mean(axis=0))
        np.testing.assert_allclose(plan.model.scaling.scale, data.train.std(axis=0))
    assert plan.recipe.corruption is None
    assert plan.early_stopping is None
    assert settings.epochs == 200
    assert plan.model.parameters["decoder.output.b"].any()  # drawn: the bias of the data is an option


@pytest.mark.parametrize(
    ("n", "batch_size", "epochs"), [(60_000, 128, 10), (6000, 128, 64), (100, 128, 200), (100, 1, 30)]
)
def test_the_default_epochs_make_about_3000_updates_but_are_10_to_200(n, batch_size, epochs):
    assert default_epochs(n, batch_size) == epochs


KINDS = Columns.of({name: np.where(TABLE.train[:, j] > 9, np.nan, TABLE.train[:, j]) for j, name in enumerate("abcd")})


@pytest.mark.parametrize(
    ("data", "options", "lr", "schedule"),
    [
        (replace(TABLE, schema=KINDS), {}, 5e-3, "cosine"),
        (replace(TABLE, schema=KINDS), {"lr": 1e-3}, 1e-3, "constant"),
        (replace(TABLE, schema=KINDS), {"schedule": "constant"}, 1e-3, "constant"),
        (replace(TABLE, schema=KINDS), {"optimizer": "sgd"}, 1e-3, "constant"),
        (TABLE, {}, 1e-3, "constant"),
        (TABLE, {**OF_GAN, "model": "gan"}, 1e-3, "constant"),
    ],
)
def test_columns_of_kinds_have_a_larger_rate_that_falls_and_more_epochs(data, options, lr, schedule):
    settings, plan = planned(data, **options)
    assert (settings.lr, settings.schedule, plan.model.optimizer.learning_rate) == (lr, schedule, lr)
    if settings.model == "vae":
        assert settings.epochs == (400 if schedule == "cosine" else 200)
        half, end = plan.recipe.factor(settings.epochs / 2), plan.recipe.factor(settings.epochs)
        np.testing.assert_allclose((half, end), (0.5, 0) if schedule == "cosine" else (1, 1), atol=1e-12)


@pytest.mark.parametrize(("scale", "extremes"), [("standard", (-3, 3)), ("minmax", (0, 1)), ("none", (0, 1))])
def test_pepper_and_salt_are_extremes_in_the_units_of_the_model(scale, extremes):
    corruption = planned(TABLE, corruption="salt-and-pepper", corruption_level=0.1, scale=scale)[1].recipe.corruption
    assert repr(corruption) == repr(SaltAndPepper(0.1, *extremes))
    masked = planned(TABLE, corruption="masking", corruption_target="noisy")[1].recipe.corruption
    assert repr(masked) == repr(Masking(0.25, denoise=False))


def same_model(one, other):
    np.testing.assert_array_equal(one.store.vector, other.store.vector)
    np.testing.assert_array_equal(one.scaling.shift, other.scaling.shift)
    np.testing.assert_array_equal(one.scaling.scale, other.scaling.scale)


@pytest.mark.parametrize("scale", ["standard", "minmax"])
@pytest.mark.parametrize("patience", [None, 3])
def test_no_row_that_is_held_out_has_a_say_in_the_model(scale, patience):
    options = {"likelihood": "gaussian", "scale": scale, "output_bias": "data", "patience": patience}
    wild = replace(TABLE, test=TABLE.test * 1e6, train=TABLE.train.copy())
    if patience is not None:
        wild.train[held_out(TABLE.train, 8, epoch=1)] *= -1e5
    plan, other = planned(TABLE, **options)[1], planned(wild, **options)[1]
    assert plan.model.scaling.kind == scale
    same_model(plan.model, other.model)
    np.testing.assert_array_equal(plan.train, other.train)
    assert not np.array_equal(plan.test, other.test)
    assert (patience is None) == np.array_equal(plan.validation, plan.test)
    wild.train[np.setdiff1d(np.arange(80), held_out(TABLE.train, 8, epoch=1))[0]] *= 2  # and a training row has one
    assert not np.array_equal(plan.model.scaling.scale, planned(wild, **options)[1].model.scaling.scale)


@pytest.mark.parametrize("scale", ["standard", "minmax"])
def test_a_decoder_that_starts_at_the_mean_costs_about_what_the_best_constant_does(scale):
    wine = datasets.load("wine")
    plan = planned(wine, output_bias="data", scale=scale)[1]
    u = plan.model.scaling.apply(wine.train)
    np.testing.assert_allclose(plan.model.parameters["decoder.output.b"], u.mean(axis=0), atol=1e-6)
    constant = (
        0.5 * (np.log(2 * np.pi) + ((u - u.mean(axis=0)) ** 2)).sum(axis=1).mean() + plan.model.scaling.log_volume()
    )
    assert plan.model.loss(wine.train).recon_nll == pytest.approx(constant, abs=2)


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("change", [
    lambda x: np.r_[x[:-1], x[-1:] + 1e-9], lambda x: x[::-1], lambda x: x.reshape(-1, 2), lambda x: x.astype("f"),
    lambda x: x[:-1], lambda x: x.T,
], ids=["value", "order", "shape", "dtype", "fewer", "turned"])  # fmt: skip
def test_the_fingerprint_sees_every_value_and_the_shape_of_both_parts(part, change):
    assert fingerprint(TABLE) == fingerprint(replace(TABLE, train=TABLE.train.copy(), test=TABLE.test.copy()))
    assert fingerprint(replace(TABLE, **{part: change(getattr(TABLE, part))})) != fingerprint(TABLE)


def test_the_fingerprint_tells_a_row_that_moves_from_one_part_to_the_other():
    rows = np.r_[TABLE.train, TABLE.test]
    marks = {fingerprint(replace(TABLE, train=rows[:n], test=rows[n:])) for n in (79, 80, 81)}
    assert len(marks) == 3
