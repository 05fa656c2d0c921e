"""``minivae report``."""

from __future__ import annotations

import argparse
import warnings
from typing import Any

from minivae.commands.common import add_command, add_json, add_run, print_json
from minivae.system.streams import harmless


def add(commands: Any) -> None:
    """Add the command."""
    parser = add_command(commands, "report", report, "say what a run's numbers mean, and what holds the model back")
    add_run(parser)
    parser.add_argument("--html", metavar="FILE", help="also write a page with the pictures")
    add_json(parser)


def report(options: argparse.Namespace) -> int:
    """Print findings in order of harm, each with its evidence and a remedy."""
    from minivae.marks import line
    from minivae.report.evidence import Evidence
    from minivae.report.findings import find
    from minivae.report.page import page
    from minivae.runs.folder import open_run
    from minivae.system.files import write_text

    if options.html and not options.html.endswith(".html"):  # no input of ours does
        raise ValueError(f"--html must end in .html, got {options.html!r}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the findings say so themselves
        evidence = Evidence(open_run(options.run, getattr(options, "backend", None)))
        found, scale = find(evidence), line(evidence.scale, evidence.error)
    if options.html:
        write_text(options.html, page(evidence, scale, found))
    if options.json:
        protocol = {"training_rows": len(evidence.train), "test_rows": len(evidence.test), "units": "nats per example"}
        print_json({"findings": found, "scale": evidence.scale, "protocol": protocol})
        return 0
    for f in found:
        scale += f"\n{f['name']} ({f['severity']})\n            {f['evidence']}\n            try: {f['remedy']}"
    print(
        "\n".join(map(harmless, scale.split("\n")))
        + "\nno finding: nothing seems to hold this model back" * (not found)
    )
    return 0
