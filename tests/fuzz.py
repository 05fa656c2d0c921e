"""Malformed files, made by the thousand and given to every loader: what is refused, what is accepted, at what cost.

``python tests/fuzz.py [--cases N] [--target NAME]`` prints a table, and exits with 1 if anything went wrong.
``python tests/fuzz.py --atheris NAME [--seconds S]`` goes on for longer, led by coverage (``pip install atheris``).

A file ends well if it is refused by the documented error with one sentence, or accepted as an object that is valid;
if the memory that was asked for is bounded by the length of the file; if no code in it was run; and if nothing was
left beside it and nothing else was said. Hypothesis makes the files: valid ones of our own writers, damaged, and
files that lie in the ways of their format.
"""

import argparse
import csv
import gc
import gzip
import hashlib
import io
import json
import math
import os
import reprlib
import shutil
import sys
import tempfile
import time
import tracemalloc
import types
import warnings
import zlib
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tqdm import tqdm

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # for a checkout that nobody installed

import malformed  # noqa: E402

from minivae import (  # noqa: E402
    GAN,
    VAE,
    CheckpointError,
    Columns,
    DataError,
    EarlyStopping,
    Mixed,
    Scaling,
    checkpoint,
    cli,
    fit,
)
from minivae.datasets import (  # noqa: E402
    Dataset,
    mixed,
    mnist,
    tables,
)
from minivae.learn.progress import Progress  # noqa: E402
from minivae.runs.folder import RunFolder  # noqa: E402
from minivae.runs.settings import Settings  # noqa: E402
from minivae.training import columns  # noqa: E402

LONGEST_SENTENCE = 1000  # characters, with the path of the file
MIB = 2**20


# -- valid files, by the real writers ----------------------------------------------------------------------


def written(write):
    """The bytes of the one file that ``write(folder)`` writes."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        (path,) = Path(folder).iterdir()
        return path.read_bytes()


def saved(save, *arrays, **named):
    """The bytes that one of NumPy's functions writes."""
    buffer = io.BytesIO()
    save(buffer, *arrays, **named)
    return buffer.getvalue()


RNG = np.random.default_rng(0)
REALS, BIG_ENDIAN, FORTRAN = RNG.random((6, 3)), RNG.random((4, 5)).astype(">f4"), np.asfortranarray(RNG.random((3, 2)))
IMAGES, BLACK = RNG.integers(0, 255, (9, 4, 5), dtype=np.uint8), np.zeros((300, 20, 10), np.uint8)


@cache
def valid_npy():
    return [saved(np.save, array) for array in (REALS, BIG_ENDIAN, FORTRAN, IMAGES, BLACK)]


@cache
def valid_npz():
    split = {"x_train": REALS, "x_test": REALS[:2], "y_train": np.arange(6), "y_test": np.arange(2)}
    contents = [{"x": REALS, "y": np.array(["a", "b", "é"] * 2)}, split, {"data": IMAGES}, {"x": BLACK}]
    sparse = {"data": REALS[0], "indices": np.arange(len(REALS[0])), "indptr": np.array([0, 1, len(REALS[0])])}
    contents += [sparse | {"shape": np.array([2, len(REALS[0])]), "format": np.array(b"csr")}]
    contents += [{"X_train": REALS, "X_test": REALS[:2]}, {"pixels": IMAGES[:, None], "y": np.arange(9)[:, None]}]
    contents += [{"train_images": IMAGES[..., None], "test_images": IMAGES[:2, ..., None]}]
    contents += [{"x": np.stack([IMAGES] * 3, -1)}]  # colour: refused
    return [saved(save, **content) for content in contents for save in (np.savez, np.savez_compressed)]


@cache
def valid_packed_csv():
    return [gzip.compress(content, mtime=0) for content in valid_csv()]


