"""``minivae bench``: wrong kernels are caught, peers train the same model, processes fail in one sentence."""

import json
import os
import signal
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from minivae import log_likelihood
from minivae.backend import from_module, load
from minivae.benchmark import chart, game, roofs, suite, turns
from minivae.benchmark.arguments import Arguments, Sizes
from minivae.benchmark.calls import CALLS
from minivae.benchmark.contenders import PEERS, make
from minivae.benchmark.plain import PLAIN
from minivae.benchmark.problem import Problem
from minivae.benchmark.processes import BenchmarkError, Child, Failed, Skipped
from minivae.benchmark.report import report
from minivae.benchmark.verify import ODD, outcome, verify
from minivae.kernels import reference
from minivae.training.optimizers import Adam

NO_KERNELS = {"asarray", "session", "to_numpy", "zeros"}
TINY = Problem(batch_size=8, examples=512, input_dim=23, hidden_dim=11, latent_dim=3)
SMALL = Problem(batch_size=32, examples=2048, input_dim=100, hidden_dim=50, latent_dim=5)  # large enough to learn


# ---------------------------------------------------------------------------------------------------------
# The table of calls


def test_every_kernel_has_a_call():
    assert {call.function for call in CALLS} == {*reference.__all__} - NO_KERNELS
    assert len({call.label for call in CALLS}) == len(CALLS)


def test_the_sizes_are_those_of_the_model():
    problem = Problem()
    vae = problem.model("numpy")
    assert problem.sizes.P == len(vae.store.vector) == 652_824
    assert sum(W.size + b.size for W, b in problem.layers().values()) == 652_824


def test_bytes_and_flops_are_those_counted_by_hand():
    calls = {call.label: call for call in CALLS}
    sizes = Sizes(B=2, D=3, H=5, K=1)
    affine = calls["linear_forward[encoder identity]"]
    assert affine.bytes_moved(sizes) == 4 * (2 * 3 + 3 * 5 + 5 + 2 * 5)
    assert affine.bytes_moved(sizes, "float64") == 2 * affine.bytes_moved(sizes)
    assert affine.flops(sizes) == 2 * (2 * 3 * 5) + 2 * 5
    assert calls["linear_forward[encoder relu]"].flops(sizes) == 2 * (2 * 3 * 5) + 2 * 5 + 2 * 5
    assert calls["linear_backward[encoder]"].bytes_moved(sizes) == 4 * (2 * 5 + 2 * 3 + 3 * 5 + 3 * 5 + 5)
    assert calls["adam_update"].bytes_moved(sizes) == 4 * 7 * sizes.P  # reads w, g, m, v; writes w, m, v
    assert calls["take_rows"].bytes_moved(sizes) == 4 * (2 * 3 + 2 * 3) + 8 * 2  # and two row numbers


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.label)
def test_the_bytes_are_those_of_the_arrays(call):
    given = Arguments(load("numpy"), ODD, "float32")
    arrays = [value for value in call.arguments(given) if isinstance(value, np.ndarray)]
    new = outcome(load("numpy"), call, ODD, "float32")[: -len(arrays) - len(call.out)]
    new = [array for array in new if array.shape]  # add_penalty returns a number
    changed = [call.arguments(given)[i] for i in call.changes]
    assert call.bytes_moved(ODD) == sum(array.nbytes for array in [*arrays, *changed, *new])


# ---------------------------------------------------------------------------------------------------------
# Verification


def double(array):
    array *= 2


def spoiled(function, spoil):
    """The reference's kernel, but ``spoil(result, arguments)`` changes something in place before it returns."""

    def wrong(*arguments, **options):
        result = getattr(reference, function)(*arguments, **options)
        spoil(result, arguments)
        return result

    return wrong


PLANTED = [
    ("gaussian_kl_backward", spoiled("gaussian_kl_backward", lambda pair, _: double(pair[1])), "float64"),
    ("adam_update", lambda w, dw, m, v, t, **kw: reference.adam_update(w, dw, m, v.copy(), t, **kw), "float64"),
    ("sgd_update", spoiled("sgd_update", lambda _, arguments: double(arguments[1])), "float64"),
    ("bias_gradient", lambda da, out=None: reference.bias_gradient(da), "float64"),  # leaves its buffer empty
    ("gaussian_kl_forward", spoiled("gaussian_kl_forward", lambda kl, _: kl.__setitem__(-1, np.nan)), "error inf"),
    ("binarize", spoiled("binarize", lambda x, _: x.__setitem__((0, 0), 1 - x[0, 0])), "tolerance 0"),
    ("bernoulli_mean", lambda a: reference.bernoulli_mean(a.astype("float32")).astype(a.dtype), "float64"),
]


