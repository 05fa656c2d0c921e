"""Faults, done to real processes of ``minivae train``: what they leave behind, whether the run goes on, the counts.

``python tests/faults.py [--rounds N] [--seed S]`` prints a table, and exits with 1 if anything was lost. A fault is
survived if it ends in the right exit status and in one sentence, if every file is whole or not there, and if
``--resume`` ends with the bits of a run that was never disturbed, and with no file but its own.
"""

import argparse
import ctypes
import importlib
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
from contextlib import chdir, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tqdm import tqdm

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # for a checkout that nobody installed
sys.path += [
    str(ROOT / "tests" / part) for part in ("runs", "system", "kernels", "model")
]  # whose tests are faults too

from damage import DAMAGES, flip_a_bit  # noqa: E402
from processes import OFFER, PATIENCE, RESULTS, contents, ended, running, same, wait_for  # noqa: E402

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

    @staticmethod
    def minivae(*arguments, **options):
        """A process of ``minivae`` in the current folder, until it has ended: (status, standard output, error)."""
        with running(*arguments, stdout=subprocess.PIPE, **options) as process:
            out, err = process.communicate(timeout=PATIENCE)
        return process.returncode, out, err

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


# -- what an attacker tried: each kind is an ordinary test, or done here to processes -----------------------


def as_tested(module, name, bench):
    """One case, by chance, of an ordinary test, in a folder of its own; its command starts real processes."""
    test = getattr(importlib.import_module(module), name)
    arguments = {}
    for mark in getattr(test, "pytestmark", []):
        if mark.name == "parametrize":
            names = mark.args[0].split(",") if isinstance(mark.args[0], str) else mark.args[0]
            values = bench.chance.choice(list(mark.args[1]))
            several = values.values if hasattr(values, "marks") else values if len(names) > 1 else [values]
            arguments |= zip(names, several, strict=True)
    folder = bench.new()
    folder.mkdir()
    fixtures = {"minivae": bench.minivae, "tmp_path": folder, "within_seconds": None}
    wanted = test.__code__.co_varnames[: test.__code__.co_argcount]
    try:
        with chdir(folder):
            test(**arguments, **{name: fixture for name, fixture in fixtures.items() if name in wanted})
    except pytest.skip.Exception as reason:
        raise Skipped(str(reason)) from None


def history_of_a_spreadsheet(bench):
    """The history saved by a spreadsheet: read all the same, and written as it was."""
    folder = bench.new(like=bench.half)
    path = folder / "history.csv"
    text = path.read_text().replace(",", ";").replace(".", bench.chance.choice(".,"))
    path.write_bytes(bench.chance.choice((b"", b"\xef\xbb\xbf")) + text.replace("\n", "\r\n").encode())
    status, lines = bench.train(folder, "--resume")
    assert status == 0, lines
    assert RunFolder(folder).read_history() == RunFolder(bench.whole).read_history(), "other values"


def lock_removed(bench):
    """The lock's file is removed while a run trains, and nobody else comes: it goes on, and locks again."""
    folder = bench.new()
    with bench.training(folder) as process:
        wait_for(process, (folder / "checkpoint.safetensors").exists)
        (folder / LOCK).unlink()
        wait_for(process, (folder / LOCK).exists)
        status, lines = ended(process)
    assert (status, lines) == (0, []), lines
    assert same(bench.whole, folder), "other bits"


def lock_removed_and_taken(bench):
    """The lock's file is removed, and another run goes on to the end: the first one leaves that alone."""
    folder = bench.new()
    with bench.training(folder) as process:
        wait_for(process, (folder / "checkpoint.safetensors").exists)
        process.send_signal(signal.SIGSTOP)
        (folder / LOCK).unlink()
        assert bench.train(folder, "--resume")[0] == 0
        process.send_signal(signal.SIGCONT)
        check_refused(ended(process), "another minivae has trained in it")
    bench.check_goes_on(folder)


