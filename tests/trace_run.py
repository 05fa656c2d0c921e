"""How far the data and the control walk in one ``minivae train``: ``python tests/trace_run.py`` prints the table.

A 60-row CSV is trained for one epoch of one batch in this process, traced by ``sys.setprofile``. A move is a call or a
return that leads from one file of minivae or kernels into another. ``test_trace_run.py`` keeps the counts that
CONTRIBUTING.md promises.
"""

import contextlib
import io
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
OURS = (str(ROOT / "minivae") + os.sep, str(ROOT / "kernels") + os.sep)
COUNTED = {"check_matrix": "checks", "apply": "scalings", "fingerprint": "hashes"}  # functions that pass over all rows
ROWS, COLUMNS = 60, 3


class Walk:
    """Counts, while it is the profiler: moves and files by stretch, and passes over the whole data."""

    def __init__(self):
        self.moves, self.files, self.passes = Counter(), {}, Counter()
        self.stretch, self.here, self.stack = "load", None, []

    def __call__(self, frame, event, argument):
        if event not in ("call", "return"):
            return
        code = frame.f_code
        if event == "call":
            self.stack.append(self.here)
            self.enter(code.co_filename)
            self.count(frame, code)
        elif self.stack:
            self.enter(self.stack.pop() or code.co_filename)

    def enter(self, file):
        if not file.startswith(OURS):
            return
        if file != self.here:
            self.here = file
            for stretch in {self.stretch, "whole"}:
                self.moves[stretch] += 1
                self.files.setdefault(stretch, set()).add(file)

    def count(self, frame, code):
        if not code.co_filename.startswith(OURS):
            return
        where = Path(code.co_filename).name, code.co_name
        if where == ("encoder.py", "backward"):
            self.stretch = "step"
        elif where == ("step.py", "training_step"):
            self.stretch = "load" if self.stretch == "load" else "step"
        if code.co_name in COUNTED:
            seen = [np.shape(value) for value in frame.f_locals.values() if isinstance(value, np.ndarray)]
            if code.co_name == "fingerprint" or any(shape[1:] == (COLUMNS,) for shape in seen):
                self.passes[COUNTED[code.co_name]] += 1


def trace():
    """The walk of one training, in a folder of its own."""
    from minivae import cli

    walk, rng = Walk(), np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        np.savetxt("table.csv", rng.normal(size=(ROWS, COLUMNS)), delimiter=",", header="a,b,c", comments="")
        command = ["train", "--data", "table.csv", "--hidden", "4", "--latent", "2", "--epochs", "1"]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            cli.main([*command, "--out", "first"])  # imports and caches are no part of the walk
            sys.setprofile(walk)
            try:
                status = cli.main([*command, "--out", "second"])
            finally:
                sys.setprofile(None)
    assert status == 0
    return walk


def main():
    """Print the table."""
    walk = trace()
    print(f"the whole command: {walk.moves['whole']} moves between {len(walk.files['whole'])} files")
    print(f"before the first encoder.backward: {walk.moves['load']} moves between {len(walk.files['load'])} files")
    for what in COUNTED.values():
        print(f"{what}: {walk.passes[what]}")


if __name__ == "__main__":
    main()
