"""The weight of the KL: schedules of beta, step by step, and free bits."""

import copy
import pickle
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from minivae import VAE, Adam, BackendError, CyclicBeta, EarlyStopping, Gaussian, LinearBeta, fit
from minivae.backend import available
from minivae.evaluation import evaluate, kl_per_dimension
from minivae.model.likelihoods import check_on
from minivae.runs.folder import RunFolder
from minivae.system import tensorfile
from minivae.workers.group import Pretend

X = (np.random.default_rng(0).random((20, 6)) < 0.4).astype(float)
FULL = [3, 4, 5, 8, 9]
QUIET = {"batch_size": 5, "progress": False}  # four steps an epoch


def small(**options):
    return VAE(6, (5,), 3, **{"dtype": "float64"} | options)


def betas_of_steps(schedule, epochs, beta=1.0):
    """The weight with which each step of ``fit`` was made, and the history."""
    vae, seen = small(beta=beta), []
    backward = vae.backward
    vae.backward = lambda doutput, dkl, *rest: seen.append(dkl[0] * len(dkl)) or backward(doutput, dkl, *rest)
    return seen, fit(vae, X, epochs, beta_schedule=schedule, **QUIET)


# -- schedules -----------------------------------------------------------------------------------------------


def test_the_betas_of_all_steps_are_these():
    seen, history = betas_of_steps(LinearBeta(2), 3)
    assert seen == [0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1, 1, 1, 1]
    assert history["beta"] == [0.375, 0.875, 1]
    cycle = [0, 0.25, 0.5, 0.75, 1, 1, 1, 1]
    assert betas_of_steps(CyclicBeta(4, cycles=2), 5)[0] == [*cycle, *cycle, 1, 1, 1, 1]
    assert betas_of_steps(None, 1)[0] == [1] * 4
    seen, history = betas_of_steps(lambda epoch: 2 - epoch, 2, beta=4.0)
    assert seen == [8, 7, 6, 5, 4, 3, 2, 1]
    assert history["beta"] == [5, 1]


def test_the_defaults_of_cycles_are_those_of_fu_et_al():
    schedule = CyclicBeta(8)
    assert (schedule.cycles, schedule.ramp) == (4, 0.5)
    assert [schedule(t) for t in (0, 0.5, 1, 1.9, 2, 2.5, 7.9, 8, 100)] == [0, 0.5, 1, 1, 0, 0.5, 1, 1, 1]
    assert repr(schedule) == "CyclicBeta(epochs=8, cycles=4, ramp=0.5)"


def test_at_beta_0_the_loss_is_the_reconstruction_and_the_kl_has_no_gradient():
    vae, twin = small(beta=0.0), small()
    eps = twin.noise(np.arange(20)).copy()
    terms = vae.loss_and_gradients(X, eps)
    assert terms.loss == terms.recon_nll == -terms.elbo - terms.kl
    assert terms.kl > 0.01
    twin.forward_backward(X, eps, weight=0.0)
    np.testing.assert_array_equal(vae.store.gradient, twin.store.gradient)


def test_losses_have_the_models_beta_and_the_elbo_has_none_whatever_the_step_has():
    vae = small(beta=3.0)
    history = fit(vae, X, 2, validation=X, beta_schedule=LinearBeta(2), **QUIET)
    for before in ("", "val_"):
        loss, recon_nll, kl, elbo = (np.array(history[before + name]) for name in ("loss", "recon_nll", "kl", "elbo"))
        np.testing.assert_allclose(loss, recon_nll + 3 * kl)
        np.testing.assert_allclose(elbo, -recon_nll - kl)


def test_a_second_fit_goes_on_in_the_warm_up_and_ends_with_the_same_bits():
    whole, halves = small(), small()
    fit(whole, X, 4, beta_schedule=LinearBeta(3), **QUIET)
    with pytest.warns(UserWarning, match=r"the KL's warm-up ends after epoch 3, and training before: train on"):
        fit(halves, X, 2, beta_schedule=LinearBeta(3), **QUIET)
    fit(halves, X, 2, beta_schedule=LinearBeta(3), **QUIET)
    np.testing.assert_array_equal(whole.store.vector, halves.store.vector)


def test_a_warm_up_as_long_as_the_training_is_fine_and_a_longer_one_is_refused_by_train(minivae, recwarn):
    fit(small(), X, 3, beta_schedule=LinearBeta(3), **QUIET)
    assert not recwarn.list
    np.save("x.npy", X)
    base = ["train", "--data", "x.npy", "--hidden", 4, "--latent", 2, "--no-pictures", "--epochs", 3]
    status, _, err = minivae(*base, "--beta-warm-up", 4, "--out", "run")
    assert status == 2
    assert "--beta-warm-up 4 ends after the training of 3 epochs: give --epochs 4 or more, or a shorter warm-up" in err
    assert not Path("run").exists()
    status, out, _ = minivae(*base, "--beta-warm-up", 3, "--out", "run")
    assert (status, "early stopping" in out) == (0, False)
    assert RunFolder("run").read_history()["beta"] == pytest.approx([0, 1 / 3, 2 / 3])  # one step an epoch
    status, _, err = minivae("train", "--resume", "--out", "run", "--beta-warm-up", 2)
    assert status == 2
    assert "--beta-warm-up 3, not 2" in err