@cache
def valid_csv():
    rows = [[5.1, 3.5, "setosa"], [4.9, -1e-3, "virginica"], [7, 0.25, "setosa"]]
    tables = [[["length", "width", "species"], *rows], rows, [row[:2] for row in rows], [[1, 2, 3]] * 5000]
    texts = ["\n".join(",".join(map(str, row)) for row in table) + "\n" for table in tables]
    numbers = texts[2]
    texts += [
        "sep=;\na;b\n" + numbers.replace(",", ";"),
        "# made by\n\na,b\nm,kg\n" + numbers,
        "a b\n" + numbers.replace(",", " "),
    ]
    texts += [
        "|a|b|\n|--|--|\n|1|2|\n|3|4|\n",
        "a,b\nx,1.5,2\ny,3.5,4\n",
        "Report\na,b,\n1,2,\n3,4,\na,b,\n5,6,\n",
        "0,1\n" + numbers,
    ]
    return [text.encode() for text in texts] + [texts[0].replace(",", ";").replace("\n", "\r\n").encode("utf-8-sig")]


def idx(array):
    """An IDX file of unsigned bytes; MNIST's have come without a writer."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


@cache
def valid_mixed():
    """Tables with categories, counts, holes and labels that send escape codes."""
    rows = [
        f"{k % 3},{k * 0.37:.2f},{'red' if k % 2 else 'blue'},{'' if k == 4 else k % 5},k{k % 2}" for k in range(12)
    ]
    text = "visits,size,colour,stars,kind\n" + "\n".join(rows) + "\n"
    texts = [text, text.replace(",", ";"), text.replace("red", "\x1b[2J"), text.replace("k1", '"k\n1"')]
    texts += [f"# by me\n{text}", f"Report\n{text}", text + text, text.replace("visits", "0")]
    return [text.encode() for text in texts]


@cache
def run_of_a_table():
    """A conditional run of such a table, which stays until the process ends."""
    folder = tempfile.TemporaryDirectory()
    data = Path(folder.name) / "mine.csv"
    data.write_bytes(valid_mixed()[0])
    asked = ["--columns", "visits=overdispersed", "--labels", "kind", "--conditional", "--epochs", "1", "--no-pictures"]
    assert run_command("train", "--data", str(data), *asked, "--hidden", "4", "--out", f"{folder.name}/run")[0] == 0
    return folder, f"{folder.name}/run"


@cache
def valid_progress():
    one = {"12_gaussian_kl_backward": {"passed": True, "tries": 3, "hints": 1, "sha256": "a" * 64}}
    return [json.dumps(known).encode() for known in ({}, one, one | {"01_first": {"tries": 2}})]


@cache
def valid_idx():
    return [idx(IMAGES), idx(IMAGES[:, 0, 0]), gzip.compress(idx(IMAGES), mtime=0), idx(BLACK)]


@cache
def valid_models():
    density = {"likelihood": "gaussian", "scaling": Scaling.of("standard", RNG.random((9, 7))), "dtype": "float64"}
    vaes = [VAE(7, (5,), 3), VAE(7, (), 2, **density), VAE(40, (90, 70), 20), of_a_table()]
    return [written(lambda folder, vae=vae: checkpoint.save(vae, folder / "x", "a" * 64)) for vae in vaes]


def of_a_table():
    """An untrained model with columns and classes."""
    columns = Columns.of({"size": np.array([1.5, np.nan, 2.5]), "colour": np.array(["red", "blue", None], object)})
    vae = VAE(columns.width, (5,), 2, likelihood=Mixed(columns.parts), condition_dim=2)
    vae.columns, vae.classes = columns, ("a", "b")
    return vae


@cache
def valid_checkpoints():
    return [written(partial(train_and_save, early_stopping)) for early_stopping in (None, EarlyStopping(3))]


def train_and_save(early_stopping, folder):
    vae, x = VAE(7, (5,), 3), (RNG.random((12, 7)) < 0.5).astype(float)
    fit(vae, x, epochs=2, validation=x, early_stopping=early_stopping, progress=False)
    checkpoint.save_training(vae, folder / "x", early_stopping, "a" * 64)


@cache
def valid_gans():
    gan = GAN(3, (5,), 2)
    gan.fit(REALS, 2, batch_size=4, progress=False)
    return [written(lambda folder, gan=gan: gan.save(folder / "x")) for gan in (gan, GAN(7, (), 3))]


@cache
def valid_configs():
    data = Dataset("flowers", REALS, REALS, image_shape=(1, 3), columns=("a", "b", "c"))
    given = Settings(hidden=(5,), latent=2, epochs=4, patience=3)
    return [written(lambda folder: RunFolder(folder).write_config(given, data, "0" * 64, VAE(3, (5,), 2)))]


@cache
def valid_histories():
    return [written(partial(write_history, epochs)) for epochs in (0, 3, 200)]


def write_history(epochs, folder):
    run = RunFolder(folder)
    run.begin_history(columns(validation=True))
    for epoch in range(1, epochs + 1):
        run.add_to_history(dict.fromkeys(columns(validation=True), epoch / 3) | {"epoch": epoch})


# -- the loaders, and what a valid object is ---------------------------------------------------------------


def choice(path, *options, salt=0):
    """One of some options, which depends on nothing but the file: atheris hands in no more than that."""
    return options[zlib.crc32(path.read_bytes(), salt) % len(options)]


def check_table(table):
    n, width = table.x.shape
    assert n >= 1 <= width, "shape"
    assert table.x.dtype in (np.float32, np.float64), "dtype"
    assert np.isfinite(table.x).all(), "values that are not finite"
    assert table.labels is None or (table.labels.shape == (n,) and table.labels.dtype == np.int64), "labels"
    assert not table.label_names or set(table.labels) <= set(range(len(table.label_names))), "label_names"
    assert len(table.columns) in (0, width), "columns"
    assert table.image_shape is None or math.prod(table.image_shape) == width, "image_shape"
    assert table.train_rows is None or 0 < table.train_rows < n, "train_rows"


def load_idx(path):
    """As for MNIST: a compressed file only if it is a known one, any other as it is."""
    with open(path, "rb") as file:
        start = file.read(4)
    if start[:2] == mnist.GZIP_MAGIC:
        known = mnist.IdxFile(hashlib.md5(idx(IMAGES)).hexdigest(), len(idx(IMAGES)))
        with patch.dict(mnist.FILES, {"images": known}):
            return mnist.parse_idx(mnist.read_verified(str(path), "images"), 3)
    return mnist.parse_idx(path.read_bytes(), 1 if start[3:] == b"\1" else 3)


def load_mixed(path):
    """As ``train`` reads a table, with some options of its own."""
    columns = choice(path, {}, {"visits": "overdispersed"}, {"0": "drop"}, {"stars": "category"})
    labels = choice(path, None, None, "kind", "4", "\x1b[2J", salt=1)
    header = choice(path, "auto", "auto", "yes", "no", salt=2)
    return mixed.read(str(path), labels, header, choice(path, (), (), ("colour",), ("\x1b[2J",), salt=3), columns)


def check_mixed(table):
    x = table.x
    assert x.ndim == 2, "shape"
    assert x.size, "shape"
    assert not np.isinf(x).any(), "infinite values"
    assert not np.isnan(x).all(axis=1).any(), "a row that holds nothing"
    assert table.schema.width == x.shape[1], "columns"
    assert len(table.columns) in (0, x.shape[1]), "columns"
    assert table.schema.is_plain or np.array_equal(table.schema.encode(table.schema.decode(x)), x, equal_nan=True), (
        "columns: another matrix comes back"
    )


def run_command(*arguments):
    """A command in this process: its status, standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            status = cli.main(list(arguments))
        except SystemExit as exit:
            status = exit.code
    return status, out.getvalue(), err.getvalue()


