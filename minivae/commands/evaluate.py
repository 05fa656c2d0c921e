"""``minivae evaluate``."""

from __future__ import annotations

import argparse
import math
import warnings
from contextlib import nullcontext
from typing import Any

from minivae.commands.common import add_command, add_json, add_run, print_json, workers
from minivae.system.streams import harmless


def add(commands: Any) -> None:
    """Add the command."""
    parser = add_command(commands, "evaluate", evaluate, "estimate log p(x) and its parts on data held out")
    add_run(parser)
    add_data(parser, "(default: the test set of the run; of another file all rows, of a named set its test set)")
    parser.add_argument("--samples", type=int, default=5000, help="importance samples for each example")
    parser.add_argument("--seed", type=int, default=0, help="of everything random")
    parser.add_argument(
        "--shards",
        type=int,
        default=argparse.SUPPRESS,
        metavar="M",
        help="the processes of mpiexec, whose number divides M, share the rows, each with one BLAS thread: so every "
        "number of them, also one, finds the same",
    )
    parser.add_argument("--data-parallel", action="store_true", help="they share the rows, and any number of them can")
    add_binarize(parser)
    add_json(parser)


def add_data(parser: argparse.ArgumentParser, default: str) -> None:
    """``--data`` and ``--labels``, also for ``minivae encode``."""
    parser.add_argument(
        "--data",
        metavar="NAME|FILE",
        default=argparse.SUPPRESS,
        help=f"digits, iris, wine, mnist, or a .npy, .npz, .csv or .txt file {default}",
    )
    parser.add_argument(
        "--labels", metavar="COLUMN", default=argparse.SUPPRESS, help="the column of a file that holds labels"
    )


def add_binarize(parser: argparse.ArgumentParser) -> None:
    """``--binarize``, also for ``minivae encode``."""
    parser.add_argument(
        "--binarize",
        choices=("none", "stochastic", "threshold"),
        default=argparse.SUPPRESS,
        help="what becomes of grey pixels (default: as in training)",
    )


def evaluate(options: argparse.Namespace) -> int:
    """Print log p(x), the ELBO and its parts, and how they were measured."""
    from minivae import marks
    from minivae.errors import GreyDataWarning
    from minivae.evaluation import evaluate
    from minivae.runs.folder import Run, open_run
    from minivae.runs.rows import Examples, examples_for, rows_trained_on, training_rows_of
    from minivae.training.examples import held_out_rows
    from minivae.training.recipe import Recipe
    from minivae.validation import check_int
    from minivae.workers.group import check_same, digest, one_blas_thread
    from minivae.workers.tree import check_shards

    def read() -> tuple[Run, Examples]:
        run = open_run(options.run, getattr(options, "backend", None))
        return run, examples_for(run, getattr(options, "data", None), getattr(options, "labels", None))

    with workers(shared=True) as group, warnings.catch_warnings():
        shards = check_int(getattr(options, "shards", group.size), "--shards", 1)
        check_shards(shards, group.size)
        run, examples = group.agree(read)
        vector = run.vae.kernels.to_numpy(run.vae.store.vector)
        check_same(group, lambda: digest(vector, examples.x), "parameters or data")
        run.say_if_far_off(examples.x)
        warnings.simplefilter("ignore", GreyDataWarning)  # the report says so itself
        binarize = getattr(options, "binarize", run.binarize)
        among = group if shards > 1 else None
        result = evaluate(run.vae, examples.x, options.samples, options.seed, binarize, progress=True, group=among)
    if group.rank > 0:
        return 0
    result["run"] = str(run.path)
    n_trained = rows_trained_on(run, examples)
    result["protocol"] |= {"data": examples.name, "part": examples.part, "rows_trained_on": n_trained}
    x = held_out_rows(run.vae, examples.x, Recipe(seed=options.seed, binarize=binarize))
    train = training_rows_of(run, examples)
    if train is not None:
        train = held_out_rows(run.vae, marks.some_of(train), Recipe(binarize=binarize))
    with nullcontext() if among is None else one_blas_thread():  # and so do these
        result["scale"] = marks.scale_of(run.vae, train, x, -(result["log_likelihood"] or math.nan))
    if options.json:
        print_json(result)
    else:
        lines = report(result, run.vae.objective)
        if n_trained:
            lines.append(
                f"note        {n_trained} of these {len(examples.x)} rows are equal to rows of the run's training set: "
                "leave them out of --data for a figure on new rows"
            )
        lines.append(marks.line(result["scale"], result["log_likelihood_standard_error_of_examples"]))
        lines.append(f"next        minivae report {options.run}")
        for line in lines:
            print(harmless(line))
    return 0


