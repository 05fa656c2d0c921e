"""The VAE: encoder, reparameterization, decoder, the ELBO, and the whole backward pass as one chain.

    x (B, D) -> encoder -> mu, logvar (B, K) -> z = mu + exp(logvar/2) eps -> decoder -> logits (B, D)
    loss = mean over the batch of [ recon_nll + beta * kl ], in nats per example

The formulas are in kernels/reference.py; this file holds shapes, state and the order of things (lesson 9).
What only reads the parameters, such as ``encode``, ``sample`` and ``save``, is in inference.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import RLock
from typing import Any

import numpy as np

from minivae import backend as backends
from minivae.backend import Array, Stream
from minivae.decoder import Decoder
from minivae.encoder import Encoder
from minivae.inference import Inference, one_at_a_time
from minivae.likelihoods import Likelihood, resolve
from minivae.parameters import Block, Parameters
from minivae.scaling import Scaling
from minivae.terms import LossTerms, mean
from minivae.validation import (
    LARGEST_WIDTH,
    check_choice,
    check_eps,
    check_float,
    check_int,
    check_seed,
    check_widths,
)
from minivae.workspace import Workspace, pieces

ACTIVATIONS = ("relu", "tanh", "sigmoid", "softplus")
INITS = ("torch", "glorot", "he")
DTYPES = ("float32", "float64")


class VAE(Inference):
    """Variational autoencoder with a standard normal prior and a diagonal Gaussian posterior.

    Parameters
    ----------
    input_dim : int
        D, the width of the data.
    hidden_dims : sequence of int, default (400,)
        Widths of the encoder's hidden layers; the decoder mirrors them. May be empty: a linear VAE.
    latent_dim : int, default 20
        K.
    activation : {"relu", "tanh", "sigmoid", "softplus"}
    likelihood : {"bernoulli", "gaussian", "categorical"} or Likelihood
        p(x|z); see :mod:`minivae.likelihoods`.
    beta : float, default 1.0
        Weight of the KL in ``loss``; only beta = 1 makes ``-loss`` a bound on log p(x).
    init : {"torch", "glorot", "he"}
        See :meth:`minivae.parameters.Parameters.initialise`.
    backend : {"numpy", "numba", "cupy"}, optional
        Default: the environment variable ``MINIVAE_BACKEND``, or "numpy".
    dtype : {"float32", "float64"}
    seed : int, default 0
        Of the initialisation, and of the noise where none is handed in.
    scaling : Scaling, optional
        What is done to data on their way in and undone on their way out, such as ``Scaling.of("standard", x)``.

    Attributes
    ----------
    parameters, gradients : dict of str -> array
        Named views of one vector each: "encoder.hidden.0.W", "encoder.mu.b", "decoder.output.W", ...
    step : int
        Updates made so far; the noise of a training step is a function of it.
    epoch : int
        Epochs trained so far.

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
    ):
        self.input_dim = check_int(input_dim, "input_dim", 1, LARGEST_WIDTH)
        self.hidden_dims = check_widths(hidden_dims, "hidden_dims")
        self.latent_dim = check_int(latent_dim, "latent_dim", 1, LARGEST_WIDTH)
        self.activation = check_choice(activation, "activation", ACTIVATIONS)
        self.likelihood = resolve(likelihood)
        self.likelihood.check_dim(self.input_dim)
        self.beta = check_float(beta, "beta")
        self.init = check_choice(init, "init", INITS)
        self.dtype = check_choice(str(np.dtype(dtype)), "dtype", DTYPES)
        self.seed = check_seed(seed)
        self.scaling = Scaling() if scaling is None else scaling
        self.scaling.check_dim(self.input_dim)
        self.kernels = backends.load(backend)
        self.backend = self.kernels.name
        self.step = 0
        self.epoch = 0
        self.optimizer: Any = None  # the one that fit used last; a second fit goes on with it
        self._said_grey = False
        self.lock = RLock()
        self._build()

    def _build(self) -> None:
        self.workspace = Workspace(self.kernels, self.dtype)
        dims = (self.input_dim, self.hidden_dims, self.latent_dim, self.activation)
        self.encoder = Encoder(*dims, self.workspace)
        self.decoder = Decoder(*dims)
        layers = [*self.encoder.layers, *self.decoder.layers]
        blocks = [block for layer in layers for block in layer.blocks()]
        logvar_shape = self.likelihood.logvar_shape(self.input_dim)
        if logvar_shape is not None:
            blocks.append(Block(("decoder.output.logvar",), logvar_shape, None))
        self.store = Parameters(blocks, self.kernels, self.dtype)
        self.store.initialise(self.init, self.seed)
        for layer in layers:
            layer.bind(self.store, self.kernels, self.workspace)

    @property
    def parameters(self) -> dict[str, Array]:
        """Name -> view of the parameter vector; assigning to a name writes into it."""
        return self.store.arrays

    @property
    def gradients(self) -> dict[str, Array]:
        """Name -> view of the gradient vector: d loss / d parameter, as of the last backward pass."""
        return self.store.gradients

    def __getstate__(self) -> dict[str, Any]:
        """What a pickle or a copy holds. Views would come back as arrays of their own, so they are made anew."""
        rebuilt = ("kernels", "lock", "workspace", "encoder", "decoder", "store")
        state = {name: value for name, value in vars(self).items() if name not in rebuilt}
        state["parameter vector"] = np.array(self.kernels.to_numpy(self.store.vector))
        if self.optimizer is not None:
            state["optimizer state"] = self.optimizer.state_of(self).copy()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        vector, optimizer_state = state.pop("parameter vector"), state.pop("optimizer state", None)
        vars(self).update(state, kernels=backends.load(state["backend"]), lock=RLock())
        self._build()
        self.store.vector[:] = self.kernels.asarray(vector, self.dtype)
        if self.optimizer is not None:
            self.optimizer.set_state(self, optimizer_state)

    # -- the loss, forwards and backwards ------------------------------------------------------------------

    @one_at_a_time
    def loss(self, x: Any, eps: Any = None) -> LossTerms:
        """The loss of a batch or of a whole data set.

        Parameters
        ----------
        x : array-like of shape (N, D)
        eps : array-like of shape (N, K), optional
            Default: the noise of the current step (stream 0 at rows 0 to N - 1), so that a second call returns
            the same.

        Returns
        -------
        terms : LossTerms
            Means over the N examples, in nats per example.

        Raises
        ------
        DataError, TypeError
            If ``x`` does not fit the model or its likelihood.
        """
        x = self.check(x)
        return self.loss_checked(x, check_eps(eps, self.dtype, (len(x), self.latent_dim)))

    def loss_checked(self, x: np.ndarray, eps: np.ndarray | None = None) -> LossTerms:
        """:meth:`loss` of what :meth:`check` has returned, (N, D), and noise (N, K) of the model's dtype."""
        sums = np.zeros(2)
        for rows in pieces(len(x)):
            batch = self.kernels.asarray(x[rows], self.dtype)
            recon_nll, kl = self.forward(batch, self._noise(eps, rows))
            sums += mean(recon_nll) * len(batch), mean(kl) * len(batch)
        recon_nll, kl = sums / len(x)
        return LossTerms.of(float(recon_nll), float(kl), self.beta)

    @one_at_a_time
    def loss_and_gradients(self, x: Any, eps: Any = None) -> LossTerms:
        """The loss of a batch, and d loss / d parameter into ``gradients``.

        Parameters, returned value and errors are those of :meth:`loss`. Penalties are not included.
        """
        x = self.check(x)
        eps = check_eps(eps, self.dtype, (len(x), self.latent_dim))
        return self.forward_backward(self.kernels.asarray(x, self.dtype), self._noise(eps, slice(0, len(x))))

    def forward(self, x: Array, eps: Array, target: Array | None = None) -> tuple[Array, Array]:
        """Both terms of the negative ELBO for each example, in nats.

        Parameters
        ----------
        x : array of shape (B, D), of the model's backend and dtype
            As :meth:`check` returns it: scaled. Not checked here.
        eps : array of shape (B, K)
        target : array of shape (B, D), optional
            What shall come out of the decoder, where that is not ``x`` itself: denoising.

        Returns
        -------
        recon_nll, kl : arrays of shape (B,)
        """
        mu, logvar, output = self._forward(x, eps)
        return self.recon_nll(output, x if target is None else target), self.kernels.gaussian_kl_forward(mu, logvar)

    def recon_nll(self, output: Array, x: Array, dnll: Array | None = None, **out: Array | None) -> Array:
        """-log p(x|z) of the data before their scaling, in nats: (B, D), (B, D) -> (B,); see Likelihood.nll."""
        logvar = self.parameters.get("decoder.output.logvar")
        nll = self.likelihood.nll(self.kernels, output, x, logvar, dnll, **out)
        if self.likelihood.is_density:
            nll += self.scaling.log_volume()
        return nll

    def _forward(self, x: Array, eps: Array) -> tuple[Array, Array, Array]:
        mu, logvar = self.encoder.forward(x)
        z = self.kernels.reparameterize_forward(mu, logvar, eps, out=self._buffer("z", x, self.latent_dim))
        return mu, logvar, self.decoder.forward(z)

    @one_at_a_time
    def forward_backward(self, x: Array, eps: Array, target: Array | None = None) -> LossTerms:
        """The loss of a batch, and d loss / d parameter into ``gradients``. Arguments as for :meth:`forward`."""
        # loss = sum_b recon_nll_b / B + sum_b beta kl_b / B, so that these are the first two gradients.
        drecon_nll = self.workspace.filled("drecon_nll", len(x), 1 / len(x))
        dkl = self.workspace.filled("dkl", len(x), self.beta / len(x))
        recon_nll, kl = self.there_and_back(x, eps, x if target is None else target, drecon_nll, dkl)
        return LossTerms.of(mean(recon_nll), mean(kl), self.beta)

    def there_and_back(self, x: Array, eps: Array, target: Array, drecon_nll: Array, dkl: Array) -> tuple[Array, Array]:
        """One pass forwards and one back: the chain rule, read from the end (lesson 9).

        ``drecon_nll`` and ``dkl``, (B,), are d loss / d of the two terms, which are returned.
        """
        k, K = self.kernels, self.latent_dim
        mu, logvar, output = self._forward(x, eps)

        doutput = self._buffer("doutput", x, self.input_dim)
        recon_nll = self.recon_nll(
            output,
            target,
            drecon_nll,
            nll=self._buffer("recon_nll", x),
            doutput=doutput,
            dlogvar=self.gradients.get("decoder.output.logvar"),
        )
        kl = k.gaussian_kl_forward(mu, logvar, out=self._buffer("kl", x))

        dz = self.decoder.backward(doutput)

        # The fork: mu and logvar reach the loss by two ways, through z and through the KL. Gradients add.
        dmu, dlogvar = k.reparameterize_backward(
            dz, logvar, eps, dmu=self._buffer("dmu", x, K), dlogvar=self._buffer("dlogvar", x, K)
        )
        dmu_kl, dlogvar_kl = k.gaussian_kl_backward(
            dkl, mu, logvar, dmu=self._buffer("dmu_kl", x, K), dlogvar=self._buffer("dlogvar_kl", x, K)
        )
        dmu += dmu_kl
        dlogvar += dlogvar_kl

        self.encoder.backward(dmu, dlogvar)
        return recon_nll, kl

    def _buffer(self, name: str, x: Array, *width: int) -> Array:
        return self.workspace.rows(name, len(x), *width)

    # -- noise ----------------------------------------------------------------------------------

    def noise(self, examples: np.ndarray, seed: int | None = None) -> Array:
        """The eps of the current step for these rows of the data set, (B,) -> (B, K). A buffer: copy to keep it."""
        eps = self.workspace.rows("eps", len(examples), self.latent_dim)
        seed = self.seed if seed is None else seed
        return self.kernels.standard_normal(seed, Stream.EPS, self.step, examples, out=eps)

    def _noise(self, eps: np.ndarray | None, rows: slice) -> Array:
        if eps is None:
            return self.noise(np.arange(rows.start, rows.stop))
        return self.kernels.asarray(eps[rows], self.dtype)

    # -- starting point --------------------------------------------------------------------------------------

    def set_output_bias(self, x: Any) -> None:
        """Let an untrained decoder start at the data's mean: sets ``decoder.output.b`` from ``x`` (N, D)."""
        average = self.check(x, grey_is_fine=True).mean(axis=0, dtype=np.float64)
        bias = self.likelihood.output_bias(average)
        self.parameters["decoder.output.b"][...] = self.kernels.asarray(bias, self.dtype)
