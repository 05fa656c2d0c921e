"""Likelihoods by their names, and ``Mixed``, one of several kinds of columns side by side (lesson 17)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.special import ndtr

from minivae.errors import BackendError, DataError
from minivae.model.distributions import (
    GREY,
    Bernoulli,
    Categorical,
    Gaussian,
    Likelihood,
    LogNormal,
    NegativeBinomial,
    Poisson,
)
from minivae.validation import check_int

__all__ = [
    "GREY",
    "LIKELIHOODS",
    "Bernoulli",
    "Categorical",
    "Gaussian",
    "Likelihood",
    "LogNormal",
    "Mixed",
    "NegativeBinomial",
    "Poisson",
    "check_on",
    "from_config",
    "resolve",
]


class Mixed(Likelihood):
    """Columns of several kinds, independent given z: log p(x|z) is the sum over the parts.

    Parameters
    ----------
    parts : sequence of (str or Likelihood, int)
        From left to right, a likelihood and the number of its columns: ``[("gaussian", 2), ("categorical", 3)]``.
        "gaussian" here has a learned variance for each column; "categorical" is one group of that width. All learned
        variances, in the order of their columns, are the one vector ``decoder.output.logvar``.

    Notes
    -----
    log p(x) adds log densities and log probabilities; :meth:`kinds` says which column has what. ``Scaling.of`` with
    ``likelihood=`` this scales Gaussian columns, and what the encoder sees of counts and positive values.
    """

    name = "mixed"

    def __init__(self, parts: Sequence[tuple[str | Likelihood, int]]):
        self.parts = [
            (Gaussian("per_dimension") if part == "gaussian" else resolve(part), check_int(width, "the width", 1))
            for part, width in parts
        ]
        if not self.parts:
            raise ValueError("Mixed needs at least one part, such as ('gaussian', 2), got none")
        for part, width in self.parts:
            part.check_dim(width)
        self.is_density = any(part.is_density for part, _ in self.parts)
        self.takes_holes = all(part.takes_holes for part, _ in self.parts)

    def _slices(self) -> Iterator[tuple[Likelihood, slice, slice | None]]:
        """Each part with its columns, and with its place in the vector of the variances or None."""
        column = place = 0
        for part, width in self.parts:
            (size,) = part.logvar_shape(width) or (0,)
            yield part, slice(column, column + width), slice(place, place + size) if size else None
            column, place = column + width, place + size

    def nll(self, kernels, output, x, logvar=None, dnll=None, *, nll=None, doutput=None, dlogvar=None, observed=None):
        total = np.empty(len(x), output.dtype) if nll is None else nll
        total[:] = 0
        if dnll is not None and doutput is None:
            doutput = np.empty_like(output)
        for part, columns, place in self._slices():
            options = {} if observed is None else {"observed": observed[:, columns]}
            if dnll is not None:
                options |= {"doutput": doutput[:, columns], "dlogvar": _at(dlogvar, place)}
            total += part.nll(kernels, output[:, columns], x[:, columns], _at(logvar, place), dnll, **options)
        return total

    def mean_given(self, kernels, output, logvar):
        mean = np.empty_like(output)
        for part, columns, place in self._slices():
            mean[:, columns] = part.mean_given(kernels, output[:, columns], _at(logvar, place))
        return mean

    def encoder_view(self, x):
        return np.hstack([part.encoder_view(x[:, columns]) for part, columns, _ in self._slices()])

    def draw(self, mean, logvar, uniform, normal):
        e, x = normal(), np.empty_like(mean)
        u = ndtr(e)  # uniform() has the bits of the neighbouring columns' normal()
        for part, columns, place in self._slices():
            noise = (lambda columns=columns: u[:, columns]), (lambda columns=columns: e[:, columns])
            x[:, columns] = part.draw(mean[:, columns], _at(logvar, place), *noise)
        return x

    def output_bias(self, mean):
        return np.concatenate([part.output_bias(mean[columns]) for part, columns, _ in self._slices()])

    def constant(self, x):
        outputs, logvars = zip(*(part.constant(x[:, columns]) for part, columns, _ in self._slices()), strict=True)
        known = [logvar for logvar in logvars if logvar is not None]
        return np.concatenate(outputs), np.concatenate(known) if known else None

    def check(self, x):
        for part, columns, _ in self._slices():
            try:
                part.check(x[:, columns])
                if isinstance(part, Bernoulli) and part.is_grey(x[:, columns]):
                    raise DataError("a binary column of a table holds 0 and 1, and nothing between them")
            except DataError as error:
                raise DataError(f"in columns {columns.start} to {columns.stop - 1}: {error}") from None

    def check_dim(self, input_dim):
        total = sum(width for _, width in self.parts)
        if total != input_dim:
            raise ValueError(f"the parts of {self!r} add up to {total} columns, not {input_dim}")

    def logvar_shape(self, input_dim):
        size = sum((part.logvar_shape(width) or (0,))[0] for part, width in self.parts)
        return (size,) if size else None

    def per_column(self, attribute, input_dim):
        # Among other columns 0 and 1 stay what they are.
        left = Bernoulli | Categorical if attribute == "scaled" else ()
        return np.concatenate(
            [
                np.full(width, "never") if isinstance(part, left) else part.per_column(attribute, width)
                for part, width in self.parts
            ]
        )

    def config(self):
        return {"name": self.name, "parts": [[part.config(), width] for part, width in self.parts]}

    def __repr__(self):
        return f"Mixed({self.parts!r})"


def _at(vector: np.ndarray | None, place: slice | None) -> np.ndarray | None:
    return None if vector is None or place is None else vector[place]


LIKELIHOODS: dict[str, type[Likelihood]] = {
    kind.name: kind for kind in (Bernoulli, Gaussian, Categorical, Poisson, NegativeBinomial, LogNormal, Mixed)
}


def check_on(backend: str, likelihood: Likelihood, missing: str, free_bits: float, condition_dim: int = 0) -> None:
    """BackendError for what a GPU has no kernels for yet, or was never seen to compute."""
    of_tables = isinstance(likelihood, LogNormal | Mixed | Poisson)
    what = f"the likelihood {likelihood.name!r}" if of_tables else "free_bits" * bool(free_bits)
    what = "missing='mask'" if missing == "mask" else what
    what = "a condition" if condition_dim else what
    if backend == "cupy" and what:
        raise BackendError(f"the cupy backend does not compute {what} yet: use numpy or numba")


def resolve(likelihood: str | Likelihood) -> Likelihood:
    """A likelihood from its name, or the object itself."""
    if isinstance(likelihood, Likelihood):
        return likelihood
    names = [name for name in LIKELIHOODS if name != Mixed.name]  # that one needs its parts
    if not isinstance(likelihood, str) or likelihood not in names:
        raise ValueError(f"unknown likelihood {likelihood!r}: expected one of {', '.join(names)}, or an object")
    return LIKELIHOODS[likelihood]()


def from_config(config: dict) -> Likelihood:
    """The likelihood of :meth:`Likelihood.config`."""
    arguments = {key: value for key, value in config.items() if key != "name"}
    if config["name"] == Mixed.name:
        arguments["parts"] = [(from_config(part), width) for part, width in arguments["parts"]]
    return LIKELIHOODS[config["name"]](**arguments)
