"""``minivae explain-loss``."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from minivae.commands.common import add_command, add_json


def add(commands: Any) -> None:
    """Add the command."""
    parser = add_command(commands, "explain-loss", explain, "say which beta a loss has, from how its terms are reduced")
    parser.add_argument("--reconstruction", choices=("bce", "squared", "half-squared", "absolute"), default="bce")
    for term, over in (("rec", "columns"), ("kl", "latent dimensions")):
        parser.add_argument(f"--{term}-reduction", choices=("sum", "mean"), default="sum", help=f"over {over}")
        parser.add_argument(f"--{term}-weight", type=float, default=1.0, help="factor in front of it")
    parser.add_argument("--input-dim", type=int, required=True, help="columns of the data")
    parser.add_argument("--latent", type=int, required=True, help="latent dimensions")
    parser.add_argument(
        "--data", default=argparse.SUPPRESS, help="tells how many dimensions can stay alive, once standardised"
    )
    add_json(parser)


def explain(options: argparse.Namespace) -> int:
    """Build the loss that the options describe, and explain it."""
    import numpy as np

    from minivae import datasets
    from minivae.explain import RECONSTRUCTIONS, explain_loss
    from minivae.marks import live_dimensions
    from minivae.model.scaling import Scaling

    names = {"bce": "Bernoulli on probabilities", "absolute": "absolute error"}
    term, factor = RECONSTRUCTIONS[names.get(options.reconstruction, "squared error")], options.rec_weight
    factor *= 0.5 if options.reconstruction == "half-squared" else 1

    def loss(reconstruction: np.ndarray, x: np.ndarray, mu: np.ndarray, logvar: np.ndarray) -> float:
        kl = 0.5 * (mu**2 + np.exp(logvar) - logvar - 1)
        rec = getattr(term(reconstruction, x), options.rec_reduction)(axis=1)
        return float((factor * rec + options.kl_weight * getattr(kl, options.kl_reduction)(axis=1)).mean())

    found = explain_loss(loss, options.input_dim, options.latent)
    values, text = asdict(found), str(found)
    if "data" in options and found.beta is not None and found.variance is not None:
        x = datasets.load(options.data).train
        x = Scaling.of("standard", x).apply(x)
        values["alive"] = live_dimensions(x, options.latent, found.beta * found.variance)
        text += f"\nalive       {values['alive']} of {options.latent} dimensions of a linear model, data standardised"
    print(json.dumps(values) if options.json else text)
    return 0