def data_cut_while_mapped(bench):
    """The mapped file of the data is cut short while a run trains: one sentence; with the file put back it goes on."""
    folder, data = bench.new(), bench.new().with_suffix(".npy")
    options = ["--data", data, "--holdout", "last", "--likelihood", "gaussian"]
    shutil.copy(bench.data, data)
    whole = bench.new()
    assert bench.train(whole, *options)[0] == 0
    with bench.training(folder, *options) as process:
        wait_for(process, (folder / "checkpoint.safetensors").exists)
        os.truncate(data, bench.chance.randrange(data.stat().st_size // 2))
        outcome = ended(process)
    if outcome[0] != -signal.SIGBUS:  # it may hit the very microseconds of a copy, which no check can see
        check_refused(outcome, str(data), "cut short")
    check_whole(folder)
    check_refused(bench.train(folder, "--resume", *options), str(data), "truncated")
    shutil.copy(bench.data, data)
    assert bench.train(folder, "--resume")[0] == 0
    assert same(whole, folder), "other bits"


def labels_that_forge(bench):
    """Labels that move the cursor and forge lines: shown as characters."""
    folder = bench.new()
    rows = [f'{k % 7},{k % 5}.5,"{label}"' for k, label in enumerate(["\x1b[2Jgone", "a\nminivae: all is well"] * 20)]
    data = folder.with_suffix(".csv")
    data.write_text("\n".join(["a,b,kind", *rows]))
    for command in (["train", "--data", data, "--labels", "kind", *TRAIN[1:], "--epochs", 2, "--out", folder],
                    ["evaluate", folder, "--samples", 2], ["encode", folder, "--out", folder / "z.npz"]):  # fmt: skip
        status, out, err = bench.minivae(*command)
        assert status == 0, err
        lines = (out + err).replace("\r", "\n").split("\n")
        assert all(line.isprintable() and not line.startswith("minivae: all") for line in lines), lines


def hostile_surroundings(bench):
    """Settings of a notebook's or a publication's pictures: ours are drawn with our own."""
    folder = bench.new()
    settings = folder.with_suffix(".rc")
    settings.write_text("text.usetex: True\nsavefig.dpi: 9000\nfigure.dpi: 9000\nlines.linewidth: 0\n")
    surroundings = {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "MATPLOTLIBRC": str(settings)}
    options = [*TRAIN, "--data", bench.data, "--epochs", EPOCHS, "--out", folder]
    options.remove("--no-pictures")
    status, out, err = bench.minivae(*options, environment=surroundings)
    assert status == 0, err
    assert "could not be drawn" not in out, out
    assert same(bench.whole, folder), "other bits"
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in folder.glob("*.png")), "no picture"
    assert len(list(folder.glob("*.png"))) > 3, "few pictures"


FOLDERS = {
    "files of the user's in the folder": "files_of_the_users_stop_a_run_and_stay",
    "another program's model in the folder": "another_programs_configuration_and_model_are_no_run",
    "an old run, and a backend that fails": "the_old_run_stays_where_the_backend_does_not_work",
    "a folder with the name of a file": "a_folder_with_a_files_name_is_refused_before_anything_is_moved",
    "the data are a file of the run": "an_output_is_never_an_input",
    "an output that is an input": "no_command_writes_over_an_input_or_a_file_of_the_run",
    "runs is a link to nowhere": "a_dangling_link_for_the_folder_of_runs_is_one_sentence",
    "a pipe or /dev/zero for a file": "what_never_ends_is_not_read",
    "a run of a newer format": "a_run_folder_of_a_newer_format_is_refused_by_name",
    "a variance that explodes in samples": "samples_that_are_not_finite_are_no_file",
}
STREAMS = {
    "a standard error that fails": "json_stays_alone_on_standard_output_where_standard_error_is_closed_or_full",
    "nobody can read the log": "a_training_is_whole_though_nobody_can_read_its_lines",
    "a divergence that nobody reads": "a_divergence_has_its_status_whoever_reads",
    "results onto a full disk": "results_that_cannot_be_written_are_an_error",
}
TESTED = {  # by the ordinary suite too
    **{name: partial(as_tested, "test_run_folder", f"test_{test}") for name, test in FOLDERS.items()},
    **{name: partial(as_tested, "test_streams", f"test_{test}") for name, test in STREAMS.items()},
    "a fork while a thread trains": partial(
        as_tested, "test_vae", "test_a_forked_process_does_not_wait_for_a_thread_that_it_has_not"
    ),
    "a damaged cache of Numba": partial(
        as_tested, "test_numba", "test_a_damaged_cache_or_a_full_disk_means_to_compile_again"
    ),
    "NUMBA_DISABLE_JIT": partial(as_tested, "test_numba", "test_numba_that_may_not_compile_is_refused_in_one_sentence"),
}
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
    "a history saved by a spreadsheet": history_of_a_spreadsheet,
    "the lock removed": lock_removed,
    "the lock removed, and taken by another": lock_removed_and_taken,
    "the data cut while they are mapped": data_cut_while_mapped,
    "labels with escape codes": labels_that_forge,
    "settings of another's pictures": hostile_surroundings,
    **TESTED,
}


# -- the campaign ------------------------------------------------------------------------------------------


def campaign(folder, rounds, seed):
    """Do every fault so many times, or until Ctrl-C; returns the counts (fault, outcome) -> number, and the reasons."""
    counts, reasons = Counter(), []
    bench = Bench(folder, seed)
    for name in tqdm(list(FAULTS) * rounds, unit="fault", ascii=True):
        try:
            FAULTS[name](bench)
            outcome = "survived"
        except Skipped as reason:
            outcome = "skipped"
            reasons.append(f"skipped: {name}: {reason}")
        except KeyboardInterrupt:  # whoever has no more time sees what there is
            reasons.append(f"cut short in: {name}")
            break
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
