"""Trains what a paper trained, by its schedule, and keeps what came out in lessons/ledger.md.

    python lessons/tools/reproduce.py burda-vae-k1 --budget short           40 of 3280 epochs, and a line in the ledger
    python lessons/tools/reproduce.py burda-iwae-k5 --budget short --twin   the same by PyTorch's autograd (twin.py)
    python lessons/tools/reproduce.py burda-vae-k1 --budget smoke           seconds: does it run? not for the ledger
    python lessons/tools/reproduce.py                                       only the table anew, from ledger.json

Cut it whenever you like: each epoch leaves a checkpoint in ``--folder``, and the same command goes on from there, to
the bits of a run that was never cut. A longer budget goes on where a shorter one has ended. MNIST is downloaded, or
read from the folder that MINIVAE_DATA names.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import fmean, stdev
from time import process_time
from typing import Any, NamedTuple

import numpy as np

from minivae import VAE, Adam, checkpoint, fit
from minivae.datasets import Dataset, load_mnist
from minivae.evaluation import evaluate
from minivae.system.files import write_text
from minivae.system.locks import locked
from minivae.system.machine import available_cores, processor
from minivae.training.schedules import StepList
from minivae.version import __version__

LESSONS = Path(__file__).resolve().parents[1]
RUNS = LESSONS.parent / "runs" / "ledger"  # git leaves it alone
EPOCHS = [3**i for i in range(8)]  # of the stages i = 0 to 7, at the learning rate 0.001 * 10^(-i/7)
SCHEDULE = StepList([sum(EPOCHS[: i + 1]) for i in range(7)], 10 ** (-1 / 7))
RATE, BATCH = 1e-3, 20
KEY = ("row", "budget", "maker", "seed")  # of an entry of ledger.json
BEGIN, END = "<!-- made by tools/reproduce.py -->", "<!-- end -->"  # around the table in ledger.md


class Row(NamedTuple):
    """A published number: the objective, its draws for each example, and -log p(x) in nats, S = 5000."""

    title: str
    objective: str
    draws: int
    paper: float


ROWS = {
    "burda-vae-k1": Row("VAE, k = 1", "elbo", 1, 86.76),
    "burda-vae-k5": Row("VAE, k = 5", "elbo", 5, 86.47),
    "burda-vae-k50": Row("VAE, k = 50", "elbo", 50, 86.35),
    "burda-iwae-k5": Row("IWAE, k = 5", "iwae", 5, 85.54),
    "burda-iwae-k50": Row("IWAE, k = 50", "iwae", 50, 84.78),
}


class Budget(NamedTuple):
    """How many of the stages, on how many rows, and how it is evaluated: draws, and test images."""

    stages: int
    rows: int
    draws: int
    test: int


BUDGETS = {
    "smoke": Budget(2, 200, 20, 40),
    "short": Budget(4, 59_600, 1000, 10_000),
    "medium": Budget(5, 59_600, 1000, 10_000),
    "full": Budget(8, 59_600, 5000, 10_000),
}


def reproduce(name: str, budget: str, seed: int, twin: bool, folder: Path, data: Dataset) -> dict[str, Any]:
    """Train, or go on with, one row on one seed, and evaluate it; the entry for the ledger."""
    maker, plan = "PyTorch" if twin else "minivae", BUDGETS[budget]
    place = folder / f"{name}-{maker.lower()}-seed{seed}{'-smoke' if budget == 'smoke' else ''}"
    train, test = data.train[: plan.rows], data.test[: plan.test]
    with locked(place):  # two processes would take turns in one checkpoint
        vae = started(ROWS[name], train, seed, place)
        epochs = sum(EPOCHS[: plan.stages])
        if vae.epoch > epochs:
            raise SystemExit(
                f"{place} has gone on to epoch {vae.epoch}, past the {epochs} of --budget {budget}: "
                "take a longer budget, or begin anew in another --folder"
            )
        how: dict[str, Any] = {"epochs": epochs - vae.epoch, "batch_size": BATCH, "seed": seed, "schedule": SCHEDULE}
        how["callbacks"] = [partial(keep, place, [process_time()])]
        if twin:
            from twin import fit_by_torch

            fit_by_torch(vae, train, row=ROWS[name], **how)
        else:
            fit(vae, train, binarize="stochastic", **how)
    print(f"{place.name}: {epochs} epochs done; log p(x) of {len(test):,} test images, {plan.draws:,} draws each")
    start = process_time()
    report = evaluate(vae, test, plan.draws, seed, "stochastic", progress=True)
    lines = (place / "history.jsonl").read_text(encoding="utf-8").splitlines()
    seconds = {line["epoch"]: line["seconds"] for line in map(json.loads, lines)}
    return {
        **{"row": name, "budget": budget, "maker": maker, "seed": seed},
        **{"steps": vae.step, "draws": plan.draws, "test_images": len(test), "active_units": report["active_units"]},
        "nll": round(-report["log_likelihood"], 3),
        "sampling_error": round(report["log_likelihood_standard_error"], 3),
        "bias": round(report["log_likelihood_bias"], 3),
        "minutes": [round(sum(seconds.values()) / 60, 1), round((process_time() - start) / 60, 1)],
        **{"machine": f"{processor()}, cores: {available_cores()}", "minivae": __version__},
    }


def started(row: Row, train: np.ndarray, seed: int, place: Path) -> VAE:
    """The model as its last checkpoint left it, or at the start: Glorot's weights, biases from the mean pixel."""
    if (place / "checkpoint.safetensors").exists():
        vae, _ = checkpoint.load_training(place / "checkpoint.safetensors", "numba")
        assert isinstance(vae, VAE)
        return vae
    how: dict[str, Any] = {"objective": row.objective, "draws": row.draws, "seed": seed, "backend": "numba"}
    vae = VAE(train.shape[1], (200, 200), 50, "tanh", init="glorot", **how)
    vae.set_output_bias(train)
    vae.optimizer = Adam(RATE, (0.9, 0.999), 1e-4)
    return vae


