"""Mistakes of public hand-written GANs, each planted in a copy of our code, and which proofs see it (lesson 19).

The table is the test, as in test_planted_bugs.py.
"""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest

import gan_proofs
import minivae.gan

ROOT = Path(__file__).parents[2]
NETWORKS, LOSSES, GAME, GAN = (f"minivae/gan/{name}.py" for name in ("networks", "losses", "game", "gan"))

COLUMNS = {
    "D": gan_proofs.gradients_of_the_discriminator,
    "G": gan_proofs.gradients_of_the_generator,
    "JS": gan_proofs.the_value_of_the_game_is_the_jensen_shannon_divergence,
    "divergences": gan_proofs.the_generators_descend_their_divergences,
    "log p/q": gan_proofs.a_discriminator_of_cells_learns_the_log_ratio,
    "p = q": gan_proofs.no_gradient_where_fakes_are_real,
    "800": gan_proofs.exact_at_logits_of_800,
    "linear D": gan_proofs.penalties_of_a_linear_discriminator_are_known,
    "raises": gan_proofs.a_step_of_the_generator_raises_the_logits_of_its_fakes,
}


class Bug(NamedTuple):
    """Where it was found, its edits (file, old text, new text), and the columns that catch it."""

    name: str
    found: str
    edits: list
    caught_by: set


CLEAR_AND_BACK = "        G.store.gradient[:] = 0\n        G.backward(dfake, fake_cache)\n"
UPSTREAM = "dfake = D.input_gradient(dlogits, logits_cache)"
REAL = "D.backward(dreal, real_cache)"
RETURNED = "    return mean(nll), dlogits\n"
FROM_PROBABILITIES = """    p = kernels.bernoulli_mean(logits)
    eps = 1e-8  # as there, so that nothing is divided by zero
    dp = -1 / (p + eps) if label == 1 else 1 / (1 - p + eps)
    return mean(nll), dp * p * (1 - p) / len(logits)
"""
NOT_SATURATING = '    return cross_entropy(kernels, fake - real if loss == "relativistic" else fake, 1)\n'

BUGS = [
    Bug(
        "the generator's gradients cleared after the pass",
        "ddbourgin/numpy-ml, models/wgan_gp.py",
        [(GAME, CLEAR_AND_BACK, "".join(reversed(CLEAR_AND_BACK.splitlines(keepends=True))))],
        {"G", "raises"},
    ),
    Bug(
        "the loss's gradient handed to the generator, past the discriminator",
        "ddbourgin/numpy-ml, models/wgan_gp.py",
        [(GAME, UPSTREAM, "dfake = dlogits + 0 * fake")],
        {"G"},
    ),
    Bug(
        "one cache for two passes",
        "shinseung428/gan_numpy, gan.py",
        [(GAME, REAL, REAL.replace("real_cache", "fake_cache"))],
        {"D", "log p/q"},
    ),
    Bug(
        "only the last pass counts",
        "a classic",
        [(NETWORKS, "layer.dW += dW", "layer.dW[...] = dW")],
        {"D", "log p/q", "p = q"},
    ),
    Bug(
        "the slope of a rounded probability",
        "shinseung428/gan_numpy, gan.py",
        [(LOSSES, RETURNED, FROM_PROBABILITIES)],
        {"800"},
    ),
    Bug(
        "the gradient of the penalty is missing",
        "mlpack, gan/wgangp_impl.hpp",
        [(LOSSES, "        D.backward(gamma / len(x) / (2 * side) * norm, moved)\n", "        pass\n")],
        {"D"},
    ),
    Bug(
        "the penalty is never called",
        "junyanz/CycleGAN, issue 1201",
        [(GAME, 'if self.penalty in ("r1", "r1-r2"):', "if False:")],
        {"linear D"},
    ),
    Bug(
        "the generator helps the discriminator",
        "Zeleni9/pytorch-wgan, issue 51",
        [(LOSSES, NOT_SATURATING, "    value, dfake = cross_entropy(kernels, fake, 1)\n    return -value, -dfake\n")],
        {"divergences", "800", "raises"},
    ),
]


def planted(edits):
    """The class GAN and the module losses from copies of our files with the edits made."""
    sources = {file: (ROOT / file).read_text(encoding="utf-8") for file in (NETWORKS, LOSSES, GAME, GAN)}
    for file, old, new in edits:
        assert sources[file].count(old) == 1, f"{file} should hold {old!r} once: adapt the plant"
        sources[file] = sources[file].replace(old, new)
    with pytest.MonkeyPatch.context() as patch:  # while they load, the copies import one another
        for file, source in sources.items():
            name = Path(file).stem
            copy = ModuleType(f"minivae.gan.{name}")
            patch.setitem(sys.modules, copy.__name__, copy)
            patch.setattr(minivae.gan, name, copy, raising=False)
            exec(compile(source, f"{file} with a bug", "exec"), vars(copy))
        return SimpleNamespace(GAN=minivae.gan.gan.GAN, losses=minivae.gan.losses)


def columns_that_catch(edits):
    code, caught = planted(edits), set()
    for column, proof in COLUMNS.items():
        try:
            with np.errstate(all="ignore"):
                proof(code, "numpy")
        except AssertionError:
            caught.add(column)
    return caught


def test_a_copy_without_a_bug_is_not_accused():
    assert columns_that_catch([]) == set()


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_is_caught_by_exactly_these_proofs(bug):
    assert columns_that_catch(bug.edits) == bug.caught_by


# For the proofs that none of them needs, so that no proof is empty.
OTHERS = [
    (
        "fakes labelled with 1",
        [(LOSSES, "cross_entropy(kernels, fake, 0)\n    return of", "cross_entropy(kernels, fake, 1)\n    return of")],
        "JS",
    ),
    (
        "fakes labelled with 1",
        [(LOSSES, "cross_entropy(kernels, fake, 0)\n    return of", "cross_entropy(kernels, fake, 1)\n    return of")],
        "p = q",
    ),
]


@pytest.mark.parametrize(("name", "edits", "column"), OTHERS, ids=[column for _, _, column in OTHERS])
def test_no_proof_is_empty(name, edits, column):
    assert column in columns_that_catch(edits)


def test_every_proof_catches_something():
    assert set(COLUMNS) == {column for bug in BUGS for column in bug.caught_by} | {column for _, _, column in OTHERS}
    assert set(COLUMNS.values()) == set(gan_proofs.PROOFS)
