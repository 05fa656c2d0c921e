"""Real processes of MPI: the same bytes as one process, and an end of all of them whatever happens to one."""

import hashlib
import os
import random
import re
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from processes import RESULTS, ROOT, same

from minivae.checkpoint import load_training

pytestmark = pytest.mark.slow

# Folders with python and mpiexec. A second MPI needs an environment of its own, which MINIVAE_OPENMPI may name.
FOLDERS = {"mpich": Path(sys.executable).parent, "openmpi": Path(os.environ.get("MINIVAE_OPENMPI", "/nowhere"))}
FLAGS = {"openmpi": ["--allow-run-as-root", "--oversubscribe"]}
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")  # nobody has to set them
MNIST = os.environ.get("MINIVAE_DATA")
ROUNDS = int(os.environ.get("MINIVAE_KILLS", "1"))
SECONDS = 5  # until all have gone
TRAIN = ["train", "--no-pictures", "--hidden", "8", "--latent", "2", "--shards", "8", "--data"]
REAL = ["train", "--no-pictures", "--shards", "8", "--data"]
HOW_LONG = 240


def mpiexec(n, *arguments, mpi="mpich", script=("-m", "minivae"), timeout=HOW_LONG):
    """Run n processes: status, standard output, standard error. Skips where this MPI is not here."""
    folder = FOLDERS[mpi]
    if not (folder / "mpiexec").exists() or find_spec("mpi4py") is None:
        pytest.skip(f'no mpi4py with the mpiexec of {mpi} in {folder}: pip install "minivae[mpi]"')
    command = [folder / "mpiexec", *FLAGS.get(mpi, []), "-n", n, folder / "python", *script, *arguments]
    done = subprocess.run(
        [str(part) for part in command],
        env={name: text for name, text in os.environ.items() if name not in THREADS} | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    return done.returncode, done.stdout, done.stderr


def with_fault(kind, rank, epoch, *arguments, n=2):
    return mpiexec(n, kind, rank, epoch, *arguments, script=(Path(__file__).with_name("faults.py"),))


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A file with few columns and three pieces of rows, in the current folder."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", (np.random.default_rng(0).random((1200, 6)) < 0.4).astype(np.uint8))
    return "x.npy"


def trained(n, data, out, *options, **where):
    status, _, err = mpiexec(n, *TRAIN, data, "--epochs", 2, "--out", out, *options, **where)
    assert status == 0, err
    return out


@pytest.mark.parametrize(
    ("backend", "mpi", "numbers"),
    [("numpy", "mpich", (2, 8)), ("numba", "mpich", (4,)), ("numpy", "openmpi", (2,))],
)
def test_any_number_of_processes_trains_and_evaluates_to_the_same_bytes(data, minivae, backend, mpi, numbers):
    options = ["--backend", backend, "--patience", 5]
    one = trained(1, data, "one", *options, mpi=mpi)
    for n in numbers:
        assert same(one, trained(n, data, f"of-{n}", *options, mpi=mpi)), n
    if backend == "numba":
        return
    evaluation = ["evaluate", "one", "--samples", "20", "--json", "--data", data]
    status, out, err = mpiexec(2, *evaluation, mpi=mpi)
    assert status == 0, err
    assert out == minivae(*evaluation, "--shards", 2)[1]


@pytest.mark.parametrize(
    ("data", "backend", "mpi", "numbers"),
    [
        (data, backend, *where)
        for data in ("digits", "mnist")
        for backend in ("numpy", "numba")
        for where in (("mpich", (2, 4, 8)), ("openmpi", (2,)))
    ],
)
def test_real_data_give_the_same_bytes_with_any_number_of_processes(data, backend, mpi, numbers, tmp_path):
    if data == "mnist" and not MNIST:
        pytest.skip("no MNIST: set MINIVAE_DATA")
    runs = {n: tmp_path / str(n) for n in (1, *numbers)}
    for n, run in runs.items():
        options = ["--epochs", 2, "--backend", backend, "--out", run]
        status, _, err = mpiexec(n, *REAL, data, *options, mpi=mpi, timeout=20 * HOW_LONG)
        assert status == 0, err
        print(n, hashlib.sha256(b"".join((run / name).read_bytes() for name in RESULTS)).hexdigest())
        assert same(runs[1], run), n
    if data == "digits":
        evaluation = ["evaluate", runs[1], "--samples", 5, "--json", "--shards", 8]
        assert len({mpiexec(n, *evaluation, mpi=mpi)[:2] for n in runs}) == 1


def test_what_is_printed_and_refused_is_said_once(data):
    _, out, err = mpiexec(2, *TRAIN, data, "--epochs", 1, "--out", "run")
    assert out.count("run folder") == err.count("epoch 1/1") == 1
    status, _, err = mpiexec(3, *TRAIN, data)
    assert (status, err.count("error")) == (2, 1)
    assert "start one of 1, 2, 4, 8" in err


@pytest.mark.parametrize("kind", ["exception", "exit", "interrupt", "disk"])
def test_a_fault_on_one_rank_ends_all_of_them_soon_and_leaves_a_checkpoint(data, kind):
    rank = 0 if kind == "disk" else 1
    status, _, err = with_fault(kind, rank, 3, *TRAIN, data, "--epochs", 1000, "--out", "run")
    gone = time.time() - float(re.search("fault at ([0-9.]+)", err)[1])
    assert gone < SECONDS
    assert status != 0
    assert f"rank {rank} of 2" in err
    assert load_training("run/checkpoint.safetensors")[0].epoch >= 1


def test_a_run_that_is_killed_and_resumed_with_any_number_ends_with_the_bytes_of_one(data):
    dice, long = random.Random(0), [*TRAIN, data, "--epochs", 6]
    assert mpiexec(1, *long, "--out", "whole")[0] == 0
    for i in range(ROUNDS):
        n, then = dice.choice((2, 4)), dice.choice((1, 2, 4, 8))
        assert with_fault("kill", dice.randrange(n), dice.randrange(1, 6), *long, "--out", f"run{i}", n=n)[0] != 0
        status, _, err = mpiexec(then, *long, "--out", f"run{i}", "--resume")
        assert status == 0, err
        assert same("whole", f"run{i}"), (n, then)


def test_a_file_that_only_rank_0_has_is_named(data):
    status, _, err = with_fault("elsewhere", 1, 0, *TRAIN, data, "--out", "run")
    assert status == 2
    assert "rank 1 of 2, on " in err
    assert "x.npy" in err
    assert "rank 0 has no such error" in err


SCRIPT = """
import numpy as np, sys
from minivae import VAE, fit
from minivae.workers import Mpi
group = Mpi()
fit(VAE(6, (8,), 2), np.eye(6).repeat(20, 0), 50, 40, group=group, progress=False,
    callbacks=[lambda vae, epoch, metrics: sys.exit(3) if group.rank == 1 and epoch == 2 else None])
"""


def test_a_script_of_ones_own_does_not_hang_either(data):
    began = time.monotonic()
    status, _, err = mpiexec(2, script=("-c", SCRIPT))
    assert status != 0
    assert "rank 1 of 2 ended all: SystemExit: 3" in err
    assert time.monotonic() - began < HOW_LONG
