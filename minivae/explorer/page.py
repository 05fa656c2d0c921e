"""The page: one HTML file that holds its style, its program and a run, and asks nobody for anything else."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from pathlib import Path
from string import Template
from typing import Any

from minivae.datasets import Dataset
from minivae.errors import MinivaeError
from minivae.explorer.content import content
from minivae.runs.folder import Run

LIMIT = 2_000_000  # bytes; a page that would be larger holds its parameters in float16
FOLDER, FILES = Path(__file__).parent, ("explorer.html", "explorer.css", "model.js", "drawing.js", "explorer.js")


def page(run: Run, data: Dataset) -> tuple[str, str]:
    """The page of a run, and the dtype of the parameters in it: float32 while it stays below 2 MB.

    Parameters
    ----------
    run : Run
    data : Dataset
        What it was trained on.
    """
    whole = filled(content(run, data, "float32"))
    if len(whole.encode()) < LIMIT:
        return whole, "float32"
    try:
        return filled(content(run, data, "float16")), "float16"
    except MinivaeError:  # a weight beyond 65504
        return whole, "float32"


def filled(values: dict[str, Any]) -> str:
    """The template with its parts in place."""
    template, style, *scripts = ((FOLDER / name).read_text(encoding="utf-8") for name in FILES)
    program = "".join(scripts)
    return Template(template).substitute(
        policy=policy(style, program),
        title=html.escape(f"{values['name']} - minivae"),
        style=style,
        script=program,
        # In JSON "<" stands only inside texts, where it may be written otherwise: none can then end the script element.
        run=json.dumps(values, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
    )


def policy(style: str, script: str) -> str:
    """What the browser may do for the page: run this script, apply this style, and load nothing."""
    nothing = "default-src 'none'; base-uri 'none'; form-action 'none'"
    return f"{nothing}; style-src {hash_of(style)}; script-src {hash_of(script)}"


def hash_of(text: str) -> str:
    """The source expression of Content-Security-Policy for one inline element."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
