"""The switch: loading by name, errors that say what to install, and one table of functions."""

import inspect

import numpy as np
import pytest

from minivae import VAE, backend
from minivae.backend import available, from_module, load, states
from minivae.errors import BackendError
from minivae.kernels import reference


@pytest.fixture(autouse=True)
def nothing_loaded_before():
    backend._load.cache_clear()


def test_the_numpy_backend_is_the_reference():
    assert load("numpy").gaussian_kl_forward is reference.gaussian_kl_forward
    assert load("numpy").name == "numpy"


@pytest.mark.parametrize("name", available())
def test_a_backend_has_the_functions_of_the_reference_with_their_signatures(name):
    for function in reference.__all__:
        theirs = inspect.signature(getattr(reference, function)).parameters.values()
        ours = inspect.signature(getattr(load(name), function)).parameters.values()
        assert [(p.name, p.kind) for p in ours] == [(p.name, p.kind) for p in theirs], function


def test_an_unknown_backend_lists_the_known_ones():
    with pytest.raises(BackendError, match="unknown backend 'tpu': expected one of numpy, numba, cupy"):
        load("tpu")


def test_a_missing_package_names_what_to_install(monkeypatch):
    monkeypatch.setitem(backend.SOURCES, "numba", backend.Source("reference", "no_such_package", "pip install numba"))
    with pytest.raises(BackendError, match="needs the package no_such_package; install it with: pip install numba"):
        load("numba")
    assert "pip install numba" in states()["numba"]
    assert states()["numpy"] == "available"
    assert "numba" not in available()
    assert [load(name).name for name in available()] == available()


def test_a_package_that_is_broken_is_an_error_in_one_sentence(monkeypatch):
    monkeypatch.setitem(backend.SOURCES, "numba", backend.Source("reference", "numpy", "pip install numba"))

    def broken(name):
        raise ImportError("Numba needs NumPy 2.9 or less. Got NumPy 3.0.")

    monkeypatch.setattr(backend.importlib, "import_module", broken)
    with pytest.raises(
        BackendError, match=r"numba backend is installed but does not work here: Numba needs NumPy 2\.9"
    ):
        load("numba")
    assert "does not work here" in backend.threads()["numba"]


def test_a_backend_without_kernels_is_an_error_and_not_a_fallback(monkeypatch):
    monkeypatch.setitem(backend.SOURCES, "numba", backend.Source("no_such_kernels", "numpy", "pip install numba"))
    with pytest.raises(BackendError, match=r"no numba kernels yet \(they will need: pip install numba\)"):
        VAE(4, (3,), 2, backend="numba")


def test_the_environment_chooses_the_default_and_an_argument_wins(monkeypatch):
    monkeypatch.setenv("MINIVAE_BACKEND", "tpu")
    with pytest.raises(BackendError, match="tpu"):
        VAE(4, (3,), 2)
    assert VAE(4, (3,), 2, backend="numpy").backend == "numpy"
    monkeypatch.setenv("MINIVAE_BACKEND", "")
    assert VAE(4, (3,), 2).backend == "numpy"


def test_functions_that_a_backend_does_not_define_are_the_references():
    module = type(reference)("half_a_backend")
    module.gaussian_kl_forward = lambda mu, logvar, *, out=None: np.zeros(len(mu))
    half = from_module(module, "half")
    assert half.gaussian_kl_forward is module.gaussian_kl_forward
    assert half.linear_forward is reference.linear_forward
