"""p(x|z): what each likelihood expects of the data, its parameters, its mean, and how to draw from it (lesson 4).

The decoder's output (B, D) are the logits of a Bernoulli or categorical likelihood, the mean of a Gaussian, that of
log x of a log-normal one, or the log of a count's mean. For columns of several kinds see likelihoods.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from minivae.backend import LARGEST_LOG_SIZE, Array, Backend
from minivae.errors import DataError
from minivae.model.scaling import moments
from minivae.validation import check_float, check_widths

Noise = Callable[[], np.ndarray]
GREY = (
    "the data hold grey values between 0 and 1: the Bernoulli loss is then a cross-entropy, not -log p(x); it can "
    "be trained and compared with itself, but not with numbers on binary data (see binarize)"
)


class Likelihood:
    """Base class of those below, and of your own."""

    name: str
    is_density = False  # True: p(x|z) is per unit of x, and changes when x is scaled
    takes_holes = False  # True: ``nll`` has a keyword ``observed``, for data that are not all known
    scaled = "linear"  # how Scaling treats such columns; "log": only the encoder sees them scaled, as their logarithm

    def nll(
        self,
        kernels: Backend,
        output: Array,
        x: Array,
        logvar: Array | None = None,
        dnll: Array | None = None,
        *,
        nll: Array | None = None,
        doutput: Array | None = None,
        dlogvar: Array | None = None,
    ) -> Array:
        """-log p(x|z) in nats: output, x (B, D) -> nll (B,); ``logvar`` of :meth:`logvar_shape` is learned.

        With ``dnll`` = d loss / d nll (B,), also the gradients ``doutput`` and ``dlogvar``, into the arrays given.
        Where data have holes, those of this package are also given ``observed`` (B, D): see kernels/reference.py.
        """
        raise NotImplementedError

    def mean(self, kernels: Backend, output: Array) -> Array:
        """E[x|z] in data space: (B, D) -> (B, D)."""
        raise NotImplementedError

    def mean_given(self, kernels: Backend, output: Array, logvar: Array | None) -> Array:
        """:meth:`mean`, for those where it depends on the learned variance too."""
        return self.mean(kernels, output)

    def encoder_view(self, x: np.ndarray) -> np.ndarray:
        """What the encoder sees of x (B, D), which may hold NaN, before it is scaled."""
        return x

    def draw(self, mean: np.ndarray, logvar: np.ndarray | None, uniform: Noise, normal: Noise) -> np.ndarray:
        """Draw x (n, D) from p(x|z) with this mean (n, D); ``uniform()`` and ``normal()`` return noise (n, D)."""
        raise NotImplementedError

    def output_bias(self, mean: np.ndarray) -> np.ndarray:
        """The decoder's output for which E[x|z] is the data's mean: (D,) -> (D,)."""
        raise NotImplementedError

    def constant(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """The output (D,) that answers every z with the mean of x (N, D), and its log variances, at least 0."""
        return self.output_bias(moments(x)[0]), None

    def check(self, x: np.ndarray) -> None:
        """Raise DataError if ``x`` (N, D), with NaN for what is not known, cannot come from this likelihood."""

    def per_column(self, attribute: str, input_dim: int) -> np.ndarray:
        """``is_density`` or ``scaled`` of each column, (D,)."""
        return np.full(input_dim, getattr(self, attribute))

    def kinds(self, input_dim: int) -> list[str]:
        """What log p(x) is made of, column by column: "density" or "probability"."""
        return np.where(self.per_column("is_density", input_dim), "density", "probability").tolist()

    def check_dim(self, input_dim: int) -> None:
        """Raise ValueError if the likelihood does not fit data of this width."""

    def logvar_shape(self, input_dim: int) -> tuple[int] | None:
        """The shape of the learned parameter ``decoder.output.logvar``, or None where there is none."""
        return None

    def config(self) -> dict:
        """Name and arguments for :func:`from_config`."""
        return {"name": self.name}

    def __repr__(self) -> str:
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.config().items() if key != "name")
        return f"{type(self).__name__}({arguments})"


class Bernoulli(Likelihood):
    """Independent binary dimensions, given by logits: for data in {0, 1}, or in [0, 1] with care.

    For x in {0, 1} the loss is a negative log-likelihood. For grey values it is a cross-entropy: trainable, but not
    -log p(x), and not comparable with losses on binary data.
    """

    name = "bernoulli"
    takes_holes = True

    def nll(self, kernels, output, x, logvar=None, dnll=None, *, nll=None, doutput=None, dlogvar=None, **holes):
        return kernels.bernoulli_nll(output, x, dnll, nll=nll, dlogits=doutput, **holes)[0]

    def mean(self, kernels, output):
        return kernels.bernoulli_mean(output)

    def draw(self, mean, logvar, uniform, normal):
        return (uniform() < mean).astype(mean.dtype)

    def output_bias(self, mean):
        p = np.clip(mean, 0.001, 0.999)
        return np.log(p / (1 - p))

    def check(self, x):
        low, high = float(np.fmin.reduce(x, axis=None)), float(np.fmax.reduce(x, axis=None))  # NaN is passed over
        if low < 0 or high > 1:
            raise DataError(
                f"the Bernoulli likelihood expects values in [0, 1], but the data reach from {low!r} to {high!r}: "
                "rescale them, or use likelihood='gaussian' (--likelihood gaussian)"
            )

    @staticmethod
    def is_grey(x: np.ndarray) -> bool:
        """True if some values lie strictly between 0 and 1."""
        return bool(np.any((x > 0) & (x < 1)))


class Gaussian(Likelihood):
    """Normal with the decoder's output as its mean, for real-valued data.

    Parameters
    ----------
    variance : {"learned", "per_dimension"} or float, default "learned"
        One learned variance; a learned one for each data dimension; or a fixed one. The learned parameter is
        ``decoder.output.logvar``, the log of the variance, which starts at 0.
    """

    name = "gaussian"
    is_density = takes_holes = True

    def __init__(self, variance: str | float = "learned"):
        if isinstance(variance, str):
            if variance not in ("learned", "per_dimension"):
                raise ValueError(f"variance must be 'learned', 'per_dimension' or a number, not {variance!r}")
            self.variance: str | float = variance
        else:
            self.variance = check_float(variance, "a fixed variance", positive=True)

    def nll(self, kernels, output, x, logvar=None, dnll=None, *, nll=None, doutput=None, dlogvar=None, **holes):
        if logvar is None:
            logvar = kernels.zeros(1, output.dtype)  # no copy from the host is allowed in a CUDA graph
            logvar += float(self._fixed_logvar()[0])
        return kernels.gaussian_nll(output, logvar, x, dnll, nll=nll, dmean=doutput, dlogvar=dlogvar, **holes)[0]

    def _fixed_logvar(self) -> np.ndarray:
        return np.log([float(self.variance)])

    def mean(self, kernels, output):
        return output

    def draw(self, mean, logvar, uniform, normal):
        logvar = self._fixed_logvar() if logvar is None else logvar
        return mean + (np.exp(0.5 * logvar) * normal()).astype(mean.dtype)

    def output_bias(self, mean):
        return mean

    def constant(self, x):
        mean, variance = moments(x)
        shape = self.logvar_shape(len(mean))
        if shape is None:
            return self.output_bias(mean), None
        return self.output_bias(mean), np.log(
            np.maximum(variance if shape != (1,) else variance.mean(keepdims=True), 1)
        )

    def logvar_shape(self, input_dim):
        return {"learned": (1,), "per_dimension": (input_dim,)}.get(str(self.variance))

    def config(self):
        return {"name": self.name, "variance": self.variance}


class LogNormal(Gaussian):
    """A Gaussian for log x, with the decoder's output as its mean and a learned variance for each column: x > 0.

    For prices, incomes, durations. The density is that of x, not of log x.
    """

    name = "lognormal"
    scaled = "log"

    def __init__(self):
        super().__init__("per_dimension")

    def nll(self, kernels, output, x, logvar=None, dnll=None, *, nll=None, doutput=None, dlogvar=None, **holes):
        return kernels.lognormal_nll(output, logvar, x, dnll, nll=nll, dmean=doutput, dlogvar=dlogvar, **holes)[0]

    def mean(self, kernels, output):
        """The median; :meth:`mean_given` has the mean."""
        return np.exp(output)

    def mean_given(self, kernels, output, logvar):
        return np.exp(output + np.exp(logvar) / 2)

    def encoder_view(self, x):
        return np.log(x)

    def draw(self, mean, logvar, uniform, normal):
        return np.exp(super().draw(np.log(mean) - np.exp(logvar) / 2, logvar, uniform, normal))

    def constant(self, x):
        return super().constant(np.log(x))

    def check(self, x):
        refuse(x, x <= 0, "the log-normal likelihood expects positive values")

    def config(self):
        return {"name": self.name}


class Poisson(Likelihood):
    """Counts 0, 1, 2, ..., with the decoder's output as the log of their rate."""

    name = "poisson"
    takes_holes = True
    scaled = "log"

    def nll(self, kernels, output, x, logvar=None, dnll=None, *, nll=None, doutput=None, dlogvar=None, **holes):
        return kernels.poisson_nll(output, x, dnll, nll=nll, dlog_rate=doutput, **holes)[0]

    def mean(self, kernels, output):
        return kernels.poisson_mean(output)

    def encoder_view(self, x):
        return np.log1p(x)

    def draw(self, mean, logvar, uniform, normal):
        from scipy.stats import poisson

        return poisson.ppf(uniform(), mean).astype(mean.dtype)  # the inverse of the distribution function: exact

    def output_bias(self, mean):
        return np.log(np.maximum(mean, 0.001))

    def check(self, x):
        wrong = (x < 0) | (x != np.floor(x)) & ~np.isnan(x)
        refuse(x, wrong, f"the {type(self).__name__} likelihood expects counts 0, 1, 2, ...")


