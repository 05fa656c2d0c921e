"""``VariationalAutoencoder``: the VAE with scikit-learn's manners, for pipelines, searches and their users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from minivae.model.importance import estimate_rows
from minivae.model.likelihoods import Likelihood
from minivae.model.vae import VAE
from minivae.model.workspace import pieces
from minivae.training.loop import fit
from minivae.training.optimizers import Adam
from minivae.validation import check_float, check_int


class VariationalAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Nonlinear dimensionality reduction and density estimation with a variational autoencoder.

    Beside :class:`sklearn.decomposition.PCA` and ``FactorAnalysis``: those are linear, exact, and done in
    milliseconds, and with ``hidden_dims=()`` this is the model of probabilistic PCA (lesson 12). With hidden layers
    it bends; it needs more data and more time, and its log p(x) is an estimate. Scale tables of real numbers first.
    The README says when which is the better choice, with figures (``lessons/tools/compare.py``).

    Parameters
    ----------
    latent_dim : int, default 2
        K, the number of columns that ``transform`` returns.
    hidden_dims : sequence of int, default (100,)
        Widths of the encoder's hidden layers; the decoder mirrors them.
    likelihood : {"auto", "bernoulli", "gaussian", "categorical"} or Likelihood
        p(x|z). "auto" is Bernoulli if every value lies in [0, 1], else Gaussian with one learned variance.
    beta : float, default 1.0
        Weight of the KL in the loss.
    max_iter : int, default 200
        Epochs.
    batch_size : int, default 32
    learning_rate : float, default 1e-3
        Of Adam.
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
        Go on from the last ``fit`` in the place of beginning anew.

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
        beta: float = 1.0,
        max_iter: int = 200,
        batch_size: int = 32,
        learning_rate: float = 1e-3,
        backend: str | None = None,
        n_importance_samples: int = 100,
        dtype: str = "float64",
        random_state: Any = None,
        verbose: bool = False,
        warm_start: bool = False,
    ):
        self.latent_dim = latent_dim
        self.hidden_dims = hidden_dims
        self.likelihood = likelihood
        self.beta = beta
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.backend = backend
        self.n_importance_samples = n_importance_samples
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start

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
        if not goes_on:
            self._begin(X)
        return self._train(X, check_int(self.max_iter, "max_iter", 1))

    def partial_fit(self, X: Any, y: Any = None) -> VariationalAutoencoder:
        """Train for one more epoch, on these rows; the first call decides what "auto" is.

        Parameters and returned value are those of :meth:`fit`.
        """
        begins = not hasattr(self, "model_")
        X = self._checked(X, reset=begins)
        if begins:
            self._begin(X)
        return self._train(X, 1)

    def _begin(self, X: np.ndarray) -> None:
        likelihood = self.likelihood
        if isinstance(likelihood, str) and likelihood == "auto":
            likelihood = "bernoulli" if X.min() >= 0 and X.max() <= 1 else "gaussian"
        self.model_ = VAE(
            input_dim=X.shape[1],
            hidden_dims=self.hidden_dims,
            latent_dim=self.latent_dim,
            likelihood=likelihood,
            beta=self.beta,
            backend=self.backend,
            dtype=self.dtype,
            seed=self._seed(self.random_state),
        )
        self.n_iter_ = 0
        self.model_.optimizer = Adam(self.learning_rate)

    def _train(self, X: np.ndarray, epochs: int) -> VariationalAutoencoder:
        self.model_.optimizer.learning_rate = check_float(self.learning_rate, "learning_rate", positive=True)
        self.history_ = fit(
            self.model_,
            X,
            epochs=epochs,
            batch_size=self.batch_size,
            seed=self.model_.seed,
            progress=bool(self.verbose),
        )
        self.n_iter_ += epochs
        return self

    # -- what a fitted model says about data --------------------------------------------------------------------

    def transform(self, X: Any) -> np.ndarray:
        """The posterior means mu(x), which do not depend on chance: (n_samples, n_features) -> (n_samples, K)."""
        return self._fitted().encode(self._checked(X))[0]

    def inverse_transform(self, X: Any) -> np.ndarray:
        """The mean of p(x|z) for latent rows: (n_samples, K) -> (n_samples, n_features)."""
        return self._fitted().decode(X)

    def reconstruct(self, X: Any) -> np.ndarray:
        """There and back, ``inverse_transform(transform(X))``: (n_samples, n_features) -> the same shape."""
        return self._fitted().reconstruct(self._checked(X))

    def score_samples(self, X: Any) -> np.ndarray:
        """log p(x) of each row in nats, by importance sampling with ``n_importance_samples`` draws (lesson 14).

        Every row sees the same draws of eps, so that its value does not depend on its neighbours. In expectation it is
        a lower bound of log p(x); :func:`minivae.log_likelihood` of ``model_`` says how far it can be trusted.

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
        log_px = np.empty(len(x))
        with vae.lock, vae.kernels.session():
            for rows in pieces(len(x)):
                one_and_the_same = np.zeros(len(x[rows]), np.int64)
                estimate = estimate_rows(vae, x[rows], one_and_the_same, n_samples, vae.seed, lambda n: None)
                log_px[rows] = estimate.log_px
        return log_px

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
        if not reset:
            self._fitted()
        return validate_data(self, X, reset=reset, dtype=[np.float64, np.float32])

    @staticmethod
    def _seed(random_state: Any) -> int:
        return int(check_random_state(random_state).randint(2**31 - 1))