@pytest.mark.parametrize(("function", "wrong", "said"), PLANTED, ids=[function for function, *_ in PLANTED])
def test_a_wrong_kernel_is_caught_and_named(function, wrong, said):
    mismatch = verify(from_module(SimpleNamespace(**{function: wrong}), "broken"), ODD)
    assert mismatch.startswith(function)
    assert "of the broken backend differs from the reference in float" in mismatch
    assert said in mismatch


# ---------------------------------------------------------------------------------------------------------
# Turns and ratios


def test_contenders_take_turns():
    order = []
    measures = {name: lambda name=name: order.append(name) or len(order) for name in "ab"}
    assert turns.take_turns(measures, range(3)) == {"a": [1, 3, 5], "b": [2, 4, 6]}
    assert order == [*"ababab"]


def test_ratios_are_taken_pair_by_pair_in_each_round():
    # The machine is twice as slow in the second round, and one peer wins one round each.
    timings = {"numpy": [2.0, 4.0], "numba": [1.0, 2.0], "torch eager": [3.0, 6.0], "jax jit": [2.0, 5.0]}
    timings["jax scan"] = [4.0, 3.0]
    groups = {"torch": PEERS["torch"], "jax": PEERS["jax"]}
    ratios = turns.ratios(timings, ["numpy", "numba", "cupy"], groups)
    assert ratios["numpy / numba"] == [2, 2]
    assert ratios["torch eager / numba"] == [3, 3]
    assert ratios["best jax / numba"] == [2, 1.5]
    assert ratios["best peer / numpy"] == [1, 0.75]
    assert "best torch / numba" not in ratios  # only one of the two took part
    assert not any(name.startswith("numba /") or "cupy" in name for name in ratios)
    assert turns.spread([3.0, 1.0, 2.0]) == {"median": 2, "min": 1, "max": 3}


@pytest.mark.parametrize(
    ("moved", "flops", "seconds", "expected"),
    [(80, 40, 16.0, ("cache", 0.5)), (200, 40, 40.0, ("memory", 1)), (50, 1000, 20.0, ("compute", 1))],
)
def test_the_fraction_of_the_roof_is_that_computed_by_hand(moved, flops, seconds, expected):
    measured = {"cache_bytes": 100, "cache_bandwidth": 10.0, "memory_bandwidth": 5.0, "peak": 50.0}
    row = roofs.under_the_roof({"bytes": moved, "flops": flops, "seconds": seconds}, measured)
    assert (row["bound"], row["fraction_of_roof"]) == expected


# ---------------------------------------------------------------------------------------------------------
# Peers are the same problem


@pytest.fixture
def ours():
    """Our model, a batch, and noise."""
    eps = np.random.default_rng(1).standard_normal((TINY.batch_size, TINY.latent_dim)).astype(np.float32)
    return TINY.model("numpy"), TINY.data()[: TINY.batch_size], eps


@pytest.mark.peers
def test_the_loss_of_torch_is_ours(ours):
    torch = pytest.importorskip("torch")
    from minivae.benchmark.peers import torch_model

    vae, x, eps = ours
    loss = torch_model(TINY.layers())(torch.from_numpy(x), torch.from_numpy(eps))
    assert float(loss.detach()) == pytest.approx(vae.loss(x, eps).loss, rel=1e-6)


