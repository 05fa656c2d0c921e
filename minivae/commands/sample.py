"""``minivae sample``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minivae.commands.common import add_command, add_json, add_run, print_json
from minivae.errors import MinivaeError
from minivae.system.streams import print_line


def add(commands: Any) -> None:
    """Add the command."""
    parser = add_command(commands, "sample", sample, "draw new data from a trained model")
    add_run(parser)
    parser.add_argument("-n", type=int, default=48, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of everything random")
    shares = "of a --conditional RUN (default: equal shares of all, one after the other)"
    parser.add_argument("--class", dest="of_class", metavar="NAME", default=argparse.SUPPRESS, help=shares)
    parser.add_argument("--draw", action="store_true", help="draw x itself, not the mean of p(x|z)")
    parser.add_argument(
        "--out",
        metavar="FILE",
        default=argparse.SUPPRESS,
        help=".png (images), .npy, .npz, or .csv, always of draws (default: new-samples in the run folder)",
    )
    add_json(parser)


def sample(options: argparse.Namespace) -> int:
    """Write samples as a picture or an array, in the units of the data."""
    import numpy as np

    from minivae.gan.gan import GAN
    from minivae.runs.classes import rows_of
    from minivae.runs.folder import open_run

    run = open_run(options.run, getattr(options, "backend", None))
    if run.data is None:
        print_line("note: a weights file alone knows no image size; a run folder does", to_stderr=True)
    data = run.data or {}
    shape = data.get("image_shape")
    out = Path(options.out) if "out" in options else run.folder / f"new-samples{'.png' if shape else '.npy'}"
    if out.suffix not in (".png", ".npy", ".npz", ".csv"):
        raise ValueError(f"--out must end in .png or .npy, got {out.name!r} (or in .npz or .csv)")
    run.check_out(out)
    draw = options.draw or out.suffix == ".csv"
    if out.suffix == ".png" and not shape:
        raise ValueError("the rows of this model are not known to be images: use --out with the ending .npy")
    if isinstance(run.model, GAN) and draw:
        raise ValueError("draws from p(x|z), as in a .csv, are what a GAN has not: leave out --draw, and write a .npy")
    how: dict[str, Any] = {"draw": True} if draw else {}
    names: list[str] = []
    if getattr(run.model, "condition_dim", 0):
        classes = run.vae.classes or ("",)  # without names rows_of refuses
        names = [getattr(options, "of_class", classes[i * len(classes) // options.n]) for i in range(options.n)]
        how["condition"] = rows_of(run.vae, names)
    elif "of_class" in options:
        raise ValueError(f"--class is for runs that were trained with --conditional, and {run.path} was not")
    with np.errstate(all="ignore"):  # the next line looks
        samples = run.model.sample(options.n, seed=options.seed, **how)
    if not np.all(np.isfinite(samples)):
        raise MinivaeError("samples of this model are not finite: it has diverged, or its variance has; train it anew")
    if out.suffix in (".csv", ".npz"):
        from minivae.runs.tables import Rows, write_rows

        write_rows(Rows(run, samples, None), out, samples, classes=names)
    else:
        write_samples(samples, out, shape, data.get("value_range"))
    summary = {"out": str(out), "shape": samples.shape, "seed": options.seed, "draw": draw}
    print_json(summary) if options.json else print(f"wrote {len(samples)} samples to {out}")
    return 0


def write_samples(samples: Any, out: Any, shape: Any, limits: Any) -> None:
    """Write samples (n, D) to a .png or a .npy file."""
    import numpy as np

    from minivae import plotting
    from minivae.system.files import replacing

    if out.suffix == ".png":
        with plotting.own_settings():
            plotting.save(plotting.image_samples(samples, tuple(shape), limits), out)
        return
    with replacing(out) as beside:
        np.save(beside, samples)
