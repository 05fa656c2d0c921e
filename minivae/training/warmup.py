"""Compile before the clock runs: a small model of the same kind takes the steps that a large one will take."""

from __future__ import annotations

from copy import copy
from time import perf_counter

import numpy as np

from minivae.model.vae import VAE
from minivae.system.progress import said_if_slow
from minivae.training.optimizers import Adam, Optimizer
from minivae.training.recipe import Recipe
from minivae.training.step import training_step

_compiled: set[tuple[str, ...]] = set()


def warm_up(vae: VAE, optimizer: Optimizer | None = None, progress: bool = True) -> float:
    """Let a backend compile all that a model needs for training, evaluation and sampling.

    ``fit`` begins with it. Call it yourself before you measure time. The Numba backend keeps what it has compiled on
    disk where it can, so that only the first run on a machine takes long.

    Parameters
    ----------
    vae : VAE
        Not changed.
    optimizer : Optimizer, optional
        Default: ``Adam()``. Not changed.
    progress : bool, default True
        Say on standard error that something is being compiled, once that takes longer than a second.

    Returns
    -------
    seconds : float
        The time it took; about 0 for NumPy, and where all is compiled already.
    """
    optimizer = optimizer or vae.optimizer or Adam()
    deep = "deep" if vae.hidden_dims else "linear"
    kind = (vae.backend, vae.dtype, vae.activation, repr(vae.likelihood), type(optimizer).__name__, deep)
    start = perf_counter()
    if vae.backend != "numpy" and kind not in _compiled:
        with said_if_slow(f"compiling the {vae.backend} kernels", progress), np.errstate(all="ignore"):
            _exercise(vae, copy(optimizer))
        _compiled.add(kind)
    return perf_counter() - start


def _exercise(vae: VAE, optimizer: Optimizer) -> None:
    """Call every kernel with two examples, and with one, for which views are laid out in another way."""
    small = type(vae)(
        input_dim=vae.input_dim,
        hidden_dims=[2] * len(vae.hidden_dims),
        latent_dim=2,
        activation=vae.activation,
        likelihood=vae.likelihood,
        backend=vae.backend,
        dtype=vae.dtype,
    )
    small.optimizer = optimizer
    for n in (2, 1):
        rows, data = np.arange(n), np.zeros((n, vae.input_dim), vae.dtype)
        training_step(small, small.kernels.asarray(data, vae.dtype), rows, Recipe(n, l1=1.0, l2=1.0))
        batch = small.workspace.rows("x", n, vae.input_dim)
        small.kernels.binarize(batch, 0, 0, rows, out=batch)
        small.loss_of_scaled(data)
        small.encode_scaled(data)
        small.decode(np.zeros((n, 2)))
