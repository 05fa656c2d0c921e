"""The examples for training and validation: checked, scaled and binarised, in memory or on disk."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

from minivae.backend import Array, Backend, Stream, load
from minivae.errors import DataError
from minivae.model import incoming
from minivae.model.network import has_holes
from minivae.model.vae import VAE
from minivae.training.recipe import Recipe
from minivae.validation import check_columns_known

VALUES_CHECKED_AT_ONCE = 2**22
VALIDATION_ROWS = 512  # with fewer, the noise of a validation loss would decide which epoch is the best
VALIDATION_STEP = 2**32 - 1  # for the noise of a validation set: no training step reaches it


class RowsOnDisk:
    """A matrix x (N, D) that is mapped from a file; indexing brings rows into memory, checked and scaled.

    The constructor reads all rows once, each worker its part, and raises DataError if one does not fit the model. So
    does indexing if the file has become shorter: the system would end the process (SIGBUS), as it still does if that
    happens within the microseconds of a copy. Then a run's last checkpoint stays whole.
    """

    def __init__(self, vae: VAE, x: np.ndarray, recipe: Recipe, condition: Any = None):
        self.vae, self.x, self.recipe, self.map = vae, x, recipe, map_under(x)
        self.condition = condition
        if condition is not None:  # which is in memory
            _, condition = incoming.split(vae, x, vae.input_dim, condition)
            self.condition = incoming.joined(vae, np.empty((len(x), 0), vae.dtype), condition)
        group = recipe.group
        check_columns_known(group.gather(lambda rank: group.agree(lambda: self.largest(rank))))

    def largest(self, rank: int) -> np.ndarray:
        """Read and check a worker's part of the rows; the largest value of each column, (D,), NaN where all are."""
        step = max(1, min(4096, VALUES_CHECKED_AT_ONCE // self.vae.input_dim))
        largest = np.full(self.vae.row_dim, np.nan)
        for start in range(0, max(1, len(self)), step)[rank :: self.recipe.group.size]:
            try:
                largest = np.fmax(largest, np.fmax.reduce(self[start : start + step], axis=0))
            except DataError as error:
                if start == 0:
                    raise
                raise DataError(f"counted from row {start}: {error}") from None
        return largest

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: Any) -> np.ndarray:
        pages, start = self.map._mmap, self.map.offset // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
        if pages.size() < start + len(pages):
            raise DataError(
                f"{str(self.map.filename)!r} was cut short while it is trained on, from {start + len(pages)} bytes to "
                f"{pages.size()}: put the whole file back, and go on from the last finished epoch"
            )
        return check_examples(
            self.vae, self.x[rows], self.recipe, None if self.condition is None else self.condition[rows]
        )


def map_under(x: Any) -> Any:
    """The array that is mapped from a file, if ``x`` is one or a view of one; else None."""
    while isinstance(x, np.ndarray) and not isinstance(x, np.memmap):
        x = x.base
    return x if isinstance(x, np.memmap) else None


Rows = Array | RowsOnDisk  # (N, D), scaled; [x | c] (N, D + C) for a conditional model, whenever rows are scaled


def training_rows(vae: VAE, x: Any, recipe: Recipe, condition: Any = None) -> Rows:
    """``x`` (N, D), checked, scaled and, if the recipe says so, thresholded; rows on disk stay there."""
    if map_under(x) is not None:
        return RowsOnDisk(vae, x, recipe, condition)
    rows = check_examples(vae, x, recipe, condition)
    check_columns_known(rows)
    return rows


def check_examples(vae: VAE, x: Any, recipe: Recipe, condition: Any = None) -> np.ndarray:
    """:func:`training_rows` for rows in memory, (N, D) -> (N, D); never a view of the model, which training changes."""
    if recipe.binarize == "none":
        x, own = vae.check(x, condition=condition), (vae.store.vector, vae.store.gradient)
        return x.copy() if any(isinstance(a, np.ndarray) and np.may_share_memory(x, a) for a in own) else x
    if vae.likelihood.name != "bernoulli":
        raise ValueError(
            f"binarize={recipe.binarize!r} needs likelihood='bernoulli', this model has {vae.likelihood.name!r}"
        )
    rows = vae.check(x, True, condition)
    if recipe.binarize == "threshold":
        x = rows[:, : vae.input_dim]
        rows = np.hstack([np.where(np.isnan(x), x, x >= 0.5).astype(vae.dtype), rows[:, vae.input_dim :]])
    return rows


def binarize(kernels: Backend, x: Array, seed: int, step: int | Array, rows: Array, out: Array) -> Array:
    """The kernel of that name, (B, D) -> ``out``; NaN stays NaN, which no comparison with a uniform would keep."""
    holes = np.isnan(x) if has_holes(x) else None
    kernels.binarize(x, seed, step, rows, out=out)
    if holes is not None:
        out[holes] = np.nan
    return out


def held_out_rows(vae: VAE, x: Any, recipe: Recipe, condition: Any = None) -> np.ndarray:
    """A validation set (M, D), checked, scaled, and binarised once, so that epochs can be compared."""
    return binarised_once(vae, check_examples(vae, x, recipe, condition), recipe)


def binarised_once(vae: VAE, rows: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Rows (M, D) of :func:`check_examples`, drawn black or white if each training step draws them anew."""
    if recipe.binarize == "stochastic":
        rows = rows.copy()
        x = rows[:, : vae.input_dim]
        binarize(load("numpy"), x, recipe.seed, VALIDATION_STEP, np.arange(len(x)), x)
    return rows


def on_device(vae: VAE, x: Rows) -> Rows:
    """Rows in memory, on the device of the model; rows on disk stay there."""
    return x if isinstance(x, RowsOnDisk) else vae.kernels.asarray(x, vae.dtype)


def take_rows(vae: VAE, x: Rows, rows: np.ndarray) -> Array:
    """The minibatch with the indices ``rows`` (B,), (B, D), in the model's buffer."""
    batch = vae.workspace.rows("x", len(rows), vae.row_dim)
    if not isinstance(x, RowsOnDisk):
        return vae.kernels.take_rows(x, rows, out=batch)
    batch[...] = vae.kernels.asarray(x[rows], vae.dtype)
    return batch


def as_trained(vae: VAE, x: Any, recipe: Recipe) -> Any:
    """``x`` (N, D) in its own units, binarised like a validation set, and its condition, if it has one, beside it."""
    if recipe.binarize == "none":
        return x
    x, condition = np.split(held_out_rows(vae, x, recipe), [vae.input_dim], axis=1)
    return np.hstack([vae.scaling.invert(x), condition])


def with_fixed_noise(vae: VAE, x: np.ndarray, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """A validation set, repeated if it is small, and its eps for every epoch: (M, D) -> (R, D), (R, S * K)."""
    x = np.tile(x, (max(1, VALIDATION_ROWS // len(x)), 1))
    draw, eps = load("numpy").standard_normal, np.empty((len(x), vae.draws * vae.latent_dim), vae.dtype)
    return x, draw(recipe.seed, Stream.EPS, VALIDATION_STEP, np.arange(len(x)), out=eps)
