"""The command line: ``minivae train | evaluate | sample | encode | explore | gradcheck | bench | learn | ... | info``.

Exit status: 0; 1 if a check fails or training diverges; 2 for bad input, with one sentence; 130 after Ctrl-C,
143 after SIGTERM. Heavy imports happen inside the command that needs them, so that ``--help`` is quick.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from minivae.commands import (
    bench,
    encode,
    evaluate,
    explain_loss,
    explore,
    gradcheck,
    info,
    learn,
    report,
    sample,
    tables,
    train,
)
from minivae.errors import MinivaeError, TrainingDiverged
from minivae.system import signals
from minivae.system.streams import flush_or_forget, print_line
from minivae.version import __version__


class Parser(argparse.ArgumentParser):
    """A parser whose complaint is one sentence."""

    def error(self, message: str) -> NoReturn:
        """Print the sentence and leave with status 2."""
        self.exit(2, f"{self.prog}: error: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = make_parser(arguments[0] if arguments else "")
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 0
    try:
        status = options.command(options)
        if sys.stdout is not None:
            sys.stdout.flush()  # here a full disk can still be reported
        return status
    except TrainingDiverged as error:
        return complain(options, f"{error} (--lr, --scale, --dtype)", 1)
    except BrokenPipeError:  # the reader, such as head, has seen enough
        return 0
    except (MinivaeError, ValueError, OSError) as error:
        if os.environ.get("MINIVAE_DEBUG"):
            raise
        return complain(options, error, 2)
    except MemoryError as error:
        return complain(options, f"not enough memory for this: {error}", 2)
    except signals.Terminated:
        return say_ended(options, "terminated", 143)
    except KeyboardInterrupt:
        return say_ended(options, "interrupted", 130)
    finally:
        flush_or_forget(sys.stdout)  # what ended the command decides its status, not a reader that has gone


def script() -> NoReturn:
    """The process of a command: :func:`main`, with signals that save what there is before they end it."""
    signals.install()
    try:
        status = main()
    except (Exception, KeyboardInterrupt):  # the latter while the arguments are read
        if signals.status_if_arrived() is None:
            raise
        status = 1
    sys.exit(signals.status_if_arrived() or status)


def complain(options: argparse.Namespace, error: object, status: int) -> int:
    """One sentence on standard error."""
    print_line(f"minivae {options.name}: error: {error}", to_stderr=True)
    return status


def say_ended(options: argparse.Namespace, how: str, status: int) -> int:
    """One line on standard error; a wish that was granted is no error."""
    print_line(f"minivae {options.name}: {how}", to_stderr=True)
    return status


COMMANDS = {  # the module that describes each
    "train": train,
    "evaluate": evaluate,
    "report": report,
    "explain-loss": explain_loss,
    "sample": sample,
    "encode": encode,
    **dict.fromkeys(("score", "impute", "reconstruct"), tables),
    "explore": explore,
    "gradcheck": gradcheck,
    "bench": bench,
    **dict.fromkeys(("learn", "check", "hint", "reset", "solution", "watch"), learn),
    "info": info,
}


def make_parser(wanted: str = "") -> Parser:
    """The command line: of the command that is ``wanted`` alone, or whole where that is none."""
    parser = Parser(prog="minivae", description="A variational autoencoder derived by hand, with no autograd.")
    parser.add_argument("--version", action="version", version=f"minivae {__version__}")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for module in [COMMANDS[wanted]] if wanted in COMMANDS else dict.fromkeys(COMMANDS.values()):
        module.add(commands)
    return parser