def command(*arguments, out=None):
    """The outcome of a command in which a file is named; DataError for a refusal of one sentence."""
    status, said, err = run_command(*arguments)
    lines = [line for line in err.replace("\r", "\n").split("\n") if line]
    assert all(line.isprintable() for line in lines), f"control characters: {err!r}"
    if status == 2 and lines and ": error: " in lines[-1]:
        raise DataError(lines[-1])
    assert status == 0, f"status {status}: {err}"
    return json.loads(said), out and out.read_bytes()


def train_on(path):
    """``train --json`` on a table, in a folder that goes again."""
    with tempfile.TemporaryDirectory() as folder:
        how = [
            "--epochs",
            "1",
            "--hidden",
            "none",
            "--latent",
            "1",
            "--no-pictures",
            "--json",
            "--out",
            f"{folder}/run",
        ]
        more = choice(
            path, [], ["--labels", "kind"], ["--labels", "kind", "--conditional"], ["--columns", "stars=count"]
        )
        return command("train", "--data", str(path), *how, *more)


def check_summary(outcome):
    summary, _ = outcome
    assert all(math.isfinite(value) for part in ("train", "test") for value in summary[part].values()), "losses"
    assert all(note["option"] in note["sentence"] for note in summary["notes"]), "notes"


def use_of_the_run(path):
    """``score``, ``impute`` or ``reconstruct`` rows of a file with a run."""
    name = choice(path, "score", "impute", "reconstruct")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.csv"
        options = ["--samples", "20"] if name == "score" else []
        return command(name, run_of_a_table()[1], "--data", str(path), "--out", str(out), *options, "--json", out=out)


