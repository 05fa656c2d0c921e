"""How good a trained model is: log p(x), the two terms of its bound, and what its latent dimensions do (lesson 14)."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np

from minivae.backend import Backend
from minivae.model import importance
from minivae.model.importance import LogLikelihood
from minivae.model.likelihoods import Bernoulli
from minivae.model.vae import VAE
from minivae.model.workspace import pieces
from minivae.training.examples import held_out_rows
from minivae.training.recipe import Recipe
from minivae.validation import check_float, check_int, check_seed
from minivae.version import __version__
from minivae.workers.group import Group, one_blas_thread

__all__ = ["ActiveUnits", "LogLikelihood", "active_units", "evaluate", "kl_per_dimension", "log_likelihood"]

ACTIVE = 0.01


class ActiveUnits(NamedTuple):
    """Which latent dimensions the encoder uses: Var over x of E[z_k|x], (K,), and whether it is above the threshold."""

    variance: np.ndarray
    active: np.ndarray


def log_likelihood(
    vae: VAE, x: Any, n_samples: int = 5000, seed: int | None = None, progress: bool = False, condition: Any = None
) -> LogLikelihood:
    """log p(x) of each example by importance sampling, and how far it can be trusted.

    log p(x) ~ log (1/S) sum_s w_s,  w_s = p(x|z_s) p(z_s) / q(z_s|x),  z_s drawn from q(z|x).

    In expectation it is a lower bound that grows with S; S = 1 is the ELBO. With ESS = (sum w)^2 / sum w^2:

    - standard_error^2 = (1/ESS - 1/S) S / (S - 1), the sample variance of w over S mean(w)^2 (delta method);
    - bias = log_px - sum_q (S_q/S) log mean_q(w) over four quarters q (or S, if S < 4), every fourth sample
      each: the growth of the estimate from S/4 to S samples, which is what is still missing where the bias falls
      like 1/sqrt(S). In the end it falls like 1/S, and this is three times too much; but as long as the effective
      sample size is not in the hundreds it falls more slowly.

    Both are made of the weights that were seen. Where q misses a part of the posterior, the few samples that would
    carry the sum have not come up yet: then the effective sample size is a handful and both are too small (binary
    MNIST, 784-400-20 after 3 epochs, 500 samples: half of the examples below 7, and 0.42 nats of bias where 0.65
    were missing). The standard error never exceeds 1 nat, however far off the estimate is: only more samples tell.

    For rows unlike the training data q may miss the posterior altogether, with weights that agree with each other. So a
    few gradient steps on log p(x, z) look for a better z than mu, and a few points far out test whether q is too
    narrow. Where that finds something, ``log_px`` and its errors come from S draws of a mixture of q, the prior and
    Gaussians at the modes that a longer search finds, weighted so that the estimate of p(x) stays unbiased
    (``from_mixture``); other rows keep their estimates. ``trusted`` is false where even that has too few effective
    samples.

    The sums are kept in log space, and a few hundred decoded samples are in memory at a time.

    Parameters
    ----------
    vae : VAE
    x : array-like of shape (N, D)
        In the units of the data, as is the density.
    n_samples : int, default 5000
        S.
    seed : int, optional
        Default: the model's. The noise is stream 3, a function of (seed, sample number, row, dimension).
    progress : bool, default False
        Show on standard error how it goes: a bar on a terminal, about ten plain lines elsewhere.
    condition : array-like of shape (N, C), for a conditional model
        Then log p(x|c) stands in the place of log p(x).

    Returns
    -------
    estimate : LogLikelihood
        Every normalising constant is included.

    Raises
    ------
    DataError, TypeError, ValueError
        As :meth:`minivae.VAE.loss`.

    References
    ----------
    Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders", arXiv:1509.00519. The bias: Nowozin,
    "Debiasing evidence approximations", ICLR 2018. The effective sample size: Kong, "A note on importance sampling
    using standardized weights", technical report 348, University of Chicago, 1992.

    Examples
    --------
    >>> vae = VAE(input_dim=4, hidden_dims=(), latent_dim=1)
    >>> log_likelihood(vae, np.eye(4), n_samples=100).log_px.shape
    (4,)
    """
    n_samples = check_int(n_samples, "n_samples", 1, importance.MOST_SAMPLES)
    seed = vae.seed if seed is None else check_seed(seed)
    return importance.log_likelihood(vae, vae.check(x, condition=condition), n_samples, seed, progress)


def evaluate(
    vae: VAE,
    x: Any,
    n_samples: int = 5000,
    seed: int = 0,
    binarize: str = "none",
    progress: bool = False,
    group: Group | None = None,
    condition: Any = None,
) -> dict[str, Any]:
    """Everything that is reported about a model on a test set, with the protocol that it was measured by.

    Numbers may be compared only where their protocols agree: a Bernoulli model's cross-entropy with grey values is
    no -log p(x), and the same images binarised in another way are other data.

    Parameters
    ----------
    vae : VAE
    x : array-like of shape (N, D)
        In the units of the data.
    n_samples : int, default 5000
        Importance samples of each example. The ELBO is estimated from the same ones.
    seed : int, default 0
        Of the samples and of the binarisation.
    binarize : {"none", "stochastic", "threshold"}
        What becomes of values between 0 and 1: kept; drawn once with the value as probability; or 1 from 0.5 on.
    progress : bool, default False
        As for :func:`log_likelihood`.
    group : Mpi or Pretend, optional
        Workers that share the rows (lesson 18), each of which calls this function. Each has one BLAS thread, and the
        result is that of one such worker, ``Alone()``, to the last bit. Default: one, with all threads.
    condition : array-like of shape (N, C), for a conditional model
        Then log p(x|c) stands in the place of log p(x), and "protocol" says so in "condition": C.

    Returns
    -------
    report : dict
        Plain values, ready for JSON; None where a number does not exist, such as the standard error of one sample.
        Means over the examples in nats: "elbo", "recon_nll", "kl", "loss" (of another objective than the ELBO minus
        its bound, as :meth:`minivae.VAE.loss` draws it), "log_likelihood" and its "log_likelihood_bias".
        "log_likelihood_standard_error" is that of the sampling, and "log_likelihood_interval" reaches from two of them
        below to two of them and twice the bias above: where more samples would lead.
        "log_likelihood_standard_error_of_examples" is that of the choice of the N examples.
        "effective_sample_size" has "min", "median", "mean", and "below_10". "rows_from_mixture" counts the examples
        where the encoder looked in the wrong place, "rows_not_trusted" those whose errors mean nothing.
        "bits_per_dimension" is -log_likelihood / (D log 2), with the mean number of observed values for D.
        "kl_per_dimension", "active_units", "active_dimensions", "latent_variance": see :func:`kl_per_dimension`,
        :func:`active_units`. One example has no variance: then "active_units" and "active_dimensions" are None.
        "protocol" says how, with the number of columns whose log density and whose log probability are added up in
        log p(x), and of values that are missing; where its "is_log_likelihood" is false, "log_likelihood" is minus a
        cross-entropy.

    Raises
    ------
    DataError, TypeError, ValueError
        As :func:`minivae.fit`.
    """
    n_samples = check_int(n_samples, "n_samples", 1, importance.MOST_SAMPLES)
    recipe = Recipe(seed=check_seed(seed), binarize=binarize)
    rows = held_out_rows(vae, x, recipe, condition)
    x, threads = rows[:, : vae.input_dim], nullcontext() if group is None else one_blas_thread()
    with threads, np.errstate(all="ignore"):  # what is not finite shows in the report
        estimate = importance.log_likelihood(vae, rows, n_samples, recipe.seed, progress, group=group)
        mu, logvar = vae.encode_scaled(rows)
        kl = kl_of_columns(vae.kernels, mu, logvar)
        report = {
            **vae.loss_terms(estimate.recon_nll.mean(), estimate.kl.mean(), each_kl=kl[None])._asdict(),
            **({} if vae.objective == "elbo" else {"loss": vae.loss_of_scaled(rows, group=group).loss}),
            **summary_of_log_px(estimate, np.count_nonzero(~np.isnan(x)) / len(x)),
            **summary_of_latents(vae.kernels, mu, logvar),
            "protocol": protocol(vae, x, n_samples, recipe),
        }
    return plain(report)


# -- the latent dimensions ---------------------------------------------------------------------------------


def kl_per_dimension(vae: VAE, x: Any, condition: Any = None) -> np.ndarray:
    """The mean KL( q(z_k|x) || N(0, 1) ) of each latent dimension, in nats; they add up to the mean KL.

    Parameters
    ----------
    vae : VAE
    x : array-like of shape (N, D)
    condition : array-like of shape (N, C), for a conditional model

    Returns
    -------
    kl : ndarray of float64, shape (K,)
    """
    return kl_of_columns(vae.kernels, *vae.encode(x, condition))


def kl_of_columns(kernels: Backend, mu: np.ndarray, logvar: np.ndarray) -> np.ndarray:
    """The mean KL of each column: mu, logvar (N, K) -> (K,)."""
    one_column = (kernels.asarray(array.reshape(-1, 1), array.dtype.name) for array in (mu, logvar))
    kl = kernels.to_numpy(kernels.gaussian_kl_forward(*one_column))
    return kl.reshape(mu.shape).mean(axis=0, dtype=np.float64)


def active_units(vae: VAE, x: Any, threshold: float = ACTIVE, condition: Any = None) -> ActiveUnits:
    """The latent dimensions whose posterior mean depends on x: A_k = Var over x of E[z_k|x] = Var(mu_k) > threshold.

    Parameters
    ----------
    vae : VAE
    x : array-like of shape (N, D)
        The variance is over all N of them.
    threshold : float, default 0.01
    condition : array-like of shape (N, C), for a conditional model

    Returns
    -------
    units : ActiveUnits
        ``variance`` (K,) of float64 and ``active`` (K,) of bool.

    References
    ----------
    Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders", arXiv:1509.00519, section 5.2.
    """
    return activity(vae.encode(x, condition)[0], check_float(threshold, "threshold"))


def activity(mu: np.ndarray, threshold: float) -> ActiveUnits:
    """:func:`active_units` from the posterior means, (N, K)."""
    variance = mu.var(axis=0, dtype=np.float64)
    return ActiveUnits(variance, variance > threshold)


# -- the parts of a report ---------------------------------------------------------------------------------


def summary_of_log_px(estimate: LogLikelihood, input_dim: float) -> dict[str, Any]:
    """log p(x) and what is known about its error: of the sampling, and of the choice of the examples."""
    log_px, ess, n = estimate.log_px, estimate.effective_sample_size, len(estimate.log_px)
    mean, bias = log_px.mean(), estimate.bias.mean()
    standard_error = np.linalg.norm(estimate.standard_error) / n
    return {
        "log_likelihood": mean,
        "log_likelihood_standard_error": standard_error,
        "log_likelihood_bias": bias,
        "log_likelihood_interval": [mean - 2 * standard_error, mean + 2 * (standard_error + bias)],
        "log_likelihood_standard_error_of_examples": log_px.std(ddof=1) / math.sqrt(n) if n > 1 else math.nan,
        "effective_sample_size": {
            "min": ess.min(),
            "median": np.median(ess),
            "mean": ess.mean(),
            "below_10": int(np.sum(ess < 10)),
        },
        "rows_from_mixture": int(estimate.from_mixture.sum()),
        "rows_not_trusted": int((~estimate.trusted).sum()),
        "bits_per_dimension": -mean / (input_dim * math.log(2)),
    }


def summary_of_latents(kernels: Backend, mu: np.ndarray, logvar: np.ndarray) -> dict[str, Any]:
    """What each latent dimension carries, from the posteriors' mu and logvar, (N, K)."""
    units, varies = activity(mu, ACTIVE), len(mu) > 1  # one example has no variance
    return {
        "kl_per_dimension": kl_of_columns(kernels, mu, logvar).tolist(),
        "active_units": int(units.active.sum()) if varies else None,
        "active_dimensions": np.flatnonzero(units.active).tolist() if varies else None,
        "latent_variance": units.variance.tolist(),
    }