@pytest.mark.peers
def test_the_bound_of_torch_and_its_gradient_are_ours():
    torch = pytest.importorskip("torch")
    from minivae.benchmark.peers import torch_model
    from minivae.benchmark.problem import layers_of

    problem = replace(TINY, draws=5)
    vae, x = problem.model("numpy"), problem.data()[: problem.batch_size]
    eps = np.random.default_rng(1).standard_normal((problem.batch_size, 5, problem.latent_dim)).astype(np.float32)
    model = torch_model(problem.layers(), 5)
    loss = model(torch.from_numpy(x), torch.from_numpy(eps))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(vae.loss_and_gradients(x, eps).loss, rel=1e-6)
    for name, (dW, db) in layers_of(vae.gradients).items():
        layer = getattr(model, name)
        np.testing.assert_allclose(layer.weight.grad.T, dW, rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(layer.bias.grad, db, rtol=1e-3, atol=1e-6)


@pytest.mark.peers
def test_the_log_px_of_torch_is_ours_but_for_its_noise():
    pytest.importorskip("torch")
    from minivae.benchmark.peers import SAMPLES, torch_importance

    ours = log_likelihood(TINY.model("numpy"), TINY.data()[:20], SAMPLES)
    theirs = torch_importance(TINY, 20)().numpy()
    assert (np.abs(theirs - ours.log_px) < 5 * np.sqrt(2) * ours.standard_error).all()
    assert np.std(ours.log_px) > 0.1  # one row is not another


@pytest.mark.peers
def test_the_bound_of_jax_is_ours(ours):
    jax = pytest.importorskip("jax")
    from minivae.benchmark.peers import jax_loss, jax_run

    problem = replace(TINY, draws=5)
    eps, x = jax.random.normal(jax.random.key(1), (TINY.batch_size, 5, TINY.latent_dim)), ours[1]
    expected = problem.model("numpy").loss(x, np.asarray(eps)).loss
    assert float(jax_loss(problem.layers(), x, eps)) == pytest.approx(expected, rel=1e-6)
    for scan in (False, True):
        first, last = jax_run(problem, scan)(20 * problem.batches)
        assert last < first


@pytest.mark.peers
def test_the_series_of_steps_that_torch_takes_on_a_gpu_learns_here_too():
    torch = pytest.importorskip("torch")
    from minivae.benchmark.gpu import in_series
    from minivae.benchmark.peers import torch_model, torch_step

    model = torch_model(SMALL.layers())
    data = torch.from_numpy(SMALL.data()).split(32)
    run = in_series(torch_step(model, torch.optim.Adam(model.parameters(), fused=True)), data)
    first, last = run(50)
    assert first == pytest.approx(100 * np.log(2), abs=2)
    again, last = run(100)  # goes on where it was
    assert last < again < first - 2


def test_the_flops_of_a_step_are_those_of_its_eleven_products():
    from minivae.benchmark.gpu import step_flops

    assert step_flops(Problem()) == 2 * 128 * (2 * 784 * 400 + 3 * (400 * 40 + 20 * 400 + 400 * 784))


@pytest.mark.peers
def test_the_loss_of_jax_and_its_adam_are_ours(ours):
    jax = pytest.importorskip("jax")
    from minivae.benchmark.peers import jax_loss, jax_start, jax_step

    vae, x, eps = ours
    assert float(jax_loss(TINY.layers(), x, eps)) == pytest.approx(vae.loss(x, eps).loss, rel=1e-6)
    state, data = jax_start(TINY)
    step, adam = jax.jit(jax_step), Adam(1e-3)
    for i in range(3):
        eps = jax.random.normal(jax.random.split(state[-1])[1], eps.shape)
        state, loss = step(state, data[i])
        assert float(loss) == pytest.approx(vae.forward_backward(np.asarray(data[i]), np.asarray(eps)).loss, rel=1e-5)
        adam.step(vae)
    np.testing.assert_allclose(state[0]["output"][0], vae.parameters["decoder.output.W"], atol=1e-5)


@pytest.mark.parametrize("name", ["numpy", pytest.param("torch eager", marks=pytest.mark.peers)])
def test_a_contender_plays(name):
    pytest.importorskip(name.split()[0])
    first, last = game.make(name)(60)
    assert 0.3 < last < first == pytest.approx(np.log(2), abs=0.05)  # the discriminator is the first to learn


@pytest.mark.peers
def test_autograd_finds_the_gradients_of_our_gan_and_wrong_ones_are_named(monkeypatch):
    pytest.importorskip("torch")
    assert game.mismatch() is None
    torch_game = game.torch_game

    def spoiled(gan):
        gan.generator.layers[0].db[0] += 1e-6
        return torch_game(gan)

    monkeypatch.setattr(game, "torch_game", spoiled)
    assert "autograd finds another gradient of a GAN's generator: relative error" in game.mismatch()


@pytest.mark.parametrize(
    "name",
    [
        *PLAIN,
        "numpy",
        *(pytest.param(name, marks=pytest.mark.peers) for name in ("torch eager", "jax jit", "jax scan")),
    ],
)
def test_a_contender_learns(name):
    if (framework := name.split()[0]) in PEERS:
        pytest.importorskip(framework)
    contender = make(name, SMALL)
    first, last = contender.run(2 * SMALL.batches)
    assert first == pytest.approx(100 * np.log(2), abs=2)
    assert last < first - 5
    contender.run(contender.at_once)
    contender.epoch()


# ---------------------------------------------------------------------------------------------------------
# Processes


@pytest.fixture
def stub(tmp_path, monkeypatch):
    """A function that puts a package torch of a given code before the real one, for processes to come."""

    def write(code):
        (tmp_path / "torch.py").write_text(code, encoding="utf-8")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return write


def test_a_process_starts_without_the_pins_with_the_rest_and_with_its_settings(monkeypatch):
    for name, value in {"OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_L2_SIZE": "512", "OPENBLAS_NUM_THREADS": "1"}.items():
        monkeypatch.setenv(name, value)
    with Child("numpy", TINY, settings={"NUMBA_NUM_THREADS": "1"}) as child:
        settings = child.ask("facts")["settings"]
    assert {name for name in settings if name.startswith("OPENBLAS")} == {"OPENBLAS_NUM_THREADS"}
    assert settings["NUMBA_NUM_THREADS"] == "1"


def test_a_process_trains_and_reports_its_facts():
    with Child("numpy", TINY) as child:
        child.ask("load")
        start = child.ask("ready")
        assert child.ask("run", steps=7) > 0
        if os.name != "nt":
            child.process.send_signal(signal.SIGINT)  # which is for its parent
        facts, memory = child.ask("facts"), child.ask("memory")
    assert start["loss"] < start["first_loss"]
    assert start["steps"] == 64
    assert facts["cores"] >= 1
    assert any("threads" in line for line in facts["threads"])
    assert memory is None or 10 < memory < 2000
    assert child.process.returncode == 0


NOISE = "import os; print('noise'); os.system('echo more noise'); raise ImportError('no torch today')"
DEATH = "import os, sys; print('cannot\\nbear it', file=sys.stderr, flush=True); os._exit(3)"
ENDINGS = {
    NOISE: (Skipped, r"^no torch today$"),  # what a framework prints does not get among the answers
    DEATH: (BenchmarkError, r"^the process of torch eager died \(exit status 3\): bear it$"),
    "import time; time.sleep(60)": (BenchmarkError, r"torch eager gave no answer in 2 s and was ended \(exit status "),
    "raise RuntimeError('one line\\nanother')": (Failed, r"^torch eager fails: RuntimeError: one line$"),
}


@pytest.mark.parametrize("code", ENDINGS)
def test_a_process_that_cannot_go_on_is_one_sentence(code, stub):
    stub(code)
    error, said = ENDINGS[code]
    with Child("torch eager", TINY, patience=2 if "sleep" in code else 60) as child, pytest.raises(error, match=said):
        child.ask("load")


def test_an_interrupt_ends_the_process():
    child = Child("numpy", TINY)
    with pytest.raises(KeyboardInterrupt), child:
        raise KeyboardInterrupt
    assert child.process.returncode != 0


# ---------------------------------------------------------------------------------------------------------
# The command


@pytest.mark.slow
def test_json_has_the_contracted_keys_and_nothing_else_is_printed(minivae, stub):
    stub("raise ImportError('no torch today')")
    options = ("--backends", "numpy", "--peers", "torch", "--batch-size", 16, "--rounds", 2)
    status, out, err = minivae("bench", *options, "--json", "--plot", "bars.png")
    assert status == 0
    result = json.loads(out)
    assert [*result["training_step_ms"]] == ["numpy"]
    assert result["training_step_ms"]["numpy"] == result["timings"]["numpy"]["median"] > 0
    for key, row in {"overhead_us": "overhead", "table_step_us": "table"}.items():
        assert [*result[key]] == ["numpy"]
        assert result[key]["numpy"] == 1e3 * result["small"][row]["timings"]["numpy"]["median"] > 0
    assert result["gan_step_ms"]["numpy"] == result["gan"]["timings"]["numpy"]["median"] > 0
    assert result["iwae_step_ms"]["numpy"] == result["iwae"]["timings"]["numpy"]["median"] > 0
    assert result["ratios"] == {}
    assert result["skipped"] == {"torch eager": "no torch today", "torch compile": "no torch today"}
    assert result["verified"] == {"numpy": len(CALLS)}
    assert len(result["timings"]["numpy"]["rounds"]) == 2
    assert result["machine"]["numpy"]["versions"]["numpy"] == np.__version__
    assert "verify numpy ..." in err
    assert "round 2 of 2" in err
    with open("bars.png", "rb") as file:
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"
    text = "\n".join(report(result))
    assert text.isascii()
    assert "skipped torch eager: no torch today" in text
    assert "overhead           median us" in text
    assert "table              median us" in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--backends", "nump"], "takes some of numpy, numba, cupy, mine, with commas between them, got 'nump'"),
        (["--backends", ","], "names none"),
        (["--peers", "tensorflow"], "takes some of torch, jax"),
        (["--rounds", "0"], "--rounds must be"),
        (["--batch-size", "0"], "--batch-size must be"),
        (["--plot", "bars.txt"], "--plot draws .png, .svg, .pdf files"),
        (["--plot", "nowhere/bars.png"], "there is no folder nowhere"),
        (["--plot", "folder.png"], "it is a folder"),
        (["--batch-size", "1000000000"], "--batch-size must be"),
    ],
)
def test_bad_input_is_one_sentence(minivae, options, said):
    os.makedirs("folder.png", exist_ok=True)
    status, out, err = minivae("bench", *options)
    assert (status, out) == (2, "")
    assert err.startswith("minivae bench: error: ")
    assert said in err
    assert err.count("\n") == 1