def check_written(outcome):
    summary, content = outcome
    rows = list(csv.reader(io.StringIO(content.decode())))
    assert len(rows) == summary["rows"] + 1, "rows"
    assert len({len(row) for row in rows}) == 1, "cells"
    if "missing_values" in summary:
        assert not any(cell.strip().lower() in mixed.NOTHING for row in rows[1:] for cell in row), "holes"


def check_progress(progress):
    known = progress.of("12_gaussian_kl_backward")
    assert {name: type(value) for name, value in known.items()} == {"passed": bool, "tries": int, "hints": int}, "types"


def check_idx(array):
    assert array.dtype == np.uint8, "dtype"
    assert array.ndim in (1, 3), "shape"
    assert array.size, "empty"


def check_model(vae):
    parameters, scaling = vae.parameters.values(), vae.scaling
    assert all(np.isfinite(array).all() and array.dtype == vae.dtype for array in parameters), "parameters"
    assert np.isfinite([vae.beta, *scaling.shift, *scaling.scale]).all(), "beta, or scaling"
    assert all(type(count) is int and 0 <= count < 2**32 for count in (vae.step, vae.epoch)), "counters"


def check_gan(gan):
    for network in gan.networks.values():
        states = [] if gan.optimizer is None else gan.optimizer.state_of(network).arrays.values()
        vectors = [network.store.vector, *states]
        assert all(np.isfinite(array).all() and array.dtype == gan.dtype for array in vectors), "parameters"
        assert 0 <= network.step < 2**32, "counters"


def check_training(loaded):
    vae, early_stopping = loaded
    check_model(vae)
    state, vector = vae.optimizer.state_of(vae), vae.store.vector
    assert all(np.isfinite(array).all() and array.shape == vector.shape for array in state.arrays.values()), "optimizer"
    assert 0 <= state.t < 2**63, "optimizer: t"
    if early_stopping is not None:
        assert not math.isnan(early_stopping.best_loss), "early stopping: best_loss"
        assert early_stopping.best is None or early_stopping.best.shape == vector.shape, "early stopping: best"


def check_config(config):
    given, data = vars(config["settings"]), config["data"]
    kinds = {"run": str, "model": dict, "machine": dict, "name": str, "fingerprint": str, "columns": list}
    assert all(type((config | data)[name]) is kind for name, kind in kinds.items()), "types"
    assert all(math.isfinite(value) for value in given.values() if type(value) is float), "settings: not finite"
    assert all(type(width) is int for width in given["hidden"] + given["milestones"]), "settings: hidden, or milestones"
    assert all(type(name) is str for name in data["columns"]), "columns"
    assert data["image_shape"] is None or list(map(type, data["image_shape"])) == [int, int], "image_shape"
    assert len(data["value_range"]) == 2, "value_range"
    assert np.isfinite(data["value_range"]).all(), "value_range"


def check_history(history):
    assert list(history) == columns(validation=True), "names"
    values = np.array(list(history.values()))
    assert values.dtype == float, "no numbers"
    assert np.isfinite(values).all(), "values that are not finite"


class Files(tuple):
    """Contents of files, which Hypothesis shall not print in full where a strategy fails."""

    def __repr__(self):
        return f"<{len(self)} files>"


