"""Every proof of the GAN on the backends of a CPU, and against autograd."""

from types import SimpleNamespace

import numpy as np
import pytest

import gan_proofs
from minivae import GAN
from minivae.backend import available
from minivae.gan import losses
from minivae.gradcheck import relative_error

OURS = SimpleNamespace(GAN=GAN, losses=losses)


@pytest.mark.parametrize("backend", [name for name in available() if name != "cupy"])
@pytest.mark.parametrize("proof", gan_proofs.PROOFS, ids=lambda proof: proof.__name__)
def test_of_the_gan(proof, backend):
    proof(OURS, backend)


def test_no_penalty_has_a_gradient_where_all_units_are_off():
    """There the norm of the slope has no derivative, and a division by it would be 0/0."""
    gan, x, z, noise = gan_proofs.game(OURS, "numpy", penalty="r1-r2", activation="relu")
    gan.parameters["discriminator.hidden.0.b"][...] = -1e3
    assert gan.discriminator_pass(x, z, noise)[1] == 0
    assert np.isfinite(gan.discriminator.store.gradient).all()


@pytest.mark.peers
@pytest.mark.parametrize("loss", losses.LOSSES)
@pytest.mark.parametrize("penalty", losses.PENALTIES)
def test_autograd_agrees(loss, penalty):
    torch = pytest.importorskip("torch")
    gan, *batch = gan_proofs.game(OURS, "numpy", loss=loss, penalty=penalty)
    w = {name: torch.tensor(array, requires_grad=True) for name, array in gan.parameters.items()}
    x, z, noise = (torch.tensor(array) for array in batch)

    def network(name, y):
        for i in (0, 1):
            y = torch.nn.functional.leaky_relu(y @ w[f"{name}.hidden.{i}.W"] + w[f"{name}.hidden.{i}.b"], 0.2)
        return y @ w[f"{name}.output.W"] + w[f"{name}.output.b"]

    def slope_squared(x):
        x = x.detach().requires_grad_()
        (g,) = torch.autograd.grad(network("discriminator", x).sum(), x, create_graph=True)
        return (g * g).sum(axis=1).mean()

    softplus = torch.nn.functional.softplus
    fake = network("generator", z)
    real_logits, fake_logits = network("discriminator", x), network("discriminator", fake.detach())
    total = softplus(fake_logits - real_logits).mean()
    if loss != "relativistic":
        total = softplus(-real_logits).mean() + softplus(fake_logits).mean()
    if penalty == "approximate-r1":
        moved = network("discriminator", x + gan.penalty_noise * noise)
        total = total + gan.gamma / 2 / gan.penalty_noise**2 * ((real_logits - moved) ** 2).mean()
    if penalty in ("r1", "r1-r2"):
        total = total + gan.gamma / 2 * slope_squared(x)
    if penalty == "r1-r2":
        total = total + gan.gamma / 2 * slope_squared(fake)
    total.backward()
    np.testing.assert_allclose(sum(gan.discriminator_pass(*batch)), float(total.detach()), rtol=1e-12)
    for name, gradient in gan.discriminator.store.gradients.items():
        assert relative_error(gradient, w[name].grad.numpy()) < 1e-8, name  # of pairs, the last bias has the gradient 0

    logits = network("discriminator", fake)
    of_generator = {
        "nonsaturating": softplus(-logits),
        "saturating": -softplus(logits),
        "relativistic": softplus(real_logits.detach() - logits),
    }[loss].mean()
    of_generator.backward()
    np.testing.assert_allclose(gan.generator_pass(*batch[:2]), float(of_generator.detach()), rtol=1e-12)
    for name, gradient in gan.generator.store.gradients.items():
        assert relative_error(gradient, w[name].grad.numpy()) < 1e-12, name
