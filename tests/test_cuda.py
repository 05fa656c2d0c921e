"""Asking the driver whether there is a GPU: the driver here is a small library with its two functions."""

import shutil
import subprocess
import sys

import pytest

from minivae import backend
from minivae.errors import BackendError

COMPILER = shutil.which("cc") or shutil.which("g++")
GPU, FOUND = "the cupy backend needs an NVIDIA GPU, but ", None


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """A function that installs a driver: cuInit's status, and the number of devices; None for no driver at all."""
    if COMPILER is None or sys.platform == "win32":
        pytest.skip("there is no C compiler to build a driver with")

    def install(status, count=0):
        library = tmp_path / "libcuda.so.1"
        if status is not None:
            init = f"int cuInit(unsigned flags) {{ return {status}; }}"
            get_count = f"int cuDeviceGetCount(int *count) {{ *count = {count}; return 0; }}"
            (tmp_path / "driver.c").write_text(f"{init}\n{get_count}\n")
            command = [COMPILER, "-shared", "-fPIC", "-o", str(library), str(tmp_path / "driver.c")]
            subprocess.run(command, check=True, timeout=60)
        monkeypatch.setattr(backend, "DRIVER", str(library))
        backend.why_no_gpu.cache_clear()
        backend._load.cache_clear()

    yield install
    backend.why_no_gpu.cache_clear()
    backend._load.cache_clear()


@pytest.mark.parametrize(
    ("status", "count", "words"),
    [
        (None, 0, "this machine has no NVIDIA driver; install one, or use numpy or numba"),
        (100, 0, "the NVIDIA driver finds no GPU; look at nvidia-smi and CUDA_VISIBLE_DEVICES"),
        (0, 0, "the NVIDIA driver finds no GPU"),
        (999, 0, "the NVIDIA driver does not start (error 999); look at nvidia-smi"),
        (0, 2, FOUND),
    ],
)
def test_what_is_missing_is_said(driver, status, count, words):
    driver(status, count)
    reason = backend.why_no_gpu()
    assert reason is None if words is FOUND else words in reason


@pytest.mark.parametrize("status", [None, 100])
def test_a_missing_driver_and_a_missing_device_are_two_errors(driver, monkeypatch, status):
    monkeypatch.setitem(backend.SOURCES, "cupy", backend.Source("cupy_gpu", "numpy", "pip install cupy"))
    driver(status)
    with pytest.raises(BackendError) as error:
        backend.load("cupy")
    assert str(error.value).startswith(
        GPU + ("this machine has no" if status is None else "the NVIDIA driver finds no")
    )


def test_nothing_imports_cupy_to_find_out():
    code = "import sys; from minivae import backend; backend.states(); print('cupy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"
