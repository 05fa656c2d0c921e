"""Rows of a user's file for a trained model, and tables that a model has made, written as the file was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minivae.columns.table import Columns
from minivae.datasets import LOADERS, arrayfiles, mixed, tables
from minivae.errors import DataError
from minivae.runs.classes import with_classes
from minivae.runs.folder import Run
from minivae.runs.rows import load_again
from minivae.system.files import replacing
from minivae.system.streams import print_line

ENDINGS = (".csv", ".npy", ".npz")


class Rows(NamedTuple):
    """Rows (N, D) in the units of the data, NaN for a hole, and the cells of the text file that they are from.

    Of a run with classes, rows [x | c].
    """

    run: Run
    x: np.ndarray
    frame: mixed.Cells | None


def schema_of(run: Run) -> Columns:
    """The columns that a run was trained on; numbered reals, if it was shown none with names."""
    width = run.vae.input_dim
    return run.vae.columns or Columns.plain(map(str, range(width)), np.zeros((1, width)))


def check_out(run: Run, out: str, *inputs: str | None) -> None:
    """ValueError for an ending that is not known, or a file that is an input or belongs to the run."""
    if Path(out).suffix not in ENDINGS:
        raise ValueError(f"--out must end in {', '.join(ENDINGS)}, got {Path(out).name!r}")
    run.check_out(out, *inputs)


def read_rows(run: Run, data: str, labels: str | None) -> Rows:
    """The rows of a text file, whose columns may be in any order, or of an array of the model's width."""
    if tables.ending_of(data) not in tables.TEXT:
        array = arrays_in(data)
        return Rows(run, with_classes(run.vae, array.reshape(len(array), -1), None, (), data), None)
    trained_on_text = run.settings is not None and tables.ending_of(run.settings.data) in tables.TEXT
    header = run.settings.header if run.settings is not None and trained_on_text else "auto"
    schema = schema_of(run)
    if run.settings is not None and run.settings.conditional:
        labels = labels or run.settings.labels
    frame, texts, remarks = mixed.read_frame(data, labels, header, {}, (), schema)
    for remark in remarks:
        print_line(f"note: {data!r}: {remark}", to_stderr=True)
    x = mixed.encode(data, frame, schema)
    return Rows(run, with_classes(run.vae, x, *tables.as_classes(texts), data), frame)


def arrays_in(path: str) -> np.ndarray:
    """The array in a file of NumPy, which may hold NaN."""
    ending = tables.ending_of(path)
    tables.check_file(path, ending)
    return arrayfiles.read_npy(path) if ending == ".npy" else np.concatenate(arrayfiles.read_npz(path, None)[0])


def training_rows(run: Run) -> np.ndarray:
    """The rows that a run was trained on, as those of :class:`Rows`."""
    if run.settings is None or (run.settings.data not in LOADERS and not Path(run.settings.data).exists()):
        raise DataError(f"{run.path}: what it was trained on, which rows are compared with, is not there any more")
    data = load_again(run.settings.data, run.settings)
    run.check_same(data)
    return with_classes(run.vae, data.train, data.train_labels, data.label_names, data.name)


def write_rows(rows: Rows, out: Path, x: np.ndarray, fill: bool = False, classes: Sequence[str] = ()) -> None:
    """Write a matrix (N, D), or (draws, N, D) one below another in a .csv, as the table that ``rows`` are from.

    ``classes`` (N,) become the last column of a .csv, by the name that it had in training, and "classes" of a .npz.
    """
    if out.suffix != ".csv":
        write(str(out), {"x": x} | ({"classes": classes} if classes else {}))
        return
    schema = schema_of(rows.run)
    parts = [schema.decode(part, rows.frame, fill and rows.frame is not None) for part in np.atleast_3d(x.T).T]
    texts = [mixed.as_texts(part, rows.frame, fill) for part in parts]
    frame: dict[str, Any] = {name: [text for part in texts for text in part[name]] for name in texts[0]}
    if x.ndim == 3:
        frame = {"draw": [str(i) for i in range(len(x)) for _ in range(x.shape[1])]} | frame
    if classes:
        asked = rows.run.settings.labels if rows.run.settings is not None else None
        names = (None if (asked or "").isdigit() else asked, "class", "class asked for")
        frame[next(name for name in names if name and name not in frame)] = list(classes)
    write(str(out), frame)


def write(out: str, frame: Mapping[str, Any]) -> None:
    """Write columns by name: a .csv, a .npz of arrays, or the numbers among them as one .npy."""
    with replacing(out) as beside:
        if Path(out).suffix == ".csv":
            mixed.write(beside, mixed.as_texts(frame))
        elif Path(out).suffix == ".npz":
            arrays: dict[str, Any] = {name: np.asarray(values) for name, values in frame.items()}
            np.savez(beside, **arrays)
        else:
            numbers = [array for array in map(np.asarray, frame.values()) if array.dtype.kind == "f"]
            np.save(beside, numbers[0] if len(numbers) == 1 else np.column_stack(numbers))