@dataclass(frozen=True)
class Target:
    """A loader, the valid files it is shown damaged, the files that lie, and what it may cost.

    The memory that is asked for may reach ``factor`` times the length of the file, and ``MIB`` bytes.
    """

    name: str
    file: str
    load: Callable[[Path], object]
    check: Callable[[object], None]
    error: type[Exception]
    factor: int
    valid: Callable[[], list[bytes]]
    lying: Callable[[list[bytes]], st.SearchStrategy[bytes]]
    repair: Callable[[bytes], bytes] = field(default=lambda content: content)

    def files(self):
        """The strategy: files of this kind, hardly one of them whole."""
        valid = Files(self.valid())
        lying = self.lying(valid) | st.just(malformed.PICKLE)
        both = lying.flatmap(lambda content: malformed.damaged(Files([content, valid[0]]), self.repair))
        return lying | malformed.damaged(valid, self.repair) | both


def all_targets():
    """The table of all loaders."""

    def csv_of(*headers):
        return lambda _: malformed.csv_files(*headers)

    def as_a_spreadsheet_saves(content):
        saved = b"\xef\xbb\xbf" + content.replace(b",", b";").replace(b"\n", b"\r\n")
        return st.sampled_from([content, saved, saved.replace(b".", b",")])

    def tensors(valid):
        return malformed.raw_tensor_files(valid) | malformed.signed_tensor_files(valid)

    def npz(valid):
        return malformed.npz_files(malformed.npy_files() | st.sampled_from(valid_npy())) | malformed.npz_moons()

    def compressed_idx(_):
        bomb = st.just(gzip.compress(bytes(2**24), mtime=0))
        return malformed.idx_files() | malformed.idx_files().map(partial(gzip.compress, mtime=0)) | bomb

    def read_npz(path):
        return tables.read(path, choice(path, None, "y"))

    def read_csv(path):
        return tables.read(path, choice(path, None, None, -1, "species"))

    def packed_csv(_):
        files = malformed.csv_files(["a", "b", "species"], ["1", "2", "3"])
        return files.map(partial(gzip.compress, mtime=0)) | st.just(gzip.compress(bytes(2**24), mtime=0))

    def read_config(path):
        return RunFolder(path.parent).read_config()

    def read_history(path):
        return RunFolder(path.parent).read_history()

    of_a_table_of_kinds = csv_of(["visits", "size", "colour", "stars", "kind"])
    load, load_training = partial(checkpoint.load, backend="numpy"), partial(checkpoint.load_training, backend="numpy")
    table, names = check_table, columns(validation=True)
    return [
        # uint8 becomes float32, and the place of the first NaN among float16 is found by an index of all
        Target("npy", "x.npy", tables.read, table, DataError, 20, valid_npy, lambda _: malformed.npy_files()),
        # the same, and deflate makes 1032 bytes of one
        Target("npz", "x.npz", read_npz, table, DataError, 20 * 1032, valid_npz, npz),
        # a cell of two characters is a str of 51 bytes, and as a name of a column it is there twice
        Target("csv", "x.csv", read_csv, table, DataError, 60, valid_csv,
               csv_of(["a", "b", "species"], ["1", "2", "3"])),
        # unpacked it may be 200 times as long, and once more while it is read
        Target("csv.gz", "x.csv.gz", read_csv, table, DataError, 2 * 200 * 60, valid_packed_csv, packed_csv),
        Target("mixed", "x.csv", load_mixed, check_mixed, DataError, 400, valid_mixed, of_a_table_of_kinds),
        # training warms up, and the file is read once more for its labels
        Target("train", "x.csv", train_on, check_summary, DataError, 10_000, valid_mixed, of_a_table_of_kinds),
        Target("run", "x.csv", use_of_the_run, check_written, DataError, 10_000, valid_mixed, of_a_table_of_kinds),
        Target("progress", ".minivae-progress.json", lambda path: Progress(path.parent), check_progress, DataError, 30,
               valid_progress, malformed.config_files),
        Target("idx", "idx", load_idx, check_idx, DataError, 2, valid_idx, compressed_idx),
        # an empty list or dict in the JSON is 64 bytes
        Target("model", "model.safetensors", load, check_model, CheckpointError, 30, valid_models, tensors,
               malformed.signed_again),
        Target("checkpoint", "checkpoint.safetensors", load_training, check_training, CheckpointError, 30,
               valid_checkpoints, tensors, malformed.signed_again),
        Target("gan", "gan.safetensors", GAN.load, check_gan, CheckpointError, 30, valid_gans, tensors,
               malformed.signed_again),
        Target("config", "config.json", read_config, check_config, DataError, 30, valid_configs,
               malformed.config_files),
        Target("history", "history.csv", read_history, check_history, DataError, 60, valid_histories,
               lambda _: csv_of(names, names, names, names[:3])(_).flatmap(as_a_spreadsheet_saves)),
    ]  # fmt: skip


