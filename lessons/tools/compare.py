"""PCA, factor analysis and VariationalAutoencoder side by side, on data that none of them was fitted to.

    python lessons/tools/compare.py                     the table of the README, in some minutes
    python lessons/tools/compare.py --data wine --seeds 3
    python lessons/tools/compare.py --quick             wine, one split: seconds

The protocol. Each seed is a stratified split: four fifths of the rows to fit, one fifth to report. Both are
standardised by the mean and standard deviation of the first, and log p(x) is a density per standardised unit. Digits
are whole numbers, 0 to 16, and some pixels never change: a density of such data can be made as high as one likes. So
uniform noise in [0, 1) is added to them first, the same for all; the mean log density of what results is then a lower
bound of the log probability that the density gives to the whole numbers (Theis, van den Oord and Bethge, "A note on
the evaluation of generative models", arXiv:1511.01844, section 3.1), but for the volume of the standardisation.

PCA and FactorAnalysis are scikit-learn's, with their defaults. A linear VAE is trained for a fixed number of epochs;
it is the model of PCA, and has to reach its log p(x), or the protocol is wrong: the script then says so and exits with
status 1. For a nonlinear VAE the width and the number of epochs are those with the highest log p(x) of a fifth of the
rows to fit, held out from the rest; then it is trained again, on all of them. A mixture of Gaussians with full
covariances, its settings chosen in the same way, has no latents: it is there for those who want a density only. No
choice sees the rows to report.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median, stdev
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from minivae import Gaussian, VariationalAutoencoder, log_likelihood
from minivae.system.machine import available_cores, processor

SEEDS, DRAWS = 5, 1000
WIDTHS = (32, 256)
CHECK, PATIENCE, LONGEST = 10, 5, 400  # epochs from look to look; looks without a better one; epochs
LOOK = 50  # draws of a look
COMPONENTS, RIDGES = (1, 2, 3, 5, 10, 20), (1e-4, 1e-3, 1e-2, 1e-1, 0.3)  # of the mixture; added to its variances
MAY_DIFFER = 0.1  # nats, a linear VAE from PCA


@dataclass(frozen=True)
class Data:
    """One data set: how to load it, K, and how long the linear VAE is trained.

    Attributes
    ----------
    load : callable
        Of scikit-learn.
    latent_dim : int
        K, the same for all contenders.
    linear_epochs : int
    dequantise : bool
        Add uniform noise to whole numbers.
    """

    load: Callable[..., Any]
    latent_dim: int
    linear_epochs: int
    dequantise: bool = False


DATA = {
    "digits": Data(load_digits, 10, 120, dequantise=True),
    "wine": Data(load_wine, 2, 500),
    "breast-cancer": Data(load_breast_cancer, 5, 400),
}


@dataclass(frozen=True)
class Split:
    """Standardised rows to fit, (N, D), with their classes, (N,), and rows to report, (M, D)."""

    train: np.ndarray
    labels: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class Result:
    """What one contender reached on one split.

    Attributes
    ----------
    log_px : float
        Mean over the test rows, in nats; for a VAE an estimate from below.
    error : float or None
        Mean squared error of the reconstruction of the test rows from K latents, per feature; None without latents.
    choosing, fitting : float
        Seconds.
    settings : str
        What was chosen.
    ess, bias : float or None
        Of the estimate: the median effective sample size, and its mean bias in nats. None where log p(x) is exact.
    """

    log_px: float
    error: float | None
    choosing: float
    fitting: float
    settings: str = ""
    ess: float | None = None
    bias: float | None = None


# ---- data


def split(name: str, seed: int) -> Split:
    """The rows of a data set for one seed."""
    data = DATA[name]
    x, y = data.load(return_X_y=True)
    if data.dequantise:
        x = x + np.random.default_rng(seed).random(x.shape)
    train, test, labels, _ = train_test_split(x, y, test_size=0.2, stratify=y, random_state=seed)
    scaler = StandardScaler().fit(train)
    return Split(scaler.transform(train), labels, scaler.transform(test))


def validation(data: Split, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The training rows in two: four fifths to fit, one fifth to choose by."""
    fit, held_out = train_test_split(data.train, test_size=0.2, stratify=data.labels, random_state=seed)
    return fit, held_out


# ---- contenders


def pca(name: str, seed: int, draws: int) -> Result:
    """scikit-learn's PCA, whose ``score`` is the density of probabilistic PCA."""
    data, start = split(name, seed), perf_counter()
    model = PCA(DATA[name].latent_dim, random_state=seed).fit(data.train)
    seconds = perf_counter() - start
    back = model.inverse_transform(model.transform(data.test))
    return Result(float(model.score(data.test)), squared_error(data.test, back), 0.0, seconds)


def factor_analysis(name: str, seed: int, draws: int) -> Result:
    """scikit-learn's FactorAnalysis: linear too, with one noise variance for each feature."""
    data, start = split(name, seed), perf_counter()
    model = FactorAnalysis(DATA[name].latent_dim, random_state=seed).fit(data.train)
    seconds = perf_counter() - start
    back = factor_reconstruction(model, data.test)
    return Result(float(model.score(data.test)), squared_error(data.test, back), 0.0, seconds)


