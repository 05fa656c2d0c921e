"""Workers: the same bytes for every number of them, what each reads, what is refused; without any MPI."""

import json
import sys
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import worker_proofs
from minivae import VAE, Adam, Cosine, LinearBeta, Mixed, evaluation, fit
from minivae.errors import DataError, MinivaeError
from minivae.runs.identity import identity
from minivae.runs.settings import Settings
from minivae.training import Recipe, step
from minivae.training.examples import RowsOnDisk
from minivae.workers import Alone, Mpi, Pretend
from minivae.workers.group import share_out
from minivae.workers.mpi import launched
from minivae.workers.tree import shard, shards_of, sum_by_tree
from worker_proofs import X, in_threads, trained

CODE = sys.modules["minivae.training"]


@pytest.mark.parametrize("proof", worker_proofs.PROOFS, ids=lambda proof: proof.__name__)
def test_of_our_code(proof):
    proof(CODE)


def test_every_backend_trains_the_same_bytes_with_any_number_of_workers(backend):
    one, two, four = (trained(CODE, Pretend(n), 4, backend, epochs=1) for n in (1, 2, 4))
    assert one == two == four
    assert trained(CODE, Alone(), 1, backend, epochs=1) == trained(CODE, None, None, backend, epochs=1)


def test_workers_with_memories_of_their_own_train_what_pretended_ones_do():
    assert in_threads(4, lambda group: trained(CODE, group, 8)) == [trained(CODE, None, 8)] * 4


def test_shards_in_double_precision_stay_with_one_worker_step_by_step():
    one, two = (VAE(7, (5,), 3, dtype="float64") for _ in "12")
    x = one.check((X >= 0.5).astype(float))
    for vae in (one, two):
        vae.optimizer = Adam(1e-2)
    for i in range(50):
        two.store.vector[:] = one.store.vector  # each step by itself: rounding grows from step to step
        rows = (np.arange(16) + 5 * i) % len(x)
        for vae, group in ((one, Alone()), (two, Pretend(2))):
            step.training_step(vae, x, rows, Recipe(16, group=group))
        scale = np.abs(one.store.gradient).max()
        np.testing.assert_allclose(two.store.gradient, one.store.gradient, rtol=0, atol=1e-12 * scale)


