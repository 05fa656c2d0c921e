"""The speed ladder: one training step, from what one would write first to what the Numba backend does.

``python -m minivae.benchmark.ladder`` checks each rung against the reference, times them in turns, and prints the
table that stands in kernels/README.md. The first two rungs are in plain.py; the others are the backends.
"""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np

from minivae.benchmark import facts
from minivae.benchmark.plain import PLAIN, Gradient
from minivae.benchmark.problem import Problem, layers_of
from minivae.benchmark.processes import BenchmarkError, Child
from minivae.benchmark.turns import block_timer, divide, say, show_rounds, spread, start, take_turns
from minivae.gradcheck import relative_error
from minivae.model.vae import VAE


class Rung(NamedTuple):
    """A step of the ladder: who computes it, with which settings in the environment, and what is new."""

    contender: str
    settings: dict[str, str]
    text: str


RUNGS = (
    Rung("outer products", {}, "one example at a time, its gradients as outer products"),
    Rung("matrix products", {}, "all examples of a batch at once: outer products become matrix products"),
    Rung("numpy", {}, "one flat vector of parameters, every result into a buffer, blocks that fit the cache"),
    Rung("numba", {"NUMBA_NUM_THREADS": "1"}, "fused kernels with vectorised exp and log; BLAS keeps its threads"),
    Rung("numba", {}, "one pool of threads for products and kernels"),
)


def error_of(gradient: Gradient) -> float:
    """The relative error of a rung's gradient, in float64, against the reference."""
    problem = Problem(batch_size=6, examples=12, input_dim=11, hidden_dim=7, latent_dim=3)
    x = problem.data()[:6].astype(np.float64)
    exact = VAE(11, (7,), 3, dtype="float64", backend="numpy", seed=0)
    eps = np.random.default_rng(0).standard_normal((6, 3))
    loss = exact.loss_and_gradients(x, eps).loss
    ours, gradients = gradient(layers_of(exact.parameters), x, eps)
    pairs = [zip(gradients[name], layer, strict=True) for name, layer in layers_of(exact.gradients).items()]
    return max(abs(ours - loss) / abs(loss), *(relative_error(*pair) for pair in chain(*pairs)))


def verify(rung: Rung, child: Child) -> None:
    """BenchmarkError unless this rung computes the gradients of the reference."""
    if rung.contender in PLAIN:
        error = error_of(PLAIN[rung.contender])
        if not error < 1e-10:
            raise BenchmarkError(f"the rung {rung.contender!r} is wrong: relative error {error:.1e}")
    elif mismatch := child.ask("verify"):
        raise BenchmarkError(mismatch)


def climb(problem: Problem, rounds: int) -> list[dict[str, float]]:
    """Milliseconds per step of each rung, and how many times as fast it is as the one below; medians over rounds."""
    with ExitStack() as stack:
        blocks = {}
        for i, rung in enumerate(RUNGS):
            child = stack.enter_context(Child(rung.contender, problem, settings=rung.settings))
            verify(rung, child)
            start(child)
            say(f"rung {i + 1} is right, and ready: {rung.text}")
            blocks[str(i)] = block_timer(child)
        times = list(take_turns(blocks, show_rounds(rounds, "timing the ladder")).values())
    faster = [[1.0] * rounds, *(divide(below, here) for below, here in pairwise(times))]
    return [spread(ms) | {"faster": spread(ratio)["median"]} for ms, ratio in zip(times, faster, strict=True)]


def table(steps: list[dict[str, float]]) -> list[str]:
    """The ladder in Markdown."""
    rows = ["| rung | the step | ms | times as fast as the one above |", "|---|---|---|---|"]
    for i, (rung, step) in enumerate(zip(RUNGS, steps, strict=True)):
        faster = f"{step['faster']:.1f}" if i else ""
        rows.append(f"| {i + 1} | {rung.text} | {step['median']:.2f} | {faster} |")
    return rows


def main() -> None:
    """Print the table, and the machine."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    machine = facts.facts()
    print("\n".join(table(climb(Problem(), rounds))))
    print(json.dumps({name: machine[name] for name in ("processor", "cores", "vector width", "versions")}))


if __name__ == "__main__":
    main()
