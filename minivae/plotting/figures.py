"""Figures of a training run. Each function returns a matplotlib Figure; ``save`` writes it."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minivae.system.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

# Okabe and Ito's colours, which colour-blind readers can tell apart; grey, brown and purple replace their yellow, which
# is too pale on white. Lines also differ in style and points in shape, for readers without colour.
BLUE, ORANGE, GREEN, BLACK = "#0072B2", "#D55E00", "#009E73", "#000000"
COLOURS = (BLUE, ORANGE, GREEN, BLACK, "#CC79A7", "#56B4E9", "#E69F00", "#999999", "#7A4A1E", "#5B2A86")
SHAPES = "os^DvPX<*>ph"
LINES = ("-", "--", "-.", ":")
COLUMNS_SHOWN = 12
CURVES = {
    "loss": "loss = reconstruction + beta KL",
    "elbo": "ELBO = -(reconstruction + KL)",
    "recon_nll": "reconstruction, -log p(x|z)",
    "kl": "KL of q(z|x) from the prior",
}


def new_figure(width: float, height: float) -> Figure:
    """A figure outside pyplot: no window, no global state."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return Figure(figsize=(width, height), dpi=120, layout=ConstrainedLayoutEngine(w_pad=0.1))


@contextmanager
def own_settings() -> Iterator[None]:
    """Draw with matplotlib's defaults: a matplotlibrc or a notebook may ask for fonts or windows that there are not."""
    notebook = os.environ.pop("MPLBACKEND", None)  # of a backend that is not installed here even the import fails
    try:
        import matplotlib
    finally:
        os.environ |= {} if notebook is None else {"MPLBACKEND": notebook}
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield


def save(figure: Figure, path: str | os.PathLike) -> None:
    """Write a figure in the format of the file's ending; an error leaves an old file as it was."""
    content = io.BytesIO()
    figure.savefig(content, format=Path(path).suffix[1:] or "png")
    write_bytes(path, content.getbuffer())


def loss_curve(history: Mapping[str, Sequence[float]], best_epoch: int | None = None, held_out: str = "test") -> Figure:
    """The loss, the ELBO and its two terms by epoch, one panel each, in nats per example.

    Parameters
    ----------
    history : mapping of str to sequence of float
        As :func:`minivae.fit` returns it; "val_loss", ... are drawn as second curves if present.
    best_epoch : int, optional
        Marked by a vertical line.
    held_out : str, default "test"
        The label of the second curves.
    """
    figure = new_figure(8.0, 5.0)
    panels = figure.subplots(2, 2, sharex=True)
    for axes, (name, title) in zip(panels.flat, CURVES.items(), strict=True):
        _draw_curves(axes, history, name, held_out)
        axes.set_title(title, fontsize=10)
        if best_epoch in history["epoch"]:
            axes.axvline(best_epoch, color=BLACK, linewidth=0.8, linestyle=":", label="best epoch")
    for axes in panels[1]:
        axes.set_xlabel("epoch")
    for axes in panels[:, 0]:
        axes.set_ylabel("nats per example")
    panels[0, 0].legend(fontsize=9)
    return figure


def _draw_curves(axes: Axes, history: Mapping[str, Sequence[float]], name: str, held_out: str) -> None:
    """One entry of a history, for the training data and, if present, for held-out data."""
    from matplotlib.ticker import MaxNLocator

    epochs = history["epoch"]
    marker = "o" if len(epochs) <= 20 else ""
    axes.plot(epochs, history[name], color=BLUE, marker=marker, markersize=4, label="training")
    if f"val_{name}" in history:
        values = history[f"val_{name}"]
        axes.plot(epochs, values, "--", color=ORANGE, marker=marker, markersize=4, label=held_out)
    axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
    axes.grid(alpha=0.3)
    _set_limits(axes, rising=name == "elbo")


