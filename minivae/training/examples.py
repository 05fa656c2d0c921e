"""The examples that a model is trained on: checked, binarised where that is asked for, in memory or on the disk."""

from __future__ import annotations

from typing import Any

import numpy as np

from minivae.backend import Array, Stream, load
from minivae.errors import DataError
from minivae.model.network import LossTerms
from minivae.model.vae import VAE
from minivae.training.recipe import Recipe

NUMBERS_CHECKED_AT_ONCE = 2**22
ENOUGH_ROWS = 512  # of a validation set, for the noise of its loss to be small
A_STEP_OF_ITS_OWN = 2**32 - 1  # for the noise of a validation set: no training step reaches it


class RowsOnDisk:
    """A matrix in a file, of which only the rows that are asked for come into memory, checked and scaled.

    Parameters
    ----------
    vae : VAE
    x : ndarray of shape (N, D), mapped from a file
    recipe : Recipe

    Raises
    ------
    DataError, TypeError, ValueError
        If any row does not fit the model: all of them are read once.
    """

    def __init__(self, vae: VAE, x: np.ndarray, recipe: Recipe):
        self.vae, self.x, self.recipe = vae, x, recipe
        rows = max(1, min(4096, NUMBERS_CHECKED_AT_ONCE // vae.input_dim))
        for start in range(0, max(1, len(x)), rows):
            try:
                self[start : start + rows]
            except DataError as error:
                if start == 0:
                    raise
                raise DataError(f"counted from row {start}: {error}") from None

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: Any) -> np.ndarray:
        """These rows as the model takes them, (B, D)."""
        return check_examples(self.vae, self.x[rows], self.recipe)


def is_on_disk(x: Any) -> bool:
    """True for an array that is mapped from a file, and for a view of one."""
    while isinstance(x, np.ndarray):
        if isinstance(x, np.memmap):
            return True
        x = x.base
    return False


Rows = Array | RowsOnDisk  # (N, D), as the model takes them


def training_rows(vae: VAE, x: Any, recipe: Recipe) -> Rows:
    """``x`` (N, D) as the model takes it, thresholded where that is asked for; what is on the disk stays there."""
    return RowsOnDisk(vae, x, recipe) if is_on_disk(x) else check_examples(vae, x, recipe)


def check_examples(vae: VAE, x: Any, recipe: Recipe) -> np.ndarray:
    """The same for rows that are in memory, or shall be; never a view of the model, which training changes."""
    if recipe.binarize == "none":
        x, own = vae.check(x), (vae.store.vector, vae.store.gradient)
        return x.copy() if any(isinstance(a, np.ndarray) and np.may_share_memory(x, a) for a in own) else x
    if vae.likelihood.name != "bernoulli":
        raise ValueError(
            f"binarize={recipe.binarize!r} needs likelihood='bernoulli', this model has {vae.likelihood.name!r}"
        )
    x = vae.check(x, grey_is_fine=True)
    return (x >= 0.5).astype(vae.dtype) if recipe.binarize == "threshold" else x


def held_out_rows(vae: VAE, x: Any, recipe: Recipe) -> np.ndarray:
    """``x`` (N, D) as its loss is measured: with its pixels drawn once, so that epochs can be compared."""
    return binarized(vae, check_examples(vae, x, recipe), recipe)


def on_device(vae: VAE, x: Rows) -> Rows:
    """Checked examples where the model computes; what is on the disk stays there."""
    return x if isinstance(x, RowsOnDisk) else vae.kernels.asarray(x, vae.dtype)


def take_rows(vae: VAE, x: Rows, rows: np.ndarray) -> Array:
    """A minibatch of them, (B, D), in the model's buffer."""
    batch = vae.workspace.rows("x", len(rows), vae.input_dim)
    if not isinstance(x, RowsOnDisk):
        return vae.kernels.take_rows(x, rows, out=batch)
    batch[...] = vae.kernels.asarray(x[rows], vae.dtype)
    return batch


def loss_of(vae: VAE, x: Any, recipe: Recipe) -> LossTerms:
    """The loss of ``x`` (N, D) as :func:`minivae.fit` computes that of a validation set."""
    return vae.loss_of_scaled(held_out_rows(vae, x, recipe))


def as_trained(vae: VAE, x: Any, recipe: Recipe) -> Any:
    """``x`` (N, D), in its own units, with its pixels binarised as a validation set's were."""
    if recipe.binarize == "none":
        return x
    return vae.scaling.invert(held_out_rows(vae, x, recipe))


def with_fixed_noise(vae: VAE, x: np.ndarray, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """A validation set with its eps for every epoch, (M, D) -> (R, D), (R, K); few examples come several times."""
    x = np.tile(x, (max(1, ENOUGH_ROWS // len(x)), 1))
    draw, eps = load("numpy").standard_normal, np.empty((len(x), vae.latent_dim), vae.dtype)
    return x, draw(recipe.seed, Stream.EPS, A_STEP_OF_ITS_OWN, np.arange(len(x)), out=eps)


def binarized(vae: VAE, x: np.ndarray, recipe: Recipe) -> np.ndarray:
    """A validation set (M, D) with its pixels drawn once, so that epochs can be compared."""
    if recipe.binarize != "stochastic":
        return x
    draw = load("numpy").binarize
    return draw(x, recipe.seed, A_STEP_OF_ITS_OWN, np.arange(len(x)), out=np.empty_like(x))
