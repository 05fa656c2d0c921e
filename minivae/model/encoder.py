"""The encoder, x -> (mu, logvar): a trunk that forks into two heads."""

from __future__ import annotations

from collections.abc import Sequence

from minivae.backend import Array
from minivae.model.layers import MLP, Linear
from minivae.model.workspace import Workspace


class Encoder:
    """q(z|x) = N(mu(x), exp(logvar(x))), with the two heads side by side in one (H, 2K) matrix."""

    def __init__(
        self, input_dim: int, hidden_dims: Sequence[int], latent_dim: int, activation: str, workspace: Workspace
    ):
        dims = (input_dim, *hidden_dims)
        self.latent_dim = latent_dim
        self.workspace = workspace
        self.chain = MLP("encoder.hidden", dims, activation)
        self.chain.layers.append(Linear(("encoder.mu", "encoder.logvar"), dims[-1], latent_dim))  # the two heads
        self.layers = self.chain.layers

    def forward(self, x: Array) -> tuple[Array, Array]:
        """(B, D) -> mu, logvar: two views (B, K) of one buffer."""
        self.heads = heads = self.chain.forward(x)
        return heads[:, : self.latent_dim], heads[:, self.latent_dim :]

    def backward(self, dmu: Array, dlogvar: Array) -> None:
        """Both (B, K); fills the encoder's gradients. The gradient of x is not computed."""
        K = self.latent_dim
        dheads = self.workspace.rows("encoder.dheads", len(dmu), 2 * K)
        dheads[:, :K] = dmu
        dheads[:, K:] = dlogvar
        self.chain.backward(dheads, need_dx=False)
