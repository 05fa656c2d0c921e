"""A network whose passes return what their way back needs, so that no two passes can share it."""

from __future__ import annotations

from collections.abc import Sequence

from minivae.backend import Array, Backend
from minivae.model.layers import MLP, Linear
from minivae.model.parameters import Parameters
from minivae.model.workspace import Workspace

Cache = list[tuple[Array, Array]]  # the input and the output of each layer in one pass


class FeedForward:
    """Hidden layers and an output layer, over a parameter vector of their own that an optimizer can take.

    ``dims`` are the widths from the input to the output; ``activation`` is that of the hidden layers, ``output`` that
    of the last. The layers are called ``name.hidden.0``, ..., ``name.output``.
    """

    def __init__(self, name: str, dims: Sequence[int], activation: str, output: str, kernels: Backend, dtype: str):
        last = Linear((f"{name}.output",), dims[-2], dims[-1], output)
        self.layers = [*MLP(f"{name}.hidden", dims[:-1], activation).layers, last]
        self.kernels, self.dtype, self.step = kernels, dtype, 0
        self.store = Parameters([block for layer in self.layers for block in layer.blocks()], kernels, dtype)
        for layer in self.layers:
            layer.bind(self.store, kernels, Workspace(kernels, dtype))

    def forward(self, x: Array) -> tuple[Array, Cache]:
        """(B, dims[0]) -> (B, dims[-1]), and the cache that :meth:`backward` takes."""
        cache = []
        for layer in self.layers:
            y = self.kernels.linear_forward(x, layer.W, layer.b, layer.activation)
            cache.append((x, y))
            x = y
        return x, cache

    def backward(self, dy: Array, cache: Cache) -> None:
        """Add to the gradients what the pass with this cache contributes, given dy (B, dims[-1]).

        Passes add up, so that the gradients must be set to zero before the first.
        """
        self._back(dy, cache, need_dx=False, add=True)

    def input_gradient(self, dy: Array, cache: Cache) -> Array:
        """The gradient with respect to the input of the pass with this cache; the parameters' gradients stay."""
        return self._back(dy, cache, need_dx=True, add=False)

    def _back(self, dy: Array, cache: Cache, need_dx: bool, add: bool) -> Array:
        for layer, (x, y) in zip(reversed(self.layers), reversed(cache), strict=True):
            da = dy
            if layer.activation != "identity":
                da = self.kernels.activation_backward(dy, y, layer.activation)
            need = need_dx or layer is not self.layers[0]
            dy, dW, db = self.kernels.linear_backward(da, x, layer.W, need_dx=need)
            if add:
                layer.dW += dW
                layer.db += db
        return dy
