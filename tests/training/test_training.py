"""fit: what it promises about order, noise, history, callbacks, penalties, memory, and failure."""

import copy
import pickle
import tracemalloc
import warnings
from threading import Event, Thread

import numpy as np
import pytest

from minivae import SGD, VAE, Adam, EarlyStopping, Gaussian, PoorFitWarning, Scaling, TrainingDiverged, fit
from minivae.backend import load
from minivae.training import Recipe, minibatches, training_step
from minivae.training.runaway import of_the_loss

RNG = np.random.default_rng(0)
X = (RNG.random((50, 7)) < 0.3).astype(float)


def small(**options):
    return VAE(7, (5,), 3, **{"dtype": "float64"} | options)


def test_training_lowers_the_loss_and_records_every_epoch():
    vae = small()
    before = vae.loss(X).loss
    history = fit(vae, X, epochs=30, batch_size=10, optimizer=Adam(1e-2))
    assert history["epoch"] == list(range(1, 31))
    assert set(history) == {"epoch", "learning_rate", "beta", "loss", "recon_nll", "kl", "elbo", "penalty"}
    assert all(len(values) == 30 for values in history.values())
    assert history["loss"][-1] < before - 0.3
    assert vae.step == 150


def test_every_epoch_sees_every_example_once_in_an_order_of_its_own():
    first = np.concatenate(list(minibatches(50, 16, seed=0, epoch=0)))
    second = np.concatenate(list(minibatches(50, 16, seed=0, epoch=1)))
    assert sorted(first) == sorted(second) == list(range(50))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, np.concatenate(list(minibatches(50, 16, seed=0, epoch=0))))
    assert [len(rows) for rows in minibatches(50, 16, seed=0, epoch=0)] == [16, 16, 16, 2]


def test_fit_takes_the_examples_in_a_new_order_in_every_epoch():
    vae, x, firsts = small(likelihood="gaussian"), np.arange(70.0).reshape(10, 7) / 70, []
    forward_backward = vae.forward_backward
    vae.forward_backward = lambda batch, *rest: firsts.append(batch[:, 0].copy()) or forward_backward(batch, *rest)
    fit(vae, x, epochs=2, batch_size=10, optimizer=SGD(1e-9))
    assert sorted(firsts[0]) == sorted(firsts[1]) == list(x[:, 0])
    assert not np.array_equal(firsts[0], firsts[1])


def test_runs_repeat_bit_for_bit_and_depend_on_the_seed():
    vectors = []
    for seed in (0, 0, 1):
        vae = small()
        fit(vae, X, epochs=3, batch_size=16, seed=seed)
        vectors.append(vae.store.vector.copy())
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert not np.array_equal(vectors[0], vectors[2])


def test_a_second_fit_goes_on_where_the_first_stopped():
    once, twice = small(), small()
    fit(once, X, epochs=6, batch_size=16)
    fit(twice, X, epochs=2, batch_size=16)
    history = fit(twice, X, epochs=4, batch_size=16)
    np.testing.assert_array_equal(once.store.vector, twice.store.vector)
    assert history["epoch"] == [3, 4, 5, 6]
    assert twice.step == once.step == 24


def test_noise_belongs_to_the_example_and_not_to_the_batch():
    whole = small()
    fit(whole, X, epochs=1, batch_size=50, optimizer=SGD(0.1, momentum=0))
    by_hand = small()
    rows = np.concatenate(list(minibatches(50, 50, seed=0, epoch=0)))
    eps = by_hand.kernels.standard_normal(0, 0, 0, np.arange(50), out=np.empty((50, 3)))
    by_hand.loss_and_gradients(X[rows], eps[rows])
    SGD(0.1, momentum=0).step(by_hand)
    np.testing.assert_allclose(whole.store.vector, by_hand.store.vector, rtol=0, atol=1e-14)