def test_early_stopping_neither_counts_nor_chooses_epochs_of_a_warm_up():
    vae, stop = small(), EarlyStopping(2)
    losses = iter([1.0, 1.5, 1.6, 5.0, 4.0, 6.0, 7.0])
    loss_of_scaled = vae.loss_of_scaled
    vae.loss_of_scaled = lambda *given: loss_of_scaled(*given)._replace(loss=next(losses))
    history = fit(vae, X, 10, validation=X, early_stopping=stop, beta_schedule=LinearBeta(3), **QUIET)
    assert (stop.best_epoch, stop.best_loss, history["epoch"][-1]) == (5, 4.0, 7)


def test_epochs_in_which_a_cycle_rises_again_are_no_matter_of_patience():
    vae, stop = small(), EarlyStopping(4)
    losses = iter([9.0, 8.0, *[9.0] * 30])
    loss_of_scaled = vae.loss_of_scaled
    vae.loss_of_scaled = lambda *given: loss_of_scaled(*given)._replace(loss=next(losses))
    schedule = CyclicBeta(20, cycles=4)  # of each five epochs the last three end at full beta
    history = fit(vae, X, 30, validation=X, early_stopping=stop, beta_schedule=schedule, **QUIET)
    assert [epoch for epoch, beta in zip(history["epoch"], history["beta"], strict=True) if beta == 1] == FULL
    assert (stop.best_epoch, stop.waited, stop.last_epoch, stop.is_over) == (FULL[0], 4, FULL[-1], True)
    config = stop.config()
    assert EarlyStopping.from_config(config).is_over
    del config["waited"]  # as older versions wrote it
    assert EarlyStopping.from_config(config).waited == FULL[-1] - FULL[0]


def test_early_stopping_without_an_epoch_to_look_at_is_warned_of():
    for schedule in (LinearBeta(4), lambda epochs: 0.5):
        with pytest.warns(
            UserWarning, match="early stopping looks at epochs of full beta alone, and beta_schedule has none"
        ):
            fit(small(), X, 4, validation=X, early_stopping=EarlyStopping(1), beta_schedule=schedule, **QUIET)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(small(), X, 0, validation=X, early_stopping=EarlyStopping(1), beta_schedule=schedule, **QUIET)


@pytest.mark.parametrize("backend", [name for name in available() if name != "cupy"])
def test_workers_and_shards_train_the_same_bits_under_a_schedule(backend):
    vaes = [small(backend=backend, dtype="float32") for _ in range(2)]
    for vae, group in zip(vaes, (None, Pretend(2)), strict=True):
        fit(vae, X, 2, beta_schedule=LinearBeta(2), shards=4, group=group, **QUIET)
    np.testing.assert_array_equal(vaes[0].store.vector, vaes[1].store.vector)
    plain = small(backend=backend, dtype="float32")
    fit(plain, X, 2, shards=4, **QUIET)
    assert not np.array_equal(plain.store.vector, vaes[0].store.vector)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: LinearBeta(0), ValueError, "epochs must be at least 1"),
        (lambda: CyclicBeta(8, cycles=0), ValueError, "cycles must be at least 1"),
        (lambda: CyclicBeta(8, ramp=0), ValueError, "ramp must be finite and greater than 0"),
        (lambda: CyclicBeta(8, ramp=1.5), ValueError, "ramp must be at most 1, the whole cycle"),
        (lambda: fit(small(), X, beta_schedule="linear"), TypeError, "beta_schedule must be an object such as Linear"),
        (
            lambda: fit(small(), X, beta_schedule=LinearBeta),
            TypeError,
            "beta_schedule must be an object such as Linear",
        ),
        (lambda: fit(small(), X, beta_schedule=lambda t: -1, progress=False), ValueError, "a factor on beta must be"),
        (lambda: small(free_bits=-0.1), ValueError, "free_bits must be finite and at least 0"),
        (lambda: fit(small(free_bits=0.1), X, shards=2), ValueError, "free bits need the mean KL of a whole minibatch"),
        (lambda: fit(small(free_bits=0.1), X, group=Pretend(2)), ValueError, "train in one process without shards"),
        (lambda: check_on("cupy", Gaussian(), "zero", 0.1), BackendError, "does not compute free_bits yet: use numpy"),
    ],
)
def test_what_makes_no_sense_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_an_older_run_whose_history_knows_no_beta_goes_on(minivae):
    np.save("x.npy", X)
    base = ["train", "--data", "x.npy", "--hidden", 4, "--latent", 2, "--no-pictures", "--beta", 2]
    for out in ("old", "new"):
        assert minivae(*base, "--epochs", 2, "--out", out)[0] == 0
    history, config = Path("old/history.csv"), Path("old/config.json")
    rows = [row.split(",") for row in history.read_text().splitlines()]
    history.write_text("".join(",".join(row[:2] + row[3:]) + "\n" for row in rows))
    text = config.read_text().replace('    "beta_warm_up": 0,\n    "free_bits": 0.0,\n', "")
    config.write_text(text)
    assert "free_bits" not in text.partition('"model"')[0]
    for out in ("old", "new"):
        status, _, err = minivae("train", "--resume", "--out", out, "--epochs", 3, "--no-pictures")
        assert status == 0, err
    assert history.read_text() == Path("new/history.csv").read_text()