TARGETS = {target.name: target for target in all_targets()}


# -- one file ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What came of one file: refused or accepted, the bytes that were asked for and may be, and what was wrong."""

    refused: bool
    peak: int
    limit: int
    faults: list[str]


def attempt(target, content, folder):
    """Load a file and look at what comes out; ``folder`` is empty, but for the file of the attempt before."""
    path = Path(folder) / target.file
    path.write_bytes(content)
    sys.code_was_run = False
    with warnings.catch_warnings(record=True, action="always") as said:
        loaded, error, peak = measured(target.load, path)
    faults = check_refusal(target, error) if error is not None else check_object(target, loaded)
    limit = target.factor * len(content) + MIB
    faults += [f"{peak} bytes asked for, but {limit} are the limit for a file of {len(content)}"] * (peak > limit)
    faults += ["code in the file was run"] * sys.code_was_run
    faults += [f"left behind: {name}" for name in os.listdir(folder) if name != target.file]
    faults += [f"a warning: {warning.category.__name__}: {warning.message}" for warning in said]
    return Outcome(error is not None, peak, limit, faults)


def measured(load, path):
    """The object or the error that a file makes, and the largest memory on the way, in bytes."""
    loaded = error = None
    tracemalloc.start()
    try:
        loaded = load(path)
    except KeyboardInterrupt:
        raise
    except BaseException as caught:  # a panic in Rust is no Exception
        error = caught
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return loaded, error, peak


def check_refusal(target, error):
    """What is wrong with an error: another one than documented, or more or less than one sentence."""
    text = str(error)
    if type(error) is not target.error:
        return [f"{type(error).__name__} instead of {target.error.__name__}: {reprlib.repr(text)}"]
    if not text.isprintable() or not 0 < len(text) <= LONGEST_SENTENCE:
        return [f"no sentence, but {len(text)} characters: {text[:80]!r} ... {text[-80:]!r}"]
    return []


def check_object(target, loaded):
    """What is wrong with an object that was accepted."""
    try:
        target.check(loaded)
    except Exception as error:
        return [f"accepted, but not valid: {type(error).__name__}: {reprlib.repr(str(error))}"]
    return []


# -- many files --------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """The counts of one target."""

    tried: int = 0
    refused: int = 0
    wrong: int = 0
    peak: int = 0
    size: int = 0  # of the file at the peak
    limit: int = 0  # for that file
    reasons: dict[str, bytes] = field(default_factory=dict)  # the first file for each

    def add(self, content, outcome):
        self.tried += 1
        self.refused += outcome.refused and not outcome.faults
        self.wrong += bool(outcome.faults)
        if outcome.peak > self.peak:
            self.peak, self.size, self.limit = outcome.peak, len(content), outcome.limit
        for fault in outcome.faults:
            self.reasons.setdefault(fault, content)

    @property
    def accepted(self):
        return self.tried - self.refused - self.wrong


