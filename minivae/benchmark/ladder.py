"""The speed ladder: one training step, from what one would write first to what the Numba backend does.

``python -m minivae.benchmark.ladder`` checks each rung against the reference, times them in turns, and prints the
table that stands in kernels/README.md. The first two rungs are written out below; the others are the backends.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from minivae.benchmark import facts
from minivae.benchmark.contenders import Contender
from minivae.benchmark.interleave import divided, in_turns, spread
from minivae.benchmark.problem import BETAS, EPSILON, LEARNING_RATE, Layers, Problem, layers_of
from minivae.benchmark.processes import BenchmarkError, Child
from minivae.benchmark.suite import block, calibrated, say, shown, started
from minivae.gradcheck import relative_error
from minivae.model.vae import VAE

Gradient = Callable[[Layers, np.ndarray, np.ndarray], tuple[float, Layers]]


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


# ---------------------------------------------------------------------------------------------------------
# The first two rungs: d loss / d parameter of a batch, with a layer's (W, b) in ``layers``


def by_outer_products(layers: Layers, x: np.ndarray, eps: np.ndarray) -> tuple[float, Layers]:
    """The loss and its gradients, example by example.

    Parameters
    ----------
    layers : mapping of str to (W, b)
    x, eps : ndarrays of shape (B, D) and (B, K)
    """
    gradients = {name: (np.zeros_like(W), np.zeros_like(b)) for name, (W, b) in layers.items()}
    loss = 0.0
    for example, noise in zip(x, eps, strict=True):
        part, gradient = by_matrix_products(layers, example[None], noise[None], outer=True)
        loss += part / len(x)
        for name, (dW, db) in gradient.items():
            gradients[name][0][...] += dW / len(x)
            gradients[name][1][...] += db / len(x)
    return loss, gradients


def by_matrix_products(layers: Layers, x: np.ndarray, eps: np.ndarray, outer: bool = False) -> tuple[float, Layers]:
    """The loss and its gradients, for all examples at once, each line as it stands on paper.

    Parameters
    ----------
    layers : mapping of str to (W, b)
    x, eps : ndarrays of shape (B, D) and (B, K)
    outer : bool, default False
        For a single example: its gradients by ``np.outer``.
    """
    (W1, b1), (W2, b2), (W3, b3), (W4, b4) = (layers[name] for name in ("encoder", "heads", "decoder", "output"))
    h = np.maximum(x @ W1 + b1, 0)
    mu, logvar = np.split(h @ W2 + b2, 2, axis=1)
    std = np.exp(logvar / 2)
    z = mu + std * eps
    g = np.maximum(z @ W3 + b3, 0)
    logits = g @ W4 + b4
    recon_nll = np.logaddexp(0, logits) - x * logits
    kl = (mu**2 + std**2 - 1 - logvar) / 2
    loss = float(recon_nll.sum() + kl.sum()) / len(x)

    dlogits = (1 / (1 + np.exp(-logits)) - x) / len(x)
    dg = dlogits @ W4.T * (g > 0)
    dz = dg @ W3.T
    dmu = dz + mu / len(x)
    dlogvar = dz * eps * std / 2 + (std**2 - 1) / 2 / len(x)
    dheads = np.hstack([dmu, dlogvar])
    dh = dheads @ W2.T * (h > 0)

    def of_layer(inputs: np.ndarray, da: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.outer(inputs, da) if outer else inputs.T @ da, da.sum(axis=0)

    pairs = {"encoder": (x, dh), "heads": (h, dheads), "decoder": (z, dg), "output": (g, dlogits)}
    return loss, {name: of_layer(*pair) for name, pair in pairs.items()}


PLAIN: dict[str, Gradient] = {"outer products": by_outer_products, "matrix products": by_matrix_products}


def adam_step(w: np.ndarray, dw: np.ndarray, m: np.ndarray, v: np.ndarray, t: int) -> None:
    """Adam as in its paper, for one array.

    Parameters
    ----------
    w, dw, m, v : ndarray of any shape
    t : int
    """
    m[...] = BETAS[0] * m + (1 - BETAS[0]) * dw
    v[...] = BETAS[1] * v + (1 - BETAS[1]) * dw**2
    w -= LEARNING_RATE * (m / (1 - BETAS[0] ** t)) / (np.sqrt(v / (1 - BETAS[1] ** t)) + EPSILON)


def plain_contender(name: str, problem: Problem) -> Contender:
    """One of the first two rungs.

    Parameters
    ----------
    name : {"outer products", "matrix products"}
    problem : Problem
    """
    layers, data, size = problem.layers(), problem.data(), problem.batch_size
    state = {name: [(np.zeros_like(w), np.zeros_like(w)) for w in layer] for name, layer in layers.items()}
    rng, t = np.random.default_rng(0), 0

    def train() -> float:
        nonlocal t
        start, t = t % problem.batches * size, t + 1
        eps = rng.standard_normal((size, problem.latent_dim), dtype=np.float32)
        loss, gradients = PLAIN[name](layers, data[start : start + size], eps)
        for layer, gradient in gradients.items():
            for w, dw, (m, v) in zip(layers[layer], gradient, state[layer], strict=True):
                adam_step(w, dw, m, v, t)
        return loss

    def run(n: int) -> tuple[float, float]:
        losses = [train() for _ in range(n)]
        return losses[0], losses[-1]

    return Contender(run, partial(run, problem.batches))


# ---------------------------------------------------------------------------------------------------------
# Verify, then time


def error_of(gradient: Gradient) -> float:
    """The relative error of a rung's gradient, in float64, against the reference."""
    problem = Problem(batch_size=6, examples=12, input_dim=11, hidden_dim=7, latent_dim=3)
    x = problem.data()[:6].astype(np.float64)
    exact = VAE(11, (7,), 3, dtype="float64", backend="numpy", seed=0)
    eps = np.random.default_rng(0).standard_normal((6, 3))
    loss = exact.loss_and_gradients(x, eps).loss
    ours, gradients = gradient(layers_of(exact.parameters), x, eps)
    pairs = [
        pair
        for layer, expected in layers_of(exact.gradients).items()
        for pair in zip(gradients[layer], expected, strict=True)
    ]
    return max(abs(ours - loss) / abs(loss), *(relative_error(got, expected) for got, expected in pairs))


def verify(rung: Rung, child: Child) -> None:
    """BenchmarkError unless this rung computes the gradients of the reference."""
    if rung.contender in PLAIN:
        error = error_of(PLAIN[rung.contender])
        if not error < 1e-10:
            raise BenchmarkError(f"the rung {rung.contender!r} is wrong: relative error {error:.1e}")
    elif mismatch := child.ask("verify")["mismatch"]:
        raise BenchmarkError(mismatch)


def climb(problem: Problem, rounds: int) -> list[dict[str, float]]:
    """Milliseconds per step of each rung, and how many times as fast it is as the one below; medians over rounds."""
    with ExitStack() as stack:
        blocks = {}
        for i, rung in enumerate(RUNGS):
            child = stack.enter_context(Child(rung.contender, problem, settings=rung.settings))
            verify(rung, child)
            started(child)
            say(f"rung {i + 1} is right, and ready: {rung.text}")
            blocks[str(i)] = partial(block, child, calibrated(child))
        times = list(in_turns(blocks, shown(rounds, "timing the ladder")).values())
    faster = [[1.0] * rounds, *(divided(below, here) for below, here in pairwise(times))]
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
