"""Noise on the examples during training, a function of (seed, step, example): stream 2 (lesson 16).

For denoising only the encoder gets the noisy x, and the target is the clean one; for augmentation both are noisy.
"""

from __future__ import annotations

from typing import Any

from minivae.backend import Array, Backend, Stream
from minivae.validation import check_float


class Corruption:
    """Base class of the three below, and of your own.

    Parameters
    ----------
    denoise : bool, default True
        True: the target is the clean example. With beta = 1 the loss is a bound on -log p(x) of the clean data, looser
        than without noise, because the encoder does not see them. False: the target is the noisy example, and the bound
        is on -log p(x) of the noisy data (augmentation).
    """

    def __init__(self, denoise: bool = True):
        self.denoise = bool(denoise)

    def apply(self, kernels: Backend, x: Array, seed: int, step: int, rows: Array, *, out: Array) -> Array:
        """A noisy copy of scaled x (B, D) in ``out`` (B, D), another array; ``rows`` (B,) number the examples."""
        raise NotImplementedError

    def stays_in_unit_interval(self) -> bool:
        """True if examples in [0, 1] stay there."""
        return False

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({settings})"


class GaussianNoise(Corruption):
    """x + std * noise, with noise from N(0, 1) for every entry; ``std`` is in scaled units.

    ``denoise`` as for :class:`Corruption`.
    """

    def __init__(self, std: float, denoise: bool = True):
        self.std = check_float(std, "std")
        super().__init__(denoise)

    def apply(self, kernels, x, seed, step, rows, *, out):
        kernels.standard_normal(seed, Stream.CORRUPTION, step, rows, out=out)
        out *= self.std
        out += x
        return out


class Masking(Corruption):
    """Every entry becomes 0 with probability ``rate`` in [0, 1): black, or the column's mean after standardising.

    ``denoise`` as for :class:`Corruption`.

    References
    ----------
    Vincent et al., "Extracting and composing robust features with denoising autoencoders", ICML 2008.
    """

    def __init__(self, rate: float, denoise: bool = True):
        self.rate = check_float(rate, "rate", below=1)
        super().__init__(denoise)

    def stays_in_unit_interval(self):
        return True

    def apply(self, kernels, x, seed, step, rows, *, out):
        u = kernels.uniform(seed, Stream.CORRUPTION, step, rows, out=out)
        out[...] = u >= self.rate
        out *= x
        return out


class SaltAndPepper(Corruption):
    """Every entry becomes ``low`` with probability rate/2, and ``high`` with probability rate/2; ``rate`` in [0, 1).

    ``low`` and ``high`` are in scaled units, for standardised columns about -3 and 3; ``denoise`` as for
    :class:`Corruption`.
    """

    def __init__(self, rate: float, low: float = 0.0, high: float = 1.0, denoise: bool = True):
        self.rate = check_float(rate, "rate", below=1)
        self.low, self.high = float(low), float(high)
        if not -float("inf") < self.low <= self.high < float("inf"):
            raise ValueError(f"low and high must be finite, and low not above high; got {low} and {high}")
        super().__init__(denoise)

    def stays_in_unit_interval(self):
        return self.low >= 0 and self.high <= 1

    def apply(self, kernels, x, seed, step, rows, *, out):
        u = kernels.uniform(seed, Stream.CORRUPTION, step, rows, out=out)
        # Not out[pepper] = low: counting the entries needs the host, which must not be asked in a CUDA graph.
        pepper, salt = u < self.rate / 2, u >= 1 - self.rate / 2
        out[...] = x * ~(pepper | salt) + self.low * pepper + self.high * salt
        return out


CORRUPTIONS = {"gaussian": GaussianNoise, "masking": Masking, "salt-and-pepper": SaltAndPepper}


def check_corruption(corruption: Any, likelihood: str) -> Corruption | None:
    """A corruption or None; ValueError if it would make targets that the likelihood cannot have."""
    if corruption is None:
        return None
    if not isinstance(corruption, Corruption):
        raise TypeError(f"corruption must be an object such as Masking(0.25) or GaussianNoise(0.1), got {corruption!r}")
    impossible = likelihood == "categorical" or (likelihood == "bernoulli" and not corruption.stays_in_unit_interval())
    if impossible and not corruption.denoise:
        raise ValueError(
            f"{corruption!r} makes examples that a {likelihood} likelihood cannot have: use denoise=True, "
            "so that they only go into the encoder"
        )
    return corruption
