"""``minivae train``."""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Iterator
from typing import Any

from minivae.commands.common import NEITHER, add_backend, add_command, add_json, log_printed, print_json, workers
from minivae.errors import MinivaeError
from minivae.runs.settings import DEFAULTS, HOLDOUTS, IN_WORDS, MODELS, OF_GAN_IN_WORDS, Settings
from minivae.system.streams import print_line


def add(commands: Any) -> None:
    """The command and its options."""
    parser = add_command(commands, "train", train, "train a model and write its run folder")
    add_data(parser.add_argument_group("data"))
    add_model(parser.add_argument_group("model"))
    add_training(parser.add_argument_group("training"))
    add_place(parser.add_argument_group("run folder"))
    add_backend(parser)
    add_json(parser)


def setting(group: Any, flag: str, text: str, **options: Any) -> None:
    """An option that is absent where it is not given: a resumed run must know which were. Its default is Settings'."""
    default = IN_WORDS.get(flag.lstrip("-").replace("-", "_"))
    of_gan = f", {OF_GAN_IN_WORDS[name]} of a GAN" if (name := flag[2:].replace("-", "_")) in OF_GAN_IN_WORDS else ""
    known = "" if default is None else f" (default: {default}{of_gan})"
    group.add_argument(flag, default=argparse.SUPPRESS, help=text + known, **options)


def add_data(group: Any) -> None:
    """What to train on."""
    setting(group, "--data", "digits, iris, wine, mnist, or a .npy, .npz, .csv or .txt file", metavar="NAME|FILE")
    setting(group, "--labels", "column (name, or number from 0) or array of a file that holds labels", metavar="COLUMN")
    setting(group, "--header", "whether the first row of a text file names the columns", choices=("auto", "yes", "no"))
    setting(
        group,
        "--drop",
        "columns (names, or numbers from 0) to leave out, such as an identifier",
        type=column_names,
        action="extend",
        metavar="COLUMN,...",
    )
    setting(
        group,
        "--columns",
        "real, positive, count, binary, category, overdispersed (counts) or drop (default: guessed, and shown)",
        type=column_kinds,
        action="extend",
        metavar="COLUMN=KIND,...",
    )
    setting(
        group, "--test", "another file, whose rows are held out; all of --data train then", type=a_file, metavar="FILE"
    )
    setting(group, "--groups", "column of rows that belong together, and are held out together", metavar="COLUMN")
    setting(group, "--holdout", "which tenth of a file is held out: by chance, or the end of it", choices=HOLDOUTS)
    setting(
        group,
        "--scale",
        "pixels: divided by 255; auto: standard for a Gaussian likelihood, unless all values lie in [0, 1]",
        choices=("auto", "none", "standard", "minmax", "pixels"),
    )
    setting(group, "--binarize", "what becomes of grey pixels", choices=("none", "stochastic", "threshold"))


def add_model(group: Any) -> None:
    """The model."""
    setting(group, "--model", "gan: two networks that play against each other (lesson 19)", choices=MODELS)
    setting(
        group,
        "--likelihood",
        "auto: mixed for a table with kinds, bernoulli if every value lies in [0, 1], else gaussian",
        choices=("auto", "bernoulli", "gaussian", "categorical", "mixed"),
    )
    setting(group, "--hidden", "widths of the hidden layers", type=whole_numbers, metavar="400,200|none")
    setting(group, "--latent", "latent dimensions", type=int)
    setting(group, "--beta", "weight of the KL", type=float)
    setting(group, "--free-bits", "nats of KL that a latent dimension has for nothing (lesson 22)", type=float)
    objectives = ("elbo", "iwae", "stl", "dreg")
    setting(group, "--objective", "the bound on log p(x) that training raises (lesson 21)", choices=objectives)
    setting(group, "--draws", "of z for each example, in each step", type=int)
    setting(group, "--conditional", "let both networks see each example's class, by its label", action="store_true")
    functions = ("relu", "leaky_relu", "tanh", "sigmoid", "softplus")
    setting(group, "--activation", "of the hidden layers", choices=functions)
    setting(group, "--init", "initial weights", choices=("torch", "glorot", "he"))
    setting(group, "--output-bias", "data: the decoder starts at the data's mean", choices=("init", "data"))
    losses, penalties = ("relativistic", "nonsaturating", "saturating"), ("approximate-r1", "none", "r1", "r1-r2")
    setting(group, "--loss", "of a GAN (default: relativistic)", choices=losses)
    setting(group, "--penalty", "on the discriminator's slope (default: approximate-r1)", choices=penalties)
    setting(group, "--dtype", "precision", choices=("float32", "float64"))


def add_training(group: Any) -> None:
    """How it is trained."""
    setting(group, "--epochs", "(default: about 3000 updates, but 10 to 200 epochs, or 400 of kinds)", type=int)
    setting(group, "--steps", "of a GAN, each an update of both networks (default: 4000)", type=int)
    setting(group, "--batch-size", "examples in an update", type=int)
    setting(group, "--optimizer", "sgd has momentum 0.9", choices=("adam", "adagrad", "sgd"))
    setting(group, "--lr", "learning rate (default: 0.001; 0.005 and a cosine for columns of kinds)", type=float)
    setting(
        group,
        "--schedule",
        "of the learning rate: steps at --milestones, or half a cosine wave down to 0 over all epochs",
        choices=("auto", "constant", "steps", "cosine"),
    )
    setting(group, "--milestones", "epochs after which the rate drops", type=whole_numbers, metavar="60,80")
    setting(group, "--factor", "by which it drops", type=float)
    setting(
        group,
        "--patience",
        "stop after so many epochs without a lower loss on a tenth of the training examples, keep the best parameters",
        type=int,
        metavar="EPOCHS",
    )
    setting(
        group,
        "--corruption",
        "noise on the training examples",
        choices=("none", "gaussian", "masking", "salt-and-pepper"),
    )
    setting(group, "--corruption-level", "its standard deviation, or the share of entries it hits", type=float)
    setting(
        group,
        "--corruption-target",
        "what has to come out: the clean examples (denoising), or the noisy ones (augmentation)",
        choices=("clean", "noisy"),
    )
    setting(group, "--beta-warm-up", "epochs in which the KL's weight grows from 0 to --beta", type=int, metavar="N")
    setting(group, "--l1", "L1 penalty on the weights", type=float)
    setting(group, "--l2", "L2 penalty on the weights", type=float)
    setting(group, "--seed", "of everything random", type=int)
    setting(
        group,
        "--shards",
        "cut each minibatch into M parts: every number of processes of mpiexec that divides M trains the same model",
        type=int,
        metavar="M",
    )
    group.add_argument(
        "--data-parallel",
        action="store_true",
        help="cut it into as many parts as mpiexec starts processes, whose number then changes the last digits",
    )


