"""A table as it is, through `minivae train --data` and what it can be asked afterwards, beside other tools.

    python lessons/tools/compare_tables.py              everything
    python lessons/tools/compare_tables.py --rows 5000 --held-out 100     a small one, in about a minute
    python lessons/tools/compare_tables.py --json

The protocol. Two tables. **penguins**: 344 rows of the PyPI package `palmerpenguins`, with its own holes; left out,
with the reason, where it is not installed. **generated**: 50,000 rows of 15 columns, six real, two positive, three
counts, two of yes and no, two categories of 4 and 3 levels, independent given two latents z ~ N(0, I):

    real      x ~ N(m(z), 0.5^2)         positive  log x ~ N(m(z), 0.4^2)        count  x ~ Poisson(exp(1 + m(z)/2))
    yes/no    logit m(z)                 category  logits m(z), one per level

with m(z) = a z + sin(b z), a and b drawn once by a fixed seed. The true log p(x) is the integral over z on a grid of
161 x 161 points from -6 to 6 by the trapezoid rule, and what a quarter of the points gives is printed beside it.

- *train*: the time of the command with its defaults, on the clock and in seconds of a core, and whether the kinds that
  it guesses are the true ones.
- *density*, in nats per row: of 1,000 held-out rows the true log p and the model's (1,000 importance samples): the
  difference estimates KL(truth, model). Of 1,000 rows that the model draws, the true log p: beside that of true rows
  it says whether the model draws what cannot be. "best" is the better of two deeper models with 2 and with 20 latent
  dimensions, trained three times as long (Adam at 5e-3, down to 0 by a cosine), chosen by the model's log p of 2,000
  other rows; shallower ones, with 4, 7 and 20 latent dimensions, and shorter trainings were further from the truth.
- *imputation*: of 1,000 held-out rows (of penguins a fifth) 10, 30 and 50 % of the cells are taken out at random, of
  the training rows 10 %, and a model is trained on these with the defaults. RMSE of numbers in standard deviations of
  the training column (of positive ones in logarithms) and accuracy of levels, over the cells taken out. KNNImputer
  and IterativeImputer of scikit-learn, with their defaults, see the same matrix, standardised, positive numbers as
  logarithms, levels as 0 and 1, of which the largest is taken.
- *anomaly*: in every other one of the held-out rows one column, drawn at random, has the value of another row, a
  different one. ROC AUC of -log p(x), and of IsolationForest with its defaults; and the share of these rows for which
  `score` names that column first. "truth" is asked the same with the true density: no model can do better by more
  than chance.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from scipy.special import gammaln, logsumexp
from scipy.stats import norm
from sklearn.ensemble import IsolationForest
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer
from sklearn.metrics import roc_auc_score

from minivae import VAE, Adam, Columns, Cosine, Mixed, Scaling, fit
from minivae.evaluation import log_likelihood

KINDS = ["real"] * 6 + ["positive"] * 2 + ["count"] * 3 + ["binary"] * 2 + ["category"] * 2
NAMES = [f"{kind}{i}" for i, kind in enumerate(KINDS)]
LEVELS = {13: 4, 14: 3}
GRID = np.linspace(-6, 6, 161)
DRAWN, BEST_UPDATES = 1000, 10_000
RATES = (0.1, 0.3, 0.5)
BEST = ({"hidden_dims": (200, 200), "latent_dim": 2}, {"hidden_dims": (200, 200), "latent_dim": 20})

Table = dict[str, np.ndarray]

# -- the generated table -------------------------------------------------------------------------------------

_fixed = np.random.default_rng(17)
WIDTHS = [LEVELS.get(j, 1) for j in range(15)]
A = [_fixed.normal(0, 0.8, (2, width)) for width in WIDTHS]
B = [_fixed.normal(0, 1.2, (2, width)) for width in WIDTHS]


def centre(j: int, z: np.ndarray) -> np.ndarray:
    """m(z) of column j: (n, 2) -> (n, width)."""
    return z @ A[j] + np.sin(z @ B[j])


def generate(n: int, seed: int) -> Table:
    """Rows of the generated table."""
    rng = np.random.default_rng(seed)
    z, table = rng.normal(size=(n, 2)), {}
    for j, (name, kind) in enumerate(zip(NAMES, KINDS, strict=True)):
        m = centre(j, z)
        if kind == "real":
            values: Any = m[:, 0] + 0.5 * rng.normal(size=n)
        elif kind == "positive":
            values = np.exp(m[:, 0] + 0.4 * rng.normal(size=n))
        elif kind == "count":
            values = rng.poisson(np.exp(1 + m[:, 0] / 2)).astype(float)
        elif kind == "binary":
            values = np.where(rng.random(n) < 1 / (1 + np.exp(-m[:, 0])), "yes", "no").astype(object)
        else:
            p = np.exp(m - logsumexp(m, axis=1, keepdims=True))
            values = np.array(list("abcd"), object)[(rng.random((n, 1)) > p.cumsum(axis=1)[:, :-1]).sum(axis=1)]
        table[name] = values
    return table


def log_p_of_columns(table: Table, z: np.ndarray) -> list[np.ndarray]:
    """log p(x_j | z) of each column of the generated table at each of the points z (G, 2): 15 of (n, G)."""
    found = []
    for j, (name, kind) in enumerate(zip(NAMES, KINDS, strict=True)):
        m = centre(j, z)
        first = m[:, 0]
        if kind == "category":
            found.append((m - logsumexp(m, axis=1, keepdims=True)).T[["abcd".index(level) for level in table[name]]])
            continue
        if kind == "binary":
            found.append(np.where((table[name] == "yes")[:, None], -np.logaddexp(0, -first), -np.logaddexp(0, first)))
            continue
        x = table[name].astype(float)[:, None]
        if kind == "count":
            found.append(x * (1 + first / 2) - np.exp(1 + first / 2) - gammaln(x + 1))
        elif kind == "positive":
            found.append(norm.logpdf(np.log(x), first, 0.4) - np.log(x))
        else:
            found.append(norm.logpdf(x, first, 0.5))
    return found


def true_log_p(table: Table, step: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """log p(x) of rows of the generated table, (n,), and -log p(x_j | the others), (n, 15), on a grid of z."""
    grid = GRID[::step]
    z = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    prior = -0.5 * (z * z).sum(axis=1) - np.log(2 * np.pi) + 2 * np.log(grid[1] - grid[0])
    whole, given = [], []
    for i in range(0, len(table[NAMES[0]]), 100):
        columns = log_p_of_columns(rows_of(table, slice(i, i + 100)), z)
        joint = prior + sum(columns)
        whole.append(logsumexp(joint, axis=1))
        given.append(np.stack([logsumexp(joint - column, axis=1) - whole[-1] for column in columns], axis=1))
    return np.concatenate(whole), np.concatenate(given)


def rows_of(table: Table, rows: Any) -> Table:
    """Some rows of a table."""
    return {name: values[rows] for name, values in table.items()}


def write(path: Path, table: Table) -> None:
    """A table as CSV; nothing for what is missing."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        for row in zip(*table.values(), strict=True):
            writer.writerow(["" if v is None or v != v else v for v in row])


