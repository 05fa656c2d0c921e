"""Linear layers and chains of them: their parameters, and both passes (lessons 2 and 3)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from minivae.backend import Array, Backend
from minivae.model.parameters import Block, Parameters
from minivae.model.workspace import Workspace


class Linear:
    """y = act(x W + b). Several ``names`` are layers side by side with one input, each of width ``out_dim``."""

    def __init__(self, names: tuple[str, ...], in_dim: int, out_dim: int, activation: str = "identity"):
        self.names = names
        self.in_dim = in_dim
        self.out_dim = out_dim
        self.width = out_dim * len(names)
        self.activation = activation

    def blocks(self) -> list[Block]:
        """The parameters of this layer: W (in, out) and b (out,)."""
        fans = (self.in_dim, self.out_dim)
        return [
            Block(tuple(f"{name}.W" for name in self.names), (self.in_dim, self.width), fans),
            Block(tuple(f"{name}.b" for name in self.names), (self.width,), fans),
        ]

    def bind(self, parameters: Parameters, kernels: Backend, workspace: Workspace) -> None:
        """Take the views of this layer's parameters and gradients."""
        self.kernels, self.workspace = kernels, workspace
        W, b = (block.names for block in self.blocks())
        self.W, self.b = parameters.block_arrays[W], parameters.block_arrays[b]
        self.dW, self.db = parameters.block_gradients[W], parameters.block_gradients[b]

    def _buffer(self, what: str, n: int, width: int) -> Array:
        return self.workspace.rows(f"{self.names[0]}.{what}", n, width)

    def forward(self, x: Array) -> Array:
        """(B, in) -> (B, out). Keeps x and y for :meth:`backward`."""
        self.x = x
        y = self._buffer("y", len(x), self.width)
        self.y = self.kernels.linear_forward(x, self.W, self.b, self.activation, out=y)
        return self.y

    def backward(self, dy: Array, need_dx: bool = True) -> Array | None:
        """(B, out) -> (B, in), or None; fills dW and db. Overwrites ``dy``."""
        da = dy
        if self.activation != "identity":
            da = self.kernels.activation_backward(dy, self.y, self.activation, out=dy)
        dx = self._buffer("dx", len(dy), self.in_dim) if need_dx else None
        dx, _, _ = self.kernels.linear_backward(da, self.x, self.W, need_dx=need_dx, dx=dx, dW=self.dW, db=self.db)
        return dx


class MLP:
    """Layers ``name.0``, ``name.1``, ... of one activation, widths dims[0] to dims[-1]; without any, the identity."""

    def __init__(self, name: str, dims: Sequence[int], activation: str):
        self.layers = [
            Linear((f"{name}.{i}",), in_dim, out_dim, activation) for i, (in_dim, out_dim) in enumerate(pairwise(dims))
        ]

    def forward(self, x: Array) -> Array:
        """(B, dims[0]) -> (B, dims[-1])."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dy: Array, need_dx: bool = True) -> Array | None:
        """(B, dims[-1]) -> (B, dims[0]), or None. Overwrites ``dy``."""
        dx: Array | None = dy
        for layer in reversed(self.layers):
            dx = layer.backward(dx, need_dx=need_dx or layer is not self.layers[0])
        return dx
