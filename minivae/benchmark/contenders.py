"""Every contender by its name: our backends, and the peers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from minivae import backend
from minivae.backend import Array
from minivae.benchmark import gpu, peers
from minivae.benchmark.problem import BETAS, EPSILON, LEARNING_RATE, Problem
from minivae.model.vae import VAE
from minivae.training.loop import steps_of_an_epoch, train_epoch
from minivae.training.optimizers import Adam
from minivae.training.recipe import Recipe

PEERS = {"torch": ("torch eager", "torch compile"), "jax": ("jax jit", "jax scan")}
RUNGS = ("outer products", "matrix products")  # those of the speed ladder that are not a backend
PEER_NAMES = [name for names in PEERS.values() for name in names]
EPOCH, PASS = 60_000, 10_000  # examples of an epoch of MNIST, and of its test set, to be encoded and decoded


@dataclass
class Contender:
    """Something that trains: ``run(n)`` takes n steps, a multiple of ``at_once``, and returns its first and last loss.

    ``epoch`` trains on every example once; ``passes`` are what else can be timed, by name.
    """

    run: peers.Run
    epoch: Callable[[], Any]
    at_once: int = 1
    passes: dict[str, Callable[[], Any]] = field(default_factory=dict)


def load(name: str) -> None:
    """Import what a contender needs; raises ImportError or BackendError where that is not to be had."""
    framework = name.split()[0]
    if framework in PEERS:
        import_module(framework)
    elif name not in RUNGS:
        backend.load(name)


def make(name: str, problem: Problem, device: str = "cpu") -> Contender:
    """Build a contender.

    Parameters
    ----------
    name : str
        A backend's, one of those in ``PEERS``, or of ``RUNGS``.
    problem : Problem
    device : str, default "cpu"
        Where a peer computes; a backend knows its own.
    """
    if name in RUNGS:
        return import_module("minivae.benchmark.ladder").plain_contender(name, problem)
    if name in gpu.TORCH:
        run = gpu.torch_run(problem, name)
        return Contender(run, partial(run, problem.batches))
    if name not in PEER_NAMES:
        return our_contender(problem, name)
    if name == "jax scan":
        run, at_once = peers.jax_scan_run(problem, device), problem.batches
    elif name == "jax jit":
        run, at_once = peers.jax_jit_run(problem, device), 1
    else:
        run, at_once = peers.torch_run(problem, compiled=name == "torch compile", device=device), 1
    return Contender(run, partial(run, problem.batches), at_once)


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


def stepwise_run(problem: Problem, vae: VAE, data: Array) -> peers.Run:
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
