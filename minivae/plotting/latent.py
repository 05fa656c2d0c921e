"""Figures of a latent space: where the data lie, which dimensions are used, what the decoder makes of them (lesson 12).

Here ``limits`` are the values drawn white and black; images have shape ``image_shape``, (h, w) with h * w = D.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minivae.plotting import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

USED: dict[str, Any] = {"facecolor": figures.BLUE, "edgecolor": figures.BLUE}
EMPTY: dict[str, Any] = {"facecolor": "white", "edgecolor": figures.BLACK, "hatch": "////"}
POINTS_SHOWN, CLASSES_SHOWN, GLYPHS_SHOWN = 2000, len(figures.SHAPES), 10
BARS_SHOWN, INDICES_SHOWN = 200, 50


def latent_scatter(
    mu: np.ndarray,
    labels: np.ndarray | None = None,
    label_names: Sequence[str] = (),
    kl_per_dimension: np.ndarray | None = None,
) -> Figure:
    """Posterior means ``mu`` (N, K) by class, in the two dimensions of the largest KL, or else of the largest variance.

    ``labels`` (N,) are integers, ``label_names`` the names of labels 0, 1, ...; ``kl_per_dimension`` (K,) is in nats.
    """
    rows = figures.thinned(len(mu), POINTS_SHOWN)
    classes, names = _classes(np.zeros(len(mu)) if labels is None else labels, label_names)
    dims = leading(mu.var(axis=0) if kl_per_dimension is None else kl_per_dimension)
    figure = figures.new_figure(6.2, 5.2 if len(dims) == 2 else 0.9 + 0.45 * max(4, len(names)))
    axes = figure.subplots()
    axes.set_title(_scatter_title(len(rows), mu, labels, names), fontsize=10)
    axes.set_xlabel(dimension_name(dims[0], kl_per_dimension))
    if len(dims) == 1:
        _draw_lines_of_points(axes, mu[rows, 0], classes[rows], names)
    else:
        _draw_points(axes, mu[np.ix_(rows, dims)], classes[rows], names)
        axes.set_ylabel(dimension_name(dims[1], kl_per_dimension))
    return figure


def leading(sizes: np.ndarray) -> np.ndarray:
    """The indices of the (at most) two largest of ``sizes`` (K,), in their own order."""
    return np.sort(np.argsort(-np.asarray(sizes), kind="stable")[:2])


def dimension_name(index: int, kl_per_dimension: np.ndarray | None = None) -> str:
    """The name of a latent dimension, with its KL (from (K,), in nats) if known."""
    kl = "" if kl_per_dimension is None else f" (KL {kl_per_dimension[index]:.2f} nats)"
    return f"z_{index}{kl}"


def class_name(label: int, label_names: Sequence[str]) -> str:
    """The name of a label, or its number."""
    return label_names[label] if 0 <= label < len(label_names) else str(label)


def _classes(labels: np.ndarray, label_names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """The class of each example and the names of the classes; one nameless class if there are too many."""
    values, classes = np.unique(labels, return_inverse=True)
    if len(values) == 1 or len(values) > CLASSES_SHOWN:
        return np.zeros(len(labels), int), [""]
    return classes, [class_name(label, label_names) for label in values]


def _scatter_title(n: int, mu: np.ndarray, labels: np.ndarray | None, names: list[str]) -> str:
    n_all, n_dims = mu.shape
    title = f"posterior means of {n} examples" + (f" (of {n_all})" if n < n_all else "")
    if n_dims > 2:
        title += f",\nthe two most used of {n_dims} latent dimensions"
    n_classes = 1 if labels is None else len(np.unique(labels))
    return f"{title}\n{n_classes} classes: too many to mark" if n_classes > len(names) else title


def _draw_points(axes: Axes, points: np.ndarray, classes: np.ndarray, names: list[str]) -> None:
    """Points (n, 2) on a plane, each class with its marker."""
    axes.update_datalim([(-2, -2), (2, 2)])  # the scale of the prior shows that a dimension has collapsed
    axes.set_aspect("equal", adjustable="datalim")
    # Names of one character are their own markers, and need no legend.
    glyphs = len(names) <= GLYPHS_SHOWN and all(len(name) == 1 and name.isascii() and name.isalnum() for name in names)
    size = 7 if len(points) <= 500 else 5
    for i, name in enumerate(names):
        colour, _, shape = figures.look(i)
        marker = f"$\\mathbf{{{name}}}$" if glyphs else shape
        x, y = points[classes == i].T
        axes.plot(x, y, linestyle="", marker=marker, markersize=size, color=colour, markeredgewidth=0, alpha=0.75)
    if len(names) > 1 and not glyphs:
        figures.named_legend(axes, axes.lines, names)


def _draw_lines_of_points(axes: Axes, values: np.ndarray, classes: np.ndarray, names: list[str]) -> None:
    """Values (n,) along one axis, a line for each class; the height within a line has no meaning."""
    axes.update_datalim([(-2, 0), (2, 0)])
    spread = 0.7 * (np.arange(len(values)) * 0.6180339887 % 1 - 0.5)  # golden section: even, no height twice
    for i in range(len(names)):
        here, colour = classes == i, figures.look(i)[0]
        axes.plot(values[here], i + spread[here], "o", color=colour, markersize=4, markeredgewidth=0, alpha=0.5)
    axes.set_yticks(range(len(names)), [figures.shorten(name) for name in names], parse_math=False)
    axes.set_ylim(-0.5, len(names) - 0.5)
    axes.set_ylabel("class (spread out to be seen)" if len(names) > 1 else "spread out to be seen")
    if len(names) == 1:
        axes.set_yticks([])


def kl_bars(kl_per_dimension: np.ndarray, active: np.ndarray) -> Figure:
    """The KL of each latent dimension (K,), in nats, the largest first; bars of ``active`` ones (K,) are filled."""
    from matplotlib.patches import Patch

    order = np.argsort(-kl_per_dimension, kind="stable")[:BARS_SHOWN]
    kl, places, n_dims = kl_per_dimension[order], range(len(order)), len(active)
    figure = figures.new_figure(7.2, 3.4)
    axes = figure.subplots()
    for bar, is_active in zip(axes.bar(places, kl), active[order], strict=True):
        bar.set(**(USED if is_active else EMPTY))
    axes.set_xlim(-0.6, max(len(order), 10) - 0.4)
    axes.set_ylim(0, max(1.25 * kl.max(), 0.1))  # leaves room for the legend, and draws a KL near 0 small
    few = len(order) <= INDICES_SHOWN
    axes.set_xticks(places if few else [], order if few else [], fontsize=9 if len(order) <= 30 else 6)
    axes.set_xlabel("latent dimension, the largest KL first" if n_dims <= BARS_SHOWN else f"the {BARS_SHOWN} largest")
    axes.set_ylabel("KL, nats per example")
    total = kl_per_dimension.sum()
    axes.set_title(f"{active.sum()} of {n_dims} dimensions active, {total:.2f} nats in all", fontsize=10)
    names = ("active (variance of the posterior mean > 0.01)", "inactive")
    axes.legend(handles=[Patch(label=name, **style) for name, style in zip(names, (USED, EMPTY), strict=True)])
    return figure


# -- the plane of two latent dimensions ----------------------------------------------------------------------
#
# Its axes are even in the prior's probability: ``quantiles`` (n,) rise. Row i * n + j of the decoded values is at
# quantile i of the second dimension and j of the first. ``names`` are the two dimensions'. With one name and n rows
# the plane is a line.


def manifold_images(
    images: np.ndarray,
    image_shape: tuple[int, int],
    quantiles: np.ndarray,
    names: Sequence[str],
    limits: tuple[float, float] = (0.0, 1.0),
    title: str = "",
) -> Figure:
    """The decoded images (n * n, D) of the plane, or (n, D) of the line."""
    n, (height, width) = len(quantiles), image_shape
    rows = list(images.reshape(-1, n, height * width))[::-1]  # drawn from the top
    tall, wide = figures.inches_of(image_shape, 0.45 if len(names) == 2 else 0.6)
    figure = figures.new_figure(wide * n + 0.9, tall * len(rows) + 0.9)
    axes = figure.subplots()
    gap = figures.gap_of(image_shape)
    figures.show_images(axes, figures.tile(rows, image_shape, limits[0]), limits)
    at = np.arange(0, n, 2)
    labels = [f"{quantile:.3g}" for quantile in quantiles[at]]
    axes.set_xticks(at * (width + gap) + (width - 1) / 2, labels, fontsize=9)
    axes.set_title(title, fontsize=10, wrap=True)
    axes.set_xlabel(f"{names[0]}, quantile of the prior")
    if len(names) == 2:
        axes.set_yticks((n - 1 - at) * (height + gap) + (height - 1) / 2, labels, fontsize=9)
        axes.set_ylabel(f"{names[1]}, quantile of the prior")
    return figure


def manifold_tables(
    values: np.ndarray, columns: Sequence[str], quantiles: np.ndarray, names: Sequence[str], title: str = ""
) -> Figure:
    """Each decoded column as a map over the plane, (n * n, D), or as a curve over the line, (n, D)."""
    figure, panels = figures.column_panels(columns, title)
    for i, axes in enumerate(panels):
        if len(names) == 2:
            _draw_map(axes, values[:, i].reshape(len(quantiles), -1), quantiles)
        else:
            axes.plot(quantiles, values[:, i], color=figures.BLUE)
        axes.set_xticks(quantiles[[0, len(quantiles) // 2, -1]])
    figure.supxlabel(f"{names[0]}, quantile of the prior", fontsize=9, wrap=True)
    figure.supylabel(f"{names[1]}\nquantile of the prior" if len(names) == 2 else "mean of p(x|z)", fontsize=9)
    return figure


def _draw_map(axes: Axes, values: np.ndarray, quantiles: np.ndarray) -> None:
    """A heat map (n, n) over two quantiles, with its colour bar."""
    from matplotlib.ticker import MaxNLocator

    half = (quantiles[1] - quantiles[0]) / 2
    low, high = quantiles[0] - half, quantiles[-1] + half
    image = axes.imshow(values, cmap="cividis", origin="lower", extent=(low, high, low, high), aspect="auto")
    axes.set_yticks(quantiles[[0, len(quantiles) // 2, -1]])
    scale = axes.figure.colorbar(image, ax=axes, fraction=0.05, pad=0.03, aspect=30, ticks=MaxNLocator(4))
    scale.ax.tick_params(labelsize=7)
    scale.ax.yaxis.get_offset_text().set_fontsize(7)


# -- from one example to another ---------------------------------------------------------------------------


def interpolation_images(
    rows: np.ndarray, image_shape: tuple[int, int], ends: np.ndarray, limits: tuple[float, float] = (0.0, 1.0)
) -> Figure:
    """Decoded steps (pairs, steps, D) between the two examples ``ends`` (pairs, 2, D), which stand outside."""
    (n_pairs, n_steps, _), (_, width), gap = rows.shape, image_shape, figures.gap_of(image_shape)
    parts = (ends[:, :1], rows, ends[:, 1:])
    left, middle, right = (figures.tile(list(part), image_shape, limits[0]) for part in parts)
    space = np.full((len(middle), width // 2 + gap), float(limits[0]))
    tall, wide = figures.inches_of(image_shape)
    figure = figures.new_figure(wide * (n_steps + 3), tall * n_pairs + 0.5)
    axes = figure.subplots()
    figures.show_images(axes, np.hstack([left, space, middle, space, right]), limits)
    first, last = (width - 1) / 2, 2 * space.shape[1] + width + middle.shape[1] + (width - 1) / 2
    steps = width + space.shape[1] + np.arange(n_steps) * (width + gap) + (width - 1) / 2
    times = [f"t = {i / (n_steps - 1):.2g}" if i % 2 == 0 else "" for i in range(n_steps)]
    axes.set_xticks([first, *steps, last], ["original", *times, "original"], fontsize=9)
    axes.xaxis.tick_top()
    axes.set_xlabel("decoded: z = (1 - t) mu(left) + t mu(right)", fontsize=9)
    axes.tick_params(length=0)
    return figure


def interpolation_tables(values: np.ndarray, columns: Sequence[str], ends: np.ndarray, names: Sequence[str]) -> Figure:
    """Each decoded column (pairs, steps, D) along the line between the two examples ``ends`` (pairs, 2, D)."""
    figure, panels = figures.column_panels(columns)
    times, styles = np.linspace(0, 1, values.shape[1]), [figures.look(j) for j in range(len(values))]
    for i, axes in enumerate(panels):
        for (colour, line, shape), way, end in zip(styles, values[:, :, i], ends[:, :, i], strict=True):
            axes.plot(times, way, color=colour, linestyle=line)
            axes.plot([0, 1], end, shape, color=colour, markersize=4)
        axes.set_xticks([0, 0.5, 1])
    figures.named_legend(figure, panels[0].lines[::2], names, loc="outside right upper")
    figure.supxlabel("t, in z = (1 - t) mu(from) + t mu(to); points: the examples themselves", fontsize=9, wrap=True)
    figure.supylabel("mean of p(x|z)", fontsize=9)
    return figure
