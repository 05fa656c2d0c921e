"""No option is accepted and ignored: each of the command, the estimator and fit does what a loop by hand does."""

import inspect
from dataclasses import fields

import numpy as np
import pytest

from minivae import (
    GAN,
    SGD,
    VAE,
    Adagrad,
    Adam,
    Cosine,
    CyclicBeta,
    EarlyStopping,
    GaussianNoise,
    LinearBeta,
    Masking,
    Mixed,
    SaltAndPepper,
    Scaling,
    StepList,
    VariationalAutoencoder,
    datasets,
    fit,
)
from minivae.backend import Stream, load, permutation, states
from minivae.datasets.split import held_out
from minivae.runs.settings import ONLY, Settings
from minivae.training import minibatches

RNG = np.random.default_rng(0)
FILES = {
    "table.npy": RNG.normal(5, 3, (60, 6)),
    "other.npy": RNG.normal(5, 3, (60, 6)),
    "grey.npy": RNG.random((60, 2, 3)),
    "pixels.npy": np.r_[np.full((1, 2, 3), 255), RNG.integers(0, 256, (59, 2, 3))].astype(np.uint8),
    "onehot.npy": np.eye(6)[RNG.integers(6, size=60)],
}
K = load("numpy")
BASE = ["train", "--no-pictures", "--hidden", 5, "--latent", 2, "--epochs", 3, "--batch-size", 16]


