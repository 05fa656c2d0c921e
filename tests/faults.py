"""Faults, done to real processes of ``minivae train``: what they leave behind, whether the run goes on, the counts.

``python tests/faults.py [--rounds N] [--seed S]`` prints a table, and exits with 1 if anything was lost. A fault is
survived if it ends in the right exit status and in one sentence, if every file is whole or not there, and if
``--resume`` ends with the bits of a run that was never disturbed, and with no file but its own.
"""

import argparse
import ctypes
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # for a checkout that nobody installed

from damage import DAMAGES, flip_a_bit  # noqa: E402
from processes import OFFER, RESULTS, contents, ended, running, same, wait_for  # noqa: E402

from minivae import VAE, datasets  # noqa: E402
from minivae.checkpoint import load_training  # noqa: E402
from minivae.runs.folder import RunFolder  # noqa: E402
from minivae.system.locks import LOCK  # noqa: E402

EPOCHS, HALF = 160, 110
TRAIN = ["train", "--hidden", "8", "--latent", "2", "--no-pictures", "--patience", "1000"]
CHECKPOINTS = ("checkpoint.safetensors", "checkpoint-older.safetensors")
OWN = {*RESULTS, *CHECKPOINTS, "config.json"}
ENDS = {
    signal.SIGKILL: (-signal.SIGKILL, ""),
    signal.SIGTERM: (143, "minivae train: terminated"),
    signal.SIGINT: (130, "minivae train: interrupted"),
}


class Skipped(Exception):
    """This fault cannot be done here, and why."""


# -- how a process is hindered -----------------------------------------------------------------------------


def limit_file_size(pid, size):
    """No file of a process may get larger than this, as on a disk that is full; pid 0 is the process itself."""
    if pid:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, size))
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def obey_permissions():
    """For a process that starts: root loses the two capabilities that let it write where nobody may."""
    drop = 24  # PR_CAPBSET_DROP
    if sys.platform == "linux":
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH; others than root have none to lose
            ctypes.CDLL(None).prctl(drop, capability, 0, 0, 0)


# -- what must hold ----------------------------------------------------------------------------------------


def check_refused(outcome, *words):
    """Exit status 2, and one sentence that has these words."""
    status, lines = outcome
    assert status == 2, outcome
    assert len(lines) == 1, outcome
    assert all(word in lines[0] for word in words), outcome


def check_whole(folder):
    """Every file can be read or is not there, and the history knows each epoch that a checkpoint knows."""
    run = RunFolder(folder)
    if run.config.exists():
        run.read_config()
    if run.model.exists():
        VAE.load(run.model)
    for path in (run.checkpoint, run.older):
        if path.exists():
            epoch = load_training(path)[0].epoch
            assert run.read_history()["epoch"][:epoch] == list(range(1, epoch + 1)), f"{path}: epoch {epoch}"
    assert run.checkpoint.exists() or not run.older.exists(), "the older checkpoint is alone"


class Bench:
    """What all faults are tried on.

    ``whole`` is a run that nobody disturbed, ``half`` one that has done a part of its epochs, ``seconds`` the time that
    the whole one took, with the start of Python, and ``size`` a little less than the bytes of a checkpoint.
    """

    def __init__(self, folder, seed):
        self.folder, self.chance, self.number = Path(folder), random.Random(seed), 0
        self.whole, self.half = self.folder / "whole", self.folder / "half"
        self.data = self.folder / "digits.npy"  # a file: to import scikit-learn takes longer than to train
        np.save(self.data, datasets.load("digits").train)
        began = time.perf_counter()
        assert self.train(self.whole)[0] == 0
        self.seconds = time.perf_counter() - began
        self.size = (self.whole / "checkpoint.safetensors").stat().st_size - 100  # its numbers may have fewer digits
        assert self.train(self.half, "--epochs", HALF)[0] == 0

    def training(self, folder, *options, **others):
        """A process of ``minivae train`` in a folder, for a ``with`` block."""
        return running(*TRAIN, "--data", self.data, "--epochs", EPOCHS, "--out", folder, *options, **others)

    def train(self, folder, *options, **others):
        """The same until it has ended: as :func:`ended`."""
        with self.training(folder, *options, **others) as process:
            return ended(process)

    def new(self, like=None):
        """The path of a new folder, or a copy of one."""
        self.number += 1
        path = self.folder / f"run-{self.number}"
        return path if like is None else Path(shutil.copytree(like, path))

    def check_goes_on(self, folder):
        """Resume, and compare with the run that nobody disturbed."""
        check_whole(folder)
        status, lines = self.train(folder, "--resume")
        assert status == 0, lines
        assert same(self.whole, folder), "other bits"
        left = {path.name for path in folder.iterdir()} - OWN
        assert not left, f"left behind: {left}"