class Fake:
    """A process that answers what a test wants, and notes what it is asked."""

    start_time = 0.0

    def __init__(self, name, problem, patience, *, answers, asked):
        self.name, self.problem, self.answers, self.asked = name, problem, answers, asked

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def ask(self, command, **arguments):
        self.asked.append((self.name, self.problem, command))
        answer = self.answers[command]
        if isinstance(answer, Exception):
            raise answer
        return answer(self.problem) if callable(answer) else answer


@pytest.fixture
def fake(monkeypatch):
    """A function that replaces all processes by answers; what they are asked: a list of (name, problem, command)."""

    def install(**answers):
        asked = []
        monkeypatch.setattr(suite, "Child", partial(Fake, answers=answers, asked=asked))
        return asked

    return install


def test_a_wrong_kernel_ends_the_command_before_anything_is_timed(minivae, fake):
    fake(verify="adam_update of the numpy backend differs")
    status, out, err = minivae("bench", "--backends", "numpy", "--json")
    assert (status, out) == (1, "")
    assert err == "minivae bench: error: adam_update of the numpy backend differs\n"


def test_no_backend_left_is_bad_input(minivae, fake):
    fake(verify=Skipped("it needs a GPU"))
    status, _, err = minivae("bench", "--backends", "cupy")
    assert status == 2
    assert "there is no backend left to time (cupy: it needs a GPU)" in err


