"""What comes into a model, checked and scaled: data, and the condition beside them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from minivae.columns.table import encoded
from minivae.errors import DataError, GreyDataWarning
from minivae.model.likelihoods import GREY, Bernoulli
from minivae.model.network import Network
from minivae.validation import check_matrix


def checked(network: Network, x: Any, grey_is_fine: bool, condition: Any) -> np.ndarray:
    """:meth:`minivae.VAE.check`."""
    rows = scaled(network, x, condition)
    x = rows[:, : network.input_dim]
    try:
        network.likelihood.check(x)
    except DataError as error:
        if network.scaling.kind == "none":
            raise
        raise DataError(f"after {network.scaling.kind} scaling, fitted to other rows: {error}") from None
    is_quiet = grey_is_fine or network.has_said_grey or not isinstance(network.likelihood, Bernoulli)
    if not is_quiet and Bernoulli.is_grey(x):
        network.has_said_grey = True
        warnings.warn(GREY, GreyDataWarning, stacklevel=4)
    return rows


def scaled(network: Network, x: Any, condition: Any) -> np.ndarray:
    """Rows as for :func:`checked`, of any numbers."""
    x, condition = split(network, encoded(network.columns, x), network.input_dim, condition)
    holes = network.kernels.name != "cupy" and network.likelihood.takes_holes
    return joined(network, network.scaling.check(x, network.dtype, network.input_dim, allow_nan=holes), condition)


def latent(network: Network, z: Any, condition: Any) -> np.ndarray:
    """z (N, K), or [z | c] (N, K + C) of a conditional model; ValueError for another width."""
    z, condition = split(network, z, network.latent_dim, condition)
    z = check_matrix(z, network.dtype, what="z")
    if z.shape[1] != network.latent_dim:
        raise ValueError(f"z has {z.shape[1]} columns, but this model has {network.latent_dim} latent dimensions")
    return joined(network, z, condition)


def split(network: Network, rows: Any, width: int, condition: Any) -> tuple[Any, Any]:
    """x or z, of this ``width``, and its condition: the last C columns of ``rows``, where none is given.

    ValueError for a model that needs a condition and has none, or has one and needs none.
    """
    C = network.condition_dim
    if C and condition is None and np.ndim(rows) == 2 and np.shape(rows)[1] == width + C:
        rows = np.asanyarray(rows)
        return rows[:, :width], rows[:, width:]
    if C and condition is None:
        raise ValueError(f"this model needs a condition: hand in condition= of {C} columns, or rows that end with them")
    if condition is not None and not C:
        raise ValueError("this model has no condition: leave it out, or make the model with VAE(..., condition_dim=C)")
    return rows, condition


def one_for_all(network: Network, condition: Any) -> Any:
    """A condition (C,) as the row (1, C), any other as it is."""
    return np.reshape(condition, (1, -1)) if np.shape(condition) == (network.condition_dim,) else condition


def joined(network: Network, x: np.ndarray, condition: Any) -> np.ndarray:
    """Rows [x | c] of x (N, width) and a condition (N, C), or (1, C) for all; ``x`` itself where that is None."""
    if condition is None:
        return x
    if np.ndim(condition) == 0 or (np.ndim(condition) == 1 and len(condition) == len(x) > 1):
        how, C = "condition.reshape(-1, 1)", network.condition_dim
        how = f"{C} columns, such as numpy.eye({C})[labels] of classes from 0" if C > 1 else how
        raise ValueError(f"condition is one number for each example, without columns: hand in {how}")
    condition = check_matrix(condition, network.dtype, network.condition_dim, "condition")
    if len(condition) not in (1, len(x)):
        raise ValueError(f"condition has {len(condition)} rows, and there are {len(x)} examples: each needs its own")
    return np.hstack([x, np.broadcast_to(condition, (len(x), network.condition_dim))])
