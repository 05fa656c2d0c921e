"""``minivae explore``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from minivae.commands.common import add_command, add_json, add_run


def add(commands: Any) -> None:
    """Add the command."""
    parser = add_command(commands, "explore", explore, "write a page in which to walk through the latent space")
    add_run(parser)
    parser.add_argument(
        "--data", metavar="FILE", default=argparse.SUPPRESS, help="the file that the run was trained on, if it moved"
    )
    parser.add_argument(
        "--out", metavar="FILE", default=argparse.SUPPRESS, help=".html (default: explore.html in the run folder)"
    )
    add_json(parser)


def explore(options: argparse.Namespace) -> int:
    """Write one HTML file that decodes and encodes by itself, in any browser and without a server."""
    from minivae.explorer.content import training_data
    from minivae.explorer.page import page
    from minivae.runs.folder import open_run
    from minivae.system.files import write_text

    run = open_run(options.run, getattr(options, "backend", None))
    out = Path(options.out) if "out" in options else run.folder / "explore.html"
    if out.suffix != ".html":
        raise ValueError(f"--out must end in .html, got {out.name!r}")
    text, dtype = page(run, training_data(run, getattr(options, "data", None)))
    write_text(out, text)
    if options.json:
        print(json.dumps({"out": str(out), "bytes": len(text.encode()), "parameters": dtype}))
        return 0
    print(f"wrote {out}, {len(text.encode()) / 1e6:.2f} MB, parameters in {dtype}: open it in a browser")
    return 0
