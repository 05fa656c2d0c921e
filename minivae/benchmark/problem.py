"""What every contender trains: the same model, from the same parameters, on the same data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from minivae.benchmark.arguments import Sizes

if TYPE_CHECKING:
    from minivae.model.vae import VAE

LEARNING_RATE, BETAS, EPSILON = 1e-3, (0.9, 0.999), 1e-8  # Adam's, for all contenders
Layers = Mapping[str, tuple[np.ndarray, np.ndarray]]  # W (in, out) and b (out,) of each layer
Run = Callable[[int], tuple[float, float]]  # takes n more steps; the loss of the first and of the last
PROTOTYPES, FLIPPED = 10, 0.1


@dataclass(frozen=True)
class Problem:
    """A VAE with one hidden layer on each side, relu, Bernoulli pixels, and its data: ``batches`` whole batches.

    With several ``draws`` it is trained as an IWAE.
    """

    batch_size: int = 128
    examples: int = 8192
    input_dim: int = 784
    hidden_dim: int = 400
    latent_dim: int = 20
    draws: int = 1

    @property
    def batches(self) -> int:
        """The number of batches in the data; two at least, so that a loss can fall."""
        return max(2, self.examples // self.batch_size)

    @property
    def sizes(self) -> Sizes:
        """Those of a training step."""
        return Sizes(self.batch_size, self.input_dim, self.hidden_dim, self.latent_dim)

    def data(self) -> np.ndarray:
        """Black and white examples, float32, shape (batches * batch_size, D): noisy copies of ten prototypes.

        They can be learned, so that a contender that does not train is found out.
        """
        rng, n = np.random.default_rng(0), self.batches * self.batch_size
        prototypes = rng.random((PROTOTYPES, self.input_dim)) < 0.5
        flipped = rng.random((n, self.input_dim), dtype=np.float32) < FLIPPED
        return (prototypes[rng.integers(PROTOTYPES, size=n)] ^ flipped).astype(np.float32)

    def model(self, backend: str) -> VAE:
        """The model as minivae has it."""
        from minivae.model.vae import VAE

        dims, bound = (self.input_dim, (self.hidden_dim,), self.latent_dim), "elbo" if self.draws == 1 else "iwae"
        return VAE(*dims, backend=backend, objective=bound, draws=self.draws)

    def layers(self) -> Layers:
        """Its starting parameters for the peers: W (in, out) and b (out,) of each layer, the two heads as one."""
        return layers_of(self.model("numpy").parameters)


# By the names of their rows: a step that is hardly arithmetic, and one of a table as most people have them.
SMALL = {"overhead": Problem(4, 2**14, 8, 8, 2), "table": Problem(32, 2**15, 13, 50, 4)}


def layers_of(arrays: Mapping[str, np.ndarray]) -> Layers:
    """Parameters or gradients by layer, copied; the two heads as one.

    Parameters
    ----------
    arrays : mapping of str to array
        As ``VAE.parameters`` and ``VAE.gradients``, of a model with one hidden layer on each side.
    """
    heads = [np.concatenate([arrays[f"encoder.mu.{v}"], arrays[f"encoder.logvar.{v}"]], axis=-1) for v in "Wb"]
    names = {"encoder": "encoder.hidden.0", "decoder": "decoder.hidden.0", "output": "decoder.output"}
    layers = {layer: (arrays[f"{name}.W"].copy(), arrays[f"{name}.b"].copy()) for layer, name in names.items()}
    return layers | {"heads": (heads[0], heads[1])}
