"""The same model in PyTorch, differentiated by its autograd: an oracle that shares no line with ours. Optional."""

import numpy as np
import pytest

from minivae import SGD, VAE, Adagrad, Adam, Categorical, Gaussian
from minivae.gradcheck import relative_error

torch = pytest.importorskip("torch", reason="the autograd oracle needs PyTorch")
F = torch.nn.functional
pytestmark = pytest.mark.peers

B, D, K = 6, 7, 3
RNG = np.random.default_rng(0)
BINARY = RNG.integers(2, size=(B, D)).astype(float)
ONE_HOT = np.hstack([np.eye(3)[RNG.integers(3, size=B)], np.eye(4)[RNG.integers(4, size=B)]])
REAL = RNG.standard_normal((B, D))

MODELS = {
    "bernoulli-tanh": ((5,), "tanh", "bernoulli", BINARY),
    "bernoulli-relu": ((5, 4), "relu", "bernoulli", BINARY),
    "gaussian-softplus": ((5,), "softplus", "gaussian", REAL),
    "gaussian per dimension-linear": ((), "tanh", Gaussian("per_dimension"), REAL),
    "gaussian fixed-sigmoid": ((5,), "sigmoid", Gaussian(0.3), REAL),
    "categorical-tanh": ((4, 5, 6), "tanh", Categorical((3, 4)), ONE_HOT),
}


def leaves_of(vae):
    return {name: torch.tensor(array.copy(), requires_grad=True) for name, array in vae.parameters.items()}


def torch_loss(vae, leaves, x, eps):
    """Mean over the batch of recon_nll + beta * kl, from PyTorch's own layers, losses and distributions."""
    x, eps = torch.tensor(x), torch.tensor(eps)
    act = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "softplus": F.softplus}[vae.activation]

    def linear(name, value):
        return value @ leaves[f"{name}.W"] + leaves[f"{name}.b"]

    def trunk(part, value):
        for i in range(len(vae.hidden_dims)):
            value = act(linear(f"{part}.hidden.{i}", value))
        return value

    h = trunk("encoder", x)
    mu, logvar = linear("encoder.mu", h), linear("encoder.logvar", h)
    posterior = torch.distributions.Normal(mu, torch.exp(logvar) ** 0.5)
    kl = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0)).sum()
    output = linear("decoder.output", trunk("decoder", posterior.loc + posterior.scale * eps))

    if vae.likelihood.name == "bernoulli":
        nll = F.binary_cross_entropy_with_logits(output, x, reduction="sum")
    elif vae.likelihood.name == "gaussian":
        logvar_x = leaves.get("decoder.output.logvar")
        variance = vae.likelihood.variance if logvar_x is None else torch.exp(logvar_x)
        nll = F.gaussian_nll_loss(output, x, variance * torch.ones_like(x), full=True, reduction="sum")
    else:
        columns = vae.likelihood.groups
        pairs = zip(output.split(columns, dim=1), x.split(columns, dim=1), strict=True)
        nll = sum(F.cross_entropy(logits, one_hot, reduction="sum") for logits, one_hot in pairs)
    return (nll + vae.beta * kl) / len(x)


@pytest.fixture(params=MODELS)
def vae_and_x(request):
    hidden_dims, activation, likelihood, x = MODELS[request.param]
    vae = VAE(D, hidden_dims, K, activation=activation, likelihood=likelihood, beta=1.7, dtype="float64", seed=3)
    if "decoder.output.logvar" in vae.parameters:
        vae.parameters["decoder.output.logvar"][...] = -0.3
    return vae, x


def test_loss_and_every_gradient_equal_those_of_autograd(vae_and_x):
    vae, x = vae_and_x
    eps = np.random.default_rng(1).standard_normal((B, K))
    leaves = leaves_of(vae)
    expected = torch_loss(vae, leaves, x, eps)
    expected.backward()
    np.testing.assert_allclose(vae.loss_and_gradients(x, eps).loss, expected.item(), rtol=1e-12)
    for name, gradient in vae.gradients.items():
        assert relative_error(gradient, leaves[name].grad.numpy()) < 1e-10, name


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (Adam(1e-2), lambda leaves: torch.optim.Adam(leaves, lr=1e-2)),
        (Adam(3e-2, betas=(0.5, 0.9), epsilon=1e-3), lambda leaves: torch.optim.Adam(leaves, 3e-2, (0.5, 0.9), 1e-3)),
        (Adagrad(3e-2), lambda leaves: torch.optim.Adagrad(leaves, lr=3e-2)),
        (SGD(1e-2), lambda leaves: torch.optim.SGD(leaves, lr=1e-2, momentum=0.9)),
        (SGD(1e-2, momentum=0), lambda leaves: torch.optim.SGD(leaves, lr=1e-2)),
    ],
    ids=["Adam", "Adam with other settings", "Adagrad", "SGD with momentum", "SGD"],
)
def test_twenty_steps_go_where_those_of_torch_go(mine, theirs):
    vae = VAE(D, (5,), K, activation="tanh", dtype="float64")
    leaves = leaves_of(vae)
    theirs = theirs(leaves.values())
    for _ in range(20):
        eps = vae.noise(np.arange(B)).copy()
        theirs.zero_grad()
        torch_loss(vae, leaves, BINARY, eps).backward()
        theirs.step()
        vae.loss_and_gradients(BINARY, eps)
        mine.step(vae)
    for name, array in vae.parameters.items():
        assert relative_error(array, leaves[name].detach().numpy()) < 1e-10, name
