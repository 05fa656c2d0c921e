"""``minivae info``."""

from __future__ import annotations

import argparse
from typing import Any

from minivae.commands.common import add_command, add_json, print_json


def add(commands: Any) -> None:
    """Add the command."""
    parser = add_command(commands, "info", info, "say what this machine has: versions, backends, BLAS, threads")
    add_json(parser)


def info(options: argparse.Namespace) -> int:
    """Print facts for a bug report or a benchmark."""
    from minivae.system.machine import facts
    from minivae.training.native import POLICY
    from minivae.workers.mpi import found

    values = facts() | {"epochs": POLICY, "mpi": found()}
    if options.json:
        print_json(values)
        return 0
    for name, value in values.items():
        rows = value.items() if isinstance(value, dict) else [("", value)]
        for i, (key, text) in enumerate(rows):
            print(f"{name if i == 0 else '':<12}{key + ': ' if key else ''}{text}")
    return 0
