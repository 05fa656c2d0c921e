"""``minivae score | impute | reconstruct``: a table in, a table out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minivae.commands.common import add_command, add_json, add_run, print_json

if TYPE_CHECKING:
    from minivae.runs.tables import Rows


def add(commands: Any) -> None:
    """Add the three commands."""
    for name, command, text in (
        ("score", score, "log p(x) of each row, and which of its columns make it odd"),
        ("impute", impute, "fill what is missing in a table"),
        ("reconstruct", reconstruct, "write what a model makes of the rows of a table"),
    ):
        parser = add_command(commands, name, command, text)
        add_run(parser)
        parser.add_argument("--data", metavar="FILE", required=True, help="rows of the columns that RUN was trained on")
        parser.add_argument("--labels", metavar="COLUMN", help="its classes, for a RUN that is --conditional")
        parser.add_argument("--out", metavar="FILE", required=True, help=".csv, .npy or .npz; never an input")
        if name == "score":
            parser.add_argument("--samples", type=int, default=500, help="importance samples for each row")
        if name == "impute":
            parser.add_argument(
                "--draws", type=int, default=argparse.SUPPRESS, help="so many filled tables, one below another"
            )
        if name != "reconstruct":
            parser.add_argument("--seed", type=int, default=0, help="of everything random")
        add_json(parser)


def opened(options: argparse.Namespace) -> Rows:
    """The run and the rows that are asked for; ValueError for an output that is an input."""
    from minivae.runs.folder import open_run
    from minivae.runs.tables import check_out, read_rows

    run = open_run(options.run, getattr(options, "backend", None))
    check_out(run, options.out, options.data)
    return read_rows(run, options.data, options.labels)


def done(options: argparse.Namespace, rows: Rows, what: str, **more: Any) -> int:
    """Say what was written."""
    summary = {"out": options.out, "rows": len(rows.x), **more}
    print_json(summary) if options.json else print(f"wrote {what} of {len(rows.x)} rows to {options.out}")
    return 0


def score(options: argparse.Namespace) -> int:
    """Write log p(x) and what is odd, row by row."""
    from minivae.runs.tables import training_rows, write

    rows = opened(options)
    train = training_rows(rows.run)
    found = rows.run.vae.score(rows.x, train, options.samples, options.seed)
    write(options.out, found)
    return done(options, rows, "log p(x)", compared_with=len(train))


def impute(options: argparse.Namespace) -> int:
    """Write a table without holes."""
    import numpy as np

    from minivae.runs.tables import write_rows

    rows, draws = opened(options), getattr(options, "draws", None)
    n_holes = int(np.isnan(rows.x).sum())
    write_rows(rows, Path(options.out), rows.run.vae.impute(rows.x, n_draws=draws, seed=options.seed), fill=True)
    return done(options, rows, f"{draws or 1} completed table(s)", missing_values=n_holes)


def reconstruct(options: argparse.Namespace) -> int:
    """Write the means of p(x|z) at the posterior means."""
    from minivae.runs.tables import write_rows

    rows = opened(options)
    write_rows(rows, Path(options.out), rows.run.vae.reconstruct(rows.x))
    return done(options, rows, "reconstructions")
