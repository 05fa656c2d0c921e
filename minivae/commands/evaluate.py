"""``minivae evaluate``."""

from __future__ import annotations

import argparse
import json
import warnings
from typing import Any

from minivae.commands.common import add_command, add_json, add_run, sayer


def add(commands: Any) -> None:
    """The command and its options."""
    parser = add_command(commands, "evaluate", evaluate, "estimate log p(x) and its parts on data held out")
    add_run(parser)
    add_data(parser, "(default: the test set of the run; all rows of another file)")
    parser.add_argument("--samples", type=int, default=5000, help="importance samples for each example")
    parser.add_argument("--seed", type=int, default=0, help="of everything random")
    parser.add_argument(
        "--binarize",
        choices=("none", "stochastic", "threshold"),
        default=argparse.SUPPRESS,
        help="what becomes of grey pixels (default: as in training)",
    )
    add_json(parser)


def add_data(parser: argparse.ArgumentParser, default: str) -> None:
    """Which data, also for ``minivae encode``."""
    parser.add_argument(
        "--data",
        metavar="NAME|FILE",
        default=argparse.SUPPRESS,
        help=f"digits, iris, wine, mnist, or a .npy, .npz or .csv file {default}",
    )
    parser.add_argument(
        "--labels", metavar="COLUMN", default=argparse.SUPPRESS, help="the column of a file that holds labels"
    )


def evaluate(options: argparse.Namespace) -> int:
    """Print every number with how it was measured."""
    from minivae.errors import GreyDataWarning
    from minivae.evaluation import evaluate
    from minivae.run_data import examples_for
    from minivae.run_folder import open_run

    say = sayer(options)
    run = open_run(options.run, getattr(options, "backend", None))
    examples = examples_for(run, getattr(options, "data", None), getattr(options, "labels", None))
    trained_as = run.settings.binarize if run.settings is not None else "none"
    binarize = getattr(options, "binarize", trained_as)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GreyDataWarning)  # the report says so itself
        result = evaluate(run.vae, examples.x, options.samples, options.seed, binarize, progress=True)
    result["run"] = str(run.path)
    result["protocol"] |= {"data": examples.name, "part": examples.part}
    if options.json:
        print(json.dumps(result))
    else:
        for line in report(result):
            say(line)
    return 0


def report(result: dict[str, Any]) -> list[str]:
    """The result for a reader, in nats per example."""
    protocol, terms = result["protocol"], ("elbo", "recon_nll", "kl")
    name = "log p(x)" if protocol["is_log_likelihood"] else "bound (*)"
    elbo, recon_nll, kl = (result[term] for term in terms)
    lines = [
        f"data        {protocol['data']}: {protocol['examples']} examples ({protocol['part']}), {protocol['values']} "
        f"values, binarize {protocol['binarize']}",
        f"ELBO        {elbo:.3f} nats per example = -(reconstruction {recon_nll:.3f} + KL {kl:.3f})",
        f"{name:<12}{result['log_likelihood']:.3f} nats per example, by {protocol['samples']} importance samples, "
        f"seed {protocol['seed']}",
    ]
    if result["log_likelihood_standard_error"] is not None:
        (low, high), ess = result["log_likelihood_interval"], result["effective_sample_size"]
        lines += [
            f"            with more samples between {low:.3f} and {high:.3f}: the standard error of these is "
            f"{result['log_likelihood_standard_error']:.3f}, and about {result['log_likelihood_bias']:.3f} are missing",
            f"            effective sample size {ess['median']:.1f} (median; smallest {ess['min']:.1f})",
        ]
    if result["log_likelihood_standard_error_of_examples"] is not None:
        error = result["log_likelihood_standard_error_of_examples"]
        lines.append(f"            another test set of this size: +- {error:.3f}")
    lines += [
        f"bits        {result['bits_per_dimension']:.4f} per dimension",
        f"latent      {result['active_units']} of {len(result['kl_per_dimension'])} dimensions active "
        f"(variance of the posterior mean > {protocol['active_threshold']:g})",
    ]
    if not protocol["is_log_likelihood"]:
        lines.append("(*)         of a cross-entropy on grey values: not log p(x), not to be compared with binary data")
    return lines