# -- faults ------------------------------------------------------------------------------------------------


def signalled(number, bench):
    """A signal at a random moment, from the start of minivae to almost the end."""
    expected, word = ENDS[number]
    for _ in range(20):
        folder = bench.new()
        with bench.training(folder) as process:
            wait_for(process, lambda process=process, folder=folder: listens(process) or folder.exists())
            time.sleep(bench.chance.uniform(0, 0.8 * bench.seconds))
            process.send_signal(number)
            status, lines = ended(process)
        if status in (expected, -number) and lines == [word] and word:
            status = expected  # CPython may end so after an import in C code has seen it: a shell reports 130 for both
        if status == expected or status > 0:
            break
        # The signal came after the end, or while Python took itself apart, when it has no handlers any more.
        assert status == 0 or (folder / "model.safetensors").exists(), (status, lines)
    assert status == expected, (status, lines)
    assert lines in ([], [word]), lines  # nothing where an import has swallowed it; the status tells all the same
    if folder.exists():
        bench.check_goes_on(folder)


def listens(process):
    """True if a process has a handler for SIGTERM, where /proc tells: before that it is Python itself that starts."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return False
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> signal.SIGTERM - 1 & 1)


def killed_while_writing(bench):
    """SIGKILL as soon as there is a file that will become a checkpoint."""
    folder = bench.new()
    with bench.training(folder) as process:
        wait_for(process, folder.exists)
        while not any(name.startswith(".checkpoint") for name in os.listdir(folder)):
            assert process.poll() is None, "checkpoints are not written beside and renamed"
        process.kill()
        ended(process)
    bench.check_goes_on(folder)


def full_disk(bench):
    """No room for the first checkpoint, or not even for the files before it."""
    folder = bench.new()
    limit = bench.chance.randrange(bench.size)
    check_refused(bench.train(folder, before=partial(limit_file_size, 0, limit)), "cannot write")
    left = contents(folder).keys()
    assert left <= {"config.json", "history.csv"}, f"temporary files, or half a checkpoint: {left}"
    bench.check_goes_on(folder)


def disk_that_fills_up(bench):
    """Room for some checkpoints, but not for the next one."""
    if not hasattr(resource, "prlimit"):
        raise Skipped("this system limits no process that runs already")
    folder = bench.new()
    with bench.training(folder) as process:
        wait_for(process, (folder / "checkpoint.safetensors").exists)
        limit_file_size(process.pid, bench.chance.randrange(bench.size // 2, bench.size))
        check_refused(ended(process), "cannot write")
    left = contents(folder).keys()
    assert left <= OWN - {"model.safetensors"}, f"temporary files: {left}"
    assert "checkpoint.safetensors" in left, "the checkpoint has gone"
    bench.check_goes_on(folder)


def a_file_there(bench):
    """A file in the place of the folder, which stays as it is."""
    path = bench.new()
    path.write_text("mine")
    check_refused(bench.train(path), str(path))
    assert path.read_text() == "mine", "the file has changed"


@contextmanager
def unwritable(folder):
    """A folder in which nobody may make files, not even root."""
    folder.chmod(0o555)
    try:
        probe = "import sys; open(sys.argv[1], 'w')"
        command = [sys.executable, "-c", probe, str(folder / "probe")]
        if not subprocess.run(command, preexec_fn=obey_permissions, stderr=subprocess.DEVNULL).returncode:
            raise Skipped("this user may write in every folder")
        yield
    finally:
        folder.chmod(0o755)
        (folder / "probe").unlink(missing_ok=True)


def unwritable_from_the_start(bench):
    """A folder that cannot be written, and the next one."""
    folder = bench.new(like=bench.half)
    before = contents(folder)
    with unwritable(folder):
        check_refused(bench.train(folder, "--resume", before=obey_permissions), str(folder))
    assert contents(folder) == before, "the folder has changed"
    bench.check_goes_on(folder)


def unwritable_meanwhile(bench):
    """A folder that can no longer be written after the first checkpoint."""
    folder = bench.new()
    with bench.training(folder, before=obey_permissions) as process:
        wait_for(process, (folder / "checkpoint.safetensors").exists)
        with unwritable(folder):
            check_refused(ended(process), str(folder))
    bench.check_goes_on(folder)


def second_run(option, bench):
    """Another run in a folder in which one is training: refused, and the first one does not notice."""
    folder = bench.new()
    with bench.training(folder) as process:
        wait_for(process, (folder / "checkpoint.safetensors").exists)
        process.send_signal(signal.SIGSTOP)  # so that it cannot end before the second one looks
        before = contents(folder)
        check_refused(bench.train(folder, *option), "another minivae is training in")
        assert contents(folder) == before, "the folder has changed"
        process.send_signal(signal.SIGCONT)
        status, lines = ended(process)
        assert (status, lines) == (0, []), lines
    bench.check_goes_on(folder)


def two_at_once(bench):
    """Two runs that begin at the same moment: one trains, one is refused."""
    folder = bench.new()
    with bench.training(folder) as one, bench.training(folder) as other:
        first, second = sorted((ended(one), ended(other)), key=lambda outcome: outcome[0])
    assert first == (0, []), first
    check_refused(second, str(folder))
    bench.check_goes_on(folder)


def stale_lock(bench):
    """The file of a lock whose holder was killed."""
    folder = bench.new()
    with bench.training(folder) as process:
        wait_for(process, (folder / "checkpoint.safetensors").exists)
        process.kill()
        ended(process)
    assert (folder / LOCK).exists(), "no lock was held"
    bench.check_goes_on(folder)


def damaged(name, bench):
    """A checkpoint that is broken: refused, with the older one offered, which goes on to the same end."""
    folder = RunFolder(bench.new(like=bench.half))
    DAMAGES[name](folder.checkpoint, bench.chance)
    before = contents(folder.path)
    epoch = load_training(folder.older)[0].epoch
    check_refused(bench.train(folder.path, "--resume"), f"{folder.checkpoint}", f"{OFFER} {epoch}")
    assert contents(folder.path) == before, "the folder has changed"
    folder.older.replace(folder.checkpoint)
    bench.check_goes_on(folder.path)


def both_damaged(bench):
    """Both checkpoints are broken: refused, and nothing is offered."""
    folder = bench.new(like=bench.half)
    for path in folder.glob("checkpoint*"):
        flip_a_bit(path, bench.chance)
    before = contents(folder)
    outcome = bench.train(folder, "--resume")
    check_refused(outcome, "is damaged")
    assert "older" not in outcome[1][0], outcome
    assert contents(folder) == before, "the folder has changed"


FAULTS = {
    "SIGKILL at a random moment": partial(signalled, signal.SIGKILL),
    "SIGTERM at a random moment": partial(signalled, signal.SIGTERM),
    "Ctrl-C at a random moment": partial(signalled, signal.SIGINT),
    "SIGKILL while a checkpoint is written": killed_while_writing,
    "a full disk": full_disk,
    "a disk that fills up": disk_that_fills_up,
    "a file in the folder's place": a_file_there,
    "a folder that cannot be written": unwritable_from_the_start,
    "a folder that can no longer be written": unwritable_meanwhile,
    "a second run": partial(second_run, []),
    "a second run with --resume": partial(second_run, ["--resume"]),
    "a second run with --overwrite": partial(second_run, ["--overwrite"]),
    "two runs that begin at once": two_at_once,
    "a lock whose holder was killed": stale_lock,
    **{f"checkpoint: {name}": partial(damaged, name) for name in DAMAGES},
    "both checkpoints damaged": both_damaged,
}


# -- the campaign ------------------------------------------------------------------------------------------


def campaign(folder, rounds, seed):
    """Do every fault so many times; returns the counts (fault, outcome) -> number, and the reasons."""
    counts, reasons = Counter(), []
    bench = Bench(folder, seed)
    for name in tqdm(list(FAULTS) * rounds, unit="fault", ascii=True):
        try:
            FAULTS[name](bench)
            outcome = "survived"
        except Skipped as reason:
            outcome = "skipped"
            reasons.append(f"skipped: {name}: {reason}")
        except Exception as error:  # a file that cannot be read, a process that hangs, a broken promise: all the same
            outcome = "lost"
            reasons.append(f"lost: {name}: {type(error).__name__}: {error}")
        counts[name, outcome] += 1
    return counts, reasons


def table(counts):
    """The counts as lines, with their sums."""
    rows = [(name, counts[name, "survived"], counts[name, "lost"]) for name in FAULTS]
    rows.append(("all", sum(row[1] for row in rows), sum(row[2] for row in rows)))
    lines = [f"{name:<40} {survived + lost:>6} {survived:>9} {lost:>5}" for name, survived, lost in rows]
    return "\n".join([f"{'fault':<40} {'tried':>6} {'survived':>9} {'lost':>5}", *lines])


def main():
    """The command."""
    parser = argparse.ArgumentParser(description="Faults, done to real processes of minivae train, and counted.")
    parser.add_argument("--rounds", type=int, default=5, help="how often each fault is tried (default: 5)")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10_000, help="of the random moments and places")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        counts, reasons = campaign(folder, options.rounds, options.seed)
    print(table(counts), f"seed {options.seed}", *dict.fromkeys(reasons), sep="\n")
    return 1 if any(outcome == "lost" for _, outcome in counts) else 0


if __name__ == "__main__":
    sys.exit(main())