def _set_limits(axes: Axes, rising: bool) -> None:
    """Let the steep first tenth of the epochs leave the frame, so that the rest can be read."""
    curves = [np.asarray(line.get_ydata(), dtype=float) for line in axes.lines]
    values, later = np.concatenate(curves), np.concatenate([curve[len(curve) // 10 :] for curve in curves])
    # Only bad values are cut off: the best stay inside, whenever they were reached.
    low, high = (later.min(), values.max()) if rising else (values.min(), later.max())
    if high > low:
        axes.set_ylim(low - 0.08 * (high - low), high + 0.08 * (high - low))


def image_grid(
    rows: Sequence[np.ndarray],
    image_shape: tuple[int, int],
    labels: Sequence[str] = (),
    limits: tuple[float, float] = (0.0, 1.0),
) -> Figure:
    """Images in a grid, black on white.

    Parameters
    ----------
    rows : sequence of ndarray, each of shape (n, D)
        The rows of the grid; none is longer than the first.
    image_shape : (int, int)
        Height and width; their product is D.
    labels : sequence of str, optional
        A name for each row.
    limits : (float, float)
        The values drawn white and black.
    """
    tall, wide = inches_of(image_shape)
    figure = new_figure(wide * len(rows[0]) + (1.2 if labels else 0), tall * len(rows) + 0.15)
    axes = figure.subplots()
    show_images(axes, tile(rows, image_shape, limits[0]), limits)
    middles = np.arange(len(labels)) * (image_shape[0] + gap_of(image_shape)) + (image_shape[0] - 1) / 2
    axes.set_yticks(middles, labels, fontsize=9, parse_math=False)
    return figure


def gap_of(image_shape: tuple[int, int]) -> int:
    """The space between the images of a grid, in pixels."""
    return max(1, min(image_shape) // 8)


def inches_of(image_shape: tuple[int, int], longer: float = 0.7) -> tuple[float, float]:
    """Height and width of one image on paper."""
    height, width = image_shape  # the minimum leaves room for the label of a narrow image
    return max(0.2, longer * min(1, height / width)), max(0.2, longer * min(1, width / height))


def tile(rows: Sequence[np.ndarray], image_shape: tuple[int, int], background: float) -> np.ndarray:
    """One picture (H, W) of many images: rows of (n, D), from top to bottom."""
    (height, width), gap = image_shape, gap_of(image_shape)
    picture = np.full((len(rows) * (height + gap) - gap, len(rows[0]) * (width + gap) - gap), float(background))
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            top, left = i * (height + gap), j * (width + gap)
            picture[top : top + height, left : left + width] = np.reshape(image, image_shape)
    return picture


def show_images(axes: Axes, picture: np.ndarray, limits: tuple[float, float]) -> None:
    """Draw a picture (H, W), ``limits[0]`` white and ``limits[1]`` black, without frame and ticks."""
    axes.imshow(picture, cmap="gray_r", vmin=limits[0], vmax=limits[1], interpolation="nearest")
    axes.set_frame_on(False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.tick_params(length=0)


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
    """For each column of a table, the reconstruction against the original, both (n, D)."""
    figure, panels = column_panels(columns)
    for i, axes in enumerate(panels):
        axes.plot(x[:, i], reconstruction[:, i], "o", color=BLUE, markersize=2.5, alpha=0.6)
        both = np.concatenate([x[:, i], reconstruction[:, i]])
        ends = [np.nanmin(both), np.nanmax(both)]
        axes.plot(ends, ends, color=BLACK, linewidth=0.8)  # where a perfect reconstruction lies
    figure.supxlabel("original", fontsize=9)
    figure.supylabel("reconstruction", fontsize=9)
    return figure


def table_samples(x: np.ndarray, samples: np.ndarray, columns: Sequence[str]) -> Figure:
    """For each column of a table, the distribution of the data (N, D) and of samples (n, D)."""
    figure, panels = column_panels(columns)
    for i, axes in enumerate(panels):
        both = np.concatenate([x[:, i], samples[:, i]], dtype=np.float64)  # in float32 two edges can be equal
        bins = np.histogram_bin_edges(both[np.isfinite(both)], 24)  # a table may have holes
        heights = [np.histogram(values, bins, density=True)[0] for values in (x[:, i], samples[:, i])]
        axes.stairs(heights[0], bins, fill=True, color=BLUE, alpha=0.45, label="data")
        axes.stairs(heights[1], bins, color=ORANGE, linewidth=1.4, label="draws of x")
        axes.set_yticks([])
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    figure.supylabel("density", fontsize=9)
    return figure


def plane_samples(x: np.ndarray, samples: np.ndarray, columns: Sequence[str]) -> Figure:
    """Data (N, 2) and samples (n, 2) in their plane."""
    figure = new_figure(5.0, 4.6)
    axes = figure.subplots()
    axes.plot(*x.T, "o", color=BLUE, markersize=3, alpha=0.4, label="data")
    axes.plot(*samples.T, "x", color=ORANGE, markersize=3, alpha=0.6, label="samples")
    axes.set_xlabel(shorten(columns[0]), parse_math=False)
    axes.set_ylabel(shorten(columns[1]), parse_math=False)
    figure.legend(loc="outside upper right", ncols=2, fontsize=8)
    return figure


def game_curves(history: Mapping[str, Sequence[float]]) -> Figure:
    """What :meth:`minivae.GAN.fit` returns, by step: losses and penalty in nats, and shares where there are such."""
    units = {name: "share" if name in ("coverage", "precision") else "nats" for name in history if name != "step"}
    panels = sorted(set(units.values()))
    figure = new_figure(4.0 * len(panels), 3.0)
    for axes, unit in zip(figure.subplots(1, len(panels), squeeze=False).flat, panels, strict=True):
        for i, name in enumerate(name for name in units if units[name] == unit):
            colour, line, _ = look(i)
            axes.plot(history["step"], history[name], line, color=colour, label=name.replace("_", " "))
        axes.set(xlabel="step", ylabel=unit)
        axes.legend(fontsize=8)
    return figure


def column_panels(columns: Sequence[str], title: str = "") -> tuple[Figure, list[Axes]]:
    """A figure with a small panel for each of the first twelve columns; its title tells if there are more."""
    names = [shorten(name) for name in columns[:COLUMNS_SHOWN]]
    down = math.ceil(len(names) / 4)
    across = math.ceil(len(names) / down)
    figure = new_figure(max(2.3 * across + 0.3, 3.6), max(2.0 * down + 0.3, 2.6))
    panels = list(np.asarray(figure.subplots(down, across, squeeze=False)).flat)
    for axes in panels[len(names) :]:
        axes.remove()
    for axes, name in zip(panels, names, strict=False):
        axes.set_title(name, fontsize=8, parse_math=False)
        axes.locator_params(nbins=4)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_tick_params(labelsize=7)
            axis.get_offset_text().set_fontsize(7)
    note = f"{len(names)} of {len(columns)} columns" if len(columns) > len(names) else ""
    figure.suptitle("; ".join(filter(None, (title, note))), fontsize=9, wrap=True)
    return figure, panels[: len(names)]


def shorten(name: str, longest: int = 30) -> str:
    """The name, cut to the width of a small panel."""
    return name if len(name) <= longest else name[: longest - 3] + "..."


def named_legend(where: Axes | Figure, lines: Sequence[Line2D], names: Sequence[str], **options: Any) -> None:
    """A legend of users' names: "$" starts no formula, "_" hides no entry."""
    legend = where.legend(lines, [str(i) for i in range(len(names))], fontsize=8, **options)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_parse_math(False)
        text.set_text(shorten(name))


def look(index: int) -> tuple[str, str, str]:
    """Colour, line style and marker of curve or class number ``index``."""
    return COLOURS[index % len(COLOURS)], LINES[index % len(LINES)], SHAPES[index % len(SHAPES)]


def thinned(n: int, most: int) -> np.ndarray:
    """The indices of at most ``most`` of n examples, evenly spread."""
    return np.linspace(0, n - 1, min(n, most)).astype(int)
