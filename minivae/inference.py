"""What one does with a trained model: encode, decode, reconstruct, sample."""

from __future__ import annotations

from typing import Any

import numpy as np

from minivae.backend import Array, Backend, Stream, load
from minivae.decoder import Decoder
from minivae.encoder import Encoder
from minivae.likelihoods import Likelihood
from minivae.validation import check_int, check_matrix, check_seed
from minivae.workspace import pieces


class Inference:
    """The half of :class:`minivae.VAE` that only reads its parameters. NumPy arrays in, NumPy arrays out."""

    input_dim: int
    latent_dim: int
    dtype: str
    kernels: Backend
    likelihood: Likelihood
    encoder: Encoder
    decoder: Decoder

    @property
    def parameters(self) -> dict[str, Array]:
        """Name -> view of the parameter vector."""
        raise NotImplementedError

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
        x = check_matrix(x, self.dtype, self.input_dim)
        mu, logvar = np.empty((2, len(x), self.latent_dim), self.dtype)
        for rows in pieces(len(x)):
            piece = self.encoder.forward(self.kernels.asarray(x[rows], self.dtype))
            mu[rows], logvar[rows] = (self.kernels.to_numpy(array) for array in piece)
        return mu, logvar

    def decode(self, z: Any) -> np.ndarray:
        """The mean of p(x|z) in data space (probabilities, not logits): (N, K) -> (N, D)."""
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
        mean = self.decode(z)
        if not draw:
            return mean
        # Step 0 has gone into z; steps 1 and 2 of the same stream go into x.
        u = noise.uniform(seed, Stream.PRIOR, 1, rows, out=np.empty(mean.shape))
        normal = noise.standard_normal(seed, Stream.PRIOR, 2, rows, out=np.empty(mean.shape))
        logvar = self.parameters.get("decoder.output.logvar")
        return self.likelihood.draw(mean, None if logvar is None else self.kernels.to_numpy(logvar), u, normal)
