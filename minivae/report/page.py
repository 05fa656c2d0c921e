"""A report as one HTML page that asks for nothing outside itself: findings, and the pictures of the run."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import Any

import numpy as np

from minivae.plotting import figures
from minivae.report.evidence import Evidence
from minivae.runs.pictures import PICTURES

STYLE = "body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto}img{max-width:100%}pre{white-space:pre-wrap}"


def page(e: Evidence, line: str, found: list[dict[str, Any]]) -> str:
    """The page; whatever comes from files is escaped."""
    name = escape(str(e.run.path))
    head = f"<!DOCTYPE html><html lang=en><meta charset=utf-8><title>{name}</title><style>{STYLE}</style>"
    parts = [f"{head}<h1>{name}</h1><pre>{escape(line)}</pre>"]
    for finding in found:
        name, severity, evidence, remedy = (escape(finding[key]) for key in ("name", "severity", "evidence", "remedy"))
        parts.append(f"<h2>{name} ({severity})</h2><dl><dd>{evidence}<dd>try <code>{remedy}</code></dl>")
    images = {"calibration": calibration(e)} if e.vae.likelihood.name in ("gaussian", "bernoulli") else {}
    for name in PICTURES:
        if (e.run.path / name).is_file():
            images[name.removesuffix(".png")] = (e.run.path / name).read_bytes()
    for name, image in images.items():
        data = base64.b64encode(image).decode()
        parts.append(f'<h2>{name}</h2><img alt="{name}" src="data:image/png;base64,{data}">')
    return "\n".join(parts) + "\n"


def calibration(e: Evidence) -> bytes:
    """What the likelihood claims against what the training rows are, as a PNG: residuals, or probabilities."""
    with figures.own_settings():
        figure, image = figures.new_figure(5.0, 3.4), io.BytesIO()
        axes = figure.subplots()
        if e.vae.likelihood.name == "gaussian":
            residuals, grid = ((e.x - e.decoded) / np.sqrt(e.variance)).ravel(), np.linspace(-5, 5, 101)
            axes.hist(residuals, grid, density=True, color=figures.BLUE, label="residuals / claimed deviation")
            axes.plot(grid, np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi), color=figures.ORANGE, label="standard normal")
        else:
            bins = np.minimum((10 * e.decoded).astype(int), 9).ravel()
            n = np.maximum(np.bincount(bins, minlength=10), 1)
            claimed, seen = (np.bincount(bins, values.ravel(), 10) / n for values in (e.decoded, e.x))
            axes.plot(claimed, seen, "o", color=figures.BLUE, label="mean of x where p is so large")
            axes.plot([0, 1], [0, 1], color=figures.ORANGE, label="as claimed")
        axes.legend(fontsize=8)
        figure.savefig(image, format="png")
    return image.getvalue()