class NegativeBinomial(Poisson):
    """Counts that vary more than a Poisson's: variance m + m^2/r for the mean m, whose log is the decoder's output.

    For visits, reads, goals. log r, a learned one for each column, stands in ``decoder.output.logvar``.
    """

    name = "negative-binomial"

    def nll(self, kernels, output, x, logvar=None, dnll=None, *, nll=None, doutput=None, dlogvar=None, **holes):
        return kernels.negative_binomial_nll(
            output, logvar, x, dnll, nll=nll, dlog_rate=doutput, dlog_size=dlogvar, **holes
        )[0]

    def draw(self, mean, logvar, uniform, normal):
        from scipy.stats import nbinom

        r = np.exp(np.clip(logvar.astype(np.float64), -LARGEST_LOG_SIZE, LARGEST_LOG_SIZE))  # as in nll
        return nbinom.ppf(uniform(), r, r / (r + mean)).astype(mean.dtype)

    def constant(self, x):
        mean, variance = moments(x)
        # That of the moments; where the counts vary no more than a Poisson's, so large a size that it is one.
        squared = np.maximum(mean**2, 1e-6)
        return self.output_bias(mean), np.log(squared / np.maximum(variance - mean, 1e-4 * squared))

    def logvar_shape(self, input_dim):
        return (input_dim,)


