"""``minivae report``."""

from __future__ import annotations

import argparse
import json
import warnings
from typing import Any

from minivae.commands.common import add_command, add_json, add_run
from minivae.system.streams import harmless


def add(commands: Any) -> None:
    """Add the command."""
    parser = add_command(commands, "report", report, "say what a run's numbers mean, and what holds the model back")
    add_run(parser)
    parser.add_argument("--html", metavar="FILE", default=argparse.SUPPRESS, help="also write a page with the pictures")
    add_json(parser)


def report(options: argparse.Namespace) -> int:
    """Print findings in order of harm, each with its evidence and a remedy."""
    from minivae import marks
    from minivae.report import page
    from minivae.report.evidence import Evidence
    from minivae.report.findings import find
    from minivae.runs.folder import open_run
    from minivae.system.files import write_text

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the findings say so themselves
        evidence = Evidence(open_run(options.run, getattr(options, "backend", None)))
        found = find(evidence)
    lines = [marks.line(evidence.scale, evidence.error)]
    if "html" in options:
        write_text(options.html, page.write(evidence, lines[0], found))
    if options.json:
        protocol = {"training_rows": len(evidence.train), "test_rows": len(evidence.test), "units": "nats per example"}
        print(json.dumps({"findings": found, "scale": evidence.scale, "protocol": protocol}))
        return 0
    for finding in found:
        lines += [f"{finding['name']} ({finding['severity']})", f"            {finding['evidence']}"]
        lines.append(f"            try: {finding['remedy']}")
    for line in lines if found else [*lines, "no finding: nothing seems to hold this model back"]:
        print(harmless(line))
    return 0
