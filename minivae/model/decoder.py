"""The decoder, z -> the parameters of p(x|z): logits, or the mean of a Gaussian."""

from __future__ import annotations

from collections.abc import Sequence

from minivae.backend import Array
from minivae.model.layers import MLP, Linear


class Decoder:
    """The encoder's hidden layers in reverse, and a linear output layer."""

    def __init__(self, input_dim: int, hidden_dims: Sequence[int], latent_dim: int, activation: str):
        dims = (latent_dim, *reversed(hidden_dims))
        self.chain = MLP("decoder.hidden", dims, activation)
        self.chain.layers.append(Linear(("decoder.output",), dims[-1], input_dim))
        self.layers = self.chain.layers

    def forward(self, z: Array) -> Array:
        """(B, K) -> (B, D)."""
        return self.chain.forward(z)

    def backward(self, doutput: Array) -> Array:
        """(B, D) -> dz (B, K); fills the decoder's gradients. Overwrites ``doutput``."""
        return self.chain.backward(doutput)
