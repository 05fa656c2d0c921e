"""``GAN.fit``: the loop of the game, and how samples compare with real examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import numpy as np

from minivae.backend import Array, Stream, load
from minivae.errors import TrainingDiverged
from minivae.gan.game import Game
from minivae.system.progress import History, epochs_shown, said_if_slow

ROUND = 100  # steps between two entries of the history
LOW = 16  # dimensions up to which samples are compared with real examples by distance
LOSSES = ("discriminator_loss", "generator_loss", "penalty")


def fit(
    gan: Game, x: Any, steps: int, batch_size: int, validation: Any, progress: bool, callbacks: Sequence[Any] = ()
) -> History:
    """:meth:`minivae.gan.gan.GAN.fit` of checked arguments, in the units of the networks.

    Callbacks are called at each entry of the history, as those of :func:`minivae.fit` are after each epoch.
    """
    real = validation if gan.data_dim <= LOW else None
    history: History = {name: [] for name in columns(gan, real is not None)}
    on_device, last = gan.kernels.asarray(x, gan.dtype), gan.step + steps
    rounds = range(gan.step // ROUND + 1, -(-last // ROUND) + 1 if steps else 0)
    for number in epochs_shown(rounds, history, progress, "round", summary):
        with undone_if_cut_short(gan):
            with np.errstate(all="ignore"), gan.kernels.session():
                played = [step(gan, on_device, batch_size) for _ in range(gan.step, min(number * ROUND, last))]
                check_finite(gan, np.array(played))
            metrics = {"step": gan.step, **dict(zip(LOSSES, np.mean(played, axis=0).tolist(), strict=True))}
            if real is not None:
                metrics |= compare(gan.sample_scaled(len(real)), real)
            for name, value in metrics.items():
                history[name].append(value)
            for callback in callbacks:
                callback(gan, gan.step, metrics)
    for callback in callbacks:
        callback.at_end(gan)
    return history


def columns(gan: Game, validation: bool = True) -> list[str]:
    """The names in a history."""
    return ["step", *LOSSES, *(("coverage", "precision") if validation and gan.data_dim <= LOW else ())]


def warm_up(gan: Game, progress: bool = True) -> None:
    """Compile all that a game needs, by a step of a copy; a backend that does not work fails here."""
    with said_if_slow(f"compiling the {gan.kernels.name} kernels", progress), np.errstate(all="ignore"):
        step(deepcopy(gan), gan.kernels.zeros((2, gan.data_dim), gan.dtype), 2)


def step(gan: Game, x: Array, batch_size: int) -> tuple[float, float, float]:
    """One update of each network, the discriminator first; the losses before them."""
    k, rows = gan.kernels, np.arange(batch_size)

    def normal(stream: Stream, n: int, width: int) -> Array:
        out = k.zeros((n, width), gan.dtype)
        return k.standard_normal(gan.seed, stream, gan.step, np.arange(n), out=out)

    u = load("numpy").uniform(gan.seed, Stream.GAN_ROWS, gan.step, rows, out=np.empty((batch_size, 1)))
    batch = k.take_rows(x, (u[:, 0] * len(x)).astype(np.int64), out=k.zeros((batch_size, gan.data_dim), gan.dtype))
    z = normal(Stream.GAN_LATENT, 2 * batch_size, gan.latent_dim)  # fresh fakes for each of the two moves
    noise = normal(Stream.GAN_PENALTY, batch_size, gan.data_dim) if gan.penalty == "approximate-r1" else None

    loss, penalty = gan.discriminator_pass(batch, z[:batch_size], noise)
    gan.optimizer.step(gan.discriminator)
    of_generator = gan.generator_pass(batch, z[batch_size:])
    gan.optimizer.step(gan.generator)
    return loss, of_generator, penalty


def check_finite(gan: Game, losses: np.ndarray) -> None:
    """Raise TrainingDiverged unless all are finite."""
    if not np.isfinite(losses).all():
        first = int(np.argmin(np.isfinite(losses).all(axis=1)))
        raise TrainingDiverged(
            f"a loss became {losses[first].sum()} in step {gan.step - len(losses) + first + 1}: "
            f"try a smaller learning rate (now {gan.optimizer.learning_rate:g}), or data scaled to about unit size"
        )


@contextmanager
def undone_if_cut_short(gan: Game) -> Iterator[None]:
    """Put both networks and their optimizer back to where they were, if what is inside fails or is interrupted."""
    before = [
        (net, net.step, net.store.vector.copy(), gan.optimizer.state_of(net).copy()) for net in gan.networks.values()
    ]
    try:
        yield
    except BaseException:  # divergence, Ctrl-C, a full disk under a callback
        for network, count, vector, state in before:
            network.step, network.store.vector[:] = count, vector
            gan.optimizer.set_state(network, state)
        raise


def compare(samples: np.ndarray, real: np.ndarray, k: int = 5) -> dict[str, float]:
    """Does it find all that there is, and does what it makes fit? Shares between 0 and 1.

    A real example's neighbourhood reaches to its k-th nearest other one. ``coverage`` is the share of real examples
    with a sample in their neighbourhood: a lost mode lowers it. ``precision`` is the share of samples in some
    neighbourhood: a smeared sample lowers it. For samples (n, D) from the distribution of ``real`` (M, D) itself, with
    n = M, coverage is 1 - 2^-k on average.

    References
    ----------
    Naeem et al., "Reliable fidelity and diversity metrics for generative models", arXiv:2002.09797; for precision
    Kynkaanniemi et al., arXiv:1904.06991.
    """
    from scipy.spatial import cKDTree

    radius = cKDTree(real).query(real, k=[min(k + 1, len(real))])[0][:, 0]
    inside = cKDTree(samples).query_ball_point(real, radius)
    return {
        "coverage": float(np.mean([len(found) > 0 for found in inside])),
        "precision": len(set().union(*inside)) / len(samples),
    }


def summary(history: History) -> str:
    """The last entry in one line."""
    return ", ".join(f"{name.removesuffix('_loss')} {values[-1]:.4g}" for name, values in history.items())
