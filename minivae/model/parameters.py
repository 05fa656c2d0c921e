"""One flat vector for all parameters and one for their gradients; every ``W`` and ``b`` is a named view.

So an optimizer is one pass over an array, a checkpoint a list of names, and a gradient check a loop. All weights come
first, then all biases, so that a penalty on the weights is a slice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from minivae.backend import Array, Backend, Stream, load


class Block(NamedTuple):
    """A contiguous part of the vector."""

    names: tuple[str, ...]  # several share the last axis: encoder.mu.W and encoder.logvar.W are halves of one (H, 2K)
    shape: tuple[int, ...]
    fans: tuple[int, int] | None  # (fan_in, fan_out) of one view, for its initialisation; None: starts at zero

    @property
    def is_weight(self) -> bool:
        """True for matrices, which have penalties."""
        return len(self.shape) == 2


class Views(MutableMapping[str, Array]):
    """Name -> view of a vector. Whatever assigns writes into the vector: a view is never replaced, added or removed.

    No subclass of dict, whose ``update``, ``|=`` and others go past ``__setitem__``.
    """

    def __init__(self, arrays: dict[str, Array], kernels: Backend):
        self._arrays, self._kernels = arrays, kernels

    def __getitem__(self, name: str) -> Array:
        return self._arrays[name]

    def __setitem__(self, name: str, values: Array) -> None:
        if name not in self._arrays:
            raise KeyError(f"no parameter is called {name!r}: expected one of {', '.join(self._arrays)}")
        view = self._arrays[name]
        view[...] = values if np.isscalar(values) else self._kernels.asarray(values, view.dtype)

    def __delitem__(self, name: str) -> None:
        raise TypeError("the parameters of a model cannot be removed: assign to a name, such as parameters[name] = 0")

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        return repr(self._arrays)

    def __or__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return {**self, **other}

    def __ror__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return {**other, **self}

    def __ior__(self, other: Mapping[str, Any]) -> Views:
        self.update(other)
        return self


class Parameters:
    """The parameters of a model, ``vector`` (P,), and their gradients, ``gradient`` (P,).

    ``arrays`` and ``gradients`` map names to views of them, ``block_arrays`` and ``block_gradients`` the names of a
    whole block. ``vector[:n_weights]`` are the weights, the rest biases and variances.
    """

    def __init__(self, blocks: Sequence[Block], kernels: Backend, dtype: str):
        self.blocks = list(blocks)
        size = sum(math.prod(block.shape) for block in self.blocks)
        self.n_weights = sum(math.prod(block.shape) for block in self.blocks if block.is_weight)
        self.kernels = kernels
        self.vector = kernels.zeros(size, dtype)
        self.gradient = kernels.zeros(size, dtype)
        self.block_arrays, arrays = self.views(self.vector)
        self.block_gradients, gradients = self.views(self.gradient)
        self.arrays, self.gradients = Views(arrays, kernels), Views(gradients, kernels)

    def views(self, vector: Array) -> tuple[dict[tuple[str, ...], Array], dict[str, Array]]:
        """The blocks of a vector (P,) by their names, and its arrays by name."""
        whole: dict[tuple[str, ...], Array] = {}
        named: dict[str, Array] = {}
        start = 0
        for block in sorted(self.blocks, key=lambda block: not block.is_weight):
            whole[block.names] = vector[start : start + math.prod(block.shape)].reshape(block.shape)
            start += math.prod(block.shape)
        for block in self.blocks:
            width = block.shape[-1] // len(block.names)
            for i, name in enumerate(block.names):
                named[name] = whole[block.names][..., i * width : (i + 1) * width]
        return whole, named

    def initialise(self, init: str, seed: int, first: int = 0) -> None:
        """Draw every array from noise stream 6, a function of (seed, its place in the model, its elements).

        "torch": all uniform in +-1/sqrt(fan_in), PyTorch's default for linear layers. "glorot": weights uniform in
        +-sqrt(6 / (fan_in + fan_out)), biases 0 (Glorot and Bengio 2010). "he": weights normal with variance
        2 / fan_in, biases 0 (He, Zhang, Ren and Sun 2015). Places count from ``first``.
        """
        noise = load("numpy")  # drawn on the CPU, so that all backends start alike
        start = np.zeros(self.vector.shape)
        fans_of = {name: block.fans for block in self.blocks for name in block.names}
        for place, (name, view) in enumerate(self.views(start)[1].items(), first):
            fans = fans_of[name]
            if fans is not None:
                view[...] = initial_values(noise, init, seed, place, view.shape, fans)
        self.vector[:] = self.kernels.asarray(start, self.vector.dtype)


class Trainable(Protocol):
    """What an optimizer and a file ask of a model: a VAE, or one of the two networks of a GAN."""

    store: Parameters
    kernels: Backend
    dtype: str
    step: int


def initial_values(
    noise: Backend, init: str, seed: int, place: int, shape: tuple[int, ...], fans: tuple[int, int]
) -> np.ndarray:
    """The starting values of one array, in float64."""
    draw = np.empty((1, math.prod(shape)))
    where = (seed, Stream.INITIALISATION, 0, np.array([place]))
    fan_in, fan_out = fans
    is_bias = len(shape) == 1
    if init == "torch":
        values = (2 * noise.uniform(*where, out=draw) - 1) / math.sqrt(fan_in)
    elif is_bias:
        values = np.zeros_like(draw)
    elif init == "glorot":
        values = (2 * noise.uniform(*where, out=draw) - 1) * math.sqrt(6 / (fan_in + fan_out))
    else:
        values = noise.standard_normal(*where, out=draw) * math.sqrt(2 / fan_in)
    return values.reshape(shape)
