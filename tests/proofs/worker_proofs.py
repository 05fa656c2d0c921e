"""The proofs that workers train the model of one, as plain functions: each returns if its claim holds, or raises.

They take the code that they judge, the modules of training, so that the same proof runs on our code
(tests/workers/test_workers.py) and on copies with a mistake planted in it (test_worker_planted_bugs.py).
"""

import threading

import numpy as np

from minivae import SGD, VAE, EarlyStopping, Masking
from minivae.training.recipe import Recipe
from minivae.workers import Alone, Group, Mpi, Pretend

X = np.random.default_rng(0).random((37, 7)).round(2)  # batches of 16: the last one is ragged
HELD_OUT = np.random.default_rng(1).random((9, 7)).round(2)


class Threads(Group):
    """Workers that are threads, each with a model of its own, as processes of MPI are; if one hangs, all fail."""

    def __init__(self, rank, size, shared):
        self.rank, self.size = rank, size
        self.barrier, self.slots = shared

    ranks = Mpi.ranks
    agree = Mpi.agree

    def gather(self, work):
        self.slots[self.rank] = np.array(work(self.rank))
        self.barrier.wait()
        found = np.stack(self.slots)
        self.barrier.wait()
        return found


def in_threads(size, work, patience=20):
    """``work(group)`` on so many threads: what each returns, or its error."""
    shared, found = (threading.Barrier(size, timeout=patience), [None] * size), [None] * size

    def run(rank):
        try:
            found[rank] = work(Threads(rank, size, shared))
        except BaseException as error:
            found[rank] = error

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def trained(code, group=None, shards=None, backend="numpy", dtype="float32", **settings):
    """The bytes of weights, optimizer state and history after two epochs, and how many there are."""
    vae = VAE(7, (5,), 3, "tanh", dtype=dtype, backend=backend)
    settings = {"epochs": 2, "batch_size": 16, "validation": HELD_OUT, "l2": 0.01, "binarize": "stochastic"} | settings
    history = code.loop.fit(vae, X, group=group, shards=shards, progress=False, **settings)
    state = vae.optimizer.state_of(vae)
    arrays = [vae.store.vector, *state.arrays.values()]
    return b"".join(map(bytes, arrays)) + repr((vae.step, state.t, history)).encode(), len(history["epoch"])


def gradient(code, group=None, batch=None, **settings):
    """Loss and penalty of one step, and the update that it makes: SGD at rate 1."""
    vae = VAE(7, (5,), 3, "tanh", dtype="float64")
    vae.optimizer, before = SGD(1.0, momentum=0.0), vae.store.vector.copy()
    recipe = Recipe(16, binarize="threshold", l1=0.01, l2=0.02, group=group or Alone(), **settings)
    rows = np.arange(len(X))[::-1][: batch or 16]
    terms, penalty = code.step.training_step(vae, vae.check(X >= 0.5), rows, recipe)
    return np.r_[terms.loss, terms.kl, penalty, before - vae.store.vector]


def close(one, other):
    np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


# ---------------------------------------------------------------------------------------------------------


def a_step_of_many_is_the_step_of_one(code):
    for n in (2, 3, 5):
        close(gradient(code, Pretend(n)), gradient(code))
    close(gradient(code, shards=5), gradient(code))


def shards_without_rows_add_nothing(code):
    close(gradient(code, Pretend(8), batch=3), gradient(code, batch=3))
    close(gradient(code, Pretend(4), batch=3, shards=8), gradient(code, batch=3))


def every_number_of_workers_trains_the_same_bytes(code):
    for shards, numbers in ((8, (1, 2, 8)), (6, (2, 3))):
        settings = {"corruption": Masking(0.2), "early_stopping": EarlyStopping(5)}
        found = {trained(code, Pretend(n) if n > 1 else None, shards, **settings) for n in numbers}
        assert len(found) == 1, f"{shards} shards"


def a_decision_is_made_once(code):
    def work(group):
        return trained(code, group, callbacks=[lambda vae, epoch, metrics: epoch == 1 and group.rank == 0])

    first, second = in_threads(2, work)
    assert not isinstance(second, Exception), second
    assert first == second == trained(code, Pretend(2), callbacks=[lambda vae, epoch, metrics: True])
    assert first[1] == 1


PROOFS = (
    a_step_of_many_is_the_step_of_one,
    shards_without_rows_add_nothing,
    every_number_of_workers_trains_the_same_bytes,
    a_decision_is_made_once,
)
