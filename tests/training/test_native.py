"""An epoch in one native call is the epoch step by step, to the last bit; what it cannot do goes step by step."""

import logging
import sys

import numpy as np
import pytest

from minivae.backend import why_unavailable
from minivae.model.likelihoods import Bernoulli, Categorical, Gaussian, LogNormal, Mixed, Poisson
from minivae.model.scaling import Scaling
from minivae.model.vae import VAE
from minivae.training import native
from minivae.training.corruption import Masking
from minivae.training.early_stopping import EarlyStopping
from minivae.training.examples import training_rows
from minivae.training.loop import fit, steps_of_an_epoch
from minivae.training.native import NativeSteps, why_step_by_step
from minivae.training.optimizers import SGD, Adagrad, Adam
from minivae.training.recipe import Recipe
from minivae.training.schedules import Cosine
from minivae.training.warmup import warm_up
from minivae.workers.group import Pretend

pytestmark = pytest.mark.skipif(why_unavailable("numba") is not None, reason="needs numba")
STEP_BY_STEP = 10**9
MIXED = Mixed([("gaussian", 1), ("categorical", 3), ("bernoulli", 1), (Gaussian(0.5), 2), ("gaussian", 1)])


def examples(likelihood, n, dtype="float32"):
    """What a likelihood may see: (n, 7), or (n, 8) of the mixed one."""
    rng = np.random.default_rng(0)
    normal, coins = rng.standard_normal((n, 7)), rng.random((n, 7)) < 0.5
    one_hot = [np.eye(width)[rng.integers(width, size=n)] for width in (4, 3)]
    x = {"gaussian": normal, "categorical": np.hstack(one_hot)}.get(likelihood.name, coins)
    if likelihood.name == "mixed":
        x = np.hstack([normal[:, :1], one_hot[1], coins[:, :1], normal[:, 1:4]])
    return x.astype(dtype)


def trained(
    monkeypatch, worth, likelihood, optimizer, dtype="float32", n=75, dims=((9, 5), 3), activation="tanh", **settings
):
    """Everything that three epochs change, as bytes where it is arrays."""
    monkeypatch.setattr(native, "WORTH_COMPILING", worth)
    x = examples(likelihood, n, dtype) * (0.5 if "binarize" in settings else 1)
    scaling = Scaling.of("standard" if likelihood.is_density else "none", x, likelihood=likelihood)
    dims = (x.shape[1], *dims)
    vae = VAE(*dims, activation, likelihood, beta=0.7, backend="numba", dtype=dtype, scaling=scaling)
    history = fit(vae, x, 3, **{"batch_size": 32, "optimizer": optimizer, "progress": False} | settings)
    state = vae.optimizer.state_of(vae)
    arrays = [vae.store.vector, vae.store.gradient, *state.arrays.values()]
    return [array.tobytes() for array in arrays], state.t, vae.step, history


LIKELIHOODS = [Bernoulli(), Gaussian(), Gaussian("per_dimension"), Gaussian(0.3), Categorical((4, 3)), MIXED]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", [Adam, SGD, Adagrad])
@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=repr)
def test_the_bits_are_those_of_step_by_step(likelihood, optimizer, dtype, monkeypatch):
    # The last batch has 11 examples, and with the penalty 1.
    settings = {"l1": 0.01, "l2": 0.02, "batch_size": 37} if optimizer is not Adam else {"schedule": Cosine(3)}
    runs = [trained(monkeypatch, worth, likelihood, optimizer(1e-3), dtype, **settings) for worth in (STEP_BY_STEP, 0)]
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    "settings",
    [
        {
            "activation": "relu",
            "dims": ((300,), 20),
            "n": 700,
            "batch_size": 300,
        },  # several tiles, if there are threads
        {"activation": "leaky_relu", "binarize": "stochastic"},
        {"activation": "sigmoid", "dims": ((), 2)},
        {"activation": "softplus", "batch_size": 1, "n": 40, "dtype": "float64"},
        {"seed": 2**63 + 5, "batch_size": 1000},
    ],
    ids=str,
)
def test_so_are_those_of_other_shapes(settings, monkeypatch):
    runs = [trained(monkeypatch, worth, Bernoulli(), Adam(), **settings) for worth in (STEP_BY_STEP, 0)]
    assert runs[0] == runs[1]


def test_the_compiler_is_called_when_it_is_worth_it(monkeypatch):
    calls, train = [], NativeSteps.train
    monkeypatch.setattr(NativeSteps, "train", lambda self, *arguments: calls.append(1) or train(self, *arguments))
    for planned, called in ((10, 0), (9, 4)):  # three epochs of three updates each, and once to compile
        trained(monkeypatch, planned, Bernoulli(), Adam())
        assert len(calls) == called


