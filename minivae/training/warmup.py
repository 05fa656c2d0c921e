"""Compile what a model needs, by running a small model of the same kind."""

from __future__ import annotations

from copy import copy
from time import perf_counter

import numpy as np

from minivae.model.importance import log_weights
from minivae.model.vae import VAE
from minivae.system.progress import said_if_slow
from minivae.training.optimizers import Adam, Optimizer
from minivae.training.recipe import Recipe
from minivae.training.step import training_step

_compiled: set[tuple[str | bool, ...]] = set()


def warm_up(vae: VAE, optimizer: Optimizer | None = None, progress: bool = True) -> float:
    """Compile all that a model needs for training, evaluation and sampling.

    ``fit`` begins with it. Call it yourself before you measure time. The Numba backend caches its code on disk, so that
    only the first run on a machine takes long.

    Parameters
    ----------
    vae : VAE
        Not changed.
    optimizer : Optimizer, optional
        Default: the model's own, or ``Adam()``. Not changed.
    progress : bool, default True
        Report on standard error what takes longer than a second.

    Returns
    -------
    seconds : float
        The time it took; about 0 for NumPy, and for code that is compiled already.
    """
    if vae.backend in ("numpy", "mine"):
        return 0.0
    optimizer = optimizer or vae.optimizer or Adam()
    how = (bool(vae.hidden_dims), vae.condition_dim > 0, vae.has_one_draw, vae.free_bits > 0)
    kind = (vae.backend, vae.dtype, vae.activation, repr(vae.likelihood), type(optimizer).__name__, *how)
    start = perf_counter()
    if kind not in _compiled:
        with said_if_slow(f"compiling the {vae.backend} kernels", progress), np.errstate(all="ignore"):
            _exercise(vae, copy(optimizer))
        _compiled.add(kind)
    return perf_counter() - start


def _exercise(vae: VAE, optimizer: Optimizer) -> None:
    """Call every kernel with two examples, and with one, whose views have another memory layout."""
    dims = (vae.input_dim, [2] * len(vae.hidden_dims), 2)
    options = {"backend": vae.backend, "dtype": vae.dtype, "condition_dim": vae.condition_dim}
    small = type(vae)(*dims, vae.activation, vae.likelihood, **options)
    small.optimizer, small.free_bits = optimizer, vae.free_bits
    small.objective, small.draws = vae.objective, min(2, vae.draws)
    for n in (2, 1):
        rows, data = np.arange(n), np.ones((n, vae.row_dim), vae.dtype)  # positive, for a logarithm
        training_step(small, small.kernels.asarray(data, vae.dtype), rows, Recipe(n, l1=1.0, l2=1.0))
        batch = small.workspace.rows("x", n, vae.row_dim)
        small.kernels.binarize(batch, 0, 0, rows, out=batch)
        small.loss_of_scaled(data)
        small.encode_scaled(data)
        log_weights(small, batch, *small.posterior(batch), small.workspace.rows("eps", n, 2))
        small.decode(np.zeros((n, 2 + vae.condition_dim)))
