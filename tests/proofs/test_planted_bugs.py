"""The proofs prove something: twelve classic mistakes, each planted in a copy of our code, and which proof sees which.

The table is the test. Half of the mistakes pass every gradient check: the gradient is right, for the wrong function.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest

import proofs
from minivae.backend import from_module

ROOT = Path(__file__).parents[2]
PHILOX, REFERENCE = "kernels/philox.py", "kernels/reference.py"
ENCODER, NETWORK = "minivae/model/encoder.py", "minivae/model/network.py"
BOUNDS = "minivae/model/bounds.py"

COLUMNS = {
    "ones": proofs.gradients_of_every_operation_for_upstream_of_ones,
    "random": proofs.gradients_of_every_operation,
    "whole": proofs.gradients_of_the_whole_loss,
    "goes down": proofs.loss_goes_down,
    "sampler": proofs.sampler_has_the_requested_mean_and_variance,
    "KL": proofs.kl_matches_monte_carlo,
    "sums to 1": proofs.bernoulli_probabilities_sum_to_one,
    "800": proofs.finite_at_logits_of_800,
}
GRADIENT_CHECKS = {"ones", "random", "whole"}


class Bug(NamedTuple):
    """Its edits (file, old text, new text), and the columns that catch it. A mistake made consistently takes two."""

    name: str
    edits: list
    caught_by: set


KL = "np.sum(0.5 * (mu * mu + np.expm1(logvar) - logvar), axis=1, out=out)"
DKL = "    dmu = np.multiply(dkl[:, None], mu, out=dmu)\n"
CROSS_ENTROPY = "np.sum(log_normaliser - logit * pixel, axis=1)"
LOG_P, LOG_NOT_P = "np.log(sigmoid(logit))", "np.log(1 - sigmoid(logit))"
DLOGVAR = "np.multiply(dz, 0.5 * std * eps, out=dlogvar)"
NORMAL = "box_muller(to_unit_interval(words))[:, :dims]"

BUGS = [
    Bug(
        "relu ignores its upstream gradient",
        [(REFERENCE, "np.multiply(dy[rows], deriv", 'np.multiply(1 if activation == "relu" else dy[rows], deriv')],
        {"random", "whole"},
    ),
    Bug(
        "bias gradient averaged",
        [(REFERENCE, "np.sum(da, axis=0, out=out)", "np.mean(da, axis=0, out=out)")],
        {"ones", "random", "whole"},
    ),
    Bug(
        "the sampler's gradient drops 1/2",
        [(REFERENCE, DLOGVAR, "np.multiply(dz, std * eps, out=dlogvar)")],
        {"ones", "random", "whole"},
    ),
    Bug(
        "the KL's gradient drops 1/2",
        [(REFERENCE, "dkl[:, None], 0.5 * np.expm1(logvar)", "dkl[:, None], np.expm1(logvar)")],
        {"ones", "random", "whole"},
    ),
    Bug("the KL's way to mu dropped", [(NETWORK, "        dmu += dmu_kl\n", "")], {"whole", "goes down"}),
    Bug("= instead of += at the fork", [(NETWORK, "dlogvar += dlogvar_kl", "dlogvar = dlogvar_kl")], {"whole"}),
    Bug(
        "variance as standard deviation",
        [
            (REFERENCE, "np.add(mu, std * eps, out=out)", "np.add(mu, std * std * eps, out=out)"),
            (REFERENCE, DLOGVAR, "np.multiply(dz, std * std * eps, out=dlogvar)"),
        ],
        {"sampler"},
    ),
    Bug("uniform eps", [(PHILOX, NORMAL, "to_unit_interval(words)[:, :dims]")], {"sampler"}),
    Bug(
        "KL averaged over the latents",
        [(REFERENCE, KL, KL.replace("sum", "mean")), (REFERENCE, DKL, "    dkl = dkl / mu.shape[1]\n" + DKL)],
        {"KL"},
    ),
    Bug(
        "KL with its sign flipped",
        [(REFERENCE, KL, KL.replace("0.5", "-0.5")), (REFERENCE, DKL, "    dkl = -dkl\n" + DKL)],
        {"KL", "goes down"},
    ),
    Bug(
        "cross-entropy averaged over the pixels",
        [
            (REFERENCE, CROSS_ENTROPY, CROSS_ENTROPY.replace("sum", "mean")),
            (REFERENCE, "np.multiply(dnll[rows, None], p - p", "np.multiply(dnll[rows, None] / pixel.shape[1], p - p"),
        ],
        {"sums to 1"},
    ),
    Bug(
        "cross-entropy from probabilities",
        [(REFERENCE, CROSS_ENTROPY, f"-np.sum(pixel * {LOG_P} + (1 - pixel) * {LOG_NOT_P}, axis=1)")],
        {"800"},
    ),
]
PASS_EVERY_GRADIENT_CHECK = {
    "variance as standard deviation",
    "uniform eps",
    "KL averaged over the latents",
    "KL with its sign flipped",
    "cross-entropy averaged over the pixels",
    "cross-entropy from probabilities",
}

# Mistakes for what the table leaves out, so that no proof is empty: name, edits, a proof that catches it.
OTHERS = [
    ("KL without its -1", [(REFERENCE, KL, KL.replace("expm1", "exp"))], proofs.kl_is_zero_at_the_prior),
    (
        "KL's gradient without its -1",
        [(REFERENCE, "0.5 * np.expm1(logvar)", "0.5 * np.exp(logvar)")],
        proofs.kl_is_zero_at_the_prior,
    ),
    ("KL with its sign flipped", [(REFERENCE, KL, KL.replace("0.5", "-0.5"))], proofs.kl_is_never_negative),
    ("Gaussian without 2 pi", [(REFERENCE, "(LOG_2PI + logvar", "(logvar")], proofs.gaussian_density_integrates_to_one),
    (
        "softmax not normalised",
        [(REFERENCE, "return shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))", "return shifted")],
        proofs.categorical_probabilities_sum_to_one,
    ),
    (
        "softmax without taking off the largest logit",
        [(REFERENCE, "logits - logits.max(axis=1, keepdims=True)", "logits")],
        proofs.finite_at_logits_of_800,
    ),
    (
        "softplus as it is written in books",
        [(REFERENCE, "np.maximum(a, 0) + np.log(1 + np.exp(-np.abs(a)))", "np.log(1 + np.exp(a))")],
        proofs.finite_at_logits_of_800,
    ),
    (
        "logits clipped",
        [(REFERENCE, "logit, pixel = logits[rows], x[rows]", "logit, pixel = np.clip(logits[rows], -30, 30), x[rows]")],
        proofs.exact_at_logits_of_800,
    ),
    (
        "uniform where the model asks for normal noise",
        [(NETWORK, "self.kernels.standard_normal(seed, Stream.EPS", "self.kernels.uniform(seed, Stream.EPS")],
        proofs.sampler_has_the_requested_mean_and_variance,
    ),
    (
        "the heads change places on the way back",
        [(ENCODER, "dheads[:, :K] = dmu", "dheads[:, :K] = dlogvar"), (ENCODER, "K:] = dlogvar", "K:] = dmu")],
        proofs.gradients_of_the_whole_loss,
    ),
    (
        "the same noise at every step",
        [(NETWORK, "Stream.EPS, self.step, examples", "Stream.EPS, 0, examples")],
        proofs.noise_is_fresh_at_every_step_and_for_every_example,
    ),
    (
        "one noise for all examples",
        [(NETWORK, "Stream.EPS, self.step, examples", "Stream.EPS, self.step, 0 * examples")],
        proofs.noise_is_fresh_at_every_step_and_for_every_example,
    ),
    (
        "KL averaged over the latents: below what 16 images can cost",
        [(REFERENCE, KL, KL.replace("sum", "mean")), (REFERENCE, DKL, "    dkl = dkl / mu.shape[1]\n" + DKL)],
        proofs.overfits_16_digits,
    ),
]


OTHERS += [
    (
        "the mask forgotten in the gradient of the variance",
        [(REFERENCE, "np.sum(upstream * 0.5 * (1 - r)", "np.sum(dnll[rows, None] * 0.5 * (1 - r)")],
        proofs.gradients_of_every_operation,
    ),
    (
        "what is missing read as 0",
        [
            (
                NETWORK,
                "return np.where(is_hole, 0, x), (~is_hole).astype(x.dtype)",
                "return np.where(is_hole, 0, x), None",
            )
        ],
        proofs.a_hole_costs_nothing_and_moves_nothing,
    ),
]
PAID, FREE_BITS = "np.maximum(free_bits, kl.mean(axis=0))", proofs.free_bits_are_a_maximum_of_the_mean_without_a_jump
OTHERS += [
    (
        "free bits as a jump",
        [(REFERENCE, PAID, "(kl.mean(axis=0) > free_bits) * kl.mean(axis=0)")],
        FREE_BITS,
    ),
    (
        "free bits: the maximum before the mean",
        [(REFERENCE, PAID, "np.maximum(free_bits, kl).mean(axis=0)")],
        FREE_BITS,
    ),
    (
        "free bits: the gradient goes on below the threshold",
        [(REFERENCE, "np.where(kl.mean(axis=0) > free_bits, dcost", "np.where(True, dcost")],
        FREE_BITS,
    ),
    ("free bits: the gradient is a sum over the batch", [(REFERENCE, "dcost / len(kl)", "dcost")], FREE_BITS),
]

GIVEN, SEEN = "np.concatenate([z, x[:, self.input_dim :]], axis=1)", "        return self.encoder.forward(seen)"
OTHERS += [
    (
        "the decoder does not see the condition",
        [(NETWORK, GIVEN, GIVEN.replace("x[:,", "0 * x[:,"))],
        proofs.a_condition_moves_what_is_said_of_the_data,
    ),
    (
        "the encoder does not see the condition",
        [(NETWORK, SEEN, SEEN.replace("(seen)", "(np.where(np.arange(seen.shape[1]) // D == 1, 0, seen))"))],
        proofs.a_condition_moves_what_is_said_of_the_data,
    ),
    (
        "the decoder sees another row's condition",
        [(NETWORK, GIVEN, GIVEN.replace("x[:,", "x[::-1,"))],
        proofs.a_condition_moves_what_is_said_of_the_data,
    ),
    (
        "the gradient of the condition passes for that of z",
        [(NETWORK, "(doutput)[:, : self.latent_dim]", "(doutput)[:, -self.latent_dim :]")],
        proofs.gradients_of_the_whole_loss,
    ),
]

LOG_W = "k.log_weights(recon_nll, z, b.logvar, eps)"
BOUND = "largest[:, 0] + np.log(w.mean(axis=1))"
OTHERS += [  # the public codes that had the first three are named in lesson 21
    ("STL's weights where DReG's belong", [(BOUNDS, '"dreg": weights}', '"dreg": np.ones_like(weights)}')],
     proofs.iwae_and_dreg_are_unbiased),
    ("-sum w log w reported as the bound",
     [(REFERENCE, BOUND, "(w * log_w).sum(axis=1) / w.sum(axis=1)")],
     proofs.a_bound_rises_with_its_draws_up_to_log_px),
    ("the analytic KL inside the weights", [(BOUNDS, LOG_W, "-(recon_nll + np.repeat(kl, S))")],
     proofs.a_bound_rises_with_its_draws_up_to_log_px),
    ("the sum of the weights for their mean", [(REFERENCE, "np.log(w.mean(axis=1))", "np.log(w.sum(axis=1))")],
     proofs.a_bound_rises_with_its_draws_up_to_log_px),
    ("the way through log q(z|x) with its sign flipped",
     [(REFERENCE, "(g - weight * eps", "(g + weight * eps")],
     proofs.path_gradients_vanish_at_the_posterior),
    ("sigma^2 for sigma in the way through log q(z|x)",
     [(REFERENCE, "weight * eps / np.exp(0.5 * logvar)", "weight * eps / np.exp(logvar)")],
     proofs.path_gradients_vanish_at_the_posterior),
    ("IWAE without the 1/2 of log q(z|x)",
     [(REFERENCE, "dlogvar - 0.5 * weight", "dlogvar - weight")],
     proofs.iwae_and_dreg_are_unbiased),
    ("the prior forgotten on the way back", [(REFERENCE, "g = dz + weight * z", "g = dz + 0 * z")],
     proofs.iwae_and_dreg_are_unbiased),
    ("IWAE's gradient with all draws weighed alike",
     [(BOUNDS, "dnll = upstream * weights", "dnll = upstream * np.full_like(weights, 1 / S)")],
     proofs.iwae_and_dreg_are_unbiased),
    ("one z for all draws", [(BOUNDS, "eps = eps.reshape(B * S, K)", "eps = np.repeat(eps[:, 0], S, axis=0)")],
     proofs.a_bound_rises_with_its_draws_up_to_log_px),
]  # fmt: skip


# ---------------------------------------------------------------------------------------------------------
# Planting

MODULES = {  # in the order of their imports
    PHILOX: "minivae.kernels.philox",
    REFERENCE: "minivae.kernels.reference",
    "minivae/model/layers.py": "minivae.model.layers",
    ENCODER: "minivae.model.encoder",
    "minivae/model/decoder.py": "minivae.model.decoder",
    BOUNDS: "minivae.model.bounds",
    NETWORK: "minivae.model.network",
    "minivae/model/vae.py": "minivae.model.vae",
}


def planted(edits):
    """Kernels and a VAE class from copies of our files, with the edits made; the real modules stay as they are."""
    sources = {file: (ROOT / file).read_text(encoding="utf-8") for file in MODULES}
    for file, old, new in edits:
        assert sources[file].count(old) == 1, f"{file} should hold {old!r} once: adapt the plant"
        sources[file] = sources[file].replace(old, new)
    copies = {}
    with pytest.MonkeyPatch.context() as patch:  # while they load, the copies import one another
        for file, name in MODULES.items():
            copies[file] = ModuleType(name)
            copies[file].__package__ = name.rpartition(".")[0]
            patch.setitem(sys.modules, name, copies[file])
            exec(compile(sources[file], f"{file} with a bug", "exec"), vars(copies[file]))
    kernels = from_module(copies[REFERENCE], "numpy")
    return kernels, proofs.vae_class(kernels, copies["minivae/model/vae.py"].VAE)


def catches(proof, kernels, model):
    try:
        with np.errstate(all="ignore"):
            proof(kernels if proof in proofs.OF_KERNELS else model)
    except AssertionError:
        return True
    return False


def columns_that_catch(edits):
    kernels, model = planted(edits)
    return {column for column, proof in COLUMNS.items() if catches(proof, kernels, model)}


def test_a_copy_without_a_bug_is_not_accused():
    assert columns_that_catch([]) == set()


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_is_caught_by_exactly_these_proofs(bug):
    caught_by = columns_that_catch(bug.edits)
    assert caught_by == bug.caught_by != set()
    assert (bug.name in PASS_EVERY_GRADIENT_CHECK) == caught_by.isdisjoint(GRADIENT_CHECKS)


@pytest.mark.parametrize(("name", "edits", "proof"), OTHERS, ids=[name for name, _, _ in OTHERS])
def test_no_proof_is_empty(name, edits, proof):
    assert catches(proof, *planted(edits))


def test_every_proof_catches_something():
    used = {proof for _, _, proof in OTHERS} | {COLUMNS[column] for bug in BUGS for column in bug.caught_by}
    assert used == {*proofs.OF_KERNELS, *proofs.OF_MODELS, *proofs.OF_MODELS_ON_THE_CPU, *proofs.OF_BOUNDS}


# -- tables (lesson 17): a mistake between two tables, which no gradient sees ------------------------------------

LEVELS = "enumerate(column.levels)"
REORDERED = {
    "levels re-ordered as the new rows bring them": "enumerate(dict.fromkeys(values[~missing]))",
    "levels re-ordered by the new rows' alphabet": "enumerate(sorted(set(values[~missing])))",
}


def encodes_new_rows_as_in_training(column):
    """A row has one place in the matrix, whichever rows stand beside it."""
    table = {"c": np.array(["a", "b", "c", "a"], object)}
    known = column.decide(table, "c", None)
    x = column.encode(known, table)
    for rows in ([2, 0], [1], [3, 2, 1, 0]):
        np.testing.assert_array_equal(column.encode(known, {"c": table["c"][rows]}), x[rows])


@pytest.mark.parametrize("bug", [None, *REORDERED])
def test_levels_re_ordered_between_training_and_new_rows_are_caught(bug, monkeypatch):
    source = (ROOT / "minivae/columns/column.py").read_text(encoding="utf-8")
    assert source.count(LEVELS) == 1
    copy = ModuleType("minivae.columns.column")
    monkeypatch.setitem(sys.modules, copy.__name__, copy)
    exec(compile(source.replace(LEVELS, REORDERED.get(bug, LEVELS)), "column.py with a bug", "exec"), vars(copy))
    if bug is None:
        encodes_new_rows_as_in_training(copy)
        return
    with pytest.raises((AssertionError, ValueError, IndexError)):
        encodes_new_rows_as_in_training(copy)


# -- the KL's warm-up (lesson 22): mistakes in the list of betas --------------------------------------------------

WARM_UPS = {
    "starts at 1/T": ("return min(epoch / self.epochs, 1.0)", "return min((epoch + 1) / self.epochs, 1.0)"),
    "never ends": ("return min(epoch / self.epochs, 1.0)", "return epoch / self.epochs"),
    "by the epoch, not by the step": ("return min(epoch / self.epochs", "return min(int(epoch) / self.epochs"),
    "cycles without a plateau": ("min(done % 1 / self.ramp, 1.0)", "done % 1"),
    "the last cycle again and again": ("if done < self.cycles else 1.0", ""),
}


def betas_are_right(schedules):
    linear, cyclic = schedules.LinearBeta(4), schedules.CyclicBeta(8)
    assert [linear(step / 2) for step in range(10)] == [0, 1 / 8, 1 / 4, 3 / 8, 1 / 2, 5 / 8, 3 / 4, 7 / 8, 1, 1]
    assert [cyclic(step / 2) for step in range(18)] == [0, 0.5, 1, 1] * 4 + [1, 1]


@pytest.mark.parametrize("bug", [None, *WARM_UPS])
def test_a_wrong_list_of_betas_is_caught(bug):
    source, (old, new) = (
        (ROOT / "minivae/training/schedules.py").read_text(encoding="utf-8"),
        WARM_UPS.get(bug, ("", "")),
    )
    assert bug is None or source.count(old) == 1, f"schedules.py should hold {old!r} once: adapt the plant"
    copy = ModuleType("minivae.training.schedules")
    exec(compile(source.replace(old, new) if bug else source, "schedules.py with a bug", "exec"), vars(copy))
    if bug is None:
        betas_are_right(copy)
    else:
        with pytest.raises(AssertionError):
            betas_are_right(copy)
