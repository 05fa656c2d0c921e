"""``minivae bench``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from minivae.commands.common import add_command, add_json, print_json

PEERS = ("torch", "jax")
LARGEST_BATCH = 2**16
PICTURES = (".png", ".svg", ".pdf")


def add(commands: Any) -> None:
    """Add the command."""
    parser = add_command(commands, "bench", bench, "time the backends against each other, and against PyTorch and JAX")
    parser.add_argument(
        "--backends",
        type=names,
        default=argparse.SUPPRESS,
        metavar="numpy,numba,cupy",
        help="which to time (default: those that can be used here)",
    )
    parser.add_argument(
        "--peers", type=names, default=(), metavar="torch,jax", help="also time the same model in these frameworks"
    )
    parser.add_argument("--batch-size", type=int, default=128, help="examples in a training step")
    parser.add_argument("--rounds", type=int, default=10, help="how often the contenders take turns")
    parser.add_argument(
        "--full",
        action="store_true",
        help="also kernels and products, batches of 20 and 512, an epoch, encoding, memory, compilation: takes long",
    )
    parser.add_argument(
        "--workers",
        type=numbers,
        default=argparse.SUPPRESS,
        metavar="1,2,4",
        help="instead time so many processes that share each minibatch by MPI, and predict where more stop paying",
    )
    parser.add_argument(
        "--plot", metavar="FILE", default=argparse.SUPPRESS, help="draw the timings, with --full also a roofline"
    )
    add_json(parser)


def names(text: str) -> tuple[str, ...]:
    """The names in a list with commas, without repetitions."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def numbers(text: str) -> tuple[int, ...]:
    """``"1,2,4"`` to (1, 2, 4)."""
    try:
        found = tuple(int(number) for number in names(text))
    except ValueError:
        found = ()
    if not found or min(found) < 1:
        raise argparse.ArgumentTypeError(f"expected numbers of processes such as 1,2,4; got {text!r}")
    return found


def bench(options: argparse.Namespace) -> int:
    """Print the report; status 1 if a kernel is wrong or a contender fails."""
    from minivae import backend
    from minivae.benchmark import workers
    from minivae.benchmark.problem import Problem
    from minivae.benchmark.processes import BenchmarkError
    from minivae.benchmark.report import report
    from minivae.benchmark.suite import Suite
    from minivae.validation import check_int

    backends = getattr(options, "backends", tuple(backend.available()))
    check_names(backends, tuple(backend.states()), "--backends")
    check_names(options.peers, PEERS, "--peers", may_be_empty=True)
    problem = Problem(check_int(options.batch_size, "--batch-size", 1, LARGEST_BATCH))
    rounds = check_int(options.rounds, "--rounds", 1)
    plot = check_picture(options.plot) if "plot" in options else None
    shared = "workers" in options
    if shared and (plot or options.full or options.peers or "backends" in options):
        raise ValueError("--workers is a benchmark of its own: it goes with --batch-size and --rounds only")
    try:
        if shared:
            result = workers.measure(options.workers, problem.batch_size, rounds)
        else:
            result = Suite(backends, options.peers, problem, rounds, options.full).run()
    except BenchmarkError as error:
        print(f"minivae bench: error: {error}", file=sys.stderr)
        return 1
    tell = workers.report if shared else report
    print_json(result) if options.json else print("\n".join(tell(result)), flush=True)
    if plot is not None:
        from minivae import plotting

        with plotting.own_settings():
            from minivae.benchmark import chart

            plotting.save(chart.picture(result), plot)
    return 0


def check_names(names: tuple[str, ...], known: tuple[str, ...], option: str, may_be_empty: bool = False) -> None:
    """ValueError for an unknown name, before anything is started."""
    for name in names:
        if name not in known:
            raise ValueError(f"{option} takes some of {', '.join(known)}, with commas between them, got {name!r}")
    if not (names or may_be_empty):
        raise ValueError(f"{option} names none: give some of {', '.join(known)}")


def check_picture(path: str) -> Path:
    """ValueError for a file that cannot be drawn, before minutes of measuring."""
    picture = Path(path)
    if picture.suffix.lower() not in PICTURES:
        raise ValueError(f"--plot draws {', '.join(PICTURES)} files, got {path!r}")
    if picture.is_dir():
        raise ValueError(f"--plot cannot write {path}: it is a folder")
    if not picture.parent.is_dir():
        raise ValueError(f"--plot cannot write {path}: there is no folder {picture.parent}")
    return picture
