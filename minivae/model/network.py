"""The chain of a VAE, forwards and backwards: encoder, draw, decoder, and the two terms of the loss (lesson 9).

    x (B, D) -> encoder -> mu, logvar (B, K) -> z = mu + exp(logvar/2) eps -> decoder -> output (B, D)
    recon_nll = -log p(x|z),  kl = KL( q(z|x) || p(z) ),  each (B,), in nats per example

NaN in x is a hole (lesson 17): the encoder sees 0 there, and recon_nll is that of what was observed.

With a condition c (B, C), p(x|z, c) and q(z|x, c): both networks see c beside their input, and its gradient is dropped.
Then rows x here are [x | c], (B, D + C), wherever rows go; z joins its row's c at the decoder (lesson 22).

The formulas are in kernels/reference.py; here is their order. Arrays come in checked and scaled, on the device of the
kernels: whoever holds data in their own units calls :class:`minivae.VAE`. Every array of a pass is a buffer of the
workspace, which the next pass overwrites: copy what must be kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import wraps
from threading import RLock
from typing import Any, NamedTuple, TypeVar, cast
from weakref import WeakSet

import numpy as np

from minivae.backend import Array, Backend, Stream
from minivae.columns.table import Columns
from minivae.model.bounds import terms_of_draws
from minivae.model.decoder import Decoder
from minivae.model.distributions import Likelihood, Noise
from minivae.model.encoder import Encoder
from minivae.model.parameters import Block, Parameters
from minivae.model.scaling import Scaling
from minivae.model.workspace import Workspace


class LossTerms(NamedTuple):
    """Batch means in nats per example: ``loss = recon_nll + beta * kl`` and ``elbo = -(recon_nll + kl)``.

    With free bits the loss has their cost, and of the objectives "iwae", "stl" and "dreg" it is minus the bound.
    """

    loss: float
    recon_nll: float
    kl: float
    elbo: float

    @classmethod
    def of(cls, recon_nll: float, kl: float, beta: float) -> LossTerms:
        """The four terms from the two that are computed."""
        return cls(recon_nll + beta * kl, recon_nll, kl, -(recon_nll + kl))


_networks: WeakSet[Network] = WeakSet()


def renew_locks() -> None:
    """In a forked process: the thread that held a lock when it was copied exists no more."""
    for network in _networks:
        network.lock = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=renew_locks)


Method = TypeVar("Method", bound=Callable[..., Any])


def one_at_a_time(method: Method) -> Method:
    """Let threads take turns on one model: its layers and buffers belong to one pass, in one session of its kernels."""

    @wraps(method)
    def locked(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self.lock, self.kernels.session():
            return method(self, *args, **kwargs)

    return cast(Method, locked)


def mean(values: Array) -> float:
    """The mean of (B,), summed in float64."""
    return float(values.mean(dtype="float64"))


def has_holes(x: Array) -> bool:
    """Whether something in x (B, D) is NaN; never on a GPU, for VAE refuses such data there."""
    return isinstance(x, np.ndarray) and bool(np.isnan(x.min()))


def fill_holes(x: Array) -> tuple[Array, np.ndarray | None]:
    """x (B, D) with 0 for NaN, and what was ``observed``, (B, D) of 1 and 0; x itself and None where nothing is NaN."""
    if not has_holes(x):
        return x, None
    is_hole = np.isnan(x)
    return np.where(is_hole, 0, x), (~is_hole).astype(x.dtype)


class Network:
    """Encoder and decoder over one parameter vector, and the passes through both.

    The parameters are those of :class:`minivae.VAE`, which checks them.

    Attributes
    ----------
    store : Parameters
        The vector of all parameters and that of their gradients.
    step, epoch : int
        Updates made and epochs trained so far; the noise of a training step is a function of ``step``.
    """

    kernels: Backend
    columns: Columns | None = None  # what the columns of x are called and mean, for whoever holds a table
    classes: tuple[str, ...] = ()  # and those of a condition that is a one-hot class
    has_said_grey: bool = False

    def __init__(
        self,
        input_dim: int,
        hidden_dims: Sequence[int],
        latent_dim: int,
        activation: str,
        likelihood: Likelihood,
        beta: float,
        init: str,
        kernels: Backend,
        dtype: str,
        seed: int,
        scaling: Scaling,
        missing: str,
        objective: str,
        draws: int,
        free_bits: float,
        condition_dim: int,
    ):
        self.input_dim, self.hidden_dims, self.latent_dim = input_dim, hidden_dims, latent_dim
        self.condition_dim, self.row_dim = condition_dim, input_dim + condition_dim
        self.activation, self.likelihood, self.beta = activation, likelihood, beta
        self.init, self.dtype, self.seed, self.scaling = init, dtype, seed, scaling
        self.missing, self.objective, self.draws, self.free_bits = missing, objective, draws, free_bits
        self.kernels = kernels
        self.step = self.epoch = 0
        self._build()

    def _build(self) -> None:
        self.lock = RLock()  # the buffers hold one pass at a time; VAE lets threads take turns
        _networks.add(self)
        self.workspace = Workspace(self.kernels, self.dtype)
        K, n_inputs = self.latent_dim, self.row_dim + (self.missing == "mask") * self.input_dim
        self.encoder = Encoder(n_inputs, self.hidden_dims, K, self.activation, self.workspace)
        self.decoder = Decoder(self.input_dim, self.hidden_dims, K + self.condition_dim, self.activation)
        layers = [*self.encoder.layers, *self.decoder.layers]
        blocks = [block for layer in layers for block in layer.blocks()]
        logvar_shape = self.likelihood.logvar_shape(self.input_dim)
        if logvar_shape is not None:
            blocks.append(Block(("decoder.output.logvar",), logvar_shape, None))
        self.store = Parameters(blocks, self.kernels, self.dtype)
        self.store.initialise(self.init, self.seed)
        for layer in layers:
            layer.bind(self.store, self.kernels, self.workspace)
        # Looked up once, and not in every pass: the learned log variances of p(x|z), or None; whether the encoder sees
        # something else than x; and log |dx / du| of each column, 0 where there is no density.
        self.logvar = self.store.arrays.get("decoder.output.logvar")
        self.has_view = type(self.likelihood).encoder_view is not Likelihood.encoder_view
        self.log_scale = np.zeros(self.input_dim)
        if self.scaling.kind != "none":
            is_density = self.likelihood.per_column("is_density", self.input_dim)
            self.log_scale = np.where(is_density, np.log(self.scaling.scale), 0)

    @property
    def config(self) -> dict[str, Any]:
        """The arguments that make an untrained twin of this model, with plain values only; without its scaling."""
        names = ("input_dim", "hidden_dims", "latent_dim", "activation", "beta", "init", "dtype", "seed", "missing")
        plain = {name: getattr(self, name) for name in (*names, "objective", "draws", "free_bits", "condition_dim")}
        return plain | {"backend": self.kernels.name, "likelihood": self.likelihood.config()}

    def draw(self, mean: np.ndarray, uniform: Noise, normal: Noise) -> np.ndarray:
        """x from p(x|z) with this mean, (n, D): see Likelihood.draw."""
        logvar = None if self.logvar is None else self.kernels.to_numpy(self.logvar)
        return self.likelihood.draw(mean, logvar, uniform, normal)

    def posterior(self, x: Array) -> tuple[Array, Array]:
        """mu, logvar (B, K) of q(z|x), for x (B, D)."""
        D, seen = self.input_dim, x
        if self.has_view:
            seen = np.concatenate([self.scaling.seen(self.likelihood.encoder_view(x[:, :D])), x[:, D:]], axis=1)
        seen, observed = fill_holes(seen)
        if self.missing == "mask":
            observed = np.ones_like(seen) if observed is None else observed
            seen = np.concatenate([seen, observed[:, :D]], axis=1)
        return self.encoder.forward(seen)

    def output(self, z: Array, x: Array) -> Array:
        """The decoder's output (B, D) for z (B, K), under the condition of the rows x (B, D + C)."""
        if self.condition_dim:
            z = np.concatenate([z, x[:, self.input_dim :]], axis=1)
        return self.decoder.forward(z)

    def output_backward(self, doutput: Array) -> Array:
        """doutput (B, D) -> dz (B, K); the condition's gradient is dropped: it is given. Overwrites ``doutput``."""
        return self.decoder.backward(doutput)[:, : self.latent_dim]

    def forward(self, x: Array, eps: Array) -> tuple[Array, Array, Array]:
        """x (B, D), eps (B, K) -> mu, logvar (B, K) of q(z|x), and the decoder's output (B, D) for one z of each."""
        mu, logvar = self.posterior(x)
        z = self.kernels.reparameterize_forward(mu, logvar, eps, out=self.workspace.rows("z", len(x), self.latent_dim))
        return mu, logvar, self.output(z, x)

    def backward(self, doutput: Array, dkl: Array, mu: Array, logvar: Array, eps: Array) -> None:
        """doutput (B, D), dkl (B,) -> the gradients of all layers; ``mu`` and ``logvar`` as :meth:`forward` gave them.

        The chain rule, read from the end. With free bits dkl is (B, K).
        """
        k, K = self.kernels, self.latent_dim
        buffers = self.workspace.named(len(mu), dmu=(K,), dlogvar=(K,), dmu_kl=(K,), dlogvar_kl=(K,))

        dz = self.output_backward(doutput)

        if k.fork is not None and dkl.ndim == 1:  # a learner's: exercise 16 has all that follows, but for free bits
            dmu, dlogvar = k.fork(dz, dkl, mu, logvar, eps, dmu=buffers.dmu, dlogvar=buffers.dlogvar)
            self.encoder.backward(dmu, dlogvar)
            return

        # The fork: mu and logvar reach the loss by two ways, through z and through the KL. Gradients add.
        dmu, dlogvar = k.reparameterize_backward(dz, logvar, eps, dmu=buffers.dmu, dlogvar=buffers.dlogvar)
        if dkl.ndim == 1:
            dmu_kl, dlogvar_kl = k.gaussian_kl_backward(dkl, mu, logvar, dmu=buffers.dmu_kl, dlogvar=buffers.dlogvar_kl)
        else:  # each dimension of an example as an example of one dimension
            of_each = k.gaussian_kl_backward(dkl.ravel(), mu.reshape(-1, 1), logvar.reshape(-1, 1))
            dmu_kl, dlogvar_kl = (gradient.reshape(mu.shape) for gradient in of_each)
        dmu += dmu_kl
        dlogvar += dlogvar_kl

        self.encoder.backward(dmu, dlogvar)

    def terms(self, x: Array, eps: Array, target: Array | None = None) -> tuple[Array, ...]:
        """Both terms of the negative ELBO: x (B, D), eps (B, K) -> recon_nll, kl (B,).

        ``target`` (B, D) is what shall come out of the decoder, where that is not ``x`` itself: denoising. With several
        draws, eps (B, S, K), or another objective, the third is the loss.
        """
        target = x if target is None else target
        if not self.has_one_draw:
            return tuple(terms_of_draws(self, x, eps, target))
        mu, logvar, output = self.forward(x, eps)
        return self.recon_nll(output, target), self.kernels.gaussian_kl_forward(mu, logvar)

    @property
    def has_one_draw(self) -> bool:
        """Whether the loss is that of one z for each example, with the exact KL: the chain of this file."""
        return (self.objective, self.draws) == ("elbo", 1)

    def terms_and_gradients(
        self, x: Array, eps: Array, target: Array, drecon_nll: Array, dkl: Array
    ) -> tuple[Array, Array]:
        """:meth:`terms`, and the gradients of all parameters; ``drecon_nll``, ``dkl`` (B,) are d loss / d term."""
        mu, logvar, output = self.forward(x, eps)
        buffers = self.workspace.named(len(x), kl=(), recon_nll=(), doutput=(self.input_dim,))
        kl = self.kernels.gaussian_kl_forward(mu, logvar, out=buffers.kl)
        # Value and gradient of a likelihood come from one pass over (B, D), by far the largest arrays here.
        recon_nll = self.recon_nll(
            output,
            target,
            drecon_nll,
            nll=buffers.recon_nll,
            doutput=buffers.doutput,
            dlogvar=self.store.gradients.get("decoder.output.logvar"),
        )
        if self.free_bits:
            dcost = np.full(self.latent_dim, dkl.sum(), self.dtype)
            dkl = self.kernels.free_bits_backward(dcost, self.each_kl(), self.free_bits)
        self.backward(buffers.doutput, dkl, mu, logvar, eps)
        return recon_nll, kl

    def each_kl(self) -> Array:
        """The KL of each example and latent dimension in the last pass, (B, K)."""
        mu, logvar = (half.reshape(-1, 1) for half in np.split(self.encoder.heads, 2, axis=1))
        return self.kernels.gaussian_kl_forward(mu, logvar).reshape(-1, self.latent_dim)

    def loss_terms(
        self, recon_nll: float, kl: float, loss: float | None = None, each_kl: Array | None = None
    ) -> LossTerms:
        """The four terms from batch means. ``loss`` counts where it is not made of the other two.

        With free bits and without ``loss``, it is computed from the KL (B, K) of each dimension, that of the last pass.
        """
        terms = LossTerms.of(recon_nll, kl, self.beta)
        if self.objective == "elbo" and not self.free_bits:
            return terms
        if self.free_bits and loss is None:
            cost = self.kernels.free_bits_forward(self.each_kl() if each_kl is None else each_kl, self.free_bits)
            loss = recon_nll + self.beta * float(cost.sum(dtype="float64"))
        return terms if loss is None else terms._replace(loss=loss)

    def forward_backward(
        self, x: Array, eps: Array, target: Array | None = None, batch_size: int | None = None, weight: float = 1.0
    ) -> LossTerms:
        """The loss of a batch, and d loss / d parameter into ``store.gradient``. Arguments as for :meth:`terms`.

        Where ``x`` is a shard of a larger batch of ``batch_size`` examples, the gradient is its share of the whole one.
        ``weight`` is a factor on beta in the gradient alone.
        """
        target, B = x if target is None else target, batch_size or len(x)
        if not self.has_one_draw:
            return self.loss_terms(*map(mean, terms_of_draws(self, x, eps, target, 1 / B, weight)))
        # loss = sum_b recon_nll_b / B + sum_b beta kl_b / B, so that these are the first two gradients.
        upstream = self.workspace.named(len(x), drecon_nll=(), dkl=())
        upstream.drecon_nll[:], upstream.dkl[:] = 1 / B, weight * self.beta / B
        recon_nll, kl = self.terms_and_gradients(x, eps, target, upstream.drecon_nll, upstream.dkl)
        return self.loss_terms(mean(recon_nll), mean(kl))

    def recon_nll(
        self,
        output: Array,
        x: Array,
        drecon_nll: Array | None = None,
        logvar: Array | None = None,
        filled: tuple[Array, np.ndarray | None] | None = None,
        **out: Array | None,
    ) -> Array:
        """-log p(x|z) of what was observed, before its scaling, in nats: (B, D), (B, D) -> (B,); see Likelihood.nll.

        ``filled`` is what :meth:`filled` says of x, from whoever knows it already.
        """
        logvar = self.logvar if logvar is None else logvar
        x, observed = filled or self.filled(x)
        if observed is not None:
            out["observed"] = observed
        recon_nll = self.likelihood.nll(self.kernels, output, x, logvar, drecon_nll, **out)
        if self.likelihood.is_density:
            recon_nll += self.log_volume(observed)
        return recon_nll

    def filled(self, x: Array) -> tuple[Array, np.ndarray | None]:
        """:func:`fill_holes` of the data in rows x (B, D + C)."""
        return fill_holes(x[:, : self.input_dim])

    def log_volume(self, observed: np.ndarray | None = None) -> float | np.ndarray:
        """log |dx / du| of the density columns, of all or of those ``observed`` (B, D) in each row, (B,)."""
        if observed is None:
            return float(self.log_scale.sum())
        return observed @ self.log_scale.astype(observed.dtype)

    def noise(self, examples: np.ndarray, seed: int | None = None) -> Array:
        """The eps of the current step for these rows of the data set, (B,) -> (B, S * K). A buffer: copy to keep it.

        Dimension s * K + k of the noise is dimension k of draw s: more draws leave the first ones as they are.
        """
        eps = self.workspace.rows("eps", len(examples), self.draws * self.latent_dim)
        seed = self.seed if seed is None else seed
        return self.kernels.standard_normal(seed, Stream.EPS, self.step, examples, out=eps)
