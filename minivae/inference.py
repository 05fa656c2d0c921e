"""What one does with a model without changing it: check data, encode, decode, reconstruct, sample, save."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from os import PathLike
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from minivae.backend import Array, Backend, Stream, load
from minivae.decoder import Decoder
from minivae.encoder import Encoder
from minivae.errors import DataError, GreyDataWarning
from minivae.likelihoods import Bernoulli, Likelihood
from minivae.parameters import Parameters
from minivae.scaling import Scaling
from minivae.validation import check_int, check_matrix, check_seed
from minivae.workspace import pieces

if TYPE_CHECKING:
    from minivae.vae import VAE

GREY = (
    "the data hold grey values between 0 and 1: the Bernoulli loss is then a cross-entropy, not -log p(x); it can "
    "be trained and compared with itself, but not with numbers on binary data (see binarize)"
)


Method = TypeVar("Method", bound=Callable[..., Any])


def one_at_a_time(method: Method) -> Method:
    """Let threads take turns on one model: its layers and buffers belong to one pass, in one session of its kernels."""

    @wraps(method)
    def locked(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self.lock, self.kernels.session():
            return method(self, *args, **kwargs)

    return cast(Method, locked)


class Inference:
    """The half of :class:`minivae.VAE` that only reads its parameters.

    NumPy arrays in, NumPy arrays out, all in the units of the data: scaling happens inside.
    """

    input_dim: int
    hidden_dims: tuple[int, ...]
    latent_dim: int
    activation: str
    backend: str
    dtype: str
    kernels: Backend
    likelihood: Likelihood
    scaling: Scaling
    encoder: Encoder
    decoder: Decoder
    store: Parameters
    lock: RLock
    _said_grey: bool

    @property
    def parameters(self) -> dict[str, Array]:
        """Name -> view of the parameter vector."""
        raise NotImplementedError

    @property
    def config(self) -> dict[str, Any]:
        """The arguments that make an untrained twin of this model, with plain values only; without its scaling."""
        names = ("input_dim", "hidden_dims", "latent_dim", "activation", "beta", "init", "backend", "dtype", "seed")
        return {name: getattr(self, name) for name in names} | {"likelihood": self.likelihood.config()}

    def __repr__(self) -> str:
        widths = "-".join(str(width) for width in (self.input_dim, *self.hidden_dims, self.latent_dim))
        size = f"{len(self.store.vector):,} parameters"
        return f"<VAE {widths} {self.activation}, {self.likelihood!r}, {size}, {self.dtype} on {self.backend}>"

    def check(self, x: Any, grey_is_fine: bool = False) -> np.ndarray:
        """``x`` scaled, as an array (N, D) of the model's dtype that its likelihood can take; errors as for ``loss``.

        Warns once, with GreyDataWarning, where a Bernoulli model meets grey values, unless they will be binarised.
        """
        x = self._scaled(x)
        try:
            self.likelihood.check(x)
        except DataError as error:
            if self.scaling.kind == "none":
                raise
            raise DataError(f"after {self.scaling.kind} scaling, fitted to other rows: {error}") from None
        if isinstance(self.likelihood, Bernoulli) and not (grey_is_fine or self._said_grey) and Bernoulli.is_grey(x):
            self._said_grey = True
            warnings.warn(GREY, GreyDataWarning, stacklevel=3)
        return x

    def _scaled(self, x: Any) -> np.ndarray:
        if self.scaling.kind == "none":
            return check_matrix(x, self.dtype, self.input_dim)
        return check_matrix(self.scaling.apply(check_matrix(x, "float64", self.input_dim)), self.dtype)

    def encode(self, x: Any) -> tuple[np.ndarray, np.ndarray]:
        """The posterior q(z|x) of each example.

        Parameters
        ----------
        x : array-like of shape (N, D)

        Returns
        -------
        mu, logvar : ndarray, each of shape (N, K)
            Mean and log variance (log sigma^2).
        """
        return self.encode_checked(self._scaled(x))

    @one_at_a_time
    def encode_checked(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """:meth:`encode` of what :meth:`check` has returned: (N, D) -> mu, logvar (N, K)."""
        mu, logvar = np.empty((2, len(x), self.latent_dim), self.dtype)
        for rows in pieces(len(x)):
            piece = self.encoder.forward(self.kernels.asarray(x[rows], self.dtype))
            mu[rows], logvar[rows] = (self.kernels.to_numpy(array) for array in piece)
        return mu, logvar

    @one_at_a_time
    def decode(self, z: Any) -> np.ndarray:
        """The mean of p(x|z) in data space (probabilities, not logits): (N, K) -> (N, D)."""
        return self.scaling.invert(self._mean_of_scaled(z))

    def _mean_of_scaled(self, z: Any) -> np.ndarray:
        z = check_matrix(z, self.dtype, what="z")
        if z.shape[1] != self.latent_dim:
            raise ValueError(f"z has {z.shape[1]} columns, but this model has {self.latent_dim} latent dimensions")
        mean = np.empty((len(z), self.input_dim), self.dtype)
        for rows in pieces(len(z)):
            output = self.decoder.forward(self.kernels.asarray(z[rows], self.dtype))
            mean[rows] = self.kernels.to_numpy(self.likelihood.mean(self.kernels, output))
        return mean

    def reconstruct(self, x: Any) -> np.ndarray:
        """The mean of p(x|z) at the posterior mean z = mu(x): (N, D) -> (N, D)."""
        return self.decode(self.encode(x)[0])

    def sample(self, n: int, seed: int = 0, draw: bool = False) -> np.ndarray:
        """New data from the prior.

        Parameters
        ----------
        n : int
        seed : int
            The samples are a function of it (stream 4).
        draw : bool
            False: the means of p(x|z). True: draws x itself, such as binary pixels or one-hot rows.

        Returns
        -------
        x : ndarray of shape (n, D)
        """
        n, seed = check_int(n, "n", 1), check_seed(seed)
        noise, rows = load("numpy"), np.arange(n)
        z = noise.standard_normal(seed, Stream.PRIOR, 0, rows, out=np.empty((n, self.latent_dim), self.dtype))
        if not draw:
            return self.decode(z)
        mean = self._mean_of_scaled(z)

        # Step 0 of the stream has gone into z, step 1 goes into x.
        def uniform() -> np.ndarray:
            return noise.uniform(seed, Stream.PRIOR, 1, rows, out=np.empty(mean.shape))

        def normal() -> np.ndarray:
            return noise.standard_normal(seed, Stream.PRIOR, 1, rows, out=np.empty(mean.shape))

        logvar = self.parameters.get("decoder.output.logvar")
        logvar = None if logvar is None else self.kernels.to_numpy(logvar)
        return self.scaling.invert(self.likelihood.draw(mean, logvar, uniform, normal))

    @one_at_a_time
    def log_likelihood(self, x: Any, n_samples: int = 5000) -> np.ndarray:
        """log p(x) in nats by importance sampling, (N, D) -> (N,); see :func:`minivae.evaluation.log_likelihood`."""
        from minivae.importance import log_likelihood

        return log_likelihood(cast("VAE", self), x, n_samples).log_px

    def save(self, path: str | PathLike) -> None:
        """Write the model to one safetensors file; see :mod:`minivae.checkpoint`."""
        from minivae.checkpoint import save

        save(cast("VAE", self), path)

    @classmethod
    def load(cls, path: str | PathLike, backend: str | None = None) -> VAE:
        """Read a model that :meth:`save` wrote, onto any backend; see :func:`minivae.checkpoint.load`."""
        from minivae.checkpoint import load

        return load(path, backend)