# -- the command ---------------------------------------------------------------------------------------------


def train(folder: Path, table: Table, name: str, *options: str) -> tuple[VAE, dict[str, float]]:
    """What `minivae train --data` makes of a table, and the seconds that it took, on the clock and of a core."""
    write(folder / f"{name}.csv", table)
    arguments = ["train", "--data", f"{name}.csv", "--out", name, "--no-pictures", *options]
    start, cpu = perf_counter(), cpu_of_children()
    subprocess.run([sys.executable, "-m", "minivae", *arguments], cwd=folder, check=True, capture_output=True)
    seconds = {"seconds": perf_counter() - start, "cpu_seconds": cpu_of_children() - cpu}
    return VAE.load(folder / name / "model.safetensors"), seconds


def cpu_of_children() -> float:
    """Seconds of a core that the processes started here have used."""
    times = os.times()
    return times.children_user + times.children_system


def fit_best(columns: Columns, x: np.ndarray) -> VAE:
    """The best of a few settings, by the log p of the last 2,000 rows."""
    found = []
    for options in BEST:
        mixed = Mixed(columns.parts)
        scaling = Scaling.of("standard", x[:-2000], likelihood=mixed)
        vae = VAE(columns.width, likelihood=mixed, scaling=scaling, **options)
        vae.columns = columns
        epochs = max(1, BEST_UPDATES * 128 // len(x))
        fit(vae, x[:-2000], epochs, 128, Adam(5e-3), schedule=Cosine(epochs), progress=False)
        found.append((log_likelihood(vae, x[-2000:], 200).log_px.mean(), vae))
    return max(found, key=lambda pair: pair[0])[1]


# -- imputation ----------------------------------------------------------------------------------------------


def with_holes(table: Table, rate: float, seed: int) -> tuple[Table, dict[str, np.ndarray]]:
    """The table without a share of its cells, and which these are; no row loses all."""
    rng = np.random.default_rng(seed)
    names = list(table)
    gone = rng.random((len(table[names[0]]), len(names))) < rate
    gone[np.arange(len(gone)), rng.integers(len(names), size=len(gone))] = False
    found, where = {}, {}
    for j, name in enumerate(names):
        values = table[name].astype(object)
        known = np.array(list(map(is_known, values)))
        where[name] = gone[:, j] & known
        is_text = isinstance(values[known][0], str)
        values[where[name]] = None
        found[name] = values if is_text else values.astype(float)
    return found, where


def errors(
    columns: Columns, truth: Table, filled: Table, where: dict[str, np.ndarray], train: Table
) -> tuple[float, float]:
    """RMSE of numbers in standard deviations, and accuracy of levels, of the cells that were taken out."""
    squares, hits = [], []
    for column in columns.kept:
        rows, new, old = where[column.name], filled[column.name], truth[column.name]
        if column.levels:
            hits.extend(new[rows] == old[rows])
            continue
        scale = (
            (lambda v: np.log(np.maximum(v.astype(float), 1e-3)))
            if column.kind == "positive"
            else lambda v: v.astype(float)
        )
        squares.extend(((scale(new[rows]) - scale(old[rows])) / np.nanstd(scale(train[column.name]))) ** 2)
    return float(np.sqrt(np.mean(squares))), float(np.mean(hits))


def imputers(columns: Columns, x_train: np.ndarray, x: np.ndarray) -> dict[str, np.ndarray]:
    """What scikit-learn's imputers make of x, both (n, D) with NaN."""
    x_train, x, found = x_train.copy(), x.copy(), {}
    start = 0
    for column in columns.kept:
        if column.kind == "positive":
            x_train[:, start], x[:, start] = np.log(x_train[:, start]), np.log(x[:, start])
        start += column.width
    mean, std = np.nanmean(x_train, axis=0), np.maximum(np.nanstd(x_train, axis=0), 1e-9)
    for imputer in (KNNImputer(), IterativeImputer(random_state=0)):
        filled = imputer.fit((x_train - mean) / std).transform((x - mean) / std) * std + mean
        start = 0
        for column in columns.kept:
            if column.kind == "positive":
                filled[:, start] = np.exp(filled[:, start])
            start += column.width
        found[type(imputer).__name__] = filled
    return found


def impute(folder: Path, train_table: Table, test: Table, name: str) -> list[dict[str, Any]]:
    """One line for each rate and each way of imputing."""
    holed, _ = with_holes(train_table, 0.1, 1)
    vae, _ = train(folder, holed, f"{name}-holes")
    columns, lines = vae.columns, []
    x_train = columns.encode(holed)
    for rate in RATES:
        given, where = with_holes(test, rate, 2)
        x = columns.encode(given)
        ways = {"minivae": vae.impute(x)} | imputers(columns, x_train, x)
        ways["mean / commonest"] = np.broadcast_to(np.nanmean(x_train, axis=0), x.shape)
        for way, filled in ways.items():
            frame = columns.decode(np.where(np.isnan(x), filled, x))
            rmse, accuracy = errors(columns, test, frame, where, train_table)
            lines.append({"table": name, "holes": rate, "way": way, "rmse": rmse, "accuracy": accuracy})
    return lines


# -- anomalies -----------------------------------------------------------------------------------------------


def exchange(columns: Columns, test: Table) -> tuple[Table, np.ndarray]:
    """Rows of which every other one has another row's value in one column, and the name of that column, or ""."""
    rng, names = np.random.default_rng(3), [column.name for column in columns.kept]
    odd = {name: values.copy() for name, values in test.items()}
    exchanged = np.full(len(odd[names[0]]), "", object)
    for row in range(0, len(exchanged), 2):
        name = names[rng.integers(len(names))]
        others = [value for value in test[name] if is_known(value) and value != test[name][row]]
        if is_known(test[name][row]):
            odd[name][row], exchanged[row] = others[rng.integers(len(others))], name
    return odd, exchanged


def is_known(value: Any) -> bool:
    """False for None and NaN."""
    return value is not None and value == value


def anomalies(vae: VAE, train_table: Table, test: Table, name: str) -> dict[str, Any]:
    """How well exchanged columns are found, row by row and column by column."""
    columns = vae.columns
    odd, exchanged = exchange(columns, test)
    x, x_train, is_odd = columns.encode(odd), columns.encode(train_table), exchanged != ""
    scores, fill = vae.score(x, x_train, 200), np.nanmean(x_train, axis=0)
    forest = IsolationForest(random_state=0).fit(np.where(np.isnan(x_train), fill, x_train))
    found = {
        "table": name,
        "rows": len(x),
        "auc": roc_auc_score(is_odd, -scores["log_px"]),
        "auc_isolation_forest": roc_auc_score(is_odd, -forest.score_samples(np.where(np.isnan(x), fill, x))),
        "named_first": float((scores["odd_1"] == exchanged)[is_odd].mean()),
        "chance": 1 / len(columns.kept),
    }
    if name == "generated":  # the same by the true density
        (log_p, given), usual = true_log_p(odd, 2), true_log_p(rows_of(train_table, slice(DRAWN)), 2)[1]
        first = np.array(NAMES, object)[((given - usual.mean(axis=0)) / usual.std(axis=0)).argmax(axis=1)]
        found["auc_of_truth"] = roc_auc_score(is_odd, -log_p)
        found["named_first_by_truth"] = float((first == exchanged)[is_odd].mean())
    return found


# -- everything ----------------------------------------------------------------------------------------------


def penguins() -> Table:
    """The rows of the PyPI package, by column; ImportError without it."""
    from palmerpenguins import load_penguins

    frame = load_penguins()
    return {name: frame[name].astype(object).where(frame[name].notna(), None).to_numpy()
            if frame[name].dtype.kind not in "if" else frame[name].to_numpy(float) for name in frame}  # fmt: skip


def density(vae: VAE, test: Table) -> dict[str, float]:
    """The model's log p of held-out rows, and the true one of the model's own draws."""
    x = vae.sample(DRAWN, seed=5, draw=True).astype(float)
    return {
        "model_of_rows": float(log_likelihood(vae, vae.columns.encode(test), 1000).log_px.mean()),
        "truth_of_its_draws": float(true_log_p(vae.columns.decode(x))[0].mean()),
    }


def measure(n: int, held_out: int) -> dict[str, Any]:
    """All figures, of a generated table of ``n`` rows and ``held_out`` others."""
    result: dict[str, Any] = {
        "rows": n,
        "held_out": held_out,
        "cores": os.cpu_count(),
        "train": [],
        "impute": [],
        "anomaly": [],
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table, test = generate(n, 0), generate(held_out, 1)
        vae, seconds = train(folder, table, "generated")
        right = [column.kind for column in vae.columns.columns] == KINDS
        result["train"].append({"table": "generated", **seconds, "kinds_are_right": right})
        truth = true_log_p(test)[0]
        best = fit_best(vae.columns, vae.columns.encode(table))
        result["density"] = {
            "truth_of_rows": float(truth.mean()),
            "error_of_the_grid": float(np.abs(true_log_p(rows_of(test, slice(50)), 2)[0] - truth[:50]).max()),
            "default": density(vae, test),
            "best": density(best, test),
        }
        result["impute"] += impute(folder, table, test, "generated")
        result["anomaly"].append(anomalies(vae, table, test, "generated"))
        try:
            flock = penguins()
        except ImportError:
            print("penguins are left out: pip install palmerpenguins", file=sys.stderr)
            return result
        order = np.random.default_rng(0).permutation(344)
        train_flock, test_flock = rows_of(flock, order[69:]), rows_of(flock, order[:69])
        vae, seconds = train(folder, train_flock, "penguins")
        kinds = ["category", "category", "real", "real", "real", "real", "binary", "real"]
        right = [column.kind for column in vae.columns.columns] == kinds
        result["train"].append({"table": "penguins", **seconds, "kinds_are_right": right})
        result["impute"] += impute(folder, train_flock, test_flock, "penguins")
        result["anomaly"].append(anomalies(vae, train_flock, test_flock, "penguins"))
    return result


def main(arguments: list[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=50_000, help="of the generated table")
    parser.add_argument("--held-out", type=int, default=1000, help="further rows, to judge by")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    result = measure(options.rows, options.held_out)
    if options.json:
        print(json.dumps(result))
        return 0
    for line in result["train"]:
        print(f"train {line['table']}: {line['seconds']:.1f} s, {line['cpu_seconds']:.1f} s of a core, kinds as they "
              f"should be: {line['kinds_are_right']}")  # fmt: skip
    d = result["density"]
    print(f"density, nats per row: truth {d['truth_of_rows']:.2f} (grid: +- {d['error_of_the_grid']:.1e})")
    for who in ("default", "best"):
        print(f"  {who}: the model's log p of held-out rows {d[who]['model_of_rows']:.2f}; true log p of its draws "
              f"{d[who]['truth_of_its_draws']:.2f}")  # fmt: skip
    for line in result["impute"]:
        print(f"impute {line['table']}, {line['holes']:.0%} holes, {line['way']}: RMSE {line['rmse']:.3f}, "
              f"accuracy {line['accuracy']:.3f}")  # fmt: skip
    for line in result["anomaly"]:
        print(f"anomaly {line['table']}: AUC {line['auc']:.3f} (IsolationForest {line['auc_isolation_forest']:.3f}); "
              f"exchanged column named first in {line['named_first']:.0%} (chance {line['chance']:.0%})")  # fmt: skip
        if "auc_of_truth" in line:
            print(
                f"  by the true density: AUC {line['auc_of_truth']:.3f}, named first {line['named_first_by_truth']:.0%}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
