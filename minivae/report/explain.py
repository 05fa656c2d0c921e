"""What a loss really minimises: a function of (reconstruction, x, mu, logvar) is probed, and its terms are named.

One piece is varied at a time, and what comes out is fitted, by least squares, to sums that have a name. A term counts
as identified only where the fit is exact; of anything else it is said that it was not identified (lesson 23).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from minivae.validation import check_int

PROBES, B, EXACT, EQUAL = 24, 3, 2e-5, 1e-3  # a loss in float32 is still exact
Terms = dict[str, Callable[..., np.ndarray]]
equal = partial(math.isclose, rel_tol=EQUAL)
RECONSTRUCTIONS: Terms = {
    "Bernoulli on probabilities": lambda r, x: -x * np.log(r) - (1 - x) * np.log1p(-r),
    "Bernoulli on logits": lambda r, x: np.logaddexp(0, r) - x * r,
    "squared error": lambda r, x: (r - x) ** 2,
    "absolute error": lambda r, x: np.abs(r - x),
}
READINGS: Terms = {  # what stands in the place of log sigma^2
    "": lambda v: v,
    "logvar is read as log sigma": lambda v: 2 * v,
    "logvar is read as sigma": lambda v: 2 * np.log(v),
    "logvar is read as sigma^2": np.log,
    "log sigma is read as logvar": lambda v: v / 2,
    "sigma is read as logvar": lambda v: np.exp(v / 2),
    "sigma^2 is read as logvar": np.exp,
}
KL: Terms = {"mu^2": lambda mu, v: mu**2, "sigma^2": lambda mu, v: np.exp(v), "logvar": lambda mu, v: -v}
ODD: Terms = {  # what has been seen in the place of one of them
    "logvar^2": lambda mu, v: v**2,
    "sigma": lambda mu, v: np.exp(v / 2),
    "|mu|": lambda mu, v: np.abs(mu),
}


@dataclass
class Explanation:
    """What :func:`explain_loss` found; its text is the report.

    ``beta`` is the weight of the KL beside -log p(x|z), None where that is not known; ``terms`` has the weight of each
    term per example, as a sum over its dimensions; ``notes`` are no defects, or say what was not identified;
    ``variance`` is the sigma^2 of the Gaussian whose -log p(x|z) a squared error is.
    """

    beta: float | None = None
    terms: dict[str, float] = field(default_factory=dict)
    defects: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    variance: float | None = None

    def __str__(self) -> str:
        beta = "not identified" if self.beta is None else f"{self.beta:.6g}"
        if self.beta is not None and self.variance is not None:
            beta += f" at sigma^2 = {self.variance:.6g}, or {self.beta * self.variance:.6g} at sigma^2 = 1"
        lines = [("term", f"{weight:.6g} x {name}, summed, per example") for name, weight in self.terms.items()]
        lines += [
            ("beta", beta),
            *(("defect", text) for text in self.defects),
            *(("note", text) for text in self.notes),
        ]
        return "\n".join(f"{name:<12}{text}" for name, text in lines)


def explain_loss(function: Callable, input_dim: int, latent_dim: int) -> Explanation:
    """Name the terms of a VAE's loss, the beta that it implies, and what is wrong with it.

    loss per example = w_rec sum_d rec_d + w_kl 1/2 sum_k (mu_k^2 + sigma_k^2 - logvar_k - 1),  beta = w_kl / w_rec

    Squared error without its 1/2 is -log p(x|z) of a Gaussian with sigma^2 = 1/2; only beta sigma^2 decides where the
    optimum lies. A KL of weight 2 is said to have lost its 1/2: no function can tell that from beta = 2.

    Parameters
    ----------
    function : callable
        ``function(reconstruction, x, mu, logvar)`` of float64 arrays (B, D), (B, D), (B, K), (B, K) returns a number.
        What it gets is positive; reconstruction and x lie between 0 and 1.
    input_dim, latent_dim : int
        D and K.

    Returns
    -------
    explanation : Explanation
        With ``beta``, ``terms``, ``defects``.

    Raises
    ------
    TypeError, ValueError
        If sizes are no positive integers, or the function returns no finite number or not the same one twice.

    Examples
    --------
    >>> def loss(reconstruction, x, mu, logvar):
    ...     return ((reconstruction - x) ** 2).mean() + 0.5 * (mu**2 + np.exp(logvar) - logvar - 1).mean()
    >>> explain_loss(loss, input_dim=784, latent_dim=20).beta
    39.2
    """
    D, K = check_int(input_dim, "input_dim", 1), check_int(latent_dim, "latent_dim", 1)
    rng, found = np.random.default_rng(0), Explanation()
    data = [[inside(rng, D, 0.02, 0.98), inside(rng, D, 0, 1)] for _ in range(PROBES)]
    codes = [[inside(rng, K, 0.1, 2.5), inside(rng, K, 0.1, 1.6)] for _ in range(PROBES)]
    of_data = np.array([call(function, *pair, *codes[0]) for pair in data])
    of_codes = np.array([call(function, *data[0], *pair) for pair in codes])
    if of_codes[0] != of_data[0]:
        raise ValueError("two calls of the loss with the same arrays differ: leave out what draws noise")
    twice = [call(function, *(np.tile(a, (2, 1)) for a in (*data[i], *codes[j]))) for i, j in ((0, 0), (1, 0), (0, 1))]
    changes, size = (of_data[1] - of_data[0], of_codes[1] - of_codes[0]), max(np.ptp(of_data), np.ptp(of_codes))
    grows = [growth_of(change, now - twice[0]) for change, now in zip(changes, twice[1:], strict=True)]
    rest = call(function, *data[1], *codes[1]) - of_data[0] - sum(changes)
    if abs(rest) > EXACT * size or 0 in grows:
        found.notes.append("not identified: the loss is no sum of two terms, or they grow with the batch in an odd way")
        return found
    w_rec = explain_reconstruction(data, of_data / B ** (grows[0] - 1), D, found)
    w_kl = explain_kl(codes, of_codes / B ** (grows[1] - 1), found)
    if w_kl and K > 1 and equal(abs(w_kl) * K, 1) and not equal(abs(w_rec or 1) * K, 1):
        found.defects.append(f"the KL is a mean over the {K} latent dimensions: its weight is 1/{K}")
    if w_rec and w_kl and grows[0] != grows[1]:
        found.defects.append("the balance depends on the batch size: only one of the two terms is a mean over it")
    elif w_rec and w_kl is not None:
        found.beta = float(f"{w_kl / w_rec:.10g}")
        if D > 1 and equal(abs(w_rec) * D, 1) and not equal(abs(w_kl) * D, 1):
            found.defects.append(f"the reconstruction is a mean over the {D} columns, the KL is not: beta times {D}")
    if grows[0] == 2:
        found.notes.append("summed over the batch: divide by its size for nats per example")
    return found


def call(function: Callable, *arrays: np.ndarray) -> float:
    """The loss of these arrays, which it may write into; ValueError unless it is finite."""
    value = float(function(*(array.copy() for array in arrays)))
    if not math.isfinite(value):
        raise ValueError(f"the loss must return a finite number, got {value}")
    return value


def inside(rng: np.random.Generator, width: int, low: float, high: float) -> np.ndarray:
    """Random values (B, width) between the two, around a middle of their own: so that means of many vary too."""
    middle, reach = rng.uniform(low, high), rng.uniform(0, 1)
    return middle + reach * rng.random((B, width)) * (rng.choice([low, high], (B, width)) - middle)


def growth_of(change: float, twice: float) -> int:
    """1 for a mean over the batch, 2 for a sum, else 0: how a change grows where each example comes twice."""
    return next((n for n in (1, 2) if math.isclose(twice, n * change, rel_tol=EQUAL, abs_tol=1e-12)), 0)


def weights_of(terms: Terms, pairs: list, values: np.ndarray) -> np.ndarray | None:
    """The weights (n,) per example with which sums of the terms give ``values`` (P,), up to a constant, exactly."""
    sums = np.array([[term(*pair).sum() / B for term in terms.values()] for pair in pairs])
    centred, target = sums - sums.mean(axis=0), values - values.mean()
    size, scales = np.abs(target).max(), np.abs(centred).max(axis=0)
    shares = np.linalg.lstsq(centred / scales, target, rcond=None)[0]
    shares[np.abs(shares) < EQUAL * size] = 0  # rounding
    is_exact = np.abs(centred / scales @ shares - target).max() <= EXACT * size
    return shares / scales if is_exact else None


def explain_reconstruction(data: list, values: np.ndarray, D: int, found: Explanation) -> float | None:
    """Name the term; returns its weight as a -log p(x|z), None where it is unknown."""
    fits = ((name, weights_of({name: term}, data, values)) for name, term in RECONSTRUCTIONS.items())
    name, weights = next(((name, weights) for name, weights in fits if weights is not None), ("", None))
    if weights is None:
        found.notes.append("not identified: the reconstruction term")
        return None
    weight = float(weights[0])
    if weight <= 0:
        found.defects.append(f"the reconstruction term {'has the wrong sign' if weight else 'is missing'}")
    if weight:
        found.terms[name] = weight
    if name != "squared error" or not weight:
        return weight
    size = next((s for mean in (1, D) for s in (1, 0.5) if equal(abs(weight) * mean, s)), abs(weight))
    found.variance = 1 / (2 * size)
    if size == 1:
        found.notes.append("squared error without its 1/2: a Gaussian with sigma^2 = 1/2")
    return weight * 2 * found.variance


def explain_kl(codes: list, values: np.ndarray, found: Explanation) -> float | None:
    """Name the reading that leaves the fewest defects, and those; returns the weight of the KL, None if unknown."""
    candidates = []
    for reading, read in READINGS.items():
        for odd in ({}, *({name: ODD[name]} for name in ODD)):
            weights = weights_of(KL | odd, [(mu, read(v)) for mu, v in codes], values)
            if weights is not None:
                candidates.append(defects_of_kl([*KL, *odd], 2 * weights, reading))
    if not candidates:
        found.notes.append("not identified: the term of mu and logvar")
        return None
    weight, defects = min(candidates, key=lambda candidate: len(candidate[1]))
    found.defects += defects
    if weight:
        found.terms["KL"] = weight
    if weight < 0:
        found.defects.append("the KL has the wrong sign")
    if equal(abs(weight), 2):
        found.defects.append("the KL has lost its 1/2, unless beta = 2 was meant")
    return weight


def defects_of_kl(names: list[str], weights: np.ndarray, reading: str) -> tuple[float, list[str]]:
    """The weight that most parts of the KL have, and what is wrong with the others."""
    given = [float(weight) for weight in weights[:3] if weight]
    if not given:
        return 0.0, ["the KL is missing"]
    common = max(given, key=lambda one: (sum(equal(one, other) for other in given), -abs(one)))
    defects = [f"{reading} in the KL"] if reading else []
    wrong = {0: "is missing", -1: "has the wrong sign", 2: "has lost its 1/2"}
    for name, ratio in zip(names, weights[:3] / common, strict=False):
        what = wrong.get(round(ratio) if abs(ratio - round(ratio)) < EQUAL else 99, f"is {ratio:.4g} times too large")
        defects += [] if equal(ratio, 1) else [f"the term of {name} {what} in the KL"]
    return common, defects + [f"a term of {names[3]} is no part of a KL" for weight in weights[3:] if weight]
