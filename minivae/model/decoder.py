"""The decoder, z -> the parameters of p(x|z): logits, or the mean of a Gaussian."""

from __future__ import annotations

from collections.abc import Sequence

from minivae.backend import Array
from minivae.model.layers import MLP, Linear


class Decoder:
    """The mirror image of the encoder, with a linear output layer.

    Parameters
    ----------
    input_dim : int
        D, the width of the data.
    hidden_dims : sequence of int
        As given for the encoder; used from the last to the first.
    latent_dim : int
    activation : str
    """

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
