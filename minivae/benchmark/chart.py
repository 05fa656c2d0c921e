"""The result of a benchmark as a figure: bars for the training step, and with the kernels' timings a roofline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from matplotlib.transforms import Bbox

from minivae.plotting import BLACK, BLUE, COLOURS, SHAPES, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GREY = "#999999"
# Where a label may stand around its point: near before far, above and below before beside. Pixels.
RADII = (4, *range(8, 400, 8))
ANGLES = np.deg2rad([90, 270, 60, 120, 300, 240, 30, 150, 330, 210, 0, 180])
DOT, GAP = 5, 1
FEWEST_BARS = 5


def picture(result: Mapping[str, Any]) -> Figure:
    """Both panels, or the bars alone where no kernels were timed, such as those of a GPU."""
    backends = list(result["verified"])
    if not result.get("kernels"):
        figure = new_figure(7.0, 1.2 + 0.45 * len(result["timings"]))
        draw_bars(figure.subplots(), result, backends)
        return figure
    figure = new_figure(16.0, 8.0)
    left, right = figure.subplots(1, 2, width_ratios=[1, 2.4])
    draw_bars(left, result, backends)
    draw_roofline(right, result)
    return figure


def draw_bars(axes: Axes, result: Mapping[str, Any], backends: Sequence[str]) -> None:
    """A bar for each contender: the median, with the smallest and the largest as whiskers; ours are darker."""
    timings = result["timings"]
    middle, low, high = (np.array([timing[key] for timing in timings.values()]) for key in ("median", "min", "max"))
    y = np.arange(len(timings))
    colours = [BLUE if name in backends else "#BBBBBB" for name in timings]
    axes.barh(y, middle, color=colours, height=0.65)
    axes.errorbar(middle, y, xerr=[middle - low, high - middle], fmt="none", ecolor=BLACK, capsize=3, linewidth=1)
    for i, value in enumerate(middle):
        axes.annotate(f"{value:.2f}", (high[i], i), (6, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_yticks(y, list(timings))
    axes.set_ylim(max(len(y), FEWEST_BARS) - 0.5, -0.5)  # from above, and no bar as thick as a wall
    axes.set_xlim(0, 1.15 * high.max())
    tf32 = ", TF32 on the GPU" if result.get("gpu", {}).get("tf32") else ""
    title = f"ms per training step, batch {result['batch_size']}{tf32}"
    axes.set_xlabel(f"{title}\n(median; whiskers: smallest and largest)")
    axes.spines[["top", "right"]].set_visible(False)


# ---------------------------------------------------------------------------------------------------------
# The roofline


def draw_roofline(axes: Axes, result: Mapping[str, Any]) -> None:
    """Every kernel under the roofs: intensity across, flops per second up, both logarithmic.

    A kernel has one intensity on all backends, so that its points stand above each other: a line joins them, and one
    label names them. What does no arithmetic has no place here.
    """
    tables = {name: [row for row in rows if row["flops"]] for name, rows in result["kernels"].items()}
    kernels = list(zip(*tables.values(), strict=True))
    x = np.array([rows[0]["flops"] / rows[0]["bytes"] for rows in kernels])
    speeds = np.array([[row["flops_per_second"] / 1e9 for row in rows] for rows in kernels])
    axes.vlines(x, speeds.min(axis=1), speeds.max(axis=1), color=GREY, linewidth=0.8)
    for i, name in enumerate(tables):
        axes.plot(x, speeds[:, i], SHAPES[i], color=COLOURS[i], markersize=5, label=name)
    draw_roofs(axes, np.geomspace(x.min() / 2, x.max() * 2, 200), result["roofs"])
    axes.set(xscale="log", yscale="log", xlabel="intensity, flops per byte moved", ylabel="Gflop/s")
    axes.grid(alpha=0.25)
    axes.legend(loc="lower right", fontsize=9)
    label_points(axes, x, speeds, [rows[0]["kernel"] for rows in kernels])


def draw_roofs(axes: Axes, x: np.ndarray, roofs: Mapping[str, Any]) -> None:
    """Lines that rise with a bandwidth until they meet the peak, at the intensities ``x``, shape (n,)."""
    for name, style in (("cache", "-"), ("memory", "--")):
        bandwidth, peak = roofs[f"{name}_bandwidth"], roofs["peak"]
        label = f"roof: {name} {bandwidth / 1e9:.0f} GB/s, sgemm {peak / 1e9:.0f} Gflop/s"
        axes.plot(x, np.minimum(x * bandwidth, peak) / 1e9, style, color=BLACK, linewidth=1.2, label=label)


def label_points(axes: Axes, x: np.ndarray, y: np.ndarray, names: Sequence[str]) -> list[Bbox]:
    """Write a name at each point so that no two names overlap; returns where they stand, in pixels.

    Parameters
    ----------
    axes : Axes
        Complete but for the names: its limits and its place in the figure are kept from here on.
    x, y : ndarray, shape (n,) and (n, m)
        A name belongs to ``m`` points above each other, and stands at the highest.
    names : sequence of str
    """
    figure, legend = cast(Any, axes.figure), cast(Any, axes.get_legend())
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    points = axes.transData.transform(np.column_stack([np.repeat(x, y.shape[1]), y.ravel()]))
    taken = [Bbox([point - DOT, point + DOT]) for point in points] + [legend.get_window_extent()]
    frame, labels = axes.get_window_extent(), []
    for i in np.argsort(x):
        point = axes.transData.transform((x[i], y[i].max()))
        text = axes.annotate(
            names[i], (x[i], y[i].max()), (0, 0), textcoords="offset pixels", fontsize=7, ha="center", va="center",
            bbox={"boxstyle": "square,pad=0.05", "facecolor": "white", "edgecolor": "none", "alpha": 0.7},
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2},
        )  # fmt: skip
        box = free_place(point, text.get_window_extent(), taken, frame)
        text.set_position(np.mean(box.get_points(), axis=0) - point)
        taken.append(box)
        labels.append(box)
    return labels


def free_place(point: np.ndarray, text: Bbox, taken: Sequence[Bbox], frame: Bbox) -> Bbox:
    """The nearest of many places around a point, shape (2,), where a text overlaps nothing; all in pixels."""
    half = np.array([text.width, text.height]) / 2
    for radius in RADII:
        for angle in ANGLES:
            middle = point + (half + radius) * (np.cos(angle), np.sin(angle))
            box = Bbox([middle - half - GAP, middle + half + GAP])
            inside = frame.x0 < box.x0 and box.x1 < frame.x1 and frame.y0 < box.y0 and box.y1 < frame.y1
            if inside and not any(box.overlaps(other) for other in taken):
                return box
    return Bbox([point - half, point + half])
