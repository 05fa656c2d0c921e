"""``minivae gradcheck``."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from minivae.commands.common import add_backend, add_command, add_json, print_json


def add(commands: Any) -> None:
    """Add the command."""
    parser = add_command(commands, "gradcheck", gradcheck, "check every gradient against finite differences")
    add_backend(parser)
    add_json(parser)


def gradcheck(options: argparse.Namespace) -> int:
    """Print a line for each array of each function and model; status 1 if one is wrong."""
    from minivae import backend
    from minivae.gradcheck import TOLERANCE, cases

    results = []
    name = backend.load(getattr(options, "backend", None)).name
    for check in cases.check_all(name):
        results.append(check)
        if not options.json:
            print_check(check, is_new=len(results) == 1 or results[-2].function != check.function)
    worst = max(check.relative_error for check in results)
    failed = sum(not check.passed for check in results)
    if options.json:
        summary = {"backend": name, "tolerance": TOLERANCE, "passed": not failed, "worst": worst}
        print_json(summary | {"checks": [asdict(check) for check in results]})
    else:
        verdict = f"{failed} of {len(results)} arrays WRONG" if failed else f"all {len(results)} arrays right"
        print(f"\n{verdict} on the {name} backend; worst relative error {worst:.1e}, tolerance {TOLERANCE:g}")
    return 1 if failed else 0


def print_check(check: Any, is_new: bool) -> None:
    """Print one line of the table, after a heading if the function is new."""
    if is_new:
        print(f"\n{check.function}")
    state = "ok  " if check.passed else "FAIL"
    shape = "x".join(str(size) for size in check.shape) or "scalar"
    print(f"  {state}  {check.array:<24} {shape:<8} {check.relative_error:8.1e}  {check.method}")
    if check.message:
        print(f"        {check.message}")