def test_python_has_no_part_in_a_step(monkeypatch):
    monkeypatch.setattr(native, "WORTH_COMPILING", 0)
    x, calls = examples(Bernoulli(), 4000), {}
    vae = VAE(7, (8,), 2, backend="numba")
    vae.optimizer = SGD()
    for batch_size in (40, 4):  # 100 steps, then 1,000
        steps, counted = steps_of_an_epoch(vae, x, Recipe(batch_size), 1), []
        steps()
        sys.setprofile(lambda _, event, __, counted=counted: counted.append(event))
        steps()
        sys.setprofile(None)
        calls[batch_size] = counted.count("call")
    assert 0 < calls[4] == calls[40] < 200


def test_an_interrupt_comes_between_two_calls_and_is_undone(monkeypatch):
    monkeypatch.setattr(native, "WORK_OF_A_CALL", 0)  # a step each
    runs = [trained(monkeypatch, worth, Bernoulli(), Adam()) for worth in (STEP_BY_STEP, 0)]
    assert runs[0] == runs[1]
    train = NativeSteps.train

    def interrupted(self, begin, *arguments):
        assert self.vae.lock._is_owned()
        if self.vae.step == 4:
            raise KeyboardInterrupt
        train(self, begin, *arguments)

    monkeypatch.setattr(NativeSteps, "train", interrupted)
    x = examples(Bernoulli(), 75)
    vae = VAE(7, (9,), 3, backend="numba")
    fit(vae, x, 1, 32, progress=False)
    before = vae.store.vector.tobytes(), vae.step, vae.epoch
    with pytest.raises(KeyboardInterrupt):
        fit(vae, x, 1, 32, progress=False)
    assert before == (vae.store.vector.tobytes(), vae.step, vae.epoch)
    assert vae.optimizer.state_of(vae).t == 3


def test_no_call_of_a_small_model_is_long(monkeypatch):
    calls = []
    monkeypatch.setattr(NativeSteps, "train", lambda self, begin, end, *arguments: calls.append(end - begin))
    vae = VAE(7, (8,), 2, backend="numba")
    vae.optimizer = Adam()
    with np.errstate(all="ignore"):  # nothing writes the losses
        steps_of_an_epoch(vae, np.ones((100_000, 7), "float32"), Recipe(1), 1)()
    assert sum(calls) == 100_000
    assert max(calls) < 2**16  # of about four microseconds each


def test_the_updates_of_an_earlier_fit_count(monkeypatch):
    runs = []
    for worth in (STEP_BY_STEP, 6):
        monkeypatch.setattr(native, "WORTH_COMPILING", worth)
        calls, train = [], native.NativeSteps.train
        monkeypatch.setattr(NativeSteps, "train", lambda self, *a, c=calls, t=train: c.append(a[1]) or t(self, *a))
        vae = VAE(7, (9,), 3, backend="numba")
        for _ in range(3):  # three updates each
            fit(vae, examples(Bernoulli(), 75), 1, 32, progress=False)
        runs.append((vae.store.vector.tobytes(), vae.optimizer.state_of(vae).t))
    assert calls == [0, 3, 0, 3]  # the second and the third; each compiles first
    assert runs[0] == runs[1]


def test_compiling_is_said_and_makes_no_step(monkeypatch, capsys):
    from contextlib import nullcontext

    said = []
    monkeypatch.setattr(native, "said_if_slow", lambda what, progress: said.append((what, progress)) or nullcontext())
    vae = VAE(7, (9,), 3, backend="numba")
    vae.optimizer = Adam()
    before = vae.store.vector.tobytes()
    NativeSteps(vae, examples(Bernoulli(), 75), Recipe(32)).compile(True)
    assert said == [("compiling an epoch as a whole", True)]
    assert (vae.store.vector.tobytes(), vae.step, vae.optimizer.state_of(vae).t) == (before, 0, 0)


def test_divergence_is_noticed_at_the_end_of_the_epoch(monkeypatch):
    from minivae.errors import TrainingDiverged

    monkeypatch.setattr(native, "WORTH_COMPILING", 0)
    vae = VAE(7, (9,), 3, likelihood="gaussian", backend="numba")
    warm_up(vae, SGD())  # which would diverge too, with the rate below
    before = vae.store.vector.tobytes()
    with pytest.raises(TrainingDiverged, match="in epoch 1, after 3 updates"):
        fit(vae, examples(vae.likelihood, 75), 1, 32, SGD(1e6), progress=False)
    assert (vae.store.vector.tobytes(), vae.step) == (before, 0)