def test_history_is_the_mean_over_examples_also_when_the_last_batch_is_small():
    vae, twin = small(), small()
    history = fit(vae, X, epochs=1, batch_size=40, optimizer=SGD(1e-30))
    eps = np.empty((50, 3))
    for step, rows in enumerate(minibatches(50, 40, seed=0, epoch=0)):
        eps[rows] = load("numpy").standard_normal(0, 0, step, rows, out=np.empty((len(rows), 3)))
    assert history["loss"][0] == pytest.approx(twin.loss(X, eps).loss, rel=1e-12)


def test_the_validation_loss_is_the_models_own_after_the_epoch():
    vae = small()
    history = fit(vae, X[:40], epochs=3, validation=X[40:])
    terms = vae.loss(X[40:])
    assert [history[f"val_{name}"][-1] for name in terms._fields] == list(terms)


def test_callbacks_see_each_epoch_and_can_end_training():
    seen = []

    def stop_after_two(vae, epoch, metrics):
        seen.append((epoch, vae.step, metrics["loss"]))
        return epoch == 2

    history = fit(small(), X, epochs=9, batch_size=25, callbacks=[stop_after_two])
    assert [(epoch, step) for epoch, step, _ in seen] == [(1, 2), (2, 4)]
    assert history["loss"] == [loss for _, _, loss in seen]


def test_penalties_act_on_weights_only_and_are_reported_apart():
    vae, twin = small(), small()
    history = fit(vae, X, epochs=1, batch_size=50, l1=0.3, l2=0.7, optimizer=SGD(1.0, momentum=0))
    weights = np.concatenate([a.ravel() for name, a in twin.parameters.items() if name.endswith(".W")])
    assert history["penalty"][0] == pytest.approx(0.3 * np.abs(weights).sum() + 0.35 * np.square(weights).sum())
    assert history["loss"][0] == pytest.approx(history["recon_nll"][0] + history["kl"][0])
    plain = small()
    fit(plain, X, epochs=1, batch_size=50, optimizer=SGD(1.0, momentum=0))
    for name, start in twin.parameters.items():
        extra = plain.parameters[name] - vae.parameters[name]
        expected = 0.3 * np.sign(start) + 0.7 * start if name.endswith(".W") else 0
        np.testing.assert_allclose(extra, expected + np.zeros_like(start), atol=1e-12, err_msg=name)


def test_gradients_of_the_model_never_hold_the_penalty():
    vae, eps = small(), np.zeros((50, 3))
    vae.loss_and_gradients(X, eps)
    before = vae.store.gradient.copy()
    assert fit(vae, X, epochs=1, l1=3.0, l2=5.0, optimizer=SGD(1e-300))["penalty"][0] > 10
    vae.loss_and_gradients(X, eps)
    np.testing.assert_array_equal(vae.store.gradient, before)


@pytest.mark.parametrize("copy_of", [copy.copy, copy.deepcopy, lambda vae: pickle.loads(pickle.dumps(vae))])
def test_a_copy_is_a_whole_model_that_trains_on_like_its_original_and_apart_from_it(copy_of):
    vae = small(likelihood=Gaussian("per_dimension"), activation="tanh")
    fit(vae, X, epochs=2, batch_size=16)
    twin = copy_of(vae)
    np.testing.assert_array_equal(twin.store.vector, vae.store.vector)
    fit(twin, X, epochs=2, batch_size=16)
    assert not np.array_equal(twin.store.vector, vae.store.vector)
    fit(vae, X, epochs=2, batch_size=16)
    np.testing.assert_array_equal(twin.store.vector, vae.store.vector)
    twin.parameters["decoder.output.b"][...] = 7
    assert np.count_nonzero(twin.store.vector == 7) == 7
    assert twin.epoch == 4


