"""Sick and healthy runs, made on purpose: each sickness must be named, and nothing said of a healthy run.

``python tests/report/planted.py --seeds 3`` trains them all and prints what the report named, and what it should have.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path

import numpy as np

from minivae.report.evidence import Evidence
from minivae.report.findings import find
from minivae.runs.folder import open_run
from minivae.runs.settings import Settings
from minivae.runs.train import train


def table(seed, n=500, noise=0.3, columns=10):
    """Three factors seen through a bend: rows (n, columns), each column of another size."""
    z = np.random.default_rng(seed).normal(size=(n, 3))
    rng = np.random.default_rng(99)
    mixed = np.tanh(z @ rng.normal(size=(3, columns))) + 0.5 * z @ rng.normal(size=(3, columns))
    return (mixed + noise * np.random.default_rng(seed + 100).normal(size=mixed.shape)) * rng.uniform(1, 3, columns)


def clusters(seed, n=500):
    """Ten tight clusters far from each other, in ten columns."""
    rng = np.random.default_rng(seed)
    return 4 * rng.normal(size=(10, 10))[rng.integers(10, size=n)] + 0.1 * rng.normal(size=(n, 10))


def long_tails(seed):
    """The table with noise whose tails no normal distribution has."""
    return table(seed) + np.random.default_rng(seed).standard_t(1.5, (500, 10))


FIT = {"hidden": (50,), "latent": 3, "epochs": 200, "batch_size": 64, "schedule": "cosine", "lr": 3e-3}


def binary(seed):
    """Which entries of the table are positive."""
    return (table(seed) > 0).astype(float)


SICK = {  # what the report must name: the rows, and the settings
    "undertrained": (table, FIT | {"epochs": 12, "schedule": "constant", "lr": 1e-3}),
    "overfitted": (lambda s: table(s, 150, noise=1.0), FIT | {"epochs": 600, "schedule": "constant"}),
    "posterior collapse": (table, FIT | {"beta": 30.0}),
    "too little KL": (table, FIT | {"beta": 0.001}),
    "learning rate too high": (table, FIT | {"lr": 0.1, "schedule": "constant"}),
    "learning rate too low": (table, FIT | {"lr": 1e-5, "schedule": "constant"}),
    "dead units": (lambda s: table(s) + 40, FIT | {"scale": "none"}),
    "likelihood does not fit": (long_tails, FIT),
    "columns of different sizes": (lambda s: table(s) * np.logspace(-1, 2, 10), FIT | {"scale": "none"}),
    "repeated rows": (lambda s: np.repeat(table(s, 125), 4, axis=0), FIT),
    "variance ran away": (lambda s: table(s) * 1e-4, FIT | {"scale": "none", "lr": 0.03}),
    "holes in the latent space": (clusters, FIT | {"latent": 2}),
}
TESTS = {  # rows of a test file of its own
    "leaked rows": (lambda s: table(s), lambda s: table(s)[:50]),
    "log p(x) not to be trusted": (lambda s: table(s), lambda s: 8 * table(s + 1, 50)),
}
SICK |= {name: (rows, FIT) for name, (rows, _) in TESTS.items()}
TABLES = {"hidden": (50,), "batch_size": 32, "schedule": "cosine"}
DIGITS = {"data": "digits", "hidden": (100,), "latent": 8, "epochs": 100}
HEALTHY = {
    "bent table": (table, FIT),
    "bent table, patience": (table, FIT | {"schedule": "constant", "patience": 20}),
    "bent table, tanh": (table, FIT | {"activation": "tanh"}),
    "bent table, more dimensions": (table, FIT | {"latent": 6}),
    "linear": (table, FIT | {"hidden": (), "latent": 3}),
    "digits, grey": (None, DIGITS),
    "digits, threshold": (None, DIGITS | {"binarize": "threshold", "patience": 20}),
    "digits, stochastic": (None, DIGITS | {"binarize": "stochastic"}),
    "digits, as the README": (None, {"data": "digits"}),
    "iris": (None, TABLES | {"data": "iris", "latent": 2, "epochs": 300, "lr": 5e-3}),
    "wine": (None, TABLES | {"data": "wine", "latent": 2, "epochs": 300, "patience": 50}),
    "black and white": (binary, FIT | {"epochs": 100}),
}  # fmt: skip


def plant(folder, name, rows, settings, seed):
    """Train one of them; returns the run's folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    place = {"out": str(folder / "run"), "no_pictures": True, "seed": seed}
    if rows is not None:
        np.save(folder / "rows.npy", rows(seed))
        place["data"] = str(folder / "rows.npy")
    if name in TESTS:
        np.save(folder / "test.npy", TESTS[name][1](seed))
        place["test"] = str(folder / "test.npy")
    train(Settings(**(settings | place)), progress=False)
    return folder / "run"


def names_of(folder):
    """What the report finds in a run."""
    return [finding["name"] for finding in find(Evidence(open_run(folder)))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    seeds, named, quiet = range(parser.parse_args().seeds), [], []
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        for kind, (rows, settings) in SICK.items():
            found = [names_of(plant(f"{folder}/{kind}/{seed}", kind, rows, settings, seed)) for seed in seeds]
            named += [kind in names for names in found]
            print(f"{kind:28} named {sum(kind in names for names in found)} of {len(seeds)}: {found}", flush=True)
        for kind, (rows, settings) in HEALTHY.items():
            found = names_of(plant(f"{folder}/{kind}", kind, rows, settings, 0))
            quiet.append(not found)
            print(f"{kind:28} healthy: {found}", flush=True)
    print(f"{sum(named)} of {len(named)} sicknesses named, {len(quiet) - sum(quiet)} of {len(quiet)} false alarms")


if __name__ == "__main__":
    main()
