"""``minivae explain-loss``."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from minivae.commands.common import add_command, add_json, print_json

TERMS = {"bce": "Bernoulli on probabilities", "squared": "squared error", "absolute": "absolute error"}


def add(commands: Any) -> None:
    """Add the command."""
    parser = add_command(commands, "explain-loss", explain, "say which beta a loss has, from how its terms are reduced")
    parser.add_argument("--reconstruction", choices=TERMS, default="bce", help="squared: without a factor 1/2")
    for term, over in (("rec", "columns"), ("kl", "latent dimensions")):
        parser.add_argument(f"--{term}-reduction", choices=("sum", "mean"), default="sum", help=f"over {over}")
        parser.add_argument(f"--{term}-weight", type=float, default=1.0, help="the factor in front of that term")
    parser.add_argument("--input-dim", type=int, required=True, help="columns of the data")
    parser.add_argument("--latent", type=int, required=True, help="latent dimensions")
    parser.add_argument("--data", help="tells how many dimensions can stay alive, once these are standardised")
    add_json(parser)


def explain(options: argparse.Namespace) -> int:
    """Build the loss that the options describe, and explain it."""
    from minivae import datasets
    from minivae.marks import live_dimensions
    from minivae.model.scaling import Scaling
    from minivae.report.explain import KL, RECONSTRUCTIONS, explain_loss

    def loss(reconstruction: Any, x: Any, mu: Any, logvar: Any) -> float:
        rec = RECONSTRUCTIONS[TERMS[options.reconstruction]](reconstruction, x)
        kl = sum(term(mu, logvar) for term in KL.values()) / 2
        rec, kl = getattr(rec, options.rec_reduction)(axis=1), getattr(kl, options.kl_reduction)(axis=1)
        return float((options.rec_weight * rec + options.kl_weight * kl).mean())

    found = explain_loss(loss, options.input_dim, options.latent)
    values, text = asdict(found), str(found)
    if options.data and found.beta is not None and found.variance is not None:
        x = datasets.load(options.data).train
        alive = live_dimensions(Scaling.of("standard", x).apply(x), options.latent, found.beta * found.variance)
        values["alive"] = alive
        text += f"\nalive       {alive} of {options.latent} dimensions of a linear model, data standardised"
    print_json(values) if options.json else print(text)
    return 0
