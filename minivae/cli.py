"""The command line: ``minivae train | sample | gradcheck | info``.

Exit status: 0; 1 if a check fails or training diverges; 2 for bad input, with one sentence; 130 after Ctrl-C.
Heavy imports happen inside the command that needs them, so that ``--help`` is quick.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import minivae
from minivae.errors import MinivaeError, TrainingDiverged


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
    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 0
    try:
        return options.command(options)
    except TrainingDiverged as error:
        return complain(options, error, 1)
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (MinivaeError, ValueError, OSError) as error:
        if os.environ.get("MINIVAE_DEBUG"):
            raise
        return complain(options, error, 2)
    except MemoryError as error:
        return complain(options, f"not enough memory for this: {error}", 2)
    except KeyboardInterrupt:
        return complain(options, "interrupted", 130)


def complain(options: argparse.Namespace, error: object, status: int) -> int:
    """One sentence on standard error."""
    print(f"minivae {options.name}: error: {error}", file=sys.stderr)
    return status


# -- train -------------------------------------------------------------------------------------------------


def add_train(commands: Any) -> None:
    """``minivae train``."""
    parser = add_command(commands, "train", train, "train a model and write its run folder")
    parser.add_argument(
        "--data", default="digits", metavar="NAME|FILE", help="digits, iris, wine, mnist, or a .npy file"
    )
    parser.add_argument(
        "--backend", default=argparse.SUPPRESS, help="numpy, numba or cupy (default: MINIVAE_BACKEND, or numpy)"
    )
    parser.add_argument(
        "--likelihood",
        default="auto",
        choices=("auto", "bernoulli", "gaussian", "categorical"),
        help="auto: bernoulli if every value lies in [0, 1], else gaussian",
    )
    parser.add_argument(
        "--hidden", type=hidden_dims, default="400", metavar="400,200|none", help="widths of the hidden layers"
    )
    parser.add_argument("--latent", type=int, default=20, help="latent dimensions")
    parser.add_argument("--beta", type=float, default=1.0, help="weight of the KL")
    parser.add_argument(
        "--activation", default="relu", choices=("relu", "tanh", "sigmoid", "softplus"), help="of the hidden layers"
    )
    parser.add_argument("--init", default="torch", choices=("torch", "glorot", "he"), help="initial weights")
    parser.add_argument(
        "--output-bias", default="init", choices=("init", "data"), help="data: the decoder starts at the data's mean"
    )
    parser.add_argument(
        "--binarize", default="none", choices=("none", "stochastic", "threshold"), help="what becomes of grey pixels"
    )
    parser.add_argument(
        "--scale",
        default="auto",
        choices=("auto", "none", "standard", "minmax"),
        help="auto: standard for a Gaussian likelihood, unless all values lie in [0, 1]",
    )
    parser.add_argument(
        "--epochs", type=int, default=argparse.SUPPRESS, help="(default: about 3000 updates, but 10 to 200 epochs)"
    )
    parser.add_argument("--batch-size", type=int, default=128, help="examples in an update")
    parser.add_argument("--optimizer", default="adam", choices=("adam", "sgd"), help="sgd has momentum 0.9")
    parser.add_argument("--lr", type=float, default=1e-3, help="learning rate")
    parser.add_argument("--l1", type=float, default=0.0, help="L1 penalty on the weights")
    parser.add_argument("--l2", type=float, default=0.0, help="L2 penalty on the weights")
    parser.add_argument("--seed", type=int, default=0, help="of everything random")
    parser.add_argument("--dtype", default="float32", choices=("float32", "float64"), help="precision")
    parser.add_argument(
        "--out", metavar="FOLDER", default=argparse.SUPPRESS, help="the run folder (default: runs/NAME)"
    )
    parser.add_argument("--overwrite", action="store_true", help="write over a run that is there already")
    add_json(parser)


def hidden_dims(text: str) -> tuple[int, ...]:
    """``"400,200"`` to (400, 200); ``"none"`` to ()."""
    if text.strip().lower() in ("none", ""):
        return ()
    try:
        return tuple(int(width) for width in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected widths such as 400,200, or none; got {text!r}") from None


def train(options: argparse.Namespace) -> int:
    """Train, then say how it went and where the run folder is."""
    from minivae import runs

    given = {name: value for name, value in vars(options).items() if name in runs.Settings.__dataclass_fields__}
    settings = runs.Settings(**given)
    summary = runs.train(settings, say=sayer(options))
    if options.json:
        print(json.dumps(summary))
        return 0
    for part in ("train", "test"):
        terms = summary[part]
        print(
            f"{part:<11} loss {terms['loss']:.3f} nats per example "
            f"= reconstruction {terms['recon_nll']:.3f} + beta * KL {terms['kl']:.3f}"
        )
    print(f"run folder  {summary['run']} ({summary['steps']} updates in {summary['seconds']:.1f} s)")
    return 0


def sayer(options: argparse.Namespace) -> Any:
    """Where the lines for a reader go: standard output, or standard error where that is kept for JSON."""
    return lambda line: print(line, file=sys.stderr if options.json else sys.stdout, flush=True)


# -- sample ------------------------------------------------------------------------------------------------


def add_sample(commands: Any) -> None:
    """``minivae sample``."""
    parser = add_command(commands, "sample", sample, "draw new data from a trained model")
    parser.add_argument("run", help="a run folder, or a .safetensors file")
    parser.add_argument("-n", type=int, default=48, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of everything random")
    parser.add_argument("--draw", action="store_true", help="draw x itself, not the mean of p(x|z)")
    parser.add_argument(
        "--out",
        metavar="FILE",
        default=argparse.SUPPRESS,
        help=".png (images) or .npy (default: new-samples in the run folder)",
    )
    parser.add_argument(
        "--backend", default=argparse.SUPPRESS, help="numpy, numba or cupy (default: MINIVAE_BACKEND, or numpy)"
    )
    add_json(parser)


def sample(options: argparse.Namespace) -> int:
    """Write samples as a picture or as an array."""
    from pathlib import Path

    from minivae import runs

    vae, scaling, data = runs.open_run(options.run, getattr(options, "backend", None))
    if not data:
        print("note: a weights file alone knows no scaling and no image size; a run folder does", file=sys.stderr)
    shape = data.get("image_shape")
    folder = Path(options.run) if Path(options.run).is_dir() else Path(options.run).parent
    out = Path(options.out) if "out" in options else folder / f"new-samples{'.png' if shape else '.npy'}"
    if out.suffix not in (".png", ".npy"):
        raise ValueError(f"--out must end in .png or .npy, got {out.name!r}")
    if out.suffix == ".png" and not shape:
        raise ValueError("the rows of this model are not known to be images: use --out with the ending .npy")
    samples = scaling.invert(vae.sample(options.n, seed=options.seed, draw=options.draw))
    write_samples(samples, out, shape, data.get("value_range"))
    summary = {"out": str(out), "shape": list(samples.shape), "seed": options.seed, "draw": options.draw}
    print(json.dumps(summary) if options.json else f"wrote {len(samples)} samples to {out}")
    return 0


def write_samples(samples: Any, out: Any, shape: Any, limits: Any) -> None:
    """A picture or an array, beside and renamed."""
    import numpy as np

    from minivae import plotting
    from minivae.files import replacing

    if out.suffix == ".png":
        plotting.save(plotting.image_samples(samples, tuple(shape), limits), out)
        return
    with replacing(out) as beside:
        np.save(beside, samples)


# -- gradcheck ---------------------------------------------------------------------------------------------


def add_gradcheck(commands: Any) -> None:
    """``minivae gradcheck``."""
    parser = add_command(commands, "gradcheck", gradcheck, "check every gradient against finite differences")
    parser.add_argument(
        "--backend", default=argparse.SUPPRESS, help="numpy, numba or cupy (default: MINIVAE_BACKEND, or numpy)"
    )
    add_json(parser)


def gradcheck(options: argparse.Namespace) -> int:
    """Print a line for every array of every function and of the whole model; status 1 if any is wrong."""
    from minivae import backend, selfcheck
    from minivae.gradcheck import TOLERANCE

    results = []
    name = backend.load(getattr(options, "backend", None)).name
    for check in selfcheck.check_all(name):
        results.append(check)
        if not options.json:
            print_check(check, is_new=len(results) == 1 or results[-2].function != check.function)
    worst = max(check.relative_error for check in results)
    failed = sum(not check.passed for check in results)
    if options.json:
        summary = {"backend": name, "tolerance": TOLERANCE, "passed": not failed, "worst": worst}
        print(json.dumps(summary | {"checks": [check.to_dict() for check in results]}))
    else:
        verdict = f"{failed} of {len(results)} arrays WRONG" if failed else f"all {len(results)} arrays right"
        print(f"\n{verdict} on the {name} backend; worst relative error {worst:.1e}, tolerance {TOLERANCE:g}")
    return 1 if failed else 0


def print_check(check: Any, is_new: bool) -> None:
    """One line of the table; a heading before the first of each function."""
    if is_new:
        print(f"\n{check.function}")
    state = "ok  " if check.passed else "FAIL"
    shape = "x".join(str(size) for size in check.shape) or "scalar"
    print(f"  {state}  {check.array:<24} {shape:<8} {check.relative_error:8.1e}  {check.method}")
    if check.message:
        print(f"        {check.message}")


# -- info --------------------------------------------------------------------------------------------------


def add_info(commands: Any) -> None:
    """``minivae info``."""
    parser = add_command(commands, "info", info, "say what this machine has: versions, backends, BLAS, threads")
    add_json(parser)


def info(options: argparse.Namespace) -> int:
    """Print the facts that a bug report or a benchmark needs."""
    from minivae.machine import facts

    values = facts()
    if options.json:
        print(json.dumps(values))
        return 0
    for name, value in values.items():
        rows = value.items() if isinstance(value, dict) else [("", value)]
        for i, (key, text) in enumerate(rows):
            print(f"{name if i == 0 else '':<12}{key + ': ' if key else ''}{text}")
    return 0


# -- the parser --------------------------------------------------------------------------------------------


def add_command(commands: Any, name: str, command: Any, text: str) -> argparse.ArgumentParser:
    """A subcommand and the function that runs it."""
    sentence = text[0].upper() + text[1:] + "."
    formatter = argparse.ArgumentDefaultsHelpFormatter
    parser = commands.add_parser(name, help=text, description=sentence, formatter_class=formatter, allow_abbrev=False)
    parser.set_defaults(command=command, name=name)
    return parser


def add_json(parser: argparse.ArgumentParser) -> None:
    """``--json``, the same for every command."""
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object, and nothing else, on standard output"
    )


def make_parser() -> Parser:
    """The whole command line."""
    parser = Parser(prog="minivae", description="A variational autoencoder derived by hand, with no autograd.")
    parser.add_argument("--version", action="version", version=f"minivae {minivae.__version__}")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for add in (add_train, add_sample, add_gradcheck, add_info):
        add(commands)
    return parser