def keep(place: Path, since: list[float], vae: VAE, epoch: int, metrics: dict[str, float]) -> None:
    """After an epoch: its line in the history, where the last of two lines on an epoch counts, and the checkpoint."""
    seconds, since[0] = round(process_time() - since[0], 2), process_time()
    with open(place / "history.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps({"epoch": epoch, "seconds": seconds, "loss": metrics["loss"]}) + "\n")
    checkpoint.save_training(vae, place / "checkpoint.safetensors")


HEAD = (
    "| row | paper | budget, by | seeds | -log p(x) | sampling | active units | draws, images | CPU minutes | machine |"
)


def write(folder: Path, entry: dict[str, Any] | None = None) -> None:
    """Put an entry in the place of the one with its key, or add it: ledger.json, and the table in ledger.md."""
    results = json.loads((folder / "ledger.json").read_text(encoding="utf-8"))
    if entry is not None:
        results = [other for other in results if any(other[name] != entry[name] for name in KEY)] + [entry]
        write_text(folder / "ledger.json", json.dumps(results, indent=1) + "\n")
    page = folder / "ledger.md"
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    write_text(page, f"{before}{BEGIN}\n\n{table(results)}\n\n{END}{rest.split(END)[1]}")


def table(results: Sequence[dict[str, Any]]) -> str:
    """The table and its commands, in the order of ``ROWS``, whatever the order in which they were run."""
    order, groups = [*ROWS, *BUDGETS, "minivae", "PyTorch"], defaultdict(list)
    for run in sorted(results, key=lambda run: run["seed"]):
        groups[run["row"], run["budget"], run["maker"]].append(run)
    lines, commands = [HEAD, "|---" * 10 + "|"], []
    for row, budget, maker in sorted(groups, key=lambda key: [order.index(name) for name in key]):
        lines.append(line(ROWS[row], f"{budget}, {maker}", groups[row, budget, maker]))
        twin = " --twin" * (maker == "PyTorch")
        commands.append(f"$ python lessons/tools/reproduce.py {row} --budget {budget}{twin}")
    missing = [row for name, row in ROWS.items() if not any(name == key[0] for key in groups)]
    lines += [f"| {row.title} | {row.paper} | not run yet |{' |' * 7}" for row in missing]
    return "\n".join([*lines, *(["", "```console", *commands, "```"] if commands else [])])


def line(row: Row, how: str, runs: Sequence[dict[str, Any]]) -> str:
    """One line of the table."""
    nll, worst = [run["nll"] for run in runs], max(runs, key=lambda run: run["sampling_error"] + run["bias"])
    cells = [
        f"{row.title} | {row.paper} | {how} | {', '.join(str(run['seed']) for run in runs)}",
        f"{fmean(nll):.2f} +- {stdev(nll):.2f}" if len(nll) > 1 else f"{nll[0]:.2f}, one seed",
        f"{worst['sampling_error']:.3f}, {worst['bias']:.3f}",
        ", ".join(str(run["active_units"]) for run in runs),
        f"{runs[0]['draws']:,}, {runs[0]['test_images']:,}",
        "{:.1f} + {:.1f}".format(*max(run["minutes"] for run in runs)),
        "; ".join(dict.fromkeys(run["machine"] for run in runs)),
    ]
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", nargs="?", choices=ROWS, help=", ".join(ROWS), metavar="ROW")
    parser.add_argument("--budget", choices=BUDGETS, default="short")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--twin", action="store_true", help="train by PyTorch (extra peers)")
    parser.add_argument("--folder", type=Path, default=RUNS, help="of the checkpoints (default: %(default)s)")
    options = parser.parse_args(arguments)
    if options.row is None:
        return write(LESSONS)
    entry = reproduce(options.row, options.budget, options.seed, options.twin, options.folder, load_mnist())
    print(json.dumps(entry, indent=1))
    if options.budget != "smoke":
        write(LESSONS, entry)


if __name__ == "__main__":
    main()