def report(result: dict[str, Any], objective: str = "elbo") -> list[str]:
    """The result as lines of text, in nats per example; the objective decides what to advise."""
    how = "" if objective == "elbo" else "--objective elbo and "
    protocol, ess = result["protocol"], result["effective_sample_size"]
    name = ("log p(x|c)" if protocol["condition"] else "log p(x)") if protocol["is_log_likelihood"] else "bound (*)"
    low, high = map(shown, result["log_likelihood_interval"])
    lines = [
        f"data        {protocol['data']}: {protocol['examples']} examples ({protocol['part']}), {protocol['values']} "
        f"values, binarize {protocol['binarize']}, scaling {protocol['scaling']}",
        f"ELBO        {shown(result['elbo'])} nats per example "
        f"= -(reconstruction {shown(result['recon_nll'])} + KL {shown(result['kl'])})",
        f"{name:<12}{shown(result['log_likelihood'])} nats per example, by {protocol['samples']} importance samples, "
        f"seed {protocol['seed']}",
        f"            with more samples: between {low} and {high} (standard error "
        f"{shown(result['log_likelihood_standard_error'])}, bias about {shown(result['log_likelihood_bias'])})",
        f"            with other examples: standard error {shown(result['log_likelihood_standard_error_of_examples'])}",
        f"            effective sample size {shown(ess['median'], 1)} (median; smallest {shown(ess['min'], 1)})",
        f"bits        {shown(result['bits_per_dimension'], 4)} per dimension",
        f"latent      {shown(result['active_units'], 0)} of {len(result['kl_per_dimension'])} dimensions active "
        f"(variance of the posterior mean > {protocol['active_threshold']:g})",
    ]
    if result["active_units"] == 0:
        lines.append(
            "note        no latent dimension is active: the model makes no use of z (posterior collapse); "
            f"train it with {how}a smaller --beta or more --epochs"
        )
    lines.extend(note_on_few_samples(ess, protocol))
    if protocol["is_log_likelihood"]:
        lines.extend(note_on_mixtures(result, protocol["examples"]))
    else:
        lines.append("(*)         of a cross-entropy on grey values: not log p(x), not to be compared with binary data")
    return lines


def note_on_few_samples(ess: dict[str, Any], protocol: dict[str, Any]) -> list[str]:
    """A line if effective sample sizes are too small for the errors to be trusted."""
    if protocol["samples"] == 1 or ess["median"] is None or not ess["below_10"]:
        return []
    if ess["median"] < 10:
        return ["note        an effective sample size below 10 makes both errors too small: take more --samples"]
    return [
        f"note        {ess['below_10']} of {protocol['examples']} examples have an effective sample size below 10: "
        "their errors are too small, take more --samples"
    ]


def note_on_mixtures(result: dict[str, Any], n: int) -> list[str]:
    """A line for examples where q(z|x) is no good proposal, and one for those whose log p(x) is not to be trusted."""
    lines = []
    if result["rows_from_mixture"]:
        lines.append(
            f"note        for {result['rows_from_mixture']} of {n} examples the encoder looks in the wrong place: "
            "their log p(x) is from a mixture of proposals (lesson 14)"
        )
    if result["rows_not_trusted"]:
        doubtful = f"log p(x) of {result['rows_not_trusted']} of {n} examples"
        lines.append(f"note        {doubtful} is not to be trusted: take more --samples")
    return lines


def shown(value: float | None, digits: int = 3) -> str:
    """A number as text; "unknown" for None, such as the error of one sample."""
    return "unknown" if value is None else f"{value:.{digits}f}"