def refuse(x: np.ndarray, wrong: np.ndarray, expected: str) -> None:
    """Raise DataError, with the first value of x (N, D) that is ``wrong`` (N, D), if there is one."""
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(f"{expected}, but row {row}, column {column} holds {x[row, column]:g}")


class Categorical(Likelihood):
    """One choice out of several in each group of columns, one-hot: labels, survey answers, amino acids.

    Parameters
    ----------
    groups : sequence of int, optional
        The widths of the groups, which add up to the data's width: ``(3, 2)`` for one of three, then one of two.
        Default: all columns are one group.
    """

    name = "categorical"
    takes_holes = True

    def __init__(self, groups: Sequence[int] | None = None):
        self.groups = None if groups is None else check_widths(groups, "groups")
        if self.groups == ():
            raise ValueError("groups must name at least one group of columns, got ()")

    def _sizes(self, width: int) -> tuple[int, ...]:
        return (width,) if self.groups is None else self.groups

    def nll(self, kernels, output, x, logvar=None, dnll=None, *, nll=None, doutput=None, dlogvar=None, **holes):
        sizes = self._sizes(x.shape[1])
        return kernels.categorical_nll(output, x, sizes, dnll, nll=nll, dlogits=doutput, **holes)[0]

    def mean(self, kernels, output):
        return kernels.categorical_mean(output, self._sizes(output.shape[1]))

    def draw(self, mean, logvar, uniform, normal):
        x, u, start = np.zeros_like(mean), uniform(), 0
        for size in self._sizes(mean.shape[1]):
            cumulative = np.cumsum(mean[:, start : start + size], axis=1)
            # The first column whose cumulative probability exceeds u; rounding can leave the last one below u.
            choice = np.minimum((u[:, start, None] >= cumulative).sum(axis=1), size - 1)
            x[np.arange(len(mean)), start + choice] = 1
            start += size
        return x

    def output_bias(self, mean):
        return np.log(np.clip(mean, 0.001, None))

    def check(self, x):
        start = 0
        for size in self._sizes(x.shape[1]):
            group = x[:, start : start + size]
            wrong = np.any((group != 0) & (group != 1), axis=1) | (group.sum(axis=1) != 1)
            wrong = np.flatnonzero(wrong & ~np.isnan(group).all(axis=1))  # a hole is a group of NaN
            if len(wrong):
                raise DataError(
                    f"the categorical likelihood expects one 1 and otherwise 0 in columns {start} to "
                    f"{start + size - 1}, but row {wrong[0]} holds {np.array2string(group[wrong[0]], threshold=8)}: "
                    "one-hot encode the data, or name its groups with Categorical(groups=...)"
                )
            start += size

    def check_dim(self, input_dim):
        if sum(self._sizes(input_dim)) != input_dim:
            raise ValueError(f"the groups {self.groups} add up to {sum(self.groups or ())} columns, not {input_dim}")

    def config(self):
        return {"name": self.name, "groups": self.groups}