def test_validation_callbacks_and_early_stopping_see_the_same(monkeypatch):
    seen = []

    def see(vae, epoch, metrics):
        seen.append((vae.step, epoch, metrics))

    settings = {"validation": examples(Bernoulli(), 20), "callbacks": [see]}
    runs = [
        trained(monkeypatch, worth, Bernoulli(), Adam(), early_stopping=EarlyStopping(1), **settings)
        for worth in (STEP_BY_STEP, 0)
    ]
    assert runs[0] == runs[1]
    assert len(seen) == 6
    assert seen[:3] == seen[3:]


class Mine(Adam):
    """A user's own."""


class MyVAE(VAE):
    """A user's own."""


def change_numbers(vae):
    vae.beta, vae.optimizer.learning_rate, vae.parameters["decoder.output.b"] = 2, 0.01, 0.5


def change_optimizer(vae):
    vae.optimizer = SGD(0.01, 0) if vae.epoch == 1 else Mine()


def change_objective(vae):
    vae.objective, vae.draws = "iwae", 3


def turn_memory(vae):
    """The same state, its arrays in another order."""
    state = vae.optimizer.state_of(vae)
    state.arrays = dict(reversed(state.arrays.items()))


@pytest.mark.parametrize("change", [change_numbers, change_optimizer, change_objective, turn_memory])
def test_what_a_callback_changes_counts_from_the_next_epoch_on(change, monkeypatch, caplog):
    native.tell.cache_clear()
    caplog.set_level(logging.INFO, "minivae")

    def callback(vae, epoch, metrics):
        if epoch < 3:  # after the last one the optimizer has no state yet that could be compared
            change(vae)

    runs = [trained(monkeypatch, worth, Bernoulli(), Adam(), callbacks=[callback]) for worth in (STEP_BY_STEP, 0)]
    assert runs[0] == runs[1]
    assert ("step by step" in caplog.text) == (change in (change_optimizer, change_objective))


def test_a_callback_may_make_holes_in_the_examples(monkeypatch):
    monkeypatch.setattr(native, "WORTH_COMPILING", 0)
    x = examples(Bernoulli(), 40)

    def callback(vae, epoch, metrics):
        x[5, epoch] = np.nan  # of an array that fit uses as it is

    history = fit(VAE(7, (5,), 2, backend="numba"), x, 3, callbacks=[callback], progress=False)
    assert np.isfinite(history["loss"]).all()


HOLES = np.where(np.eye(7) == 1, np.nan, 1.0).astype("float32")
REASONS = {
    "an objective of several draws, or free bits": (VAE(7, free_bits=0.1, backend="numba"), np.ones((7, 7)), {}),
    "a condition": (VAE(5, condition_dim=2, backend="numba"), np.ones((7, 7)), {}),
    "a corruption or a schedule of beta": (VAE(7, backend="numba"), np.ones((7, 7)), {"corruption": Masking(0.1)}),
    "workers or shards": (VAE(7, backend="numba"), np.ones((7, 7)), {"group": Pretend(2)}),
    "values that are missing": (VAE(7, backend="numba"), HOLES, {}),
    "the likelihood Poisson()": (VAE(7, likelihood=Poisson(), backend="numba"), np.ones((7, 7)), {}),
    "the likelihood LogNormal()": (VAE(7, likelihood=LogNormal(), backend="numba"), np.ones((7, 7)), {}),
    "a model of your own": (MyVAE(7, backend="numba"), np.ones((7, 7)), {}),
    "an optimizer of your own": (VAE(7, backend="numba"), np.ones((7, 7)), {}),
    "a batch beyond 4,096": (VAE(7, backend="numba"), np.ones((5000, 7)), {"batch_size": 5000}),
    "rows on disk": (VAE(7, backend="numba"), None, {}),
}


@pytest.mark.parametrize("reason", REASONS)
def test_what_goes_step_by_step_is_told_once(reason, caplog, tmp_path):
    vae, x, settings = REASONS[reason]
    vae.optimizer = Mine() if "optimizer" in reason else Adam()
    recipe = Recipe(**settings)
    if x is None:
        np.save(tmp_path / "x.npy", np.ones((7, 7), "float32"))
        x = training_rows(vae, np.load(tmp_path / "x.npy", mmap_mode="r"), recipe)
    assert why_step_by_step(vae, x, recipe) == reason
    native.tell.cache_clear()
    with caplog.at_level(logging.INFO, "minivae"):
        assert not isinstance(steps_of_an_epoch(vae, x, recipe, 1), NativeSteps)
        steps_of_an_epoch(vae, x, recipe, 1)
    assert [record.getMessage() for record in caplog.records] == [
        f"note: with {reason}, training goes step by step through Python; otherwise an epoch is compiled as a whole"
    ]
