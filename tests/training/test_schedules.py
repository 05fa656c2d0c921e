"""Learning-rate schedules: the formulas, what fit does with them, and PyTorch's own values."""

import numpy as np
import pytest

from minivae import SGD, VAE, Cosine, StepList, fit

X = (np.random.default_rng(0).random((20, 5)) < 0.4).astype(float)


def test_a_step_list_drops_after_each_milestone():
    schedule = StepList([2, 5], factor=0.1)
    np.testing.assert_allclose([schedule(epoch) for epoch in range(7)], [1, 1, 0.1, 0.1, 0.1, 0.01, 0.01])


def test_a_cosine_goes_from_one_to_its_end_and_stays_there():
    schedule = Cosine(4, final=0.2)
    np.testing.assert_allclose([schedule(0), schedule(2), schedule(4), schedule(9)], [1, 0.6, 0.2, 0.2])
    assert Cosine(4)(1) == pytest.approx((1 + np.sqrt(0.5)) / 2)


@pytest.mark.peers
def test_both_agree_with_pytorch():
    torch = pytest.importorskip("torch")

    def theirs(make):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        schedule, rates = make(optimizer), []
        for _ in range(8):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        return rates

    schedulers = torch.optim.lr_scheduler
    expected = theirs(lambda optimizer: schedulers.MultiStepLR(optimizer, [3, 6], 0.3))
    np.testing.assert_allclose([StepList([3, 6], 0.3)(epoch) for epoch in range(8)], expected)
    expected = theirs(lambda optimizer: schedulers.CosineAnnealingLR(optimizer, 8, 0.1))
    np.testing.assert_allclose([Cosine(8, 0.1)(epoch) for epoch in range(8)], expected)


def test_fit_trains_with_the_rate_of_the_epoch_and_records_it():
    schedule, rates = StepList([1, 3], 0.5), [0.4, 0.2, 0.2, 0.1]
    vae, by_hand = VAE(5, (), 2, dtype="float64"), VAE(5, (), 2, dtype="float64")
    history = fit(vae, X, epochs=4, optimizer=SGD(0.4, momentum=0), schedule=schedule, progress=False)
    assert history["learning_rate"] == rates
    for rate in rates:
        fit(by_hand, X, epochs=1, optimizer=SGD(rate, momentum=0), progress=False)
    np.testing.assert_allclose(vae.store.vector, by_hand.store.vector, rtol=1e-12)


def test_any_function_of_the_epoch_will_do_and_a_second_fit_is_at_its_place():
    vae = VAE(5, (), 2)
    fit(vae, X, epochs=2, optimizer=SGD(1.0), schedule=lambda epoch: 1 / (1 + epoch), progress=False)
    history = fit(vae, X, epochs=2, schedule=lambda epoch: 1 / (1 + epoch), progress=False)
    assert history["learning_rate"] == [1 / 3, 1 / 4]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: StepList([]), ValueError, "milestones must be growing numbers"),
        (lambda: StepList([5, 3]), ValueError, "milestones must be growing numbers"),
        (lambda: StepList([0, 3]), ValueError, "each of milestones must be at least 1"),
        (lambda: StepList([3], factor=0), ValueError, "factor must be finite and greater than 0"),
        (lambda: StepList(5), TypeError, "milestones must be growing numbers"),
        (lambda: fit(VAE(5), X, schedule=lambda epoch: -1), ValueError, "the factor of a schedule must be"),
        (lambda: Cosine(0), ValueError, "epochs must be at least 1"),
        (lambda: Cosine(9, final=1.5), ValueError, "final must be finite and at least 0 and below 1"),
        (lambda: fit(VAE(5), X, schedule="cosine"), TypeError, "schedule must be an object such as Cosine"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_schedules_say_what_they_are():
    assert repr(StepList([6, 8])) == "StepList(milestones=(6, 8), factor=0.1)"
    assert repr(Cosine(9)) == "Cosine(epochs=9, final=0.0)"
