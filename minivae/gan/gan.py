"""``GAN``: what a user holds: checks, training, samples and the file. The two passes are in game.py (lesson 19)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NoReturn

import numpy as np

from minivae import backend as backends
from minivae.errors import CheckpointError, MinivaeError
from minivae.gan import fitting, losses
from minivae.gan.game import Game, widths
from minivae.model import weights
from minivae.model.scaling import Scaling
from minivae.model.vae import ACTIVATIONS, DTYPES
from minivae.system import tensorfile
from minivae.system.progress import History
from minivae.system.tensorfile import Metadata, Tensors
from minivae.training import optimizers
from minivae.training.optimizers import Optimizer, State
from minivae.training.recipe import check_optimizer
from minivae.validation import (
    LARGEST_WIDTH,
    check_choice,
    check_float,
    check_int,
    check_seed,
    check_widths,
)
from minivae.version import __version__

KIND = "minivae-gan"


class GAN(Game):
    """Generative adversarial network: two MLPs, every gradient by hand.

    Parameters
    ----------
    data_dim : int
        D, the width of the data, which should be of about unit size, by themselves or by ``scaling``.
    hidden_dims : sequence of int, default (128, 128)
        Of the discriminator; the generator mirrors them.
    latent_dim : int, default 8
        K, the width of the noise z.
    loss : {"relativistic", "nonsaturating", "saturating"}
    penalty : {"approximate-r1", "none", "r1", "r1-r2"}
        On the discriminator's slope at real examples; "r1-r2" at fakes too. For both see :mod:`minivae.gan.losses`.
    seed : int, default 0
        Of the initialisation, the batches and the noise.
    gamma : float, default 0.1
        Weight of the penalty, gamma/2 mean |dD/dx|^2.
    penalty_noise : float, default 0.1
        Standard deviation of the noise that takes the place of the derivative in "approximate-r1".
    activation : {"leaky_relu", "relu", "tanh", "sigmoid", "softplus"}
        Of the hidden layers.
    output : {"identity", "sigmoid", "tanh"}
        Of the generator's last layer: "sigmoid" for data in [0, 1].
    scaling : Scaling, optional
        What is done to data on their way in and undone on their way out, as for :class:`minivae.VAE`.
    backend, dtype
        As for :class:`minivae.VAE`; "cupy" has not yet been run on a GPU.

    Attributes
    ----------
    generator, discriminator : FeedForward
    parameters, gradients : dict of str -> array
        Named views: "generator.hidden.0.W", "discriminator.output.b", ...
    step : int
        Steps trained so far; the noise is a function of (seed, step).
    optimizer : Optimizer or None
        The one that :meth:`fit` used last, with its state.

    References
    ----------
    Goodfellow et al., "Generative adversarial nets", arXiv:1406.2661; the default loss: Huang et al., "The GAN is
    dead; long live the GAN!", arXiv:2501.05441.
    """

    def __init__(
        self,
        data_dim: int,
        hidden_dims: Sequence[int] = (128, 128),
        latent_dim: int = 8,
        loss: str = "relativistic",
        penalty: str = "approximate-r1",
        seed: int = 0,
        gamma: float = 0.1,
        penalty_noise: float = 0.1,
        activation: str = "leaky_relu",
        output: str = "identity",
        backend: str | None = None,
        dtype: str = "float32",
        scaling: Scaling | None = None,
    ):
        config = {
            "data_dim": check_int(data_dim, "data_dim", 1, LARGEST_WIDTH),
            "hidden_dims": check_widths(hidden_dims, "hidden_dims"),
            "latent_dim": check_int(latent_dim, "latent_dim", 1, LARGEST_WIDTH),
            "loss": check_choice(loss, "loss", losses.LOSSES),
            "penalty": check_choice(penalty, "penalty", losses.PENALTIES),
            "seed": check_seed(seed),
            "gamma": check_float(gamma, "gamma"),
            "penalty_noise": check_float(penalty_noise, "penalty_noise", positive=True),
            "activation": check_choice(activation, "activation", ACTIVATIONS),
            "output": check_choice(output, "output", ("identity", "sigmoid", "tanh")),
            "dtype": check_choice(str(np.dtype(dtype)), "dtype", DTYPES),
        }
        super().__init__(config, backends.load(backend))
        self.backend, self.scaling = self.kernels.name, scaling or Scaling()
        self.scaling.check_dim(self.data_dim)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.config.items())
        return f"GAN({settings}, backend={self.backend!r})"

    # -- what a user asks of it ------------------------------------------------------------------------------

    def fit(
        self,
        x: Any,
        steps: int = 4000,
        batch_size: int = 256,
        validation: Any = None,
        progress: bool = True,
        optimizer: Optimizer | None = None,
    ) -> History:
        """Train: in each step one update of the discriminator, then one of the generator.

        Parameters
        ----------
        x : array-like of shape (N, D)
            Each batch is drawn from its rows, with replacement.
        steps : int, default 4000
            A second call goes on from where the model is, as if both were one.
        batch_size : int, default 256
        validation : array-like of shape (M, D), optional
            Real examples to compare samples with, where D is at most 16, so that distances mean something.
        progress : bool, default True
            Show how it goes on standard error.
        optimizer : Adam, Adagrad or SGD, optional
            For both networks. Default: that of the last call, or ``Adam(1e-3, betas=(0, 0.99))``.

        Returns
        -------
        history : dict of str -> list of float
            One value at each multiple of a hundred steps, and at the last: "step", the means of "discriminator_loss",
            "generator_loss" and "penalty"; with ``validation`` also "coverage" and "precision", see
            :func:`minivae.gan.fitting.compare`.

        Raises
        ------
        DataError, TypeError, ValueError
            If an argument makes no sense.
        TrainingDiverged
            If a loss is not finite. Then, and after Ctrl-C, the model is as the last entry of the history left it.
        """
        x = self.scaling.check(x, self.dtype, self.data_dim)
        if validation is not None:
            validation = self.scaling.check(validation, self.dtype, self.data_dim, "validation")
        steps, batch_size = check_int(steps, "steps", 0, 2**32 - 1), check_int(batch_size, "batch_size", 1)
        self.optimizer = check_optimizer(optimizer) or self.optimizer or optimizers.Adam(1e-3, betas=(0.0, 0.99))
        return fitting.fit(self, x, steps, batch_size, validation, progress)

    def sample(self, n: int, seed: int = 0) -> np.ndarray:
        """``n`` new examples (n, D) in the units of the data, a function of the seed (stream 4)."""
        return self.scaling.invert(self.sample_scaled(n, seed))

    def discriminate(self, x: Any) -> np.ndarray:
        """Logits of "real", (N, D) -> (N,). Of a relativistic loss only their differences have a meaning."""
        return self.through(self.discriminator, self.scaling.check(x, self.dtype, self.data_dim))[:, 0]

    def encode(self, x: Any) -> NoReturn:
        """Raise MinivaeError."""
        raise MinivaeError("a GAN has no encoder: no z belongs to an x; train a VAE to encode data")

    reconstruct = encode

    def log_likelihood(self, x: Any) -> NoReturn:
        """Raise MinivaeError."""
        raise MinivaeError(
            "a GAN draws samples but has no p(x) to compute: compare samples, or train a VAE for log p(x)"
        )

    # -- files -----------------------------------------------------------------------------------------------

    def content(self, run: str | None = None) -> tuple[Tensors, Metadata]:
        """All that a file of this model holds: networks, optimizer, step, configuration, scaling."""
        tensors = {name: self.kernels.to_numpy(array) for name, array in self.parameters.items()}
        tensors |= weights.tensors_of(self.scaling)
        training: dict[str, Any] = {}
        if self.optimizer is not None:
            training["optimizer"] = self.optimizer.config()
            for name, network in self.networks.items():
                state = self.optimizer.state_of(network)
                training[name] = state.t
                tensors |= {f"optimizer.{name}.{key}": self.kernels.to_numpy(a) for key, a in state.arrays.items()}
        return tensors, {
            "format": f"{KIND}-{weights.FORMAT}",
            "run": run,
            "minivae_version": __version__,
            "config": self.config,
            "scaling": self.scaling.kind,
            "step": self.step,
            "training": training,
        }

    def save(self, path: str | os.PathLike, run: str | None = None) -> None:
        """Write the model, its optimizer and its step to one safetensors file, beside and renamed.

        What :meth:`load` makes of it goes on training to the same last bit. ``run`` is the training run that it comes
        from, for a reader who wants to know. Raises CheckpointError if a value is not
        finite, OSError if the file cannot be written.
        """
        tensorfile.write(path, *self.content(run))

    @classmethod
    def load(cls, path: str | os.PathLike, backend: str | None = None) -> GAN:
        """Read what :meth:`save` wrote; CheckpointError if it is missing, damaged, or another kind of file."""
        return cls.of_content(*weights.read(path, KIND), path, backend)

    @classmethod
    def of_content(cls, tensors: Tensors, metadata: Metadata, path: str | os.PathLike, backend: str | None) -> GAN:
        """The model that :meth:`content` described."""
        with weights.refused(path):
            promised = sum(i * o for dims in widths(metadata["config"]) for i, o in pairwise(dims))
            if promised > sum(tensor.size for tensor in tensors.values()):  # before memory is asked for
                raise CheckpointError(f"{path} holds less than the networks of its configuration need")
            scaling, training = weights.scaling_of(tensors, metadata), metadata["training"]
            gan = cls(**metadata["config"], backend=backend, scaling=scaling)
            if training:
                gan.optimizer = optimizers.from_config(training["optimizer"])
            for name, network in gan.networks.items():
                weights.fill(network, {key: array for key, array in tensors.items() if key.startswith(name)}, path)
                network.step = check_int(metadata["step"], "step", 0, 2**32 - 1)
                if gan.optimizer is not None:
                    keys = {key: f"optimizer.{name}.{key}" for key in gan.optimizer.state_names}
                    flat = {key: weights.flat(tensors, tensor, network) for key, tensor in keys.items()}
                    arrays = {key: gan.kernels.asarray(array, gan.dtype) for key, array in flat.items()}
                    gan.optimizer.set_state(network, State(arrays, check_int(training[name], "t", 0)))
        return gan

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle and copy: views would come back as arrays of their own."""
        tensors, metadata = self.content()
        return type(self).of_content, ({k: v.copy() for k, v in tensors.items()}, metadata, "a copy", self.backend)
