"""Mistakes of data-parallel training, each planted in a copy of our code, and which proofs see it (lesson 18).

The table is the test, as in test_planted_bugs.py.
"""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import worker_proofs
from minivae.errors import TrainingDiverged

ROOT = Path(__file__).parents[2]
TREE, STEP, LOOP = "minivae/workers/tree.py", "minivae/training/step.py", "minivae/training/loop.py"
COLUMNS = dict(zip(("step", "no rows", "bytes", "once"), worker_proofs.PROOFS, strict=True))

NOISE = "vae.noise(mine, recipe.seed)"
GRADIENT = "        return vae.kernels.to_numpy(vae.store.gradient)\n"
LOSS = "of_all.reshape(n_shards, 3).sum(axis=0)"
NO_ROWS = "if not len(mine):"
BY_TREE = "sum_by_tree(group, n_shards, gradient_of)"
BY_RANK = "group.sum(lambda rank: sum(gradient_of(i).copy() for i in shards_of(rank, group.size, n_shards)))"
PENALTY = "        vae.kernels.add_penalty(store.vector, store.gradient, l1=recipe.l1, l2=recipe.l2)\n"

BUGS = {  # name: its edits (file, old text, new text), and the columns that catch it
    "the mean of the shards' means": (
        [(STEP, "target, n, weight)\n        sums", "target, len(mine) * n_shards, weight)\n        sums")],
        {"step", "no rows"},
    ),
    "noise by the row within the shard": (
        [(STEP, NOISE, "vae.noise(np.arange(len(mine)), recipe.seed)")],
        {"step", "no rows"},
    ),
    "each worker shuffles for itself": (
        [(STEP, "mine = rows[", "mine = np.random.default_rng(i).permutation(rows)[")],
        {"step", "no rows"},
    ),
    "each worker adds the penalty": (
        [(STEP, GRADIENT, PENALTY.replace("store", "vae.store") + GRADIENT)],
        {"step", "no rows"},
    ),
    "clipped before the sum": (
        [(STEP, GRADIENT, GRADIENT.replace("vae.store.gradient", "vae.store.gradient.clip(-0.01, 0.01)"))],
        {"step", "no rows"},
    ),
    "the loss of rank 0's rows": (
        [(STEP, LOSS, "of_all[0].sum(axis=0) * group.size")],
        {"step", "no rows", "bytes"},
    ),
    "a worker without rows takes part": ([(STEP, NO_ROWS, "if False:")], {"no rows", "bytes"}),
    "added in the order of the ranks": ([(STEP, BY_TREE, BY_RANK)], {"bytes"}),
    "each worker decides when to stop": ([(LOOP, "group.decide(any(", "bool(any(")], {"once"}),
}


def planted(edits):
    """Modules of training from copies of our files, with the edits made."""
    code = {}
    with pytest.MonkeyPatch.context() as patch:  # while they load, the copies import one another
        for file in (TREE, STEP, LOOP):
            source, name = (ROOT / file).read_text(encoding="utf-8"), file.removesuffix(".py").replace("/", ".")
            for _, old, new in (edit for edit in edits if edit[0] == file):
                assert source.count(old) == 1, f"{file} should hold {old!r} once: adapt the plant"
                source = source.replace(old, new)
            module = code[file] = ModuleType(name)
            module.__package__ = name.rpartition(".")[0]
            patch.setitem(sys.modules, name, module)
            exec(compile(source, f"{file} with a bug", "exec"), vars(module))
    return SimpleNamespace(step=code[STEP], loop=code[LOOP])


def catches(proof, code):
    try:
        with np.errstate(all="ignore"):
            proof(code)
    except (AssertionError, TrainingDiverged, ValueError):  # the last where nothing can be reduced
        return True
    return False


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("bug", [None, *BUGS])
def test_a_bug_is_caught_by_exactly_these_proofs(bug, monkeypatch):
    monkeypatch.setattr(worker_proofs.in_threads, "__defaults__", (1.0,))  # seconds until a deadlock is one
    edits, caught_by = BUGS[bug] if bug else ([], set())
    code = planted(edits)
    assert {column for column, proof in COLUMNS.items() if catches(proof, code)} == caught_by


def test_every_proof_catches_something():
    assert set().union(*(caught_by for _, caught_by in BUGS.values())) == COLUMNS.keys()
