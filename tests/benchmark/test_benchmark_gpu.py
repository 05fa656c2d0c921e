"""``minivae bench`` where a GPU takes part, by the stand-in for CuPy and by processes that are not there."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from cuda_on_host import device, fixture
from test_benchmark import SMALL, fake, spoiled

import minivae.backend
from minivae.backend import from_module
from minivae.benchmark import chart, contenders, gpu, suite
from minivae.benchmark.calls import CALLS
from minivae.benchmark.problem import Problem
from minivae.benchmark.report import report
from minivae.benchmark.verify import ODD, verify
from minivae.kernels import reference

cupy_on_host, fake = fixture.cupy_on_host, fake

# ---------------------------------------------------------------------------------------------------------
# TF32


def ten_bits(array):
    """As TF32 has its factors: 10 bits behind the leading one; float64 stays."""
    if array.dtype != np.float32:
        return array
    return ((array.view(np.uint32) + np.uint32(1 << 12)) & np.uint32(0xFFFFE000)).view(np.float32)


def coarse_forward(x, W, b, activation="identity", *, out=None):
    return reference.linear_forward(ten_bits(x), ten_bits(W), b, activation, out=out)


def coarse_backward(da, x, W, **options):
    return reference.linear_backward(ten_bits(da), ten_bits(x), ten_bits(W), **options)


def backend(graph, **functions):
    products = {"linear_forward": coarse_forward, "linear_backward": coarse_backward}
    return from_module(SimpleNamespace(graph=graph, **{**products, **functions}), "cupy")


def test_products_on_a_gpu_may_be_coarse_where_tf32_was_asked_for(monkeypatch):
    on_gpu, on_cpu = backend(object()), backend(None)
    assert verify(on_gpu, ODD).startswith("linear_forward")
    monkeypatch.setenv("MINIVAE_TF32", "1")
    assert verify(on_gpu, ODD) is None
    assert verify(on_cpu, ODD).startswith("linear_forward")


@pytest.mark.parametrize(("function", "factor"), [("linear_forward", 1.01), ("activation_backward", 1.001)])
def test_a_wrong_kernel_is_still_caught_with_tf32(function, factor, monkeypatch):
    monkeypatch.setenv("MINIVAE_TF32", "1")

    def enlarge(result, _):
        result *= np.float32(factor) if result.dtype == np.float32 else 1

    mismatch = verify(backend(object(), **{function: spoiled(function, enlarge)}), ODD)
    assert mismatch.startswith(function)
    assert "float32" in mismatch


# ---------------------------------------------------------------------------------------------------------
# Ours, on the stand-in


@pytest.mark.slow
def test_steps_and_epochs_are_those_of_fit_from_one_graph(cupy_on_host, monkeypatch):
    def launched(graph, stream=None):
        graphs.append(graph)
        launch(graph, stream)

    graphs, launch, load = [], device.Graph.launch, minivae.backend._load
    monkeypatch.setattr(device.Graph, "launch", launched)
    monkeypatch.setattr(minivae.backend, "_load", lambda name: cupy_on_host if name == "cupy" else load(name))
    problem = replace(SMALL, examples=512)
    contender = contenders.make("cupy", problem)
    first, last = contender.run(4 * contender.at_once)
    terms = contender.epoch()  # what fit shows of an epoch
    assert terms["loss"] < last < first == pytest.approx(100 * np.log(2), abs=2)
    assert len(set(map(id, graphs))) == 1
    assert len(graphs) == 5 * problem.batches - 1  # the first goes kernel by kernel


# ---------------------------------------------------------------------------------------------------------
# The whole benchmark, with processes that are not there

WORK = {"bytes": 4000, "flops": 1000, "in_step": True, "seconds": 1e-5}
ROOFS = {place: {"array_bytes": 2**20, "copy": 1e9, "add": 2e9} for place in ("memory", "cache")}
ROOFS |= {"cache_bytes": 2**25, "memory_bandwidth": 1e9, "cache_bandwidth": 2e9, "peak": 1e11}
FACTS = {"processor": "one", "cores": 2, "vector width": "wide", "python": "3", "versions": {}, "threads": []}
ANSWERS = {
    "verify": None,
    "load": None,
    "ready": lambda p: {"first_loss": 540.0, "loss": 200.0, "steps": p.batches, "first_step_seconds": 0.1},
    "facts": FACTS | {"settings": {}},
    "memory": 100.0,
    "run": 0.5,
    "epoch": 0.25,
    "passes": {"encode": 0.5, "decode": 0.25},
    "peak": 5e13,
    "device_facts": {"device": "a GPU", "driver": 13000, "cuda": 13000, "tf32": False},
    "roofs": {"roofs": ROOFS, "rows": [{"kernel": "a product", **WORK}]},
    "kernels": [{"kernel": call.label, **WORK} for call in CALLS],
}


@pytest.fixture
def asked(fake):
    """What the processes of a benchmark are asked: (name, problem, command)."""
    return fake(**ANSWERS)


@pytest.mark.parametrize("backends", [pytest.param(("numpy", "cupy"), marks=pytest.mark.slow), ("cupy",)])
def test_the_kernels_of_a_gpu_are_not_compared_with_the_processor(backends, asked, tmp_path):
    from minivae.plotting import save

    result = suite.Suite(backends, rounds=1, full=True).run()
    assert [*result["kernels"]] == [name for name in backends if name == "numpy"]
    lines = report(result)
    assert "(cupy is left out: the roofs are those of the processor)" in lines
    assert not any("cupy us" in line for line in lines)
    save(chart.picture(result), tmp_path / "all.png")


@pytest.mark.parametrize("tf32", [True, False])
def test_every_report_and_figure_says_whether_tf32_was_on(tf32, fake, monkeypatch):
    monkeypatch.setenv("MINIVAE_TF32", str(int(tf32)))
    fake(**ANSWERS | {"device_facts": ANSWERS["device_facts"] | {"tf32": tf32}})
    result = suite.Suite(("numpy", "cupy"), ("torch",), rounds=1).run()
    assert ("TF32" in result["protocol"]) == tf32
    assert ("no TF32, neither ours nor PyTorch's" in "\n".join(report(result))) != tf32
    assert ("TF32" in chart.picture(result).axes[0].get_xlabel()) == tf32


def test_the_plain_command_has_all_that_the_goals_on_a_gpu_are_about(asked):
    result = suite.Suite(("numpy", "numba", "cupy"), ("torch",), rounds=3).run()
    built = {name: problem.batches for name, problem, command in reversed(asked) if command == "ready"}
    on_cpu, on_gpu = ("numpy", "numba", *contenders.PEERS["torch"]), ("cupy", *gpu.TORCH)
    games = ("gan numpy", "gan numba", "gan torch eager")  # no GAN has run on a GPU
    assert [*result["gan_step_ms"]] == [name.removeprefix("gan ") for name in games]
    assert built == dict.fromkeys((*on_cpu, *games), 64) | dict.fromkeys(on_gpu, 469)  # an epoch of MNIST
    assert "an epoch of 469 steps" in result["protocol"]
    assert result["training_step_ms"]["cupy"] == 0.5
    assert {f"{name} / cupy" for name in gpu.TORCH} < {*result["ratios"]}
    assert result["overhead_us"] == dict.fromkeys(("numpy", "numba", "cupy", *gpu.TORCH), 500.0)
    assert (result["gpu"]["epoch"]["steps"], result["gpu"]["epoch"]["median"]) == (469, 0.25)
    assert result["gpu"]["fraction_of_peak"] == pytest.approx(gpu.step_flops(Problem(4096)) / 0.5e-3 / 5e13)
    lines = report(result)
    assert [line.endswith("540.0 -> 200.0 after 469") for line in lines if line.startswith("cupy ")] == [
        *(False, True, False, False)  # its threads, the step, and the rows "overhead" and "table"
    ]
    text = "\n".join(lines)
    assert "epoch           250.00 ms (250.00 to 250.00) for 469 steps of 128 by cupy" in text
    assert "torch compile cuda threads of its own" in text
    assert max(map(len, lines)) <= 112


def test_beside_a_gpu_the_peers_on_the_processor_are_compiled_once(asked):
    result = suite.Suite(("numpy", "cupy"), ("torch", "jax"), rounds=1, full=True).run()
    ready = [name for name, _, command in asked if command == "ready"]
    assert {name: ready.count(name) for name in contenders.PEER_NAMES} == dict.fromkeys(contenders.PEER_NAMES, 1)
    assert [*result["epoch_seconds"]] == [*result["batches"]["20"]["timings"]] == ["numpy", "cupy", *gpu.TORCH]
    assert "Peers that are not on the GPU take part at this batch only." in result["protocol"]


def test_without_a_gpu_every_peer_takes_part_in_everything(asked):
    result = suite.Suite(("numpy",), ("torch",), rounds=1, full=True).run()
    assert [*result["epoch_seconds"]] == [*result["batches"]["20"]["timings"]] == ["numpy", *contenders.PEERS["torch"]]
