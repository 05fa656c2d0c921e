"""What the commands share: their parser, common options, and the log."""

from __future__ import annotations

import argparse
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from minivae.errors import MinivaeError
from minivae.system.streams import Printer, silence

if TYPE_CHECKING:
    from minivae.workers import Group


def add_command(
    commands: Any, name: str, command: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    """Add a command; ``command(options)`` returns the exit status."""
    sentence = text[0].upper() + text[1:] + "."
    formatter = argparse.ArgumentDefaultsHelpFormatter
    parser = commands.add_parser(name, help=text, description=sentence, formatter_class=formatter, allow_abbrev=False)
    parser.set_defaults(command=command, name=name)
    return parser


def add_run(parser: argparse.ArgumentParser) -> None:
    """The run that a command reads, and ``--backend``."""
    parser.add_argument("run", metavar="RUN", help="a run folder, or a .safetensors file")
    add_backend(parser)


def add_backend(parser: argparse.ArgumentParser) -> None:
    """``--backend``; without it the options have no such attribute."""
    parser.add_argument(
        "--backend", default=argparse.SUPPRESS, help="numpy, numba, cupy or mine (default: MINIVAE_BACKEND, or numpy)"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """``--json``."""
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object, and nothing else, on standard output"
    )


def print_json(values: Any) -> None:
    """Print one JSON object; infinity and NaN, which JSON does not know, become null."""
    print(json.dumps(json.loads(json.dumps(values), parse_constant=lambda _: None)), flush=True)


NEITHER = (
    "{0} processes were started, and each would train the same run: let them share each minibatch, with --shards {0}, "
    "or another multiple of {0}, or with --data-parallel"
)


@contextmanager
def workers(shared: bool) -> Iterator[Group]:
    """The group of this process: alone, or with the others that ``mpiexec`` has started, which must be ``shared``."""
    from minivae.workers import Alone, Mpi
    from minivae.workers.mpi import launched

    rank, size = launched()
    if rank:
        silence()
    if size > 1 and not shared:
        raise MinivaeError(NEITHER.format(size))
    group = Mpi() if size > 1 else Alone()
    with group.together():
        yield group


@contextmanager
def log_printed(options: argparse.Namespace) -> Iterator[None]:
    """Print all log lines and warnings; on standard error if standard output is for JSON."""
    log, handler = logging.getLogger("minivae"), Printer(to_stderr=options.json)
    level, propagate = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *place, **more: log.info("note        %s", message)
        try:
            yield
        finally:
            log.removeHandler(handler)
            log.setLevel(level)
            log.propagate = propagate