def add_place(group: Any) -> None:
    """Where the run is kept."""
    setting(group, "--out", "the run folder (default: runs/NAME)", type=folder, metavar="FOLDER")
    setting(group, "--no-pictures", "draw none", action="store_true")
    setting(group, "--overwrite", "write over a run that is there already", action="store_true")
    setting(
        group,
        "--resume",
        "go on with the run in this folder, with its own settings; from the beginning if it has no checkpoint yet",
        action="store_true",
    )


def whole_numbers(text: str) -> tuple[int, ...]:
    """``"400,200"`` to (400, 200); ``"none"`` to ()."""
    if text.strip().lower() == "none":
        return ()
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected whole numbers such as 400,200, or none; got {text!r}") from None


def column_names(text: str) -> tuple[str, ...]:
    """``'a,"b, c"'`` to ("a", "b, c")."""
    names = tuple(next(csv.reader([text], skipinitialspace=True), ()))
    if not all(map(str.strip, names)) or not names:
        raise argparse.ArgumentTypeError(f"expected names or numbers of columns such as Id,3; got {text!r}")
    return names


def column_kinds(text: str) -> tuple[str, ...]:
    """``"zip=category,id=drop"`` to ("zip=category", "id=drop")."""
    kinds = column_names(text)
    if not all("=" in kind.strip("=") for kind in kinds):
        raise argparse.ArgumentTypeError(f"expected columns and their kinds such as zip=category,id=drop; got {text!r}")
    return kinds


def a_file(text: str) -> str:
    """The path, in a form that does not depend on the current folder."""
    return os.path.abspath(text)


def folder(text: str) -> str:
    """``text`` unless it is blank, as where a script has left a variable unset: that is no wish for the default."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"expected a folder such as runs/mine, got {text!r}; default: runs/NAME")
    return text


def train(options: argparse.Namespace) -> int:
    """Train, then say how it went and where the run folder is."""
    from minivae import marks
    from minivae.runs import train as runs
    from minivae.runs.resume import settings_of_a_resumed_run

    given = {name: value for name, value in vars(options).items() if name in DEFAULTS}
    given |= {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
    resumed, unfixed = given.get("resume", False), options.data_parallel
    with workers(shared=resumed or unfixed or "shards" in given) as group, log_printed(options):
        settings = group.agree(lambda: settings_of_a_resumed_run(given) if resumed else Settings.of(given))
        if unfixed and settings.shards is not None:
            raise ValueError("--shards fixes the parts of a minibatch, --data-parallel does not: only one can be had")
        if group.size > 1 and settings.model == "gan":
            raise ValueError("a GAN trains in one process: start it without mpiexec")
        if group.size > 1 and not unfixed and settings.shards is None:
            raise MinivaeError(NEITHER.format(group.size))
        summary = runs.train(settings, group=group)
    if group.rank > 0:
        return 0
    if options.json:
        print_json(summary)
        return 0
    is_gan = settings.model == "gan"
    for line in lines_of_game(summary) if is_gan else lines_of_vae(summary, settings.free_bits):
        print_line(line)
    length = f"{summary['steps_now']} steps" if is_gan else f"{summary['epochs_now']} epochs"
    print_line(f"run folder  {summary['run']} ({length} in {summary['seconds']:.1f} s)")
    if not is_gan:
        print_line(marks.line(summary["scale"], summary["scale_error"]))
        print_line(f"next        minivae report {summary['run']}")
    return 0


def lines_of_vae(summary: dict[str, Any], free_bits: float) -> Iterator[str]:
    """How the training of a VAE went."""
    is_elbo, bound = summary["objective"] == "elbo", f"the bound of {summary['objective']}, draws {summary['draws']}"
    floor = f", at least {free_bits:g} a dimension" if free_bits else ""
    for part in ("train", "test"):
        terms = summary[part]
        parts = f"reconstruction {terms['recon_nll']:.3f} + {'beta * ' * is_elbo}KL {terms['kl']:.3f}{floor}"
        parts = f"= {parts}" if is_elbo else f"= minus {bound}; -ELBO {-terms['elbo']:.3f} = {parts}"
        yield f"{part:<11} loss {terms['loss']:.3f} nats per example {parts}"
    if summary["best_epoch"] != summary["epochs"]:
        yield f"kept        the parameters of epoch {summary['best_epoch']}, the best of {summary['epochs']}"


def lines_of_game(summary: dict[str, Any]) -> Iterator[str]:
    """How the training of a GAN went."""
    for part in ("train", "test"):
        terms = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in summary[part].items())
        yield f"{part:<11} {terms or 'no comparison with samples in so many dimensions: look at samples.png'}"
