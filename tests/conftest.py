"""What all tests share: one run for each backend, and the reason where a backend cannot be used here."""

import os
from importlib.util import find_spec

if "PYTEST_XDIST_WORKER" in os.environ:  # processes that share the cores: two pools of BLAS would wait for each other
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest

from minivae import cli
from minivae.backend import load, states

STATE = {name: state for name, state in states().items() if name != "mine"}  # tests judge no learner's code
NEEDS = {
    "datasets/test_datasets.py": "pooch",
    "lessons/test_lesson_tools.py": "nbformat",
    "lessons/test_lessons.py": "nbformat",
}

# A machine with a GPU may have no more than the backends need: see kernels/README.md.
collect_ignore = [name for name, package in NEEDS.items() if find_spec(package) is None]

if os.environ.get("MINIVAE_NO_POOL") == "1" and STATE["cupy"] == "available":
    import cupy

    cupy.cuda.set_allocator(None)  # each array by itself: in a pool, memcheck takes a write beside it for one into it


def pytest_report_header():
    backends = [f"backend {name}: {state}" for name, state in STATE.items()]
    return [*backends, *(f"left out: {name}, which needs the package {NEEDS[name]}" for name in collect_ignore)]


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.gpu] if name == "cupy" else []) for name in STATE])
def backend(request):
    """The name of a backend; a test that asks for it runs once for each, or is skipped with the reason.

    Those on a GPU run with ``pytest -m gpu`` alone.
    """
    if STATE[request.param] != "available":
        pytest.skip(STATE[request.param])
    return request.param


@pytest.fixture
def kernels(backend):
    """The functions of that backend."""
    return load(backend)


@pytest.fixture
def minivae(tmp_path, monkeypatch, capsys):
    """Run a command in an empty folder: (status, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        try:
            status = cli.main([str(argument) for argument in arguments])
        except SystemExit as exit:
            status = exit.code
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def saved(tmp_path):
    """A function that saves an array and returns the path."""

    def save(array, name="mine.npy"):
        np.save(tmp_path / name, array)
        return tmp_path / name

    return save
