"""What a score is to be held against: honest marks on the same data, in nats per example; lower is better."""

from __future__ import annotations

from typing import Any

import numpy as np

from minivae.evaluation import plain, values_of
from minivae.model.network import mean
from minivae.model.vae import VAE
from minivae.model.workspace import pieces

WORST_CONDITION = 1e12  # of a covariance: rows in a plane have no density
ROWS = 20_000  # of the training set, at most, that the marks are fitted to
NAMES = {"constant": "constant", "pca": "PCA", "model": "this model", "floor": "floor"}


def some_of(train: Any) -> Any:
    """At most about ``ROWS`` of the training rows, spread over all of them."""
    return train[:: -(-len(train) // ROWS)]


def scale_of(vae: VAE, train: np.ndarray | None, x: np.ndarray, model: float) -> dict[str, float | None]:
    """The marks for a ``model`` that costs so many nats on rows ``x`` (M, D), scaled; None where there is no such mark.

    "constant": independent columns, each at the mean (and variance) of the ``train``ing rows (N, D), scaled too;
    "pca": probabilistic PCA with as many dimensions, exact; "floor": the entropy of grey pixels. All are nats per row,
    of densities in the units of the data before their scaling.
    """
    x = x[:, : vae.input_dim]  # marks know no condition
    marks: dict[str, float | None] = {"constant": None, "pca": None, "model": model, "floor": floor(vae, x)}
    if train is not None:
        train = train[:, : vae.input_dim]
        with np.errstate(all="ignore"):  # a column that is constant has no density: None
            marks |= {"constant": constant(vae, train, x), "pca": pca(vae, train, x)}
    return plain(marks)


def constant(vae: VAE, train: np.ndarray, x: np.ndarray) -> float:
    """-log p(x) of a decoder that answers every z with the means of ``train``, and the variances of its columns."""
    output, logvar = vae.likelihood.constant(train)
    if vae.likelihood.name == "gaussian":
        logvar = np.log(np.nanvar(train, axis=0, dtype=np.float64))
    k, tiled = vae.kernels, np.tile(output, (len(x), 1))
    logvar = None if logvar is None else k.asarray(logvar, vae.dtype)
    with vae.lock:
        return mean(vae.recon_nll(k.asarray(tiled, vae.dtype), k.asarray(x, vae.dtype), logvar=logvar))


def pca(vae: VAE, train: np.ndarray, x: np.ndarray) -> float | None:
    """-log p(x) of probabilistic PCA; with more dimensions than it can have, of a Gaussian with every covariance."""
    from sklearn.decomposition import PCA

    n_components = min(vae.latent_dim, train.shape[1], len(train) - 1)
    if vae.likelihood.name != "gaussian" or n_components < 1 or not np.isfinite(train.sum() + x.sum()):
        return None
    fitted = PCA(n_components, svd_solver="covariance_eigh").fit(train.astype(np.float64))
    if np.linalg.cond(fitted.get_covariance()) > WORST_CONDITION:
        return None
    return float(vae.log_volume()) - float(fitted.score(x))


def floor(vae: VAE, x: np.ndarray) -> float | None:
    """The mean entropy of grey pixels, below which no cross-entropy can fall."""
    from scipy.special import entr

    return float((entr(x) + entr(1 - x)).sum(axis=1).mean()) if values_of(vae, x) == "grey" else None


def bounds(vae: VAE, x: np.ndarray) -> np.ndarray:
    """Minus the ELBO of each row of ``x`` (M, D), as :meth:`minivae.VAE.loss` draws it: (M,)."""
    found = np.empty(len(x))
    with vae.lock:
        for rows in pieces(len(x)):
            terms = vae.terms(vae.kernels.asarray(x[rows], vae.dtype), vae.noise(np.arange(rows.start, rows.stop)))
            found[rows] = vae.kernels.to_numpy(terms[0] + terms[1])
    return found


def error_of(values: np.ndarray) -> float | None:
    """The standard error of the mean of (M,), by the choice of examples; None for one."""
    return float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else None


def line(scale: dict[str, float | None], error: float | None) -> str:
    """The marks in one line, the worst first."""
    found = sorted(((value, name) for name, value in scale.items() if value is not None), reverse=True)
    more = "" if error is None else f" +- {error:.3f}"
    shown = (f"{NAMES[name]} {value:.3f}" + more * (name == "model") for value, name in found)
    return f"scale       {', '.join(shown)} nats per example; lower is better"


def live_dimensions(x: np.ndarray, latent_dim: int, threshold: float) -> int:
    """How many dimensions a linear VAE of ``x`` (N, D) keeps: eigenvalues of its covariance above beta sigma^2."""
    singular = np.linalg.svd(x - x.mean(axis=0, dtype=np.float64), compute_uv=False)
    return min(latent_dim, int((singular**2 > len(x) * threshold).sum()))
