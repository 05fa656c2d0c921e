"""What holds for every VAE: any shape, batch size, depth, activation and likelihood that Hypothesis finds."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from minivae import VAE, Categorical, Gaussian
from minivae.backend import load
from minivae.gradcheck import numerical_gradient

few = settings(deadline=None, max_examples=15, derandomize=True)  # the same examples in every run
many = settings(few, max_examples=30)

SMOOTH = ("tanh", "sigmoid", "softplus")  # no kink for a finite difference to step over


@st.composite
def models(draw, activations=(*SMOOTH, "relu")):
    """A float64 model with random parameters, a batch x that its likelihood takes, and eps."""
    D, K, B = draw(st.integers(1, 6)), draw(st.integers(1, 4)), draw(st.integers(1, 5))
    kind = draw(st.sampled_from(["bernoulli", "gaussian", "per_dimension", "fixed", "categorical"]))
    first = draw(st.integers(1, D))
    groups = (first, D - first) if first < D else (D,)
    likelihood = {
        "per_dimension": Gaussian("per_dimension"),
        "fixed": Gaussian(0.3),
        "categorical": Categorical(groups),
    }.get(kind, kind)
    vae = VAE(
        D,
        draw(st.lists(st.integers(1, 5), max_size=3)),
        K,
        activation=draw(st.sampled_from(activations)),
        likelihood=likelihood,
        beta=draw(st.sampled_from([0.0, 0.5, 1.0, 4.0])),
        dtype="float64",
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    vae.store.vector[:] = 0.5 * rng.standard_normal(vae.store.vector.shape)
    if kind == "bernoulli":
        x = rng.integers(2, size=(B, D)).astype(float)
    elif kind == "categorical":
        x = np.hstack([np.eye(size)[rng.integers(size, size=B)] for size in groups])
    else:
        x = rng.standard_normal((B, D))
    return vae, x, rng.standard_normal((B, K))


def gradient_of(vae, x, eps):
    vae.loss_and_gradients(x, eps)
    return vae.store.gradient.copy()


@few
@given(models(SMOOTH))
def test_the_gradient_of_every_parameter_is_right(model):
    vae, x, eps = model
    analytic = gradient_of(vae, x, eps)
    numeric = numerical_gradient(lambda _: vae.loss(x, eps).loss, vae.store.vector)
    # A central difference with h = 1e-5 rounds at 1e-16 |loss| / h; its truncation is smaller.
    atol = 1e-10 * max(1, abs(vae.loss(x, eps).loss))
    np.testing.assert_allclose(analytic, numeric, rtol=1e-6, atol=atol)


@many
@given(models())
def test_the_terms_add_up(model):
    vae, x, eps = model
    for terms in (vae.loss(x, eps), vae.loss_and_gradients(x, eps)):
        np.testing.assert_allclose(terms.loss, terms.recon_nll + vae.beta * terms.kl, rtol=1e-12)
        np.testing.assert_allclose(terms.elbo, -(terms.recon_nll + terms.kl), rtol=1e-12)
        assert terms.kl >= 0


@many
@given(models())
def test_loss_and_gradients_report_the_loss(model):
    vae, x, eps = model
    np.testing.assert_allclose(vae.loss_and_gradients(x, eps), vae.loss(x, eps), rtol=1e-12)


@many
@given(models())
def test_a_batch_is_the_mean_of_its_examples(model):
    vae, x, eps = model
    alone = [(vae.loss(x[[i]], eps[[i]]), gradient_of(vae, x[[i]], eps[[i]])) for i in range(len(x))]
    np.testing.assert_allclose(vae.loss(x, eps), np.mean([terms for terms, _ in alone], axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        gradient_of(vae, x, eps), np.mean([gradient for _, gradient in alone], axis=0), rtol=1e-9, atol=1e-12
    )


@many
@given(models(), st.randoms(use_true_random=False))
def test_the_order_of_the_examples_does_not_matter(model, random):
    vae, x, eps = model
    order = random.sample(range(len(x)), len(x))
    np.testing.assert_allclose(vae.loss(x[order], eps[order]), vae.loss(x, eps), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(gradient_of(vae, x[order], eps[order]), gradient_of(vae, x, eps), rtol=1e-9, atol=1e-12)


@many
@given(models())
def test_what_goes_in_and_comes_out_has_the_right_shape(model):
    vae, x, eps = model
    mu, logvar = vae.encode(x)
    assert mu.shape == logvar.shape == eps.shape
    assert vae.decode(eps).shape == vae.reconstruct(x).shape == x.shape
    assert vae.sample(3).shape == vae.sample(3, draw=True).shape == (3, x.shape[1])
    assert vae.log_likelihood(x, n_samples=2).shape == (len(x),)
    assert {name: array.shape for name, array in vae.parameters.items()} == {
        name: array.shape for name, array in vae.gradients.items()
    }


@many
@given(models())
def test_means_and_draws_are_data_of_the_likelihood(model):
    vae, _, eps = model
    mean, drawn = vae.decode(eps), vae.sample(20, draw=True)
    vae.likelihood.check(drawn)
    if vae.likelihood.name != "gaussian":
        assert mean.min() >= 0
        assert mean.max() <= 1 + 1e-12
    if vae.likelihood.name == "categorical":
        np.testing.assert_allclose(mean.sum(axis=1), len(vae.likelihood.groups), rtol=1e-12)


@many
@given(st.floats(-50, 50), st.floats(-50, 50), st.sampled_from(["float32", "float64"]))
def test_the_kl_is_never_negative(mu, logvar, dtype):
    arrays = (np.array([[value]], dtype) for value in (mu, logvar))
    # Where logvar is tiny, exp(logvar) - 1 is rounded to a multiple of the machine's epsilon.
    assert load("numpy").gaussian_kl_forward(*arrays)[0] >= -np.finfo(dtype).eps