def campaign(target, cases, bar=None):
    """Try so many files, the same ones every time, and count."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        for content in target.valid():  # whole files first: what is imported on the way is no memory for a file
            attempt(target, content, folder)

        @settings(max_examples=cases, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(content=target.files())
        def try_one(content):
            tally.add(content, attempt(target, content, folder))
            if bar is not None:
                bar.update()

        try_one()
    return tally


ROW = "{:<12} {:>6} {:>8} {:>9} {:>6}   {:>14} {:>12} {:>12}"
HEADER = ROW.format("target", "tried", "refused", "accepted", "wrong", "largest memory", "for a file", "allowed")


def row(name, tally):
    """The counts of one target as a line; memory and sizes in bytes."""
    sizes = [f"{size:,}" for size in (tally.peak, tally.size, tally.limit)]
    return ROW.format(name, tally.tried, tally.refused, tally.accepted, tally.wrong, *sizes)


def total(tallies):
    """The sums, and the largest memory of all."""
    largest = max(tallies, key=lambda tally: tally.peak)
    sums = [sum(getattr(tally, name) for tally in tallies) for name in ("tried", "refused", "wrong")]
    return Tally(*sums, largest.peak, largest.size, largest.limit)


def report(tallies, kept):
    """The table, every reason once, and where the files that went wrong are."""
    print(HEADER, *(row(name, tally) for name, tally in tallies.items()), row("all", total(tallies.values())), sep="\n")
    reasons = [(name, *pair) for name, tally in tallies.items() for pair in tally.reasons.items()]
    for number, (name, fault, content) in enumerate(reasons):
        print(f"wrong: {name}: {fault}")
        if kept is not None:
            (Path(kept) / f"{number}-{TARGETS[name].file}").write_bytes(content)


# -- longer, led by coverage -------------------------------------------------------------------------------

WATCHED = ("minivae", "numpy.lib", "zipfile", "csv", "json", "gzip", "safetensors")  # modules whose lines count


def go_on_with_atheris(target, seconds, kept):
    """Let libFuzzer damage the valid files, and keep those that reach new lines; prints the counts and never returns.

    What ends the process before its time, such as a crash in a compiled library, leaves its file in ``kept``.
    """
    try:
        import atheris
    except ImportError:
        sys.exit("fuzz: atheris is not installed: pip install atheris (it has wheels for Linux)")
    for function in [each for each in gc.get_objects() if isinstance(each, types.FunctionType)]:
        if str(function.__module__).startswith(WATCHED):
            atheris.instrument_func(function)
    folder, corpus, tally = tempfile.mkdtemp(), tempfile.mkdtemp(), Tally()
    for number, content in enumerate(target.valid()):
        (Path(corpus) / str(number)).write_bytes(content)
        attempt(target, content, folder)  # as in the other campaign
    end = time.monotonic() + seconds

    def try_one(content):
        content = target.repair(content) if len(content) % 2 else content
        tally.add(content, attempt(target, content, folder))
        if time.monotonic() > end:
            report({target.name: tally}, kept)
            for each in (folder, corpus):
                shutil.rmtree(each)
            sys.stdout.flush()
            os._exit(1 if tally.wrong else 0)  # libFuzzer catches all exceptions

    atheris.Setup([sys.argv[0], "-timeout=60", f"-artifact_prefix={kept or '.'}/", corpus], try_one)
    atheris.Fuzz()


def main():
    """The command."""
    parser = argparse.ArgumentParser(description="Malformed files, given to every loader, and counted.")
    parser.add_argument("--cases", type=int, default=1000, help="files for each target (default: 1000)")
    parser.add_argument("--target", choices=TARGETS, help="only this one")
    parser.add_argument("--keep", metavar="FOLDER", help="where to keep the files that went wrong")
    parser.add_argument("--atheris", choices=TARGETS, help="go on for longer with this one, led by coverage")
    parser.add_argument("--seconds", type=int, default=600, help="how long (default: 600)")
    options = parser.parse_args()
    if options.keep is not None:
        os.makedirs(options.keep, exist_ok=True)
    if options.atheris:
        go_on_with_atheris(TARGETS[options.atheris], options.seconds, options.keep)
    names = list(TARGETS) if options.target is None else [options.target]
    with tqdm(total=len(names) * options.cases, unit="file", ascii=True) as bar:
        tallies = {name: campaign(TARGETS[name], options.cases, bar) for name in names}
    report(tallies, options.keep)
    return 1 if any(tally.wrong for tally in tallies.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
