"""``minivae`` with a fault on one rank after an epoch: KIND RANK EPOCH, then the arguments of the command."""

import os
import resource
import signal
import sys
import time

from minivae.cli import script
from minivae.training import loop
from minivae.workers.mpi import launched

kind, rank, epoch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
run_epoch = loop.run_epoch


def fault():
    print(f"fault at {time.time()}", file=sys.__stderr__, flush=True)
    if kind == "exception":
        raise RuntimeError("on purpose")
    if kind == "exit":
        sys.exit(3)
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
    if kind == "disk":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


def run_epoch_and_fail(vae, *rest):
    metrics = run_epoch(vae, *rest)
    if launched()[0] == rank and vae.epoch == epoch:
        fault()
    return metrics


if kind == "elsewhere":  # this rank's disk does not hold the data
    if launched()[0] == rank:
        os.chdir(os.path.dirname(os.getcwd()))
else:
    loop.run_epoch = run_epoch_and_fail
sys.argv = ["minivae", *sys.argv[4:]]
script()