def protocol(vae: VAE, x: np.ndarray, n_samples: int, recipe: Recipe) -> dict[str, Any]:
    """What a number on ``x`` (N, D), checked and binarised, has to be quoted with."""
    values = values_of(vae, x)
    is_density = vae.likelihood.per_column("is_density", vae.input_dim)
    return {
        "examples": len(x),
        "dimensions": vae.input_dim,
        "samples": n_samples,
        "seed": recipe.seed,
        "binarize": recipe.binarize,
        "values": values,
        "likelihood": vae.likelihood.name,
        "condition": vae.condition_dim,
        "columns": {"density": int(is_density.sum()), "probability": int((~is_density).sum())},
        "missing": int(np.isnan(x).sum()),
        "scaling": vae.scaling.kind,
        "is_log_likelihood": values != "grey",
        "units": "nats per example",
        "beta": vae.beta,
        "objective": vae.objective,
        "draws": vae.draws,
        **({"free_bits": vae.free_bits} if vae.free_bits else {}),
        "dtype": vae.dtype,
        "active_threshold": ACTIVE,
        "minivae_version": __version__,
    }


def values_of(vae: VAE, x: np.ndarray) -> str:
    """What ``x`` (N, D) holds: "binary", "grey", "one-hot", "counts", "positive", "mixed" or "real"."""
    if isinstance(vae.likelihood, Bernoulli):
        return "grey" if any(Bernoulli.is_grey(x[rows]) for rows in pieces(len(x))) else "binary"
    named = {"categorical": "one-hot", "lognormal": "positive", "mixed": "mixed"}
    named |= dict.fromkeys(("poisson", "negative-binomial"), "counts")
    return named.get(vae.likelihood.name, "real")


def plain(value: Any) -> Any:
    """Dicts and lists of Python's own numbers; None for what is not finite, which JSON cannot say."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, float):  # NumPy's float64 too
        return float(value) if math.isfinite(value) else None
    return value