def python(file="table.npy", source=None, scale="standard", bias=False, patience=None, hidden=(5,), latent=2,
           model=None, by_class=False, **arguments):  # fmt: skip
    """The weights that ``fit`` gives where the command is told ``BASE`` and what the arguments say."""
    data = datasets.load(file, **source or {})
    train, extra = data.train, {}
    if patience is not None:
        aside = held_out(train, len(train) // 10, epoch=1)
        extra = {"validation": train[aside], "early_stopping": EarlyStopping(patience)}
        train = np.delete(train, aside, axis=0)
    scaling = Scaling.of(scale, train)
    options = {"likelihood": "gaussian", "scaling": scaling} | (model or {})
    if by_class:
        extra["condition"] = (data.train_labels[:, None] == np.unique(data.train_labels)).astype(float)
        options["condition_dim"] = extra["condition"].shape[1]
    vae = VAE(train.shape[1], hidden, latent, **options)
    if bias:
        vae.set_output_bias(train)
    settings = {"epochs": 3, "batch_size": 16, "optimizer": Adam(1e-3), "progress": False} | arguments
    history = fit(vae, train, **settings, **extra)
    assert patience is None or len(history["epoch"]) < settings["epochs"], "patience had no say"
    return vae.kernels.to_numpy(vae.store.vector)


GREY = {"file": "grey.npy", "scale": "none", "model": {"likelihood": "bernoulli"}}
STEPS = ["--schedule", "steps", "--milestones", 1]
MASKED = ["--corruption", "masking"]
OF_GAN_ALONE = {"model", "loss", "penalty", "steps"}  # below
CHANGES_NO_NUMBERS = {"out", "overwrite", "resume", "no_pictures"}
OF_THE_COMMAND = [
    ("data", [], {}),
    ("data", ["--data", "other.npy"], {"file": "other.npy"}),
    ("labels", ["--data", "counts.csv", "--labels", 2], {"file": "counts.csv", "source": {"labels": "2"}}),
    *(("header", ["--data", "named.csv", "--header", how], {"file": "named.csv", "source": {"header": how}})
      for how in ("yes", "no")),
    ("drop", ["--data", "counts.csv", "--drop", 3], {"file": "counts.csv", "source": {"drop": ("3",)}}),
    ("columns", ["--data", "counts.csv", "--columns", "3=real", "--scale", "none"],
     {"file": "counts.csv", "source": {"columns": {"3": "real"}}, "scale": "none",
      "model": {"likelihood": Mixed([("poisson", 3), ("gaussian", 1), ("poisson", 2)])},
      "optimizer": Adam(5e-3), "schedule": Cosine(3)}),
    ("groups", ["--data", "counts.csv", "--groups", 1], {"file": "counts.csv", "source": {"groups": "1"}}),
    ("test", ["--test", "other.npy"], {"source": {"test": "other.npy"}}),
    ("holdout", ["--holdout", "last"], {"source": {"holdout": "last"}}),
    ("likelihood", ["--data", "grey.npy"], GREY),
    ("likelihood", ["--data", "grey.npy", "--likelihood", "gaussian"], {"file": "grey.npy", "scale": "none"}),
    ("likelihood", ["--data", "onehot.npy"], GREY | {"file": "onehot.npy"}),
    ("likelihood", ["--data", "onehot.npy", "--likelihood", "categorical"],
     {"file": "onehot.npy", "scale": "none", "model": {"likelihood": "categorical"}}),
    ("hidden", ["--hidden", "4,3"], {"hidden": (4, 3)}),
    ("hidden", ["--hidden", "none"], {"hidden": ()}),
    ("latent", ["--latent", 3], {"latent": 3}),
    ("beta", ["--beta", 2.5], {"model": {"beta": 2.5}}),
    ("beta_warm_up", ["--beta-warm-up", 3], {"beta_schedule": LinearBeta(3)}),
    ("free_bits", ["--free-bits", 0.3], {"model": {"free_bits": 0.3}}),
    *(("objective", ["--objective", name, "--draws", 3], {"model": {"objective": name, "draws": 3}})
      for name in ("iwae", "stl", "dreg")),
    ("draws", ["--draws", 3], {"model": {"draws": 3}}),
    ("conditional", ["--data", "counts.csv", "--labels", 2, "--conditional"],
     {"file": "counts.csv", "source": {"labels": "2"}, "by_class": True}),
    *(("activation", ["--activation", name], {"model": {"activation": name}})
      for name in ("tanh", "sigmoid", "softplus")),
    *(("init", ["--init", name], {"model": {"init": name}}) for name in ("glorot", "he")),
    ("output_bias", ["--output-bias", "data"], {"bias": True}),
    *(("binarize", ["--data", "grey.npy", "--binarize", how], GREY | {"binarize": how})
      for how in ("stochastic", "threshold")),
    *(("scale", ["--scale", kind], {"scale": kind}) for kind in ("none", "minmax")),
    ("scale", ["--data", "pixels.npy", "--scale", "pixels"], GREY | {"file": "pixels.npy", "scale": "pixels"}),
    ("corruption", MASKED, {"corruption": Masking(0.25)}),
    ("corruption", ["--corruption", "gaussian"], {"corruption": GaussianNoise(0.25)}),
    ("corruption", ["--corruption", "salt-and-pepper"], {"corruption": SaltAndPepper(0.25, -3, 3)}),
    ("corruption", ["--corruption", "salt-and-pepper", "--data", "grey.npy"],
     GREY | {"corruption": SaltAndPepper(0.25)}),
    ("corruption_level", [*MASKED, "--corruption-level", 0.5], {"corruption": Masking(0.5)}),
    ("corruption_target", [*MASKED, "--corruption-target", "noisy"], {"corruption": Masking(0.25, denoise=False)}),
    ("epochs", ["--epochs", 4], {"epochs": 4}),
    ("batch_size", ["--batch-size", 20], {"batch_size": 20}),
    ("shards", ["--shards", 4], {"shards": 4}),
    ("optimizer", ["--optimizer", "adagrad"], {"optimizer": Adagrad(1e-3)}),
    ("optimizer", ["--optimizer", "sgd"], {"optimizer": SGD(1e-3, momentum=0.9)}),
    ("lr", ["--lr", 0.02], {"optimizer": Adam(0.02)}),
    ("schedule", STEPS, {"schedule": StepList([1])}),
    ("schedule", ["--schedule", "cosine"], {"schedule": Cosine(3)}),
    ("milestones", ["--schedule", "steps", "--milestones", "1,2"], {"schedule": StepList([1, 2])}),
    ("factor", [*STEPS, "--factor", 0.5], {"schedule": StepList([1], 0.5)}),
    ("patience", ["--patience", 2, "--epochs", 30, "--lr", 0.3],
     {"patience": 2, "epochs": 30, "optimizer": Adam(0.3)}),
    ("l1", ["--l1", 0.01], {"l1": 0.01}),
    ("l2", ["--l2", 0.01], {"l2": 0.01}),
    ("seed", ["--seed", 2**63 + 5], {"model": {"seed": 2**63 + 5}, "seed": 2**63 + 5}),
    ("dtype", ["--dtype", "float64"], {"model": {"dtype": "float64"}}),
    ("backend", ["--backend", "numba"], {"model": {"backend": "numba"}}),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:the data hold grey", "ignore:the loss has ended")
def test_every_option_of_the_command_trains_as_fit_does_with_its_argument(minivae):
    assert {name for name, *_ in OF_THE_COMMAND} | OF_GAN_ALONE | CHANGES_NO_NUMBERS == {
        field.name for field in fields(Settings)
    }
    for name, array in FILES.items():
        np.save(name, array)
    np.savetxt("counts.csv", RNG.integers(0, 5, (60, 6)), delimiter=",", fmt="%d")
    np.savetxt("named.csv", np.r_[[range(6)], RNG.integers(0, 5, (60, 6))], delimiter=",", fmt="%d")
    found = {}
    for i, (_, options, arguments) in enumerate(OF_THE_COMMAND):
        if "numba" in options and states()["numba"] != "available":
            continue
        file = [] if "--data" in options else ["--data", "table.npy"]
        status, _, err = minivae(*BASE, *file, *options, "--out", f"run{i}")
        assert status == 0, err
        weights = VAE.load(f"run{i}/model.safetensors").store.vector
        np.testing.assert_array_equal(weights, python(**arguments), err_msg=str(options))
        assert weights.tobytes() not in found, f"{options} trained what {found[weights.tobytes()]} did"
        found[weights.tobytes()] = options


def test_what_the_command_is_not_told_is_what_fit_is_not_told(minivae):
    np.save("table.npy", FILES["table.npy"])
    assert minivae("train", "--data", "table.npy", "--epochs", 2, "--no-pictures", "--out", "run")[0] == 0
    train = datasets.load("table.npy").train
    vae = VAE(6, likelihood="gaussian", scaling=Scaling.of("standard", train))
    fit(vae, train, epochs=2, progress=False)
    np.testing.assert_array_equal(VAE.load("run/model.safetensors").store.vector, vae.store.vector)


def game(steps=4, hidden=(5,), scale="standard", optimizer=None, batch_size=16, source=None, file="table.npy", **model):
    """A sample of the GAN that ``fit`` gives where the command is told what the arguments say."""
    train = datasets.load(file, **source or {}).train
    gan = GAN(6, hidden, **({"latent_dim": 2, "scaling": Scaling.of(scale, train)} | model))
    gan.fit(train, steps, batch_size, optimizer=optimizer, progress=False)
    return gan.sample(3)


FLAT_ADAM = Adam(0.02, betas=(0, 0.99))
OF_A_GAN = [
    ("model", [], {}),
    ("data", ["--data", "other.npy"], {"file": "other.npy"}),
    ("holdout", ["--holdout", "last"], {"source": {"holdout": "last"}}),
    ("test", ["--test", "other.npy"], {"source": {"test": "other.npy"}}),
    ("hidden", ["--hidden", "4,3"], {"hidden": (4, 3)}),
    ("latent", ["--latent", 3], {"latent_dim": 3}),
    ("activation", ["--activation", "tanh"], {"activation": "tanh"}),
    ("loss", ["--loss", "nonsaturating"], {"loss": "nonsaturating"}),
    ("penalty", ["--penalty", "r1"], {"penalty": "r1"}),
    ("steps", ["--steps", 5], {"steps": 5}),
    ("batch_size", ["--batch-size", 20], {"batch_size": 20}),
    ("optimizer", ["--optimizer", "sgd"], {"optimizer": SGD(1e-3, momentum=0.9)}),
    ("lr", ["--lr", 0.02], {"optimizer": FLAT_ADAM}),
    ("scale", ["--scale", "none"], {"scale": "none"}),
    ("scale", ["--scale", "minmax"], {"scale": "minmax", "output": "sigmoid"}),
    ("seed", ["--seed", 7], {"seed": 7}),
    ("dtype", ["--dtype", "float64"], {"dtype": "float64"}),
]
OF_TEXT_FILES = {"labels", "header", "drop", "groups"}  # which datasets.load reads before there is a model


def test_every_option_of_a_gan_trains_as_its_fit_does(minivae):
    tried = {name for name, *_ in OF_A_GAN} | OF_TEXT_FILES | CHANGES_NO_NUMBERS | {"backend"}
    assert tried | {*ONLY["vae"]} == {field.name for field in fields(Settings)}, "an option that a GAN may ignore"
    for name in ("table.npy", "other.npy"):
        np.save(name, FILES[name])
    base, found = ["train", "--model", "gan", "--no-pictures", "--hidden", 5, "--latent", 2, "--batch-size", 16], {}
    for i, (_, options, arguments) in enumerate(OF_A_GAN):
        file = [] if "--data" in options else ["--data", "table.npy"]
        status, _, err = minivae(*base, "--steps", 4, *file, *options, "--out", f"run{i}")
        assert status == 0, err
        sample = GAN.load(f"run{i}/model.safetensors").sample(3)
        np.testing.assert_array_equal(sample, game(**arguments), err_msg=str(options))
        assert sample.tobytes() not in found, f"{options} trained what {found[sample.tobytes()]} did"
        found[sample.tobytes()] = options


# -- fit ---------------------------------------------------------------------------------------------------

X, HELD_OUT = RNG.random((50, 7)), RNG.random((9, 7))


def by_hand(epochs=3, batch_size=16, optimizer=None, seed=0, l1=0.0, l2=0.0, binarize="none", corruption=None,
            schedule=lambda epoch: 1.0, beta_schedule=lambda epoch: 1.0, condition=None):  # fmt: skip
    """Training written out, without minivae.training.loop: the weights of VAE(7, (5,), 3) on ``X``."""
    condition = np.empty((len(X), 0)) if condition is None else condition
    vae, optimizer = VAE(7, (5,), 3, dtype="float64", condition_dim=condition.shape[1]), optimizer or Adam(1e-3)
    for epoch in range(epochs):
        for i, rows in enumerate(batches := minibatches(len(X), batch_size, seed, epoch)):
            target = {"none": X, "threshold": (X >= 0.5).astype(float), "stochastic": X}[binarize][rows]
            if binarize == "stochastic":
                u = K.uniform(seed, Stream.BINARIZE, vae.step, rows, out=np.empty(target.shape))
                target = (u < target).astype(float)
            x = target
            if corruption is not None:
                x = corruption.apply(K, target, seed, vae.step, rows, out=np.empty(target.shape))
            eps = K.standard_normal(seed, Stream.EPS, vae.step, rows, out=np.empty((len(rows), 3)))
            vae.beta = beta_schedule(epoch + i / len(batches))
            vae.forward_backward(np.hstack([x, condition[rows]]), eps, target)
            for name, weights in vae.parameters.items():
                if name.endswith(".W"):
                    vae.gradients[name] += l1 * np.sign(weights) + l2 * weights
            optimizer.step(vae, schedule(epoch))
    return vae.store.vector


SEEN_ELSEWHERE = {
    "vae",
    "x",
    "validation",
    "early_stopping",
    "callbacks",
    "progress",
    "group",
    "shards",
}  # no say in a step
OF_FIT = [
    ("epochs", {"epochs": 4}), ("batch_size", {"batch_size": 20}), ("seed", {"seed": 7}),
    ("optimizer", {"optimizer": SGD(0.01)}), ("l1", {"l1": 0.1}), ("l2", {"l2": 0.1}),
    ("binarize", {"binarize": "threshold"}), ("binarize", {"binarize": "stochastic"}),
    ("corruption", {"corruption": Masking(0.3)}), ("schedule", {"schedule": StepList([1, 2], 0.5)}),
    ("beta_schedule", {"beta_schedule": LinearBeta(2)}), ("beta_schedule", {"beta_schedule": CyclicBeta(3, 2)}),
    ("condition", {"condition": RNG.random((50, 2))}),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:the data hold grey")
def test_every_argument_of_fit_does_what_a_loop_by_hand_does_with_it():
    assert {name for name, _ in OF_FIT} | SEEN_ELSEWHERE == set(inspect.signature(fit).parameters)
    plain = by_hand()
    for _, arguments in [("nothing", {}), *OF_FIT]:
        vae = VAE(7, (5,), 3, dtype="float64", condition_dim=2 * ("condition" in arguments))
        fit(vae, X, **{"epochs": 3, "batch_size": 16, "progress": False} | arguments)
        np.testing.assert_allclose(
            vae.store.vector, by_hand(**arguments), rtol=1e-11, atol=1e-13, err_msg=str(arguments)
        )
        assert bool(arguments) != np.array_equal(vae.store.vector, plain), arguments


@pytest.mark.filterwarnings("ignore:the data hold grey")
def test_a_validation_set_and_a_callback_that_only_look_do_not_change_the_training():
    vae, seen = VAE(7, (5,), 3, dtype="float64"), []
    fit(vae, X, epochs=3, batch_size=16, validation=HELD_OUT, callbacks=[lambda *_: seen.append(1)], progress=False)
    np.testing.assert_allclose(vae.store.vector, by_hand(), rtol=1e-11, atol=1e-13)
    assert len(seen) == 3


# -- the estimator -----------------------------------------------------------------------------------------

ROWS = np.eye(6)[RNG.integers(6, size=60)]
SEED = VariationalAutoencoder._seed(3)
DEFAULTS = {"max_iter": 3, "random_state": 3}


def python_of_the_estimator(latent=2, hidden=(100,), lr=1e-3, epochs=3, scale="none", aside=0, patience=10, seed=SEED,
                            settings=(), **model):  # fmt: skip
    """The weights that ``fit`` gives where the estimator is told ``DEFAULTS`` and what the arguments say."""
    order = permutation(seed, 2**32 - 1, len(ROWS)) if aside else np.arange(len(ROWS))
    train, stop = ROWS[order[aside:]], {}
    if aside:
        stop = {"validation": ROWS[order[:aside]], "early_stopping": EarlyStopping(patience)}
    options = {"likelihood": "bernoulli", "dtype": "float64", "seed": seed, "scaling": Scaling.of(scale, train)} | model
    vae = VAE(6, hidden, latent, **options)
    arguments = {"epochs": epochs, "batch_size": 32, "optimizer": Adam(lr), "seed": seed} | dict(settings)
    history = fit(vae, train, **arguments, **stop, progress=False)
    assert patience == 10 or len(history["epoch"]) < epochs, "patience had no say"
    return vae.store.vector


STOP = {"early_stopping": True, "max_iter": 200, "learning_rate": 0.1}
STOPS = {"epochs": 200, "lr": 0.1}
GAUSSIAN = {"likelihood": "gaussian", "scale": "standard"}
OF_THE_ESTIMATOR = [
    ("latent_dim", {"latent_dim": 3}, {"latent": 3}),
    ("hidden_dims", {"hidden_dims": (5,)}, {"hidden": (5,)}),
    ("likelihood", {"likelihood": "categorical"}, {"likelihood": "categorical"}),
    ("likelihood", {"likelihood": "gaussian"}, GAUSSIAN),
    ("activation", {"activation": "tanh"}, {"activation": "tanh"}),
    ("scaling", {"likelihood": "gaussian", "scaling": "none"}, {"likelihood": "gaussian"}),
    ("beta", {"beta": 3.0}, {"beta": 3.0}),
    ("beta_warm_up", {"beta_warm_up": 2}, {"settings": {"beta_schedule": LinearBeta(2)}}),
    ("free_bits", {"free_bits": 0.3}, {"free_bits": 0.3}),
    ("objective", {"objective": "dreg", "draws": 2}, {"objective": "dreg", "draws": 2}),
    ("draws", {"draws": 2}, {"draws": 2}),
    ("max_iter", {"max_iter": 4}, {"epochs": 4}),
    ("batch_size", {"batch_size": 20}, {"settings": {"batch_size": 20}}),
    ("learning_rate", {"learning_rate": 0.02}, {"lr": 0.02}),
    ("l2", {"l2": 0.1}, {"settings": {"l2": 0.1}}),
    ("early_stopping", {"early_stopping": True}, {"aside": 6}),
    ("early_stopping", {"early_stopping": True, "likelihood": "gaussian"}, GAUSSIAN | {"aside": 6}),
    ("validation_fraction", {"early_stopping": True, "validation_fraction": 0.3}, {"aside": 18}),
    ("n_iter_no_change", STOP | {"n_iter_no_change": 2}, STOPS | {"aside": 6, "patience": 2}),
    ("backend", {"backend": "numba"}, {"backend": "numba"}),
    ("dtype", {"dtype": "float32"}, {"dtype": "float32"}),
    ("random_state", {"random_state": 4}, {"seed": VariationalAutoencoder._seed(4)}),
]  # fmt: skip
SEEN_ELSEWHERE_TOO = {"columns"}  # of frames: tests/test_table_commands.py
SEEN_BELOW = {"n_importance_samples", "verbose", "warm_start"}


def test_every_parameter_of_the_estimator_trains_as_fit_does_with_its_argument():
    assert {
        name for name, *_ in OF_THE_ESTIMATOR
    } | SEEN_BELOW | SEEN_ELSEWHERE_TOO == VariationalAutoencoder().get_params().keys()
    found = {}
    for name, given, arguments in [("nothing", {}, {}), *OF_THE_ESTIMATOR]:
        if name == "backend" and states()["numba"] != "available":
            continue
        weights = VariationalAutoencoder(**DEFAULTS | given).fit(ROWS).model_.store.vector
        np.testing.assert_array_equal(weights, python_of_the_estimator(**arguments), err_msg=str(given))
        assert weights.tobytes() not in found, f"{given} trained what {found[weights.tobytes()]} did"
        found[weights.tobytes()] = given


def test_the_parameters_that_train_nothing_are_obeyed_too(capsys):
    from minivae.evaluation import log_likelihood

    estimator = VariationalAutoencoder(**DEFAULTS, n_importance_samples=7).fit(ROWS)
    few = estimator.score_samples(ROWS)
    assert few[0] == log_likelihood(estimator.model_, ROWS[:1], 7, estimator.model_.seed).log_px[0]
    assert few[0] != estimator.set_params(n_importance_samples=8).score_samples(ROWS)[0]
    assert capsys.readouterr().err == ""
    estimator.set_params(verbose=True, warm_start=True).fit(ROWS)
    assert "epoch" in capsys.readouterr().err
    np.testing.assert_array_equal(estimator.model_.store.vector, python_of_the_estimator(epochs=6))
