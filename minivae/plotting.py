"""Pictures of a training run. Each function returns a matplotlib Figure; ``save`` writes it.

The colours are Okabe and Ito's, told apart by colour-blind readers; lines also differ in style, for readers
in grey.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from minivae.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, BLACK = "#0072B2", "#D55E00", "#009E73", "#000000"
COLUMNS_SHOWN = 12


def new_figure(width: float, height: float) -> Figure:
    """A figure that no window shows and no global state holds."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.1))


def save(figure: Figure, path: str | os.PathLike) -> None:
    """Write a figure as PNG, beside and renamed."""
    with replacing(path) as beside:
        figure.savefig(beside, dpi=120)


def loss_curve(history: Mapping[str, Sequence[float]]) -> Figure:
    """Loss, reconstruction and KL over the epochs, each in a panel of its own, in nats per example.

    Parameters
    ----------
    history : mapping of str to sequence of float
        As :func:`minivae.fit` returns it.
    """
    figure = new_figure(9.6, 3.2)
    panels = figure.subplots(1, 3)
    marker = "o" if len(history["epoch"]) <= 20 else ""
    for axes, name, title in zip(panels, ("loss", "recon_nll", "kl"), ("loss", "reconstruction", "KL"), strict=True):
        axes.plot(history["epoch"], history[name], color=BLUE, marker=marker, label="training")
        if "val_loss" in history:
            axes.plot(
                history["epoch"], history[f"val_{name}"], color=ORANGE, marker=marker, linestyle="--", label="test"
            )
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        limit_to_the_interesting(axes)
    panels[0].set_ylabel("nats per example")
    panels[0].legend()
    return figure


def limit_to_the_interesting(axes: Axes) -> None:
    """Let the steep first tenth of the epochs leave the frame at the top, so that the rest can be read."""
    curves = [np.asarray(line.get_ydata(), dtype=float) for line in axes.lines]
    later = np.concatenate([curve[len(curve) // 10 :] for curve in curves])
    low, high = min(curve.min() for curve in curves), later.max()
    if high > low:
        axes.set_ylim(low - 0.08 * (high - low), high + 0.08 * (high - low))


def image_grid(
    rows: Sequence[np.ndarray],
    image_shape: tuple[int, int],
    labels: Sequence[str] = (),
    limits: tuple[float, float] = (0.0, 1.0),
) -> Figure:
    """Images in a grid, black on white, put together to one picture.

    Parameters
    ----------
    rows : sequence of ndarray, each of shape (n, D)
        One row of the grid each, the first at least as long as the others.
    image_shape : (int, int)
        Height and width; their product is D.
    labels : sequence of str, optional
        A name for each row.
    limits : (float, float)
        The values that are drawn white and black.
    """
    height, width = image_shape
    gap = max(1, width // 8)
    across, down = len(rows[0]), len(rows)
    picture = np.full((down * (height + gap) - gap, across * (width + gap) - gap), float(limits[0]))
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            top, left = i * (height + gap), j * (width + gap)
            picture[top : top + height, left : left + width] = np.reshape(image, image_shape)
    figure = new_figure(0.7 * across + (1.2 if labels else 0), 0.7 * down * height / width + 0.15)
    axes = figure.subplots()
    axes.imshow(picture, cmap="gray_r", vmin=limits[0], vmax=limits[1], interpolation="nearest")
    axes.set_frame_on(False)
    axes.set_xticks([])
    middles = [i * (height + gap) + height / 2 for i in range(len(labels))]
    axes.set_yticks(middles, labels, fontsize=9)
    axes.tick_params(length=0)
    return figure


def image_reconstructions(
    x: np.ndarray, reconstruction: np.ndarray, image_shape: tuple[int, int], limits: tuple[float, float] = (0.0, 1.0)
) -> Figure:
    """Originals above their reconstructions, both (n, D), twelve to a row."""
    rows, labels = [], []
    for start in range(0, len(x), COLUMNS_SHOWN):
        part = slice(start, start + COLUMNS_SHOWN)
        rows += [x[part], reconstruction[part]]
        labels += ["original", "reconstruction"]
    return image_grid(rows, image_shape, labels, limits)


def image_samples(
    samples: np.ndarray, image_shape: tuple[int, int], limits: tuple[float, float] = (0.0, 1.0)
) -> Figure:
    """Samples (n, D), twelve to a row."""
    rows = [samples[i : i + COLUMNS_SHOWN] for i in range(0, len(samples), COLUMNS_SHOWN)]
    return image_grid(rows, image_shape, limits=limits)


def table_reconstructions(x: np.ndarray, reconstruction: np.ndarray, columns: Sequence[str]) -> Figure:
    """For each column of a table, the reconstruction against the original, both (n, D): right on the diagonal."""
    figure, panels = _panels(columns)
    for i, axes in enumerate(panels):
        axes.plot(x[:, i], reconstruction[:, i], "o", color=BLUE, markersize=2.5, alpha=0.6)
        both = np.concatenate([x[:, i], reconstruction[:, i]])
        ends = [both.min(), both.max()]
        axes.plot(ends, ends, color=BLACK, linewidth=0.8)
    figure.supxlabel("original", fontsize=9)
    figure.supylabel("reconstruction", fontsize=9)
    return figure


def table_samples(x: np.ndarray, samples: np.ndarray, columns: Sequence[str]) -> Figure:
    """For each column of a table, the distribution of the data (N, D) and of samples (n, D)."""
    figure, panels = _panels(columns)
    for i, axes in enumerate(panels):
        both = np.concatenate([x[:, i], samples[:, i]])
        bins = np.histogram_bin_edges(both, 24)
        heights = [np.histogram(values, bins, density=True)[0] for values in (x[:, i], samples[:, i])]
        axes.stairs(heights[0], bins, fill=True, color=BLUE, alpha=0.45, label="data")
        axes.stairs(heights[1], bins, color=ORANGE, linewidth=1.4, label="samples")
        axes.set_yticks([])
    panels[0].legend(fontsize=7)
    figure.supylabel("density", fontsize=9)
    return figure


def _panels(columns: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """One small panel for each of the first twelve columns."""
    names = list(columns)[:COLUMNS_SHOWN]
    across = min(4, len(names))
    down = -(-len(names) // across)
    figure = new_figure(2.3 * across + 0.3, 2.0 * down + 0.3)
    panels = list(np.asarray(figure.subplots(down, across, squeeze=False)).flat)
    for axes in panels[len(names) :]:
        axes.remove()
    for axes, name in zip(panels, names, strict=False):
        axes.set_title(name, fontsize=8)
        axes.tick_params(labelsize=6)
    return figure, panels[: len(names)]
