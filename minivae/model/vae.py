"""``VAE``: what a user holds. Data in their own units in, data in their own units out.

The chain of the model is in network.py; here are the checks of what comes in, the scaling of the data, the turns that
threads take, and the files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from minivae import backend as backends
from minivae.backend import Array, Stream
from minivae.columns.table import decoded, encoded
from minivae.model import importance, imputation, incoming, oddness, weights
from minivae.model.bounds import check_objective
from minivae.model.likelihoods import Likelihood, check_on, resolve
from minivae.model.network import LossTerms, Network, mean, one_at_a_time
from minivae.model.parameters import Views
from minivae.model.scaling import Scaling
from minivae.model.workspace import pieces
from minivae.system.tensorfile import Metadata, Tensors
from minivae.validation import (
    LARGEST_WIDTH,
    check_choice,
    check_columns_known,
    check_eps,
    check_float,
    check_int,
    check_matrix,
    check_seed,
    check_widths,
)
from minivae.workers.group import Alone, Group, share_out

ACTIVATIONS = ("relu", "leaky_relu", "tanh", "sigmoid", "softplus")
INITS = ("torch", "glorot", "he")
DTYPES = ("float32", "float64")


class VAE(Network):
    """Variational autoencoder with a standard normal prior and a diagonal Gaussian posterior.

    Parameters
    ----------
    input_dim : int
        D, the width of the data.
    hidden_dims : sequence of int, default (400,)
        Widths of the encoder's hidden layers; the decoder mirrors them. May be empty: a linear VAE.
    latent_dim : int, default 20
        K.
    activation : {"relu", "leaky_relu", "tanh", "sigmoid", "softplus"}
    likelihood : {"bernoulli", "gaussian", "categorical", "poisson", "negative-binomial", "lognormal"} or Likelihood
        p(x|z); see :mod:`minivae.model.likelihoods`, where ``Mixed`` is for columns of several kinds.
    beta : float, default 1.0
        Weight of the KL in ``loss``; only beta = 1 makes ``-loss`` a bound on log p(x), and another objective.
    init : {"torch", "glorot", "he"}
        See :meth:`minivae.model.parameters.Parameters.initialise`.
    backend : {"numpy", "numba", "cupy", "mine"}, optional
        Default: the environment variable ``MINIVAE_BACKEND``, or "numpy".
    dtype : {"float32", "float64"}
    seed : int, default 0
        Of the initialisation, and of the noise where none is handed in.
    scaling : Scaling, optional
        What is done to data on their way in and undone on their way out, such as ``Scaling.of("standard", x)``.
    missing : {"zero", "mask"}, default "zero"
        What the encoder sees of NaN in ``x``, a value that was not observed: 0 after scaling; or also D more inputs,
        1 where a value was observed. The loss bounds -log p of what was observed (lesson 17).
    objective : {"elbo", "iwae", "stl", "dreg"}
        What training raises, ``-loss`` (lesson 21): the ELBO; or the importance weighted bound, which is tighter, with
        the encoder's plain gradient, or a quieter one: "stl" is biased where draws > 1, "dreg" is not.
    draws : int, default 1
        S, how many z each example has in a step. ``recon_nll`` is their mean, and so is ``kl``, but exact of "elbo".
    free_bits : float, default 0.0
        Nats of KL that a latent dimension has for nothing: the loss is recon_nll + beta sum_k max(free_bits, KL_k),
        with KL_k the mean over a minibatch (Kingma et al., arXiv:1606.04934; lesson 22). ``kl`` stays the true one.
    condition_dim : int, default 0
        C, the width of a condition c, such as a one-hot class: then the model is p(x|c), and methods need
        ``condition=`` (N, C) of about unit size, or ``x`` and ``z`` that end with these columns (lesson 22).

    Attributes
    ----------
    parameters, gradients : mapping of str -> array
        Named views of one vector each: "encoder.hidden.0.W", "encoder.mu.b", "decoder.output.W", ... As a dict, but
        that assigning writes into the vector, and that no name can be added or removed.
    step : int
        Updates made so far; the noise of a training step is a function of it.
    epoch : int
        Epochs trained so far.
    columns : Columns or None
        Set it, and methods take frames of these columns as ``x``, and return frames; kept in files.
    classes : tuple of str
        The names of the columns of a one-hot condition, for commands and pictures; kept in files.

    Raises
    ------
    TypeError, ValueError
        For an argument that makes no sense; BackendError for a backend that cannot be used here.

    References
    ----------
    Kingma and Welling, "Auto-encoding variational Bayes", arXiv:1312.6114.

    Examples
    --------
    >>> vae = VAE(input_dim=64, hidden_dims=(32,), latent_dim=2)
    >>> vae.sample(3).shape
    (3, 64)
    """

    def __init__(
        self,
        input_dim: int,
        hidden_dims: Sequence[int] = (400,),
        latent_dim: int = 20,
        activation: str = "relu",
        likelihood: str | Likelihood = "bernoulli",
        beta: float = 1.0,
        init: str = "torch",
        backend: str | None = None,
        dtype: str = "float32",
        seed: int = 0,
        scaling: Scaling | None = None,
        missing: str = "zero",
        objective: str = "elbo",
        draws: int = 1,
        free_bits: float = 0.0,
        condition_dim: int = 0,
    ):
        self.optimizer: Any = None  # the one that fit used last; a second fit goes on with it
        input_dim = check_int(input_dim, "input_dim", 1, LARGEST_WIDTH)
        likelihood, scaling = resolve(likelihood), Scaling() if scaling is None else scaling
        kernels = backends.load(backend)
        self.backend = kernels.name
        likelihood.check_dim(input_dim)
        scaling.check_dim(input_dim)
        check_choice(missing, "missing", ("zero", "mask"))
        beta, free_bits = check_float(beta, "beta"), check_float(free_bits, "free_bits")
        check_on(self.backend, likelihood, missing, free_bits, condition_dim)
        draws = check_objective(objective, draws, beta, free_bits, self.backend)
        super().__init__(
            input_dim,
            check_widths(hidden_dims, "hidden_dims"),
            check_int(latent_dim, "latent_dim", 1, LARGEST_WIDTH),
            check_choice(activation, "activation", ACTIVATIONS),
            likelihood,
            beta,
            check_choice(init, "init", INITS),
            kernels,
            check_choice(str(np.dtype(dtype)), "dtype", DTYPES),
            check_seed(seed),
            scaling,
            missing,
            objective,
            draws,
            free_bits,
            check_int(condition_dim, "condition_dim", 0, LARGEST_WIDTH),
        )
        if scaling.seen_shift.size:  # logarithms start at their mean: from 0, ten of them take ten thousand steps
            self.parameters["decoder.output.b"] += self.kernels.asarray(scaling.seen_shift, self.dtype)

    @property
    def parameters(self) -> Views:
        """Name -> view of the parameter vector; assigning to a name writes into it."""
        return self.store.arrays

    @parameters.setter
    def parameters(self, values: Mapping[str, Array]) -> None:
        if values is not self.store.arrays:  # as it is after |=
            self.store.arrays.update(values)

    @property
    def gradients(self) -> Views:
        """Name -> view of the gradient vector: d loss / d parameter, as of the last backward pass."""
        return self.store.gradients

    def __getstate__(self) -> dict[str, Any]:
        """What a pickle or a copy holds. Views would come back as arrays of their own, so they are made anew."""
        rebuilt = ("kernels", "lock", "workspace", "encoder", "decoder", "store", "logvar")
        state = {name: value for name, value in vars(self).items() if name not in rebuilt}
        state["parameter vector"] = np.array(self.kernels.to_numpy(self.store.vector))
        if self.optimizer is not None:
            state["optimizer state"] = self.optimizer.state_of(self).copy()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        vector, optimizer_state = state.pop("parameter vector"), state.pop("optimizer state", None)
        vars(self).update(state, kernels=backends.load(state["backend"]))
        self._build()
        self.store.vector[:] = self.kernels.asarray(vector, self.dtype)
        if self.optimizer is not None:
            self.optimizer.set_state(self, optimizer_state)

    def __repr__(self) -> str:
        widths = "-".join(str(width) for width in (self.input_dim, *self.hidden_dims, self.latent_dim))
        size = f"{len(self.store.vector):,} parameters"
        size += f", given {self.condition_dim} columns" * (self.condition_dim > 0)
        return f"<VAE {widths} {self.activation}, {self.likelihood!r}, {size}, {self.dtype} on {self.backend}>"

    def check(self, x: Any, grey_is_fine: bool = False, condition: Any = None) -> np.ndarray:
        """``x`` scaled, as an array (N, D) of the model's dtype that its likelihood can take; errors as for ``loss``.

        With a condition, rows [x | c] (N, D + C). Warns once, with GreyDataWarning, where a Bernoulli model meets grey
        values, unless they will be binarised.
        """
        return incoming.checked(self, x, grey_is_fine, condition)

    # -- the loss ------------------------------------------------------------------------------------------

    @one_at_a_time
    def loss(self, x: Any, eps: Any = None, condition: Any = None) -> LossTerms:
        """The loss of a batch or of a whole data set.

        Parameters
        ----------
        x : array-like of shape (N, D)
        eps : array-like of shape (N, K), or (N, S, K) with S draws, optional
            Default: the noise of the current step (stream 0 at rows 0 to N - 1), so that a second call returns
            the same.
        condition : array-like of shape (N, C), for a conditional model

        Returns
        -------
        terms : LossTerms
            Means over the N examples, in nats per example.

        Raises
        ------
        DataError, TypeError
            If ``x`` does not fit the model or its likelihood.
        """
        x = self.check(x, condition=condition)
        return self.loss_of_scaled(x, check_eps(eps, self.dtype, (len(x), self.draws, self.latent_dim)))

    @one_at_a_time
    def loss_of_scaled(self, x: np.ndarray, eps: np.ndarray | None = None, group: Group | None = None) -> LossTerms:
        """:meth:`loss` of what :meth:`check` has returned, and noise (N, S * K) of the model's dtype."""
        parts, width = pieces(len(x), self.draws), 3 + self.latent_dim * bool(self.free_bits)

        def sums_of(i: int) -> tuple[float, ...]:
            batch = self.kernels.asarray(x[parts[i]], self.dtype)
            terms = self.loss_terms(*map(mean, self.terms(batch, self._eps(eps, parts[i]))))
            each = self.each_kl().sum(axis=0, dtype=np.float64) if self.free_bits else ()
            return terms.recon_nll * len(batch), terms.kl * len(batch), terms.loss * len(batch), *each

        sums = share_out(group or Alone(), np.zeros((len(parts), width)), range(len(parts)), sums_of)
        recon_nll, kl, loss, *each = map(float, sum(sums, np.zeros(width)) / len(x))  # in order, whoever computed them
        return self.loss_terms(recon_nll, kl, None if self.free_bits else loss, np.array([each]))

    @one_at_a_time
    def loss_and_gradients(self, x: Any, eps: Any = None, condition: Any = None) -> LossTerms:
        """The loss of a batch, and d loss / d parameter into ``gradients``.

        Parameters, returned value and errors are those of :meth:`loss`. Penalties are not included.
        """
        x = self.check(x, condition=condition)
        eps = check_eps(eps, self.dtype, (len(x), self.draws, self.latent_dim))
        return self.forward_backward(self.kernels.asarray(x, self.dtype), self._eps(eps, slice(0, len(x))))

    def _eps(self, eps: np.ndarray | None, rows: slice) -> Array:
        if eps is None:
            return self.noise(np.arange(rows.start, rows.stop))
        return self.kernels.asarray(eps[rows], self.dtype)

    def set_output_bias(self, x: Any) -> None:
        """Let an untrained decoder start at the data's mean: sets ``decoder.output.b`` from ``x`` (N, D)."""
        x = self.check(x, True, np.zeros((1, self.condition_dim)) if self.condition_dim else None)[:, : self.input_dim]
        check_columns_known(x)
        self.parameters["decoder.output.b"] = self.likelihood.constant(x)[0]

    # -- what a trained model is for -------------------------------------------------------------------------

    def encode(self, x: Any, condition: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """The posterior q(z|x) of each example.

        Parameters
        ----------
        x : array-like of shape (N, D)
        condition : array-like of shape (N, C), for a conditional model

        Returns
        -------
        mu, logvar : ndarray, each of shape (N, K)
            Mean and log variance (log sigma^2).
        """
        return self.encode_scaled(incoming.scaled(self, x, condition))

    @one_at_a_time
    def encode_scaled(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """:meth:`encode` of what :meth:`check` has returned: mu, logvar (N, K)."""
        mu, logvar = np.empty((2, len(x), self.latent_dim), self.dtype)
        for rows in pieces(len(x)):
            piece = self.posterior(self.kernels.asarray(x[rows], self.dtype))
            mu[rows], logvar[rows] = (self.kernels.to_numpy(array) for array in piece)
        return mu, logvar

    def decode(self, z: Any, condition: Any = None) -> np.ndarray:
        """The mean of p(x|z) in data space (probabilities, not logits): (N, K), condition (N, C) -> (N, D)."""
        return self.scaling.invert(self._mean_of_scaled(z, condition))

    @one_at_a_time
    def _mean_of_scaled(self, z: Any, condition: Any) -> np.ndarray:
        z = incoming.latent(self, z, condition)
        mean = np.empty((len(z), self.input_dim), self.dtype)
        for rows in pieces(len(z)):
            output = self.decoder.forward(self.kernels.asarray(z[rows], self.dtype))
            mean[rows] = self.kernels.to_numpy(self.likelihood.mean_given(self.kernels, output, self.logvar))
        return mean

    def reconstruct(self, x: Any, condition: Any = None) -> np.ndarray:
        """The mean of p(x|z) at the posterior mean z = mu(x): (N, D), condition (N, C) -> (N, D)."""
        rows = incoming.scaled(self, x, condition)
        mu, _ = self.encode_scaled(rows)
        return decoded(self.columns, self.decode(np.hstack([mu, rows[:, self.input_dim :]])), x)

    def sample(self, n: int, seed: int = 0, draw: bool = False, condition: Any = None) -> np.ndarray:
        """New data from the prior.

        Parameters
        ----------
        n : int
        seed : int
            The samples are a function of it (stream 4).
        draw : bool
            False: the means of p(x|z). True: draws x itself, such as binary pixels or one-hot rows.
        condition : array-like of shape (C,), the same for all, or (n, C), for a conditional model

        Returns
        -------
        x : ndarray of shape (n, D), or DataFrame if ``columns`` are those of one
        """
        n, seed = check_int(n, "n", 1), check_seed(seed)
        noise, rows = backends.load("numpy"), np.arange(n)
        z = noise.standard_normal(seed, Stream.PRIOR, 0, rows, out=np.empty((n, self.latent_dim), self.dtype))
        x = self._mean_of_scaled(z, incoming.one_for_all(self, condition))
        if draw:  # step 0 of the stream has gone into z, step 1 goes into x
            shape, where = x.shape, (seed, Stream.PRIOR, 1, rows)
            uniform = partial(noise.uniform, *where, out=np.empty(shape))
            x = self.draw(x, uniform, partial(noise.standard_normal, *where, out=np.empty(shape)))
        return decoded(self.columns, self.scaling.invert(x))

    @one_at_a_time
    def log_likelihood(self, x: Any, n_samples: int = 5000, condition: Any = None) -> np.ndarray:
        """log p(x) in nats by importance sampling, (N, D) -> (N,); see :func:`minivae.evaluation.log_likelihood`."""
        n_samples = check_int(n_samples, "n_samples", 1, importance.MOST_SAMPLES)
        estimate = importance.log_likelihood(self, self.check(x, condition=condition), n_samples, self.seed)
        importance.warn_of_outliers(estimate)
        return estimate.log_px

    def score(self, x: Any, train: Any, n_samples: int = 500, seed: int | None = None) -> Any:
        """How odd rows ``x`` are beside those of ``train``, and which columns make them so: see :mod:`.oddness`."""
        return oddness.score(self, x, train, n_samples, self.seed if seed is None else check_seed(seed))

    @one_at_a_time
    def impute(
        self, x: Any, n_draws: int | None = None, seed: int = 0, n_samples: int = 1000, condition: Any = None
    ) -> Any:
        """Fill the holes, NaN in ``x`` (N, D), from the rest of their rows; see :mod:`minivae.model.imputation`.

        With means, (N, D), of a category its probabilities; or with draws, (n_draws, N, D), a category one-hot.
        """
        filled = imputation.impute(self, self.check(x, condition=condition), n_draws, check_seed(seed), n_samples)
        given = check_matrix(encoded(self.columns, x), "float64", allow_nan=True)[:, : self.input_dim]
        filled = np.where(np.isnan(given), self.scaling.invert(filled), given)
        return decoded(self.columns, filled, x, fill=True)

    # -- files -----------------------------------------------------------------------------------------------

    @one_at_a_time
    def save(self, path: str | os.PathLike) -> None:
        """Write the model to one safetensors file, beside and renamed.

        Raises
        ------
        CheckpointError
            If a parameter is not finite, or the likelihood is not one of minivae's own and could not be read back.
        OSError
            If the file cannot be written.
        """
        weights.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike, backend: str | None = None) -> VAE:
        """Read a model that :meth:`save` or :func:`minivae.checkpoint.save_training` wrote.

        Parameters
        ----------
        path : str or path-like
        backend : {"numpy", "numba", "cupy"}, optional
            Where the model shall live. Default: ``MINIVAE_BACKEND``, or "numpy"; the file does not say.

        Returns
        -------
        vae : VAE
            With the same parameters, scaling, configuration, and step and epoch counters.

        Raises
        ------
        CheckpointError
            If the file is missing, damaged, not a minivae model, or its tensors are not those of its configuration.
        BackendError
            If the backend cannot be used here.
        """
        return cls.of_content(*weights.read(path, weights.MODEL, weights.CHECKPOINT), path, backend)

    @classmethod
    def of_content(cls, tensors: Tensors, metadata: Metadata, path: str | os.PathLike, backend: str | None) -> VAE:
        """The model in a file, from what :func:`weights.read` returned."""
        with weights.refused(path):
            vae = cls(**weights.configuration(tensors, metadata), backend=backend)
            vae.step, vae.epoch = weights.counters(metadata)
            vae.columns = weights.columns_of(metadata, vae.input_dim)
            vae.classes = tuple(map(str, metadata.get("classes", ())))
        weights.fill(vae, tensors, path)
        return vae
