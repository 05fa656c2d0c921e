"""Every contender by its name: our backends, the plain code of the speed ladder, and the peers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from minivae import backend
from minivae.backend import Array
from minivae.benchmark import game, gpu, peers
from minivae.benchmark.plain import PLAIN, plain_run
from minivae.benchmark.problem import BETAS, EPSILON, LEARNING_RATE, Problem, Run
from minivae.model.vae import VAE
from minivae.training.loop import steps_of_an_epoch, train_epoch
from minivae.training.optimizers import Adam
from minivae.training.recipe import Recipe

PEERS = {"torch": ("torch eager", "torch compile"), "jax": ("jax jit", "jax scan")}
PEER_NAMES = [name for names in PEERS.values() for name in names]
RUNS: dict[str, Callable[[Problem], Run]] = {  # of those that are not a backend
    **{name: partial(plain_run, gradient=gradient) for name, gradient in PLAIN.items()},
    "torch eager": partial(peers.torch_run, compiled=False),
    "torch compile": partial(peers.torch_run, compiled=True),
    **{name: partial(gpu.torch_run, name=name) for name in gpu.TORCH},
    "jax jit": partial(peers.jax_run, scan=False),
    "jax scan": partial(peers.jax_run, scan=True),
}
EPOCH, PASS = 60_000, 10_000  # examples of an epoch of MNIST, and of its test set, to be encoded and decoded


@dataclass
class Contender:
    """Something that trains: ``run(n)`` takes n steps, a multiple of ``at_once``, and returns its first and last loss.

    ``epoch`` trains on every example once; ``passes`` are what else can be timed, by name.
    """

    run: Run
    epoch: Callable[[], Any]
    at_once: int = 1
    passes: dict[str, Callable[[], Any]] = field(default_factory=dict)


def load(name: str) -> None:
    """Import what a contender needs; raises ImportError or BackendError where that is not to be had."""
    name = name.removeprefix(game.PREFIX)
    framework = name.split()[0]
    if framework in PEERS:
        import_module(framework)
    elif name not in PLAIN:
        backend.load(name)


def make(name: str, problem: Problem) -> Contender:
    """Build a contender: a backend, or one of ``RUNS``; or the GAN of one."""
    if name.startswith(game.PREFIX):
        run = game.make(name.removeprefix(game.PREFIX))
        return Contender(run, partial(run, problem.batches))
    if name not in RUNS:
        return our_contender(problem, name)
    run = RUNS[name](problem)
    return Contender(run, partial(run, problem.batches), problem.batches if name == "jax scan" else 1)


def our_contender(problem: Problem, name: str) -> Contender:
    """A backend of minivae: steps and epochs as ``fit`` makes them."""
    vae, recipe = problem.model(name), Recipe(problem.batch_size)
    vae.optimizer = Adam(LEARNING_RATE, BETAS, EPSILON)
    data, captured = vae.kernels.asarray(problem.data(), vae.dtype), vae.kernels.graph is not None
    x = data if captured else data[:EPOCH]  # whole batches: the graph of the steps is also the epoch's
    steps = steps_of_an_epoch(vae, x, recipe)
    run = gpu.graph_run(problem, vae, x, steps) if captured else stepwise_run(problem, vae, data)
    epoch = partial(train_epoch, vae, x, recipe, steps)
    return Contender(run, epoch, problem.batches if captured else 1, passes_of(vae, data))


def stepwise_run(problem: Problem, vae: VAE, data: Array) -> Run:
    """The step that ``fit`` makes without a graph, but with a slice of the data (N, D) in place of gathered rows."""
    examples = np.arange(len(data))

    def train() -> float:
        start = vae.step % problem.batches * problem.batch_size
        rows = slice(start, start + problem.batch_size)
        loss = vae.forward_backward(data[rows], vae.noise(examples[rows])).loss
        vae.optimizer.step(vae)
        return loss

    def run(n: int) -> tuple[float, float]:
        with vae.kernels.session():  # as in fit
            losses = [train() for _ in range(n)]
        return losses[0], losses[-1]

    return run


def passes_of(vae: VAE, data: Array) -> dict[str, Callable[[], Any]]:
    """Encoding and decoding as many examples as MNIST's test set has."""
    images = vae.kernels.to_numpy(data[:PASS])
    z = np.random.default_rng(0).standard_normal((len(images), vae.latent_dim)).astype(vae.dtype)
    return {"encode": lambda: vae.encode(images), "decode": lambda: vae.decode(z)}
