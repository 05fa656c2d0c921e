"""``minivae encode``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minivae.commands.common import add_command, add_json, add_run, print_json
from minivae.commands.evaluate import add_binarize, add_data
from minivae.system.streams import harmless

if TYPE_CHECKING:
    from minivae.runs.rows import Examples


def add(commands: Any) -> None:
    """Add the command."""
    parser = add_command(commands, "encode", encode, "write where examples lie in the latent space")
    add_run(parser)
    add_data(parser, "(all rows of a file, in its order; the test set of a named set; default: the data of the run)")
    add_binarize(parser)
    parser.add_argument(
        "--out",
        metavar="FILE",
        default=argparse.SUPPRESS,
        help=".npy: posterior means (N, K); .npz: mu, logvar, and labels (default: z.npy in the run folder)",
    )
    add_json(parser)


def encode(options: argparse.Namespace) -> int:
    """Write the posterior means, or means, log variances and labels."""
    from minivae.runs.folder import open_run
    from minivae.runs.rows import describe_labels, examples_for
    from minivae.training.examples import as_trained
    from minivae.training.recipe import Recipe

    run = open_run(options.run, getattr(options, "backend", None))
    out = Path(options.out) if "out" in options else run.folder / "z.npy"
    if out.suffix not in (".npy", ".npz"):
        raise ValueError(f"--out must end in .npy or .npz, got {out.name!r}")
    wanted = getattr(options, "data", None)
    run.check_out(out, wanted)
    examples = examples_for(run, wanted, getattr(options, "labels", None), all_rows_of_files=True)
    binarize = getattr(options, "binarize", run.binarize)
    run.vae.check(examples.x, grey_is_fine=True)  # encode itself takes any numbers
    run.say_if_far_off(examples.x)
    mu, logvar = run.vae.encode(as_trained(run.vae, examples.x, Recipe(binarize=binarize)))
    write(out, mu, logvar, examples)
    if options.json:
        summary = {"out": str(out), "shape": list(mu.shape), "data": examples.name, "part": examples.part}
        print_json(summary | {"binarize": binarize, "label_names": list(examples.label_names)})
        return 0
    names = describe_labels(examples.label_names) if out.suffix == ".npz" else ""
    labels = f", and labels{names}" if names else ""
    print(harmless(f"wrote {len(mu)} x {mu.shape[1]} posterior means to {out}{labels}"))
    return 0


def write(out: Path, mu: Any, logvar: Any, examples: Examples) -> None:
    """Write mu (N, K) to a .npy file, or all arrays to a .npz file."""
    import numpy as np

    from minivae.system.files import replacing

    with replacing(out) as beside:
        if out.suffix == ".npy":
            np.save(beside, mu)
        else:
            known: dict[str, Any] = {} if examples.labels is None else {"labels": examples.labels}
            if examples.label_names:
                known["label_names"] = np.array(examples.label_names)
            np.savez(beside, mu=mu, logvar=logvar, **known)