def test_an_optimizer_keeps_a_state_for_each_model_it_trains():
    optimizer, alone, first, second = Adam(1e-2), small(), small(), small(seed=1)
    fit(alone, X, epochs=4, optimizer=Adam(1e-2))
    for _ in range(4):
        fit(first, X, epochs=1, optimizer=optimizer)
        fit(second, X, epochs=1, optimizer=optimizer)
    np.testing.assert_array_equal(first.store.vector, alone.store.vector)
    assert optimizer.state_of(second).t == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizer": "adam"}, "optimizer must be an object such as Adam"),
        ({"callbacks": print}, "callbacks must be a sequence of callables"),
        ({"callbacks": [3]}, "each callback must be callable, got 3"),
    ],
)
def test_arguments_of_the_wrong_kind_are_refused_before_anything_changes(arguments, message):
    vae = small()
    with pytest.raises(TypeError, match=message):
        fit(vae, X, **arguments)
    fit(vae, X, epochs=1)
    assert vae.epoch == 1


def test_a_diverging_run_stops_says_what_to_try_and_keeps_the_last_good_epoch():
    vae = small(likelihood="gaussian")
    fit(vae, X, epochs=1)
    good = vae.store.vector.copy()
    with pytest.raises(TrainingDiverged, match=r"became -?(nan|inf) in epoch 2.*smaller learning rate \(now 1e\+06"):
        fit(vae, X, epochs=5, optimizer=SGD(1e6), batch_size=5)
    np.testing.assert_array_equal(vae.store.vector, good)
    assert np.isfinite(vae.loss(X).loss)


@pytest.mark.parametrize(
    ("dtype", "advice"),
    [
        ("float32", ", or data scaled to about unit size, or float64"),
        ("float64", ", or data scaled to about unit size"),
    ],
)
def test_float64_is_advised_only_where_it_is_not_used_already(dtype, advice):
    with pytest.raises(TrainingDiverged) as caught:
        fit(small(likelihood="gaussian", dtype=dtype), X, epochs=5, optimizer=SGD(1e6), batch_size=5)
    assert str(caught.value).endswith(f"(now 1e+06){advice}")


def test_a_loss_that_is_infinite_before_any_update_is_no_fault_of_the_learning_rate():
    with pytest.raises(TrainingDiverged, match=r"after 0 updates .*: try data scaled to about unit size$"):
        fit(small(likelihood="gaussian"), X * 1e200)


def test_an_overflow_in_the_optimizer_alone_is_seen_where_it_happens_and_undone():
    vae = small(likelihood=Gaussian(1e-18), dtype="float32")
    fit(vae, X, epochs=0)
    before, x = vae.store.vector.copy(), X * 100  # the gradient's square overflows, the loss does not yet
    with pytest.raises(
        TrainingDiverged, match=r"largest of the optimizer's v became inf in epoch 1.*unit size, or float64"
    ):
        fit(vae, x, epochs=1, batch_size=50)
    np.testing.assert_array_equal(vae.store.vector, before)
    assert not vae.optimizer.state_of(vae).arrays["v"].any()


def test_a_loss_far_above_that_of_the_mean_is_said_and_a_usual_one_is_not():
    x = RNG.normal(size=(60, 4)) * 3 + 50
    with pytest.warns(
        PoorFitWarning, match=r"ended at [\d.e+,]+ nats, and to answer with the mean of the data .* cost only \d"
    ):
        fit(VAE(4, (5,), 2, likelihood="gaussian"), x, epochs=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in ("standard", "minmax"):
            fit(VAE(4, (5,), 2, likelihood="gaussian", scaling=Scaling.of(kind, x)), x, epochs=1)
        fit(small(), X, epochs=1)
        fit(small(likelihood="categorical"), np.eye(7), epochs=1, batch_size=2)
        fit(VAE(4, (5,), 2, likelihood=Gaussian("per_dimension")), np.ones((9, 4)), epochs=1)


def test_the_cost_of_the_mean_is_the_entropy_of_a_model_that_knows_no_more():
    p = X.mean(axis=0)
    entropy = -(p * np.log(p) + (1 - p) * np.log(1 - p)).sum()
    sentence = of_the_loss(small(), X, 1000.0)
    assert f"cost only {entropy:,.6g}:" in sentence
    assert of_the_loss(small(), X, entropy + 7 * 3 - 0.01) is None
    scaling = Scaling.of("standard", X)
    gaussian = of_the_loss(small(likelihood="gaussian", scaling=scaling), scaling.apply(X), 1000.0)
    exact = 3.5 * (np.log(2 * np.pi) + 1) + np.log(scaling.scale).sum()
    assert f"cost only {exact:,.6g}:" in gaussian


@pytest.mark.parametrize("step", [11, 13, 20])  # the first, a middle and the last of the second epoch
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, MemoryError, SystemExit])
def test_an_interrupted_epoch_is_undone_wherever_that_happens(step, error):
    class CutShort(Adam):
        def step(self, vae, factor=1.0):
            super().step(vae, factor)
            if vae.step == step:
                raise error

    vae, twin = small(), small()
    with pytest.raises(error):
        fit(vae, X, epochs=5, batch_size=5, optimizer=CutShort())
    fit(twin, X, epochs=1, batch_size=5)
    assert_trained_alike(vae, twin)