def linear_vae(name: str, seed: int, draws: int) -> Result:
    """A VAE without hidden layers and with one variance: the model of probabilistic PCA."""
    data, start = split(name, seed), perf_counter()
    model = estimator(name, (), "learned", seed)
    train(model, data.train, DATA[name].linear_epochs)
    return report(model, data.test, draws, 0.0, perf_counter() - start)


def vae(name: str, seed: int, draws: int) -> Result:
    """A VAE with a hidden layer and one variance."""
    return nonlinear_vae(name, seed, draws, "learned")


def vae_per_feature(name: str, seed: int, draws: int) -> Result:
    """A VAE with a hidden layer and one variance for each feature, as factor analysis has it."""
    return nonlinear_vae(name, seed, draws, "per_dimension")


def nonlinear_vae(name: str, seed: int, draws: int, variance: str) -> Result:
    """Choose width and epochs inside the training rows, then train on all of them."""
    data, start = split(name, seed), perf_counter()
    epochs, width = choose(name, seed, data, variance)
    chosen = perf_counter()
    model = estimator(name, (width,), variance, seed)
    train(model, data.train, epochs)
    done = perf_counter()
    return report(model, data.test, draws, chosen - start, done - chosen, f"width {width}, {epochs} epochs")


def mixture(name: str, seed: int, draws: int) -> Result:
    """scikit-learn's GaussianMixture with full covariances: a density, and no latents."""
    data, start = split(name, seed), perf_counter()
    fit, held_out = validation(data, seed)
    candidates = [
        GaussianMixture(components, reg_covar=ridge, random_state=seed) for components in COMPONENTS for ridge in RIDGES
    ]
    model = max(candidates, key=lambda candidate: candidate.fit(fit).score(held_out))
    chosen = perf_counter()
    model.fit(data.train)
    done = perf_counter()
    settings = f"{model.n_components} components + {model.reg_covar:g}"
    return Result(float(model.score(data.test)), None, chosen - start, done - chosen, settings)


CONTENDERS: dict[str, Callable[[str, int, int], Result]] = {
    "PCA": pca,
    "FactorAnalysis": factor_analysis,
    "VAE, linear": linear_vae,
    "VAE": vae,
    "VAE, variance per feature": vae_per_feature,
    "GaussianMixture": mixture,
}


def factor_reconstruction(model: FactorAnalysis, x: np.ndarray) -> np.ndarray:
    """E[x|z] at the posterior mean of z, which ``transform`` returns: (N, D) -> (N, D)."""
    return model.transform(x) @ model.components_ + model.mean_


def squared_error(x: np.ndarray, back: np.ndarray) -> float:
    """The mean over rows and features."""
    return float(np.mean((x - back) ** 2))


# ---- VAEs


def estimator(name: str, hidden_dims: tuple[int, ...], variance: str, seed: int) -> VariationalAutoencoder:
    """A VAE that goes on from where it is whenever ``fit`` is called."""
    return VariationalAutoencoder(
        DATA[name].latent_dim,
        hidden_dims,
        likelihood=Gaussian(variance),
        learning_rate=3e-3 if hidden_dims else 1e-2,
        n_importance_samples=LOOK,
        random_state=seed,
        warm_start=True,
    )