# -- free bits -----------------------------------------------------------------------------------------------


def test_the_maximum_is_taken_after_the_mean_over_all_rows():
    """One example below the threshold and one above; over two pieces of rows, of unequal sizes, too."""
    x = np.resize(np.array([[0.0], [2.0]]), (700, 1))
    for w, paid in ((0.6, 0.5), (0.8, 0.64)):  # the examples' KL are 0 and 2 w^2
        vae = VAE(1, (), 1, likelihood=Gaussian(1.0), dtype="float64", beta=3.0, free_bits=0.5)
        vae.store.vector[:] = 0
        vae.parameters["encoder.mu.W"][:] = w
        for rows in (x[:2], x):
            terms = vae.loss(rows)
            assert terms.kl == pytest.approx(w * w)
            assert terms.elbo == pytest.approx(-terms.recon_nll - w * w)
            assert terms.loss == pytest.approx(terms.recon_nll + 3 * paid)
            assert evaluate(vae, rows[:2], 5)["loss"] == pytest.approx(terms.loss)


def test_below_the_threshold_the_kl_has_no_gradient_and_above_it_its_own():
    eps = np.random.default_rng(1).standard_normal((20, 3))
    gradients = []
    for beta, free_bits in ((2.0, 1e-9), (2.0, 0.0), (2.0, 1e9), (0.0, 0.0)):
        vae = small(beta=beta, free_bits=free_bits)
        vae.loss_and_gradients(X, eps)
        gradients.append(vae.store.gradient.copy())
    above, plain, below, none = gradients
    np.testing.assert_allclose(above, plain, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(below, none)
    assert np.abs(plain - none).max() > 1e-3


def test_training_with_free_bits_is_that_of_a_loop_by_hand_and_keeps_the_kl_up():
    vae, by_hand = small(free_bits=0.2), small(free_bits=0.2)
    history = fit(vae, X, 200, optimizer=Adam(1e-2), batch_size=20, validation=X, progress=False)
    by_hand.optimizer, losses = Adam(1e-2), []
    for _ in range(200):
        losses.append(by_hand.loss_and_gradients(X, by_hand.noise(np.arange(20))).loss)
        by_hand.optimizer.step(by_hand)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-9)
    each = kl_per_dimension(vae, X)
    assert history["val_loss"][-1] == pytest.approx(history["val_recon_nll"][-1] + np.maximum(each, 0.2).sum())
    assert each.min() > 0.1


def test_numba_trains_as_numpy_does_with_free_bits():
    vaes = [small(backend=name, free_bits=0.1) for name in ("numpy", pytest.importorskip("numba").__name__)]
    histories = [fit(vae, X, 3, **QUIET) for vae in vaes]
    np.testing.assert_allclose(histories[0]["loss"], histories[1]["loss"], rtol=1e-10)
    np.testing.assert_allclose(vaes[0].store.vector, vaes[1].store.vector, rtol=1e-8, atol=1e-12)


def test_free_bits_are_kept_in_files_pickles_and_copies(tmp_path):
    vae = small(free_bits=0.3)
    vae.save(tmp_path / "vae.safetensors")
    for twin in (VAE.load(tmp_path / "vae.safetensors"), pickle.loads(pickle.dumps(vae)), copy.deepcopy(vae)):
        assert twin.config["free_bits"] == 0.3
        assert twin.loss(X) == vae.loss(X) != small().loss(X)
    tensors, metadata = tensorfile.read(tmp_path / "vae.safetensors")
    del metadata["config"]["free_bits"]  # as in files of before
    tensorfile.write(tmp_path / "old.safetensors", tensors, metadata)
    assert VAE.load(tmp_path / "old.safetensors").loss(X) == small().loss(X)


def test_the_command_says_what_is_paid_at_least(minivae):
    np.save("x.npy", X)
    base = ["train", "--data", "x.npy", "--hidden", 4, "--latent", 2, "--no-pictures", "--epochs", 3, "--free-bits", 2]
    status, out, err = minivae(*base, "--out", "run")
    assert status == 0
    assert out.count(", at least 2 a dimension") == 2
    shown = re.findall(r"epoch .* loss (.*), -ELBO (.*) = reconstruction (.*) \+ KL (.*), validation", err)
    assert len(shown) == 3
    for loss, *terms in shown:  # the sum that is shown is one
        assert float(loss) > float(terms[0]) == pytest.approx(float(terms[1]) + float(terms[2]), abs=0.002)
    assert VAE.load("run/model.safetensors").free_bits == 2
    status, _, err = minivae(*base, "--shards", 2, "--out", "other")
    assert status == 2
    assert "without shards, or leave free bits out" in err