def test_an_epoch_whose_callback_fails_is_undone_with_its_early_stopping():
    def fail(vae, epoch, metrics):
        if epoch == 2:
            raise OSError("No space left on device")

    vae, twin = small(), small()
    early_stopping, of_twin = EarlyStopping(5), EarlyStopping(5)
    with pytest.raises(OSError, match="No space"):
        fit(vae, X, epochs=5, batch_size=5, validation=X, early_stopping=early_stopping, callbacks=[fail])
    fit(twin, X, epochs=1, batch_size=5, validation=X, early_stopping=of_twin)
    assert early_stopping.config() == of_twin.config()
    assert_trained_alike(vae, twin)


def test_whatever_else_uses_the_model_waits_for_its_turn():
    """Each pass of a training holds the lock, so that no other thread can change a buffer under it."""
    vae, passes = small(likelihood="gaussian"), []
    for part in (vae.encoder, vae.decoder):
        forward = part.forward
        part.forward = lambda x, f=forward: passes.append(vae.lock._is_owned()) or f(x)
    noise = vae.noise
    vae.noise = lambda *rows: passes.append(vae.lock._is_owned()) or noise(*rows)
    for early_stopping in (None, EarlyStopping(5)):
        fit(vae, X, epochs=2, batch_size=20, validation=X, early_stopping=early_stopping)
    vae.encode(X), vae.decode(np.zeros((1, 3))), vae.sample(2, draw=True), vae.loss(X), vae.log_likelihood(X, 5)
    assert len(passes) > 40
    assert all(passes)


def test_another_thread_that_looks_at_the_model_does_not_change_what_it_learns():
    vae, twin, over = small(), small(), Event()

    def look():
        while not over.is_set():
            vae.loss(X)
            vae.log_likelihood(X[:9], 7)

    thread = Thread(target=look)
    thread.start()
    try:
        seen = fit(vae, X, epochs=20, batch_size=10, validation=X, progress=False)
    finally:
        over.set()
        thread.join()
    assert fit(twin, X, epochs=20, batch_size=10, validation=X, progress=False) == seen
    assert_trained_alike(vae, twin)


@pytest.mark.parametrize("which", ["parameters", "gradients"])
def test_data_that_are_the_model_itself_are_those_of_the_beginning(which):
    vae, twin = (
        VAE(7, (), 7, likelihood="gaussian", dtype="float64"),
        VAE(7, (), 7, likelihood="gaussian", dtype="float64"),
    )
    for model in (vae, twin):
        model.loss_and_gradients(X)
    name = "decoder.output.W"
    seen = fit(vae, getattr(vae, which)[name], epochs=5, batch_size=3, validation=getattr(vae, which)[name])
    x = getattr(twin, which)[name].copy()
    assert fit(twin, x, epochs=5, batch_size=3, validation=x.copy()) == seen
    np.testing.assert_array_equal(vae.store.vector, twin.store.vector)