def train(model: VariationalAutoencoder, x: np.ndarray, epochs: int) -> None:
    """So many epochs, and a quarter as many at a tenth of the learning rate, where the jitter of Adam settles."""
    model.set_params(max_iter=epochs).fit(x)
    model.set_params(max_iter=max(1, epochs // 4), learning_rate=model.learning_rate / 10).fit(x)


def choose(name: str, seed: int, data: Split, variance: str) -> tuple[int, int]:
    """Epochs and width with the highest log p(x) of a fifth of the training rows, when trained on the others."""
    fit, held_out = validation(data, seed)
    looks = []
    for width in WIDTHS:
        model = estimator(name, (width,), variance, seed).set_params(max_iter=CHECK)
        best, best_epoch = -np.inf, 0
        for epoch in range(CHECK, LONGEST + 1, CHECK):
            score = model.fit(fit).score(held_out)
            if score > best:
                best, best_epoch = score, epoch
            elif epoch - best_epoch >= PATIENCE * CHECK:
                break
        looks.append((best, best_epoch, width))
    _, epochs, width = max(looks)
    return epochs, width


def report(
    model: VariationalAutoencoder, test: np.ndarray, draws: int, choosing: float, fitting: float, settings: str = ""
) -> Result:
    """log p(x) with what is known about its error, and the reconstruction."""
    estimate = log_likelihood(model.model_, test, n_samples=draws)
    return Result(
        float(estimate.log_px.mean()),
        squared_error(test, model.reconstruct(test)),
        choosing,
        fitting,
        settings,
        float(np.median(estimate.effective_sample_size)),
        float(estimate.bias.mean()),
    )


# ---- the table

Results = dict[str, dict[str, list[Result]]]  # data set, contender, one for each seed


def compare(names: Sequence[str], seeds: int, draws: int) -> Results:
    """Every contender on every split, with a progress bar on standard error."""
    results: Results = {name: {contender: [] for contender in CONTENDERS} for name in names}
    rounds = [(name, seed, contender) for name in names for seed in range(seeds) for contender in CONTENDERS]
    with tqdm(rounds, ascii=True, dynamic_ncols=True, file=sys.stderr, disable=None) as bar:  # None: off a terminal
        for name, seed, contender in bar:
            bar.set_postfix_str(f"{name}, split {seed}, {contender}")
            results[name][contender].append(CONTENDERS[contender](name, seed, draws))
    return results


def spread(values: Sequence[float], digits: int, sign: str = "") -> str:
    """Mean +- standard deviation over the splits; nothing of nothing."""
    if not values:
        return ""
    text = f"{fmean(values):{sign}.{digits}f}"
    return f"{text} +- {stdev(values):.{digits}f}" if len(values) > 1 else text


def gains(results: Results, name: str, contender: str) -> list[float]:
    """log p(x) above PCA's on the same split, in nats."""
    pairs = zip(results[name][contender], results[name]["PCA"], strict=True)
    return [mine.log_px - its.log_px for mine, its in pairs]


def table(results: Results) -> str:
    """The Markdown table."""
    lines = [
        "| data | model | log p(x), nats | above PCA | squared error | ESS | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, contenders in results.items():
        for contender, splits in contenders.items():
            ess = "exact" if splits[0].ess is None else f"{min(r.ess for r in splits if r.ess):.0f}"
            cells = [
                f"{name}, K = {DATA[name].latent_dim}",
                contender,
                spread([r.log_px for r in splits], 2),
                "" if contender == "PCA" else spread(gains(results, name, contender), 2, "+"),
                spread([r.error for r in splits if r.error is not None], 3) or "none",
                ess,
                seconds(splits),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def seconds(splits: list[Result]) -> str:
    """Medians over the splits: choosing, if there was something to choose, and fitting."""
    choosing, fitting = (median(getattr(r, part) for r in splits) for part in ("choosing", "fitting"))
    return f"{choosing:.1f} + {fitting:.1f}" if choosing else f"{fitting:.2g}"


def furthest_from_pca(results: Results) -> float:
    """The linear VAE's largest distance from PCA's log p(x), in nats, over data sets and splits."""
    return max(abs(gain) for name in results for gain in gains(results, name, "VAE, linear"))


def notes(results: Results, draws: int) -> str:
    """What belongs under the table."""
    splits = len(next(iter(results.values()))["PCA"])
    return "\n".join(
        [
            f"Mean +- standard deviation over {splits} splits; {processor()}, {available_cores()} cores.",
            f"log p(x) of a VAE: {draws} draws, a lower bound in expectation. ESS: the median row's effective sample "
            "size, smallest over the splits. Seconds: choosing + fitting, medians over the splits.",
            f"The linear VAE is within {furthest_from_pca(results):.3f} nats of PCA on every split.",
            *(f"{name}: {contender}: {'; '.join(chosen)}" for name, contender, chosen in settings(results)),
        ]
    )


def settings(results: Results) -> list[tuple[str, str, list[str]]]:
    """Data set, contender and what was chosen on each split, where there was a choice."""
    return [
        (name, contender, [result.settings for result in splits])
        for name, contenders in results.items()
        for contender, splits in contenders.items()
        if splits[0].settings
    ]


def as_json(results: Results, draws: int) -> str:
    """All results of all splits."""
    plain = {n: {c: [asdict(r) for r in splits] for c, splits in one.items()} for n, one in results.items()}
    units = "nats per row, a density per standardised unit"
    return json.dumps({"units": units, "draws": draws, "processor": processor(), "results": plain}, indent=1)


# ---- command line


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; what cannot be is refused with a sentence and status 2."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", default=",".join(DATA), help="comma-separated, of %(default)s")
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help="splits (default %(default)s)")
    parser.add_argument("--draws", type=int, default=DRAWS, metavar="N", help="for a VAE's log p(x) (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="the same as --data wine --seeds 1")
    parser.add_argument("--json", action="store_true", help="every split in place of the table")
    args = parser.parse_args(argv)
    if args.quick:
        args.data, args.seeds = "wine", 1
    args.data = args.data.split(",")
    if unknown := [name for name in args.data if name not in DATA]:
        parser.error(f"unknown data {', '.join(unknown)}: expected some of {', '.join(DATA)}")
    if args.seeds < 1 or args.draws < 1:
        parser.error("--seeds and --draws must be at least 1")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Compare and print; 1 if the linear VAE misses PCA."""
    args = arguments(argv)
    results = compare(args.data, args.seeds, args.draws)
    print(as_json(results, args.draws) if args.json else f"{table(results)}\n\n{notes(results, args.draws)}")
    distance = furthest_from_pca(results)
    if distance > MAY_DIFFER:
        print(f"the linear VAE is {distance:.3f} nats from PCA, the same model: trained too briefly?", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
