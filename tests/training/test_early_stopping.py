"""Early stopping: when it ends training, and which parameters are kept."""

import pickle

import numpy as np
import pytest

from minivae import VAE, Adam, EarlyStopping, TrainingDiverged, fit

RNG = np.random.default_rng(0)
X = (RNG.random((24, 7)) < 0.4).astype(float)


def feed(early_stopping, losses):
    """The answers to a list of validation losses; the parameters are the number of the epoch."""
    vae = VAE(3, (), 1)
    answers = []
    for epoch, loss in enumerate(losses, start=1):
        vae.store.vector[:] = epoch
        answers.append(early_stopping(vae, epoch, {"val_loss": loss}))
    early_stopping.at_end(vae)
    return answers, vae.store.vector[0]


@pytest.mark.parametrize(
    ("patience", "min_delta", "losses", "is_over", "best_epoch"),
    [
        (3, 0.0, [5, 4, 4.5, 3, 3, 6, 4], True, 4),
        (10, 0.0, [5, 3, 4], False, 2),
        (2, 0.5, [5, 4.6, 4.5], True, 1),  # a gain of no more than min_delta is none
        (5, 0.0, [float("nan"), 4, float("nan")], False, 2),  # NaN is never the best
    ],
)
def test_it_ends_after_so_many_epochs_without_a_better_loss_and_keeps_the_best(
    patience, min_delta, losses, is_over, best_epoch
):
    early_stopping = EarlyStopping(patience, min_delta)
    answers, kept = feed(early_stopping, losses)
    assert answers == [False] * (len(losses) - 1) + [is_over]
    assert (kept, early_stopping.best_epoch) == (best_epoch, best_epoch)
    assert early_stopping.best_loss == losses[best_epoch - 1]


def test_an_interrupted_epoch_was_not_seen():
    early_stopping, vae = EarlyStopping(50, min_delta=1e-9), VAE(7, (5,), 3, dtype="float64")

    def interrupt(vae, epoch, metrics):
        if epoch == 3:
            assert early_stopping.last_epoch == 3
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(vae, X[:12], epochs=9, validation=X[12:], early_stopping=early_stopping, callbacks=[interrupt])
    assert early_stopping.last_epoch == vae.epoch == 2
    assert early_stopping.best_epoch <= 2


def test_it_forgets_one_model_when_it_is_handed_to_another():
    early_stopping = EarlyStopping(50)
    one, other = VAE(7, (5,), 3, seed=1), VAE(7, (5,), 3, seed=2)
    for vae in (one, other):
        fit(vae, X[:12], epochs=3, validation=X[12:], early_stopping=early_stopping, progress=False)
    assert not np.array_equal(one.store.vector, other.store.vector)
    fit(other, X[:12], epochs=3, validation=X[12:], early_stopping=early_stopping, progress=False)
    assert early_stopping.last_epoch == 6, "but a second fit of the same model goes on"
    assert pickle.loads(pickle.dumps(early_stopping)).best_epoch == early_stopping.best_epoch


def test_a_validation_loss_that_is_not_finite_ends_training_and_undoes_its_epoch():
    huge = np.full((3, 7), 1e30)
    vae, early_stopping = VAE(7, (5,), 3, likelihood="gaussian"), EarlyStopping(5)
    before = vae.store.vector.copy()
    with pytest.raises(TrainingDiverged, match=r"the validation loss became (nan|inf) in epoch 1"):
        fit(vae, X, epochs=3, validation=huge, early_stopping=early_stopping, progress=False)
    np.testing.assert_array_equal(vae.store.vector, before)
    assert (vae.epoch, vae.step, early_stopping.last_epoch, early_stopping.best) == (0, 0, 0, None)
    with pytest.raises(ValueError, match="NaN"):
        EarlyStopping.from_config(early_stopping.config() | {"best_loss": "nan"})


def test_fit_stops_and_leaves_the_model_at_its_best_epoch():
    vae, losses = VAE(7, (30,), 3, dtype="float64"), {}

    def remember(vae, epoch, metrics):
        losses[epoch] = vae.store.vector.copy()

    early_stopping = EarlyStopping(5)
    settings = {"optimizer": Adam(0.03), "early_stopping": early_stopping, "callbacks": [remember]}
    history = fit(vae, X[:12], epochs=500, validation=X[12:], **settings)
    best = int(np.argmin(history["val_loss"])) + 1
    assert len(history["loss"]) == best + 5 < 500
    assert (early_stopping.best_epoch, early_stopping.best_loss) == (best, min(history["val_loss"]))
    np.testing.assert_array_equal(vae.store.vector, losses[best])


def test_other_callbacks_see_the_end_before_the_best_parameters_come_back():
    class Last:
        def __call__(self, vae, epoch, metrics):
            self.vector = vae.store.vector.copy()

        def at_end(self, vae):
            np.testing.assert_array_equal(vae.store.vector, self.vector)
            self.was_called = True

    vae, last = VAE(7, (30,), 3), Last()
    fit(vae, X[:12], epochs=60, validation=X[12:], optimizer=Adam(0.03), early_stopping=EarlyStopping(3),
        callbacks=[last], progress=False)  # fmt: skip
    assert last.was_called
    assert not np.array_equal(vae.store.vector, last.vector)


def test_it_needs_a_validation_set_and_an_object():
    with pytest.raises(ValueError, match="hand in validation="):
        fit(VAE(7), X, early_stopping=EarlyStopping())
    with pytest.raises(TypeError, match="must be an object such as EarlyStopping"):
        fit(VAE(7), X, validation=X, early_stopping=5)
    with pytest.raises(ValueError, match="patience must be at least 1"):
        EarlyStopping(0)
    assert repr(EarlyStopping(4)) == "EarlyStopping(patience=4, min_delta=0.0)"


def test_an_epoch_is_not_chosen_for_the_luck_of_its_noise():
    vae = VAE(7, (5,), 3, dtype="float64")
    history = fit(vae, X, epochs=4, optimizer=Adam(1e-30), validation=X[:4], early_stopping=EarlyStopping(9))
    assert len(set(history["val_loss"])) == 1
    lucky = fit(VAE(7, (5,), 3, dtype="float64"), X, epochs=4, optimizer=Adam(1e-30), validation=X[:4])
    assert len(set(lucky["val_loss"])) == 4
