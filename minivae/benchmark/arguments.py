"""The sizes of a training step, and the arguments that kernels are called with.

Shapes are written with one letter for each axis:

    B   batch size          H   hidden units            F   = 2 K, both heads
    D   data dimensions     K   latent dimensions       P   parameters of the whole model
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from minivae.backend import Array, Backend

SHAPES = {
    **{"x": "BD", "h": "BH", "heads": "BF", "z": "BK", "logits": "BD", "grey": "BD", "binary": "BD", "one_hot": "BD"},
    **{"positive": "BD", "counts": "BD"},
    **{"W_encoder": "DH", "b_encoder": "H", "W_heads": "HF", "b_heads": "F"},
    **{"W_decoder": "KH", "b_decoder": "H", "W_output": "HD", "b_output": "D"},
    **{"dh": "BH", "dheads": "BF", "dlogits": "BD", "dz": "BK", "eps": "BK", "dnll": "B"},
    **{"logvar_one": "1", "logvar_each": "D", "w": "P", "g": "P", "m": "P", "v": "P"},
}


class Sizes(NamedTuple):
    """The sizes of a training step; F and P follow from the others."""

    B: int
    D: int
    H: int
    K: int

    @property
    def F(self) -> int:
        """The columns of both heads."""
        return 2 * self.K

    @property
    def P(self) -> int:
        """The parameters of the model: four layers, weights and biases."""
        _, D, H, K = self
        return (D + 1) * H + (H + 1) * 2 * K + (K + 1) * H + (H + 1) * D

    def shape(self, letters: str) -> tuple[int, ...]:
        """The sizes that letters stand for: "BD" is (B, D), "1" is (1,)."""
        return tuple(1 if letter == "1" else getattr(self, letter) for letter in letters)

    @property
    def groups(self) -> tuple[int, int]:
        """Two categorical variables that fill a row of the data."""
        return self.D - self.D // 3, self.D // 3


@lru_cache(maxsize=2 * len(SHAPES))
def numbers(name: str, sizes: Sizes) -> np.ndarray:
    """The values of an argument, as they may be in training; float64, but all of them float32 numbers."""
    rng = np.random.default_rng(list(name.encode()))
    shape = sizes.shape(SHAPES[name])
    if name == "one_hot":
        values = np.hstack([np.eye(n)[rng.integers(n, size=sizes.B)] for n in sizes.groups])
    elif name == "binary":
        values = rng.integers(2, size=shape).astype(float)
    elif name in ("positive", "counts"):
        values = np.exp(1 + rng.standard_normal(shape))
        values = np.floor(values) if name == "counts" else values
    elif name in ("v", "grey"):
        values = rng.random(shape)
    elif name == "h":  # an output of any activation: some units are off
        values = rng.random(shape) * (rng.random(shape) < 0.7)
    else:
        values = rng.standard_normal(shape) / (np.sqrt(shape[0]) if name.startswith("W_") else 1)
    return values.astype(np.float32).astype(np.float64)


class Arguments:
    """Arguments by name, made when they are asked for: new arrays of a backend each time.

    ``mu`` and ``logvar`` are two views of one array, not contiguous, as in the encoder; ``rows`` are row numbers.

    Parameters
    ----------
    kernels : Backend
    sizes : Sizes
    dtype : {"float32", "float64"}
    """

    def __init__(self, kernels: Backend, sizes: Sizes, dtype: str):
        self.kernels, self.sizes, self.dtype = kernels, sizes, dtype
        self.groups = sizes.groups
        self.rows = np.arange(sizes.B)[::-1].copy()

    def __getattr__(self, name: str) -> Array:
        if name in ("mu", "logvar"):
            half = slice(0, self.sizes.K) if name == "mu" else slice(self.sizes.K, None)
            return self.heads[:, half]
        return self.kernels.asarray(numbers(name, self.sizes).copy(), self.dtype)

    def buffers(self, shapes: dict[str, str]) -> dict[str, Array]:
        """Arrays to fill, by name; they hold something else before."""
        return {name: self.kernels.zeros(self.sizes.shape(shape), self.dtype) + 7 for name, shape in shapes.items()}


class Outlines:
    """Stands in for :class:`Arguments` where only sizes count: NumPy arrays that take no memory.

    Parameters
    ----------
    sizes : Sizes
    dtype : {"float32", "float64"}
    """

    def __init__(self, sizes: Sizes, dtype: str):
        self.sizes, self.dtype = sizes, dtype
        self.groups = sizes.groups
        self.rows = np.broadcast_to(np.int64(0), (sizes.B,))

    def __getattr__(self, name: str) -> np.ndarray:
        letters = "BK" if name in ("mu", "logvar") else SHAPES[name]
        return np.broadcast_to(np.zeros((), self.dtype), self.sizes.shape(letters))
