"""explain_loss: ten losses that people published, twenty single edits of a right one, and what it must not guess."""

import json

import numpy as np
import pytest

from minivae import VAE, Adam, Gaussian, explain_loss

D, K = 784, 20


def bce(r, x):
    return -(x * np.log(r) + (1 - x) * np.log(1 - r))


def kl(mu, logvar):
    return 0.5 * (mu**2 + np.exp(logvar) - logvar - 1)


def squared(r, x):
    return (r - x) ** 2


# Rewritten from the threads that are named, each with the sizes there. A loss whose network gives sigma or log sigma
# gets that from logvar here, as its own sampling would: what is right in its own terms must be found right.
PUBLISHED = {
    "pytorch/examples#824, right though doubted": (
        784, 20, lambda r, x, m, v: bce(r, x).sum() - 0.5 * (1 + v - m**2 - np.exp(v)).sum(), 1, []),
    "keras-team/keras-io#270": (
        784, 2, lambda r, x, m, v: 784 * bce(r, x).mean() - 0.5 * (1 + v - m**2 - np.exp(v)).mean(), 0.5,
        ["mean over the 2 latent"]),
    "keras-team/keras#6015, the blog": (
        784, 32, lambda r, x, m, v: (bce(r, x).mean(1) - 0.5 * (1 + v - m**2 - np.exp(v)).mean(1)).mean(), 24.5,
        ["mean over the 32 latent", "mean over the 784 columns"]),
    "keras-team/keras#3383, before it": (
        784, 2, lambda r, x, m, v: (bce(r, x).mean(1) - 0.5 * (1 + v - m**2 - np.exp(v)).sum(1)).mean(), 784,
        ["mean over the 784 columns"]),
    "AntixK/PyTorch-VAE#11": (
        12288, 128, lambda r, x, m, v: squared(r, x).mean() + 0.00025 * kl(m, v).sum(1).mean(), 3.072,
        ["mean over the 12288 columns"]),
    "orybkin/sigma-vae-tensorflow#2, its MSE": (
        784, 20, lambda r, x, m, v: squared(r, x).mean() + kl(m, v).mean(), 39.2,
        ["mean over the 20 latent", "mean over the 784 columns"]),
    "FluxML/model-zoo#147, its log sigma^2 for 2 log sigma": (
        784, 5, lambda r, x, m, v: (bce(r, x).sum() + 0.5 * (np.exp(v) + m**2 - 1 + (v / 2) ** 2).sum()) / len(x), 1,
        ["logvar is missing", "logvar^2 is no part"]),
    "mingyuliutw/UNIT#42": (
        784, 8, lambda r, x, m, v: (np.abs(r - x).sum() + (m**2 + np.exp(v) - v).sum()) / len(m), 2, ["lost its 1/2"]),
    "graviraja/pytorch-sample-codes#2, the remedy proposed there": (
        784, 20, lambda r, x, m, v: bce(r, x).sum() + 0.5 * (-v + m**2 - 1 - np.exp(v)).sum(), 1,
        ["sigma^2 has the wrong sign"]),
    "zdebruine/MMVAE#19, before it": (
        784, 20, lambda r, x, m, v: squared(r, x).mean() + kl(m, v).sum(), None, ["depends on the batch size"]),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_losses_have_their_known_answers(name):
    D, K, loss, beta, defects = PUBLISHED[name]
    found = explain_loss(loss, D, K)
    assert found.beta == (None if beta is None else pytest.approx(beta, rel=1e-6))
    assert len(found.defects) == len(defects), found.defects
    assert all(any(text in defect for defect in found.defects) for text in defects), found.defects


def loss_of(rec=bce, k=kl, w=1.0, over=lambda a: a.sum(1).mean(), rec_over=lambda a: a.sum(1).mean()):
    return lambda r, x, m, v: rec_over(rec(r, x)) + w * over(k(m, v))


EDITS = {
    "nothing": (loss_of(), []),
    "logits": (loss_of(rec=lambda r, x: np.logaddexp(0, r) - r * x), []),
    "in float32": (lambda *a: np.float32(loss_of()(*(b.astype(np.float32) for b in a))), []),
    "1e-8 inside the logarithms": (
        loss_of(rec=lambda r, x: -x * np.log(r + 1e-8) - (1 - x) * np.log(1 - r + 1e-8)), []),
    "a small beta": (loss_of(w=1e-6), []),
    "half a squared error": (loss_of(rec=lambda r, x: 0.5 * (r - x) ** 2), []),
    "sign of the KL": (loss_of(w=-1.0), ["KL has the wrong sign"]),
    "sign of the reconstruction": (loss_of(rec=lambda r, x: -bce(r, x)), ["reconstruction term has the wrong sign"]),
    "no KL": (loss_of(w=0.0), ["KL is missing"]),
    "no reconstruction": (loss_of(rec=lambda r, x: 0 * r), ["reconstruction term is missing"]),
    "no mu": (loss_of(k=lambda m, v: kl(0 * m, v)), ["mu^2 is missing"]),
    "no log": (loss_of(k=lambda m, v: kl(m, v) + v / 2), ["logvar is missing"]),
    "no 1/2": (loss_of(k=lambda m, v: 2 * kl(m, v)), ["KL has lost its 1/2"]),
    "no 1/2 of the log": (loss_of(k=lambda m, v: kl(m, v) - v / 2), ["logvar has lost its 1/2"]),
    "logvar as sigma": (loss_of(k=lambda m, v: kl(m, 2 * np.log(v))), ["logvar is read as sigma in"]),
    "logvar as sigma^2": (loss_of(k=lambda m, v: kl(m, np.log(v))), ["logvar is read as sigma^2 in"]),
    "logvar as log sigma": (loss_of(k=lambda m, v: kl(m, 2 * v)), ["logvar is read as log sigma in"]),
    "sigma for sigma^2": (loss_of(k=lambda m, v: kl(m, v) - np.exp(v) / 2 + np.exp(v / 2) / 2),
                          ["sigma^2 is missing", "sigma is no part"]),
    "KL over the wrong axis": (loss_of(over=lambda a: a.sum(0).mean()),
                               ["mean over the 20 latent", "depends on the batch size"]),
    "mean over pixels": (loss_of(rec_over=np.mean), ["mean over the 784 columns"]),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_single_edits_are_named_and_nothing_else(name):
    loss, defects = EDITS[name]
    found = explain_loss(loss, D, K)
    assert len(found.defects) == len(defects), found.defects
    assert all(any(text in defect for defect in found.defects) for text in defects), found.defects
    assert not [note for note in found.notes if "not identified" in note]


def test_what_is_no_known_sum_is_not_guessed_at():
    for loss, what in (
        (lambda r, x, m, v: bce(r, x).mean() * kl(m, v).mean(), "no sum of two terms"),
        (lambda r, x, m, v: loss_of()(r, x, m, v) / np.sqrt(len(x)), "odd way"),
        (loss_of(k=lambda m, v: np.maximum(kl(m, v), 0.5)), "mu and logvar"),
        (loss_of(rec=lambda r, x: np.sqrt(np.abs(r - x))), "the reconstruction term"),
        (loss_of(rec=lambda r, x: bce(r, x) * np.arange(r.shape[1])), "the reconstruction term"),
    ):
        found = explain_loss(loss, D, K)
        assert (found.beta, found.defects) == (None, [])
        assert [what in note for note in found.notes] == [True], found.notes
        assert "beta        not identified" in str(found)


@pytest.mark.parametrize(("factor", "beta", "variance"), [(0.5, 3, 1), (1, 3, 0.5), (50, 3, 0.01), (0.5 / 7, 21, 1)])
def test_a_squared_error_names_its_variance(factor, beta, variance):
    found = explain_loss(loss_of(rec=lambda r, x: factor * squared(r, x), w=3.0), 7, 2)
    assert (found.beta, found.variance) == (pytest.approx(beta), pytest.approx(variance))


def test_a_loss_that_cannot_be_probed_is_refused():
    noise = np.random.default_rng(0)
    with pytest.raises(ValueError, match="differ: leave out what draws noise"):
        explain_loss(lambda *arrays: noise.normal(), D, K)
    with pytest.raises(ValueError, match="finite number, got nan"):
        explain_loss(lambda *arrays: np.nan, D, K)
    with pytest.raises(ValueError, match="latent_dim"):
        explain_loss(loss_of(), D, 0)


def test_the_implied_beta_trains_to_where_the_loss_itself_trains_to():
    """Mean squared error and mean KL, 4 columns and 2 dimensions, beside the same model with the beta they imply."""
    x = np.random.default_rng(0).normal(size=(30, 4)) * (3, 2, 1, 1)
    implied = explain_loss(lambda r, x, m, v: squared(r, x).mean() + kl(m, v).mean(), 4, 2)
    likelihood = Gaussian(implied.variance)
    asked, as_written = (
        VAE(4, (), 2, likelihood=likelihood, beta=beta, dtype="float64") for beta in (implied.beta, 1.0)
    )
    optimizers = Adam(0.05, epsilon=1e-14), Adam(0.05, epsilon=1e-14)
    for _ in range(100):
        asked.loss_and_gradients(x)
        n = len(x)  # -log p(x|z) at sigma^2 = 1/2 is the squared error: each row has weight 1/(n D), each KL 1/(n K)
        weights = np.full(n, 1 / (4 * n)), np.full(n, 1 / (2 * n))
        as_written.terms_and_gradients(x, as_written.noise(np.arange(n)), x, *weights)
        for vae, optimizer in zip((asked, as_written), optimizers, strict=True):
            optimizer.step(vae)
    np.testing.assert_allclose(asked.store.vector, as_written.store.vector, rtol=1e-6, atol=1e-9)


def test_the_command_has_the_same_answers(minivae):
    flags = ["--rec-reduction", "mean", "--kl-reduction", "mean", "--input-dim", 784, "--latent", 20]
    status, out, _ = minivae("explain-loss", *flags, "--json")
    assert (status, json.loads(out)["beta"]) == (0, pytest.approx(39.2))
    flags = ["--reconstruction", "squared", "--rec-reduction", "mean", "--input-dim", 13, "--latent", 4]
    status, out, _ = minivae("explain-loss", *flags, "--kl-weight", 0.1, "--data", "wine", "--json")
    found = json.loads(out)
    assert (found["beta"], found["variance"]) == (pytest.approx(1.3), 0.5)
    assert found["alive"] == 4
    out = minivae("explain-loss", *flags, "--kl-weight", 0.5, "--data", "wine")[1]
    assert "alive       1 of 4 dimensions" in out  # eigenvalues of the correlations: 4.7, 2.5, ...; beta sigma^2 = 3.25