def assert_trained_alike(vae, twin):
    assert (vae.step, vae.epoch) == (twin.step, twin.epoch)
    np.testing.assert_array_equal(vae.store.vector, twin.store.vector)
    mine, theirs = vae.optimizer.state_of(vae), twin.optimizer.state_of(twin)
    assert mine.t == theirs.t
    for name in ("m", "v"):
        np.testing.assert_array_equal(mine.arrays[name], theirs.arrays[name])


@pytest.mark.parametrize("batch_size", [50, 5])
def test_after_a_diverging_epoch_everything_is_as_the_last_good_one_left_it(batch_size):
    vae, twin = small(likelihood="gaussian"), small(likelihood="gaussian")
    for model in (vae, twin):
        fit(model, X, epochs=2, batch_size=5)
    vae.optimizer.learning_rate = 1e300
    with pytest.raises(TrainingDiverged):
        fit(vae, X, epochs=3, batch_size=batch_size)
    vae.optimizer.learning_rate = 1e-3
    for model in (vae, twin):
        fit(model, X, epochs=2, batch_size=5)
    np.testing.assert_array_equal(vae.store.vector, twin.store.vector)
    assert (vae.step, vae.epoch) == (twin.step, twin.epoch)


def test_a_bad_last_update_of_an_epoch_is_seen_although_no_loss_has_seen_it():
    vae = VAE(7, (5,), 3)
    with pytest.raises(TrainingDiverged, match="the loss became"):
        fit(vae, X, epochs=1, batch_size=50, optimizer=SGD(1e39))
    assert np.all(np.isfinite(vae.store.vector))


def test_stochastic_binarisation_draws_anew_and_threshold_does_not():
    grey = np.full((40, 7), 0.3)
    seen = {}
    for mode in ("stochastic", "threshold"):
        vae = small()
        batches = []
        forward_backward = vae.forward_backward
        vae.forward_backward = lambda x, *rest, b=batches, f=forward_backward: b.append(x.copy()) or f(x, *rest)
        fit(vae, grey, epochs=4, batch_size=40, binarize=mode)
        seen[mode] = batches
    drawn = np.array(seen["stochastic"])
    assert set(np.unique(drawn)) == {0, 1}
    assert drawn.mean() == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / drawn.size))
    assert len(set(drawn.sum(axis=(1, 2)))) > 1  # and not the same pixels in another order
    assert not np.any(seen["threshold"])


def test_binarisation_needs_a_bernoulli_likelihood():
    with pytest.raises(ValueError, match="needs likelihood='bernoulli'"):
        fit(small(likelihood="gaussian"), X, binarize="threshold")


def allocated(function):
    """The bytes by which memory grows, at the most, while ``function`` runs."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        function()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "categorical"])
def test_a_training_step_allocates_nothing_large_once_it_has_run(likelihood):
    vae = VAE(784, (400,), 20, likelihood=likelihood)
    vae.optimizer = Adam()
    x = np.eye(784, dtype=np.float32)

    def step():
        training_step(vae, x, np.arange(512), Recipe(l2=0.1, binarize="stochastic"))

    step()
    assert allocated(step) < 0.7 * x[:512].nbytes  # all temporaries together are smaller than one array of the batch
    assert allocated(lambda: (step(), x[:512].copy())) >= x[:512].nbytes  # which would be seen


def test_progress_prints_plain_lines_where_there_is_no_terminal(capsys):
    fit(small(), X, epochs=40, validation=X)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 20
    assert lines[-1].startswith("epoch 40/40  loss ")
    assert "validation" in lines[-1]
    fit(small(), X, epochs=2, progress=False)
    assert capsys.readouterr().err == ""


def test_zero_epochs_change_nothing_and_give_an_empty_history():
    vae = small()
    before = vae.store.vector.copy()
    assert fit(vae, X, epochs=0)["loss"] == []
    np.testing.assert_array_equal(vae.store.vector, before)
