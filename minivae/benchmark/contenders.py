"""Every contender by its name: our backends, the plain code of the speed ladder, and the peers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
from minivae.training.loop import Steps, steps_of_an_epoch, train_epoch
from minivae.training.native import WORTH_COMPILING
from minivae.training.optimizers import Adam
from minivae.training.recipe import Recipe

PEERS = {"torch": ("torch eager", "torch compile"), "jax": ("jax jit", "jax scan")}
PEER_NAMES = [name for names in PEERS.values() for name in names]
Passes = dict[str, Callable[[], Any]]
RUNS: dict[str, Callable[[Problem], Run]] = {  # of those that are not a backend
    **{name: partial(plain_run, gradient=gradient) for name, gradient in PLAIN.items()},
    "torch eager": partial(peers.torch_run, compiled=False),
    "torch compile": partial(peers.torch_run, compiled=True),
    **{name: partial(gpu.torch_run, name=name) for name in gpu.TORCH},
    "jax jit": partial(peers.jax_run, scan=False),
    "jax scan": partial(peers.jax_run, scan=True),
}
EPOCH = 60_000  # examples of an epoch of MNIST
PASSES = {"encode": 10_000, "decode": 10_000, "importance": 1000}  # examples of what else is timed
LEARNED = 8  # epochs as long as MNIST's, after which q serves nearly every row; before, log p(x) takes a search besides


@dataclass
class Contender:
    """Something that trains: ``run(n)`` takes n steps, a multiple of ``at_once``, and returns its first and last loss.

    ``epoch`` trains on every example once; ``passes()`` prepares what else can be timed, by name.
    """

    run: Run
    epoch: Callable[[], Any]
    at_once: int = 1
    passes: Callable[[], Passes] = dict


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
    passes = partial(passes_of_torch, problem) if name == "torch eager" else dict
    return Contender(run, partial(run, problem.batches), problem.batches if name == "jax scan" else 1, passes)


def our_contender(problem: Problem, name: str) -> Contender:
    """A backend of minivae: epochs as ``fit`` makes them."""
    vae, recipe = problem.model(name), Recipe(problem.batch_size)
    vae.optimizer = Adam(LEARNING_RATE, BETAS, EPSILON)
    data = vae.kernels.asarray(problem.data(), vae.dtype)
    steps = steps_of_an_epoch(vae, data, recipe, WORTH_COMPILING)  # of a long training
    run, epoch = epoch_run(problem, vae, data, steps), partial(train_epoch, vae, data, recipe, steps)
    return Contender(run, epoch, problem.batches, partial(passes_of, vae, data, partial(run, problem.batches)))


def epoch_run(problem: Problem, vae: VAE, data: Array, steps: Steps) -> Run:
    """The steps of whole epochs on ``data``, (batches * batch_size, D), with rows shuffled and gathered.

    The first loss of ``run(n)`` is that of the last epoch before its n // batches epochs, or of the untrained model.
    """
    first = vae.loss(vae.kernels.to_numpy(data[: problem.batch_size])).loss

    def run(n: int) -> tuple[float, float]:
        nonlocal first
        for _ in range(n // problem.batches):
            with vae.kernels.session():  # as in fit
                _, *terms = map(float, steps() / len(data))
            vae.epoch += 1
        before, first = first, vae.loss_terms(*terms).loss
        return before, first

    return run


def passes_of(vae: VAE, data: Array, train: Callable[[], Any]) -> Passes:
    """Encoding and decoding as many examples as MNIST's test set has, and log p(x) of a tenth of them, once learned."""
    while vae.epoch < LEARNED:
        train()
    images = vae.kernels.to_numpy(data[: PASSES["encode"]])
    z = np.random.default_rng(0).standard_normal((len(images), vae.latent_dim)).astype(vae.dtype)
    few = images[: PASSES["importance"]]
    return {
        "encode": lambda: vae.encode(images),
        "decode": lambda: vae.decode(z),
        "importance": lambda: vae.log_likelihood(few, peers.SAMPLES),
    }


def passes_of_torch(problem: Problem) -> Passes:
    """log p(x) as a bare sampler: whatever the model has learned, it takes as long."""
    return {"importance": peers.torch_importance(problem, PASSES["importance"])}
