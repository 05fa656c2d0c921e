"""``VariationalAutoencoder``: the VAE with scikit-learn's manners, for pipelines, searches and their users."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from minivae.backend import permutation
from minivae.columns.table import Columns
from minivae.model import importance, oddness
from minivae.model.likelihoods import Likelihood, Mixed, resolve
from minivae.model.scaling import Scaling
from minivae.model.vae import VAE
from minivae.training.early_stopping import EarlyStopping
from minivae.training.loop import fit
from minivae.training.optimizers import Adam
from minivae.training.schedules import LinearBeta
from minivae.validation import check_float, check_int

FIXED = (
    "latent_dim",
    "hidden_dims",
    "likelihood",
    "activation",
    "scaling",
    "columns",
    "objective",
    "draws",
    "backend",
    "dtype",
    "random_state",
    "free_bits",
)


def is_binary(X: np.ndarray) -> bool:
    """True if every value is 0 or 1, or NaN; a few rows at a time, for X may lie on the disk."""
    some = max(1, 2**20 // X.shape[1])
    return all(
        np.all((part == 0) | (part == 1) | np.isnan(part)) for part in (X[i : i + some] for i in range(0, len(X), some))
    )


def has_kinds(X: Any) -> bool:
    """True for a DataFrame that is no matrix of finite numbers."""
    if not hasattr(X, "dtypes") or np.ndim(X) != 2:
        return False
    return bool(X.isna().any(axis=None)) or any(dtype.kind not in "iufb" for dtype in X.dtypes)


class VariationalAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Nonlinear dimensionality reduction and density estimation with a variational autoencoder.

    Beside :class:`sklearn.decomposition.PCA` and ``FactorAnalysis``: those are linear, exact, and done in
    milliseconds, and with ``hidden_dims=()`` this is the model of probabilistic PCA (lesson 12). With hidden layers
    it bends; it needs more data and more time, and its log p(x) is an estimate. It standardises tables of real numbers
    itself, and everything that comes out of it is in the units of X. NaN is a value that was not observed. Of a
    DataFrame with texts, categories or holes each column has a likelihood by its kind, and DataFrames come out
    (:class:`minivae.Columns`); give a column whose levels a split may lack the dtype "category", which knows them all.
    The README says when which is the better choice, with figures (``lessons/tools/compare.py``).

    Parameters
    ----------
    latent_dim : int, default 2
        K, the number of columns that ``transform`` returns.
    hidden_dims : sequence of int, default (100,)
        Widths of the encoder's hidden layers; the decoder mirrors them.
    likelihood : {"auto", "bernoulli", "gaussian", "categorical"} or Likelihood
        p(x|z). "auto" is Bernoulli if every value is 0 or 1, else Gaussian with one learned variance; Mixed for a
        DataFrame with kinds.
    activation : {"relu", "tanh", "sigmoid", "softplus"}
    scaling : {"auto", "none", "standard", "minmax", "pixels"} or Scaling
        What the model does to X on its way in and undoes on the way out. "auto" is "standard" for a Gaussian likelihood
        with a learned variance, else "none". Densities stay those of X.
    columns : mapping of name -> kind, optional
        What is known better than :meth:`minivae.Columns.of` guesses, for a DataFrame.
    beta : float, default 1.0
        Weight of the KL in the loss.
    objective : {"elbo", "iwae", "stl", "dreg"}
    draws : int, default 1
        What is trained, and with how many z for each row: see :class:`minivae.VAE`.
    max_iter : int, default 200
        Epochs.
    batch_size : int, default 32
    learning_rate : float, default 1e-3
        Of Adam.
    l2 : float, default 0
        Penalty on the weights, as for :func:`minivae.fit`.
    early_stopping : bool, default False
        Let ``fit`` set ``validation_fraction`` of the rows aside, stop after ``n_iter_no_change`` epochs in which their
        loss has not fallen, and keep the best parameters.
    validation_fraction : float, default 0.1
    n_iter_no_change : int, default 10
    backend : {"numpy", "numba", "cupy"}, optional
        Default: the environment variable ``MINIVAE_BACKEND``, or "numpy".
    n_importance_samples : int, default 100
        Draws for each row of ``score_samples``.
    dtype : {"float64", "float32"}
    random_state : int, RandomState or None
        An int makes fits and samples repeatable.
    verbose : bool, default False
        Show the training.
    warm_start : bool, default False
        Go on from the last ``fit`` in the place of beginning anew. The parameters that the model is built from must
        then stay as they are; a changed beta, learning rate, l2 or batch size counts from now on.
    beta_warm_up : int, default 0
        Epochs in which the weight of the KL grows from 0 to beta (lesson 22).
    free_bits : float, default 0.0
        As for :class:`minivae.VAE`.

    Attributes
    ----------
    model_ : VAE
        The fitted model, with everything that it can do.
    n_iter_ : int
        Epochs trained.
    history_ : dict of str to list of float
        "loss", "recon_nll", "kl", ... for each epoch of the last ``fit`` or ``partial_fit``, in nats per example.
    n_features_in_ : int
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Where X had names.
    columns_ : Columns or None
        The kinds of the columns of a DataFrame, unless it held finite numbers alone.

    References
    ----------
    Kingma and Welling, "Auto-encoding variational Bayes", arXiv:1312.6114.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data > 7
    >>> vae = VariationalAutoencoder(latent_dim=2, max_iter=2, random_state=0).fit(X)
    >>> vae.transform(X).shape
    (1797, 2)
    """

    def __init__(
        self,
        latent_dim: int = 2,
        hidden_dims: Sequence[int] = (100,),
        likelihood: str | Likelihood = "auto",
        activation: str = "relu",
        scaling: str | Scaling = "auto",
        columns: Mapping[Any, str] | None = None,
        beta: float = 1.0,
        objective: str = "elbo",
        draws: int = 1,
        max_iter: int = 200,
        batch_size: int = 32,
        learning_rate: float = 1e-3,
        l2: float = 0.0,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        backend: str | None = None,
        n_importance_samples: int = 100,
        dtype: str = "float64",
        random_state: Any = None,
        verbose: bool = False,
        warm_start: bool = False,
        beta_warm_up: int = 0,
        free_bits: float = 0.0,
    ):
        self.latent_dim = latent_dim
        self.hidden_dims = hidden_dims
        self.likelihood = likelihood
        self.activation = activation
        self.scaling = scaling
        self.columns = columns
        self.beta = beta
        self.objective = objective
        self.draws = draws
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.l2 = l2
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.backend = backend
        self.n_importance_samples = n_importance_samples
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.beta_warm_up = beta_warm_up
        self.free_bits = free_bits

    # -- training ------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> VariationalAutoencoder:
        """Train for ``max_iter`` epochs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : ignored

        Returns
        -------
        self : VariationalAutoencoder

        Raises
        ------
        ValueError, TypeError
            For data or parameters that make no sense; TrainingDiverged if the loss stops being finite.
        """
        goes_on = self.warm_start and hasattr(self, "model_")
        X = self._checked(X, reset=not goes_on)
        seed = self.model_.seed if goes_on else self._seed(self.random_state)
        train, validation, early_stopping = X, None, None
        if self.early_stopping:
            train, validation = self._split(X, seed)
            early_stopping = EarlyStopping(check_int(self.n_iter_no_change, "n_iter_no_change", 1))
        if not goes_on:
            self._begin(X, train, seed)
        return self._train(train, check_int(self.max_iter, "max_iter", 1), validation, early_stopping)

    def partial_fit(self, X: Any, y: Any = None) -> VariationalAutoencoder:
        """Train for one more epoch, on these rows; the first call decides what "auto" is, and the scaling.

        Parameters and returned value are those of :meth:`fit`.
        """
        if self.early_stopping:
            raise ValueError("early_stopping=True needs fit: partial_fit trains for one epoch, which nothing can stop")
        begins = not hasattr(self, "model_")
        X = self._checked(X, reset=begins)
        if begins:
            self._begin(X, X, self._seed(self.random_state))
        return self._train(X, 1)

    def _begin(self, X: np.ndarray, train: np.ndarray, seed: int) -> None:
        """The untrained model; only the rows to ``train`` on decide its scaling."""
        likelihood, scaling = self.likelihood, self.scaling
        if isinstance(likelihood, str) and likelihood == "auto":
            likelihood = Mixed(self.columns_.parts) if self.columns_ else "bernoulli" if is_binary(X) else "gaussian"
        likelihood = resolve(likelihood)
        if isinstance(scaling, str) and scaling == "auto":
            varies = likelihood.logvar_shape(X.shape[1]) is not None and likelihood.scaled == "linear"
            scaling = "standard" if varies else "none"
        mixed = likelihood if isinstance(likelihood, Mixed) else None
        self.model_ = VAE(
            input_dim=X.shape[1],
            hidden_dims=self.hidden_dims,
            latent_dim=self.latent_dim,
            activation=self.activation,
            likelihood=likelihood,
            beta=self.beta,
            objective=self.objective,
            draws=self.draws,
            free_bits=self.free_bits,
            backend=self.backend,
            dtype=self.dtype,
            seed=seed,
            scaling=scaling if isinstance(scaling, Scaling) else Scaling.of(scaling, train, likelihood=mixed),
        )
        self.model_.columns = self.columns_
        self._compared_with, self.n_iter_ = train[: oddness.REFERENCE], 0
        self._built_with = self._fixed()
        self.model_.optimizer = Adam(self.learning_rate)

    def _fixed(self) -> dict[str, str]:
        """The parameters that a model cannot change once it is built, as text; of an object without its address."""
        return {name: re.sub(r" at 0x\w+", "", repr(getattr(self, name))) for name in FIXED}

    def _split(self, X: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows to train on and rows to validate on, the same ones in every ``fit`` that goes on."""
        fraction = check_float(self.validation_fraction, "validation_fraction", positive=True, below=1)
        n = math.ceil(fraction * len(X))
        if n >= len(X):
            raise ValueError(f"early_stopping=True needs more than {len(X)} rows, to set some aside for validation")
        order = permutation(seed, 2**32 - 1, len(X))  # an epoch that no training reaches
        return X[order[n:]], X[order[:n]]

    def _train(
        self,
        X: np.ndarray,
        epochs: int,
        validation: np.ndarray | None = None,
        early_stopping: EarlyStopping | None = None,
    ) -> VariationalAutoencoder:
        for name, value in self._fixed().items():
            if value != self._built_with[name]:
                raise ValueError(
                    f"{name} was {self._built_with[name]} when training began and is {value} now, which a model cannot "
                    "change: set it back, or call fit with warm_start=False to begin anew"
                )
        self.model_.beta = check_float(self.beta, "beta")
        self.model_.optimizer.learning_rate = check_float(self.learning_rate, "learning_rate", positive=True)
        self.history_ = fit(
            self.model_,
            X,
            epochs=epochs,
            batch_size=self.batch_size,
            seed=self.model_.seed,
            l2=self.l2,
            validation=validation,
            early_stopping=early_stopping,
            beta_schedule=LinearBeta(self.beta_warm_up) if check_int(self.beta_warm_up, "beta_warm_up", 0) else None,
            progress=bool(self.verbose),
        )
        self.n_iter_ += len(self.history_["loss"])
        return self

    # -- what a fitted model says about data --------------------------------------------------------------------

    def transform(self, X: Any) -> np.ndarray:
        """The posterior means mu(x), which do not depend on chance: (n_samples, n_features) -> (n_samples, K)."""
        return self._fitted().encode(self._checked(X))[0]

    def inverse_transform(self, X: Any) -> np.ndarray:
        """The mean of p(x|z) for latent rows: (n_samples, K) -> (n_samples, n_features)."""
        x = self._fitted().decode(X)
        return x if self.columns_ is None else self.columns_.decode(x)

    def reconstruct(self, X: Any) -> np.ndarray:
        """There and back, ``inverse_transform(transform(X))``: (n_samples, n_features) -> the same shape."""
        return self._fitted().reconstruct(self._rows(X))

    def impute(self, X: Any, n_draws: int | None = None) -> Any:
        """X with its holes filled, as :meth:`minivae.VAE.impute` does, by the estimator's seed."""
        return self._fitted().impute(self._rows(X), n_draws=n_draws, seed=self.model_.seed)

    def score_rows(self, X: Any) -> Any:
        """How odd each row is and which columns make it so, as :meth:`minivae.VAE.score` says.

        It is compared with up to 1000 rows of the first ``fit``, by ``n_importance_samples`` draws.
        """
        return self._fitted().score(self._rows(X), self._compared_with, self.n_importance_samples, self.model_.seed)

    def score_samples(self, X: Any) -> np.ndarray:
        """log p(x) of each row in nats, by importance sampling with ``n_importance_samples`` draws (lesson 14).

        Every row sees the same draws of eps, so that its value does not depend on its neighbours. In expectation it is
        a lower bound of log p(x); :func:`minivae.log_likelihood` of ``model_`` says how far it can be trusted. Rows
        unlike the training data are searched for a better proposal, and where that does not help,
        UntrustedEstimateWarning says so.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        log_px : ndarray of shape (n_samples,)
            For a Gaussian likelihood a log density. On grey values between 0 and 1 a Bernoulli likelihood is no
            probability, and GreyDataWarning says so.
        """
        vae = self._fitted()
        n_samples = check_int(self.n_importance_samples, "n_importance_samples", 1, 2**32)
        x = vae.check(self._checked(X))
        one_and_the_same = np.zeros(len(x), np.int64)
        estimate = importance.log_likelihood(vae, x, n_samples, vae.seed, examples=one_and_the_same)
        importance.warn_of_outliers(estimate)
        return estimate.log_px

    def score(self, X: Any, y: Any = None) -> float:
        """The mean of :meth:`score_samples`: nats per row, larger is better."""
        return float(np.mean(self.score_samples(X)))

    def sample(self, n_samples: int = 1, draw: bool = True, random_state: Any = None) -> np.ndarray:
        """New rows.

        Parameters
        ----------
        n_samples : int, default 1
        draw : bool, default True
            Draw x from p(x|z). False returns the means of p(x|z), such as grey pixels.
        random_state : int, RandomState or None
            Default: the estimator's.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
        """
        vae = self._fitted()
        seed = self._seed(self.random_state if random_state is None else random_state)
        return vae.sample(n_samples, seed=seed, draw=draw)

    # -- manners -----------------------------------------------------------------------------------------------

    @property
    def _n_features_out(self) -> int:
        return self.model_.latent_dim

    def _fitted(self) -> VAE:
        check_is_fitted(self, "model_")
        return self.model_

    def _checked(self, X: Any, reset: bool = False) -> np.ndarray:
        if reset:
            self.columns_ = Columns.of(X, self.columns) if self.columns is not None or has_kinds(X) else None
        else:
            self._fitted()
        if self.columns_ is None:
            return validate_data(self, X, reset=reset, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan")
        validate_data(self, X, reset=reset, skip_check_array=True)
        return self.columns_.encode(X)

    def _rows(self, X: Any) -> Any:
        """X itself where the model knows its columns, else as an array; checked in either case."""
        x = self._checked(X)
        return x if self.columns_ is None else X

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    @staticmethod
    def _seed(random_state: Any) -> int:
        return int(check_random_state(random_state).randint(2**31 - 1))
