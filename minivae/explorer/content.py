"""What the page knows of a run: parameters, training means, examples, and the run's own answers to compare with."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np

from minivae import evaluation
from minivae.datasets import LOADERS, Dataset
from minivae.errors import DataError, MinivaeError
from minivae.model.vae import VAE
from minivae.plotting import thinned
from minivae.runs.folder import Run
from minivae.runs.identity import shown_range
from minivae.runs.rows import load_again
from minivae.training.examples import as_trained
from minivae.training.recipe import Recipe
from minivae.version import __version__

LIKELIHOODS = ("bernoulli", "gaussian", "categorical")  # those that explorer.js computes
ROWS = 5000  # training rows whose KL is averaged
POINTS = 1500  # of them on the map
EXAMPLES_BYTES = 50_000  # of which base64 makes a third more: so a page of MNIST, 784-400-20, stays below 2 MB
EXAMPLES = 120
CHECKED = 4  # rows whose results the page compares with its own


def training_data(run: Run, moved_to: str | None = None) -> Dataset:
    """The data that a run was trained on; DataError if they are gone or changed. A file that has moved may be named."""
    if run.settings is None:
        raise DataError(f"{run.path} is a weights file alone, which does not say what its data were: name a run folder")
    source = moved_to or run.settings.data
    if source not in LOADERS and not Path(source).exists():
        raise DataError(f"{run.path} was trained on {source}, which is gone: if it has moved, name it with --data")
    data = load_again(source, run.settings)
    run.check_same(data)
    return data


def check_computable(vae: VAE) -> None:
    """MinivaeError unless the page's JavaScript has the formulas of this model."""
    first, last = vae.encoder.layers[0], vae.decoder.layers[0]
    plain = type(vae) is VAE and (first.in_dim, last.in_dim) == (vae.input_dim, vae.latent_dim)
    if not plain or vae.likelihood.name not in LIKELIHOODS:
        what = f"has the likelihood {vae.likelihood.name}"
        if not plain:
            what = "is a conditional one" if vae.condition_dim else "also sees which values are missing"
        raise MinivaeError(
            f"the page computes plain VAEs with one of the likelihoods {', '.join(LIKELIHOODS)}, and this model "
            f"{what}: use minivae sample and minivae encode for it"
        )


def content(run: Run, data: Dataset, dtype: str) -> dict[str, Any]:
    """Everything that the page shows, ready for JSON.

    Parameters
    ----------
    run : Run
    data : Dataset
        From :func:`training_data`.
    dtype : {"float32", "float16"}
        Of the parameters in the page.
    """
    vae = run.vae
    check_computable(vae)
    rows = thinned(len(data.train), ROWS)
    x = as_trained(vae, data.train[rows], Recipe(binarize=run.binarize))
    if np.isnan(x).any():
        raise MinivaeError(
            f"{run.path} was trained on rows with holes, which the page does not fill: use minivae encode"
        )
    mu, logvar = vae.encode(x)
    shown = thinned(len(x), POINTS)
    row_bytes = x.shape[1] * np.dtype(packed_pixels(x[shown])["dtype"]).itemsize
    n_examples = int(np.clip(EXAMPLES_BYTES // row_bytes, CHECKED, EXAMPLES))
    chosen = shown[thinned(len(shown), n_examples)]
    checked = chosen[:CHECKED]
    labels = data.train_labels[rows] if data.train_labels is not None else None
    scaling = vae.scaling
    return {
        "version": __version__,
        "name": run.folder.name,
        "data": data.name,
        "rows": len(data.train),
        "model": {name: value for name, value in vae.config.items() if name not in ("backend", "init", "seed")},
        "parameters": {name: packed(value, dtype) for name, value in parameters(vae).items()},
        "scaling": None
        if scaling.kind == "none"
        else {"shift": packed(scaling.shift, "float64"), "scale": packed(scaling.scale, "float64")},
        "is_grey": evaluation.values_of(vae, vae.check(x, grey_is_fine=True)) == "grey",
        "image_shape": data.image_shape,
        "range": shown_range(data),
        "columns": list(data.columns) or [f"column {i}" for i in range(vae.input_dim)],
        "low": packed(x.min(axis=0)),
        "high": packed(x.max(axis=0)),
        "kl": evaluation.kl_of_columns(vae.kernels, mu, logvar).tolist(),
        "points": packed(mu[shown], "float16" if np.abs(mu).max() < np.finfo("float16").max else "float32"),
        "examples": packed_pixels(x[chosen]),
        **classes(labels, data.label_names, shown, chosen),
        "expected": {  # of the first examples
            "mu": packed(mu[checked]),
            "logvar": packed(logvar[checked]),
            "decoded": packed(vae.decode(mu[checked])),
        },
    }


def parameters(vae: VAE) -> dict[str, np.ndarray]:
    """The parameters by the names that they have in model.safetensors; a fixed variance as if it were learned."""
    arrays = {name: np.asarray(vae.kernels.to_numpy(view)) for name, view in vae.parameters.items()}
    variance = vae.likelihood.config().get("variance")
    if isinstance(variance, float):
        arrays["decoder.output.logvar"] = np.log([variance])
    return arrays


def classes(
    labels: np.ndarray | None, names: tuple[str, ...], shown: np.ndarray, chosen: np.ndarray
) -> dict[str, list[Any] | None]:
    """The class of each point and each example, counted from 0, and their names; None for data without labels."""
    if labels is None:
        return {"classes": None, "point_classes": None, "example_classes": None}
    values, numbers = np.unique(labels, return_inverse=True)
    texts = [names[value] if 0 <= value < len(names) else str(value) for value in values]
    return {
        "classes": texts,
        "point_classes": numbers[shown].tolist(),
        "example_classes": numbers[chosen].tolist(),
    }


def packed(array: np.ndarray, dtype: str = "float32") -> dict[str, Any]:
    """An array for JSON: its dtype, its shape, and its little-endian bytes in base64."""
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, np.dtype(dtype).newbyteorder("<"))
    if not np.all(np.isfinite(array)):
        raise MinivaeError(f"a parameter or an example of this model is beyond the range of {dtype}")
    return {"dtype": dtype, "shape": array.shape, "data": base64.b64encode(array.tobytes()).decode()}


def packed_pixels(x: np.ndarray) -> dict[str, Any]:
    """Examples (n, D): one byte a value where all are whole 255ths, as pixels are; else float32."""
    levels = np.rint(np.clip(x, 0, 1) * 255).astype(np.uint8)
    return packed(levels, "uint8") if np.array_equal((levels / 255).astype(x.dtype), x) else packed(x)