def test_a_contender_that_does_not_train_is_found_out(minivae, fake):
    ready = {"first_loss": 540.0, "loss": 541.0, "steps": 64, "first_step_seconds": 0.1}
    fake(verify=None, load=None, ready=ready)
    status, _, err = minivae("bench", "--backends", "numpy")
    assert status == 1
    assert "numpy does not train: its loss was 540, and 541 after 64 steps" in err


def test_help_does_not_import_the_benchmark():
    from test_package import python

    code = "import sys; from minivae.cli import make_parser; make_parser().format_help(); print([*sys.modules])"
    assert "minivae.benchmark" not in python(code)


# ---------------------------------------------------------------------------------------------------------
# Pictures, and everything at once


def test_labels_of_crowded_points_do_not_overlap(tmp_path):
    from minivae.plotting import new_figure

    figure = new_figure(10, 6)
    axes = figure.subplots()
    x = np.geomspace(1, 1.5, 25)
    y = np.stack([x, 2 * x], axis=1)
    axes.loglog(x, y, "o", label="a point")
    axes.set_xlim(0.1, 10)
    axes.set_ylim(0.1, 30)
    axes.legend()
    boxes = chart.label_points(axes, x, y, [f"a_kernel[variant {i}]" for i in range(25)])
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(axes.get_window_extent().contains(*corner) for box in boxes for corner in box.get_points())


@pytest.mark.slow
def test_the_full_benchmark_of_a_small_model(tmp_path):
    from minivae.plotting import save

    result = suite.Suite(["numpy"], problem=TINY, rounds=1, full=True).run()
    json.dumps(result)
    assert {*result["batches"]} == {"20", "512"}
    assert [row["kernel"] for row in result["kernels"]["numpy"]] == [call.label for call in CALLS]
    assert all(row["fraction_of_roof"] > 0 for row in result["products"])
    assert result["epoch_seconds"]["numpy"]["median"] > 0
    assert {*result["examples_per_second"]["numpy"]} == {"encode", "decode", "importance"}
    lines = report(result)
    assert max(map(len, lines)) <= 112
    for ending in ("png", "svg"):
        save(chart.picture(result), tmp_path / f"all.{ending}")
        assert os.path.getsize(tmp_path / f"all.{ending}") > 10_000