def test_a_mixed_table_with_holes_under_a_bound_of_several_draws_trains_the_same_bytes(backend):
    rng, n = np.random.default_rng(3), 37
    x = np.hstack(
        [rng.normal(size=(n, 1)), np.eye(3)[rng.integers(3, size=n)], rng.poisson(3, (n, 2)), rng.random((n, 1))]
    )
    for column, rows in ((slice(0, 1), 5), (slice(1, 4), 7), (slice(4, 5), 3), (slice(6, 7), 11)):
        x[::rows, column] = np.nan
    parts = [("gaussian", 1), ("categorical", 3), ("negative-binomial", 1), ("poisson", 1), ("lognormal", 1)]

    def found(group, shards, dtype="float32"):
        vae = VAE(
            7, (5,), 3, likelihood=Mixed(parts), missing="mask", objective="iwae", draws=3, dtype=dtype, backend=backend
        )
        history = fit(vae, x, 2, 16, validation=x[:9], group=group, shards=shards, progress=False)
        return vae.store.vector, history

    one, *others = (found(group, 8) for group in (None, Pretend(2), Pretend(4)))
    for vector, history in others:
        assert (vector.tobytes(), history) == (one[0].tobytes(), one[1])
    whole, cut = (found(None, shards, "float64") for shards in (1, 8))
    np.testing.assert_allclose(cut[0], whole[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(cut[1]["loss"], whole[1]["loss"], rtol=1e-12)


def test_the_threads_that_blas_may_have_change_no_bit_of_what_is_shared(backend):
    def found(threads):
        vae = VAE(64, (30,), 4, backend=backend)
        x = (np.random.default_rng(0).random((1100, 64)) < 0.3).astype(float)
        with threadpool_limits(threads, "blas"):
            history = fit(vae, x, 1, 550, shards=2, validation=x, progress=False)
            return vae.store.vector.tobytes(), history, evaluation.evaluate(vae, x, 3, group=Alone())

    assert found(1) == found(2)


# -- the tree ----------------------------------------------------------------------------------------------


def by_definition(vectors):
    """Neighbours first: cut where the largest power of two below the number of vectors ends."""
    n = len(vectors)
    cut = 2 ** ((n - 1).bit_length() - 1) if n > 1 else 0
    return by_definition(vectors[:cut]) + by_definition(vectors[cut:]) if n > 1 else vectors[0]


@pytest.mark.parametrize("shards", [1, 2, 3, 6, 8, 12, 15, 16])
def test_the_tree_is_the_same_whoever_forms_which_part_of_it(shards):
    vectors = np.random.default_rng(shards).standard_normal((shards, 50)).astype(np.float32)
    expected = by_definition(list(vectors)).tobytes()
    for n in range(1, shards + 1):
        if shards % n == 0:
            assert sum_by_tree(Pretend(n), shards, lambda i: vectors[i]).tobytes() == expected, n
    assert shards < 6 or expected != np.add.accumulate(vectors)[-1].tobytes()  # the order matters


@pytest.mark.parametrize(("n", "shards"), [(128, 8), (5, 8), (37, 6), (0, 3)])
def test_shards_cover_every_row_once(n, shards):
    rows = [row for i in range(shards) for row in range(n)[shard(n, shards, i)]]
    assert rows == list(range(n))
    assert [i for rank in range(3) for i in shards_of(rank, 3, 12)] == list(range(12))


# -- validation and evaluation -----------------------------------------------------------------------------


def test_a_validation_loss_and_an_evaluation_are_those_of_one_worker_to_the_last_bit():
    vae, x = VAE(7, (5,), 3), np.tile((X >= 0.5).astype(float), (30, 1))  # three pieces of rows
    one = evaluation.evaluate(vae, x, n_samples=3), vae.loss_of_scaled(vae.check(x))
    assert one[0]["protocol"]["examples"] > 1024
    for group in (Pretend(2), Pretend(5)):
        assert (evaluation.evaluate(vae, x, 3, group=group), vae.loss_of_scaled(vae.check(x), None, group)) == one
    models = [vae, VAE(7, (5,), 3)]
    for found in in_threads(2, lambda group: evaluation.evaluate(models[group.rank], x, 3, group=group)):
        assert found == one[0]


def test_each_part_is_computed_once():
    computed = []

    def work(group):
        return share_out(group, np.zeros(5), range(5), lambda i: computed.append(i) or i**2).tolist()

    assert in_threads(3, work) == [[0, 1, 4, 9, 16]] * 3
    assert sorted(computed) == list(range(5))


# -- what each reads, and what is agreed on ------------------------------------------------------------------


def test_a_worker_reads_only_its_rows_of_a_map(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(64.0)[:, None].repeat(7, 1) / 64)
    mapped, seen = np.load(tmp_path / "x.npy", mmap_mode="r"), [set(), set()]
    original = RowsOnDisk.__getitem__

    class Seen(RowsOnDisk):
        def __getitem__(self, rows):
            seen[self.recipe.group.rank] |= set(np.arange(len(self))[rows])
            return original(self, rows)

    def work(group):
        vae, recipe = VAE(7, (5,), 3), Recipe(16, group=group, shards=4, binarize="threshold")
        x = Seen(vae, mapped, recipe)
        vae.optimizer = Adam()
        seen[group.rank].clear()  # those of the check
        step.training_step(vae, x, np.arange(16), recipe)
        return vae.store.vector.tobytes()

    first, second = in_threads(2, work)
    assert first == second
    assert seen == [set(range(8)), set(range(8, 16))]


def test_a_bad_row_is_an_error_on_all_and_so_is_one_workers_failing_callback(tmp_path):
    bad = np.full((9000, 7), 0.5)
    bad[8999, 3] = 2.0  # no probability
    np.save(tmp_path / "x.npy", bad)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for error in in_threads(2, lambda group: fit(VAE(7, (5,), 3), mapped, 1, group=group, binarize="threshold")):
        assert isinstance(error, MinivaeError)
        assert "rank 0 of 2, on " in str(error)
        assert "counted from row 8192" in str(error)

    def work(group):
        def full_disk(vae, epoch, metrics):
            if group.rank == 1:
                raise OSError("no space left")

        return trained(CODE, group, callbacks=[full_disk])

    for error in in_threads(2, work):
        assert isinstance(error, MinivaeError)
        assert "rank 1 of 2, on " in str(error)
        assert str(error).endswith("no space left; rank 0 has no such error")


@pytest.mark.parametrize(
    "other",
    [
        *({"seed": 1}, {"batch_size": 8}, {"epochs": 3}, {"backend": "numba"}),
        *({"schedule": Cosine(2)}, {"beta_schedule": LinearBeta(2)}),
    ],
)
def test_workers_that_were_told_different_things_are_refused(other):
    for error in in_threads(2, lambda group: trained(CODE, group, **(other if group.rank else {}))):
        assert isinstance(error, DataError)
        assert "rank 1 of 2 has other parameters, data or settings than rank 0" in str(error)


def test_only_rank_0_shows_progress(capsys):
    in_threads(2, lambda group: fit(VAE(7, (5,), 3), X >= 0.5, 2, group=group) and None)
    assert capsys.readouterr().err.count("epoch 2/2") == 1
    assert threading.active_count() < 10


# -- what is refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"group": Pretend(3), "shards": 8}, ValueError, "evenly by 3 workers: start one of 1, 2, 4, 8"),
        ({"shards": 0}, ValueError, "shards must be"),
        ({"group": 4}, TypeError, "group must be an object such as Mpi"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, error, text):
    with pytest.raises(error, match=text):
        fit(VAE(7), X, **arguments)
    with pytest.raises(ValueError, match="at least 1"):
        Pretend(0)


def test_without_mpi4py_shards_work_and_mpi_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(MinivaeError, match="pip install"):
        Mpi()
    trained(CODE, None, 2, epochs=1)


def test_processes_of_mpiexec_that_share_nothing_are_refused_once(minivae, monkeypatch):
    for rank, size, names in (
        (0, 2, ("PMI_RANK", "PMI_SIZE")),
        (1, 4, ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE")),
    ):
        with monkeypatch.context() as patch:
            for name, value in zip(names, (rank, size), strict=True):
                patch.setenv(name, str(value))
            patch.setattr(sys, "stdout", sys.stdout)  # rank 1 replaces both
            patch.setattr(sys, "stderr", sys.stderr)
            assert launched() == (rank, size)
            status, _, err = minivae("train")
        assert status == 2
        sentence = "each would train the same run: let them share each minibatch, with --shards 2, or another multiple"
        assert (sentence in err) == (rank == 0)
        assert bool(err) == (rank == 0)
    status, _, err = minivae("train", "--shards", 2, "--data-parallel")
    assert status == 2
    assert "only one can be had" in err


# -- a run -----------------------------------------------------------------------------------------------------


def test_shards_belong_to_a_run_and_older_runs_are_what_they_were(minivae):
    small = ["--hidden", 4, "--latent", 2, "--no-pictures", "--epochs", 1, "--data", "iris"]
    assert minivae("train", *small, "--shards", 3, "--out", "run")[0] == 0
    with open("run/config.json") as file:
        config = json.load(file)
    assert config["settings"]["shards"] == 3
    status, _, err = minivae("train", "--resume", "--out", "run", "--shards", 4)
    assert status == 2
    assert "begun with --shards 3, not 4" in err
    # The string that version 0.1.0 computed, before there were shards.
    decided = {"lr": 1e-3, "schedule": "constant"}  # which is what those stood for that are None and "auto" now
    assert identity(Settings(**decided), "00").startswith("e823264cbe014b53")
    assert identity(Settings(shards=2, **decided), "00") != identity(Settings(**decided), "00")
