"""Pictures of a sweep: one for the Prefect UI, and one to explore in a browser."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from secateur.report.figures import Choice, metric_axis, text
from secateur.report.sweep import SweepReport
from secateur.report.sweep_tables import LABELS, worth
from secateur.report.tables import is_share

_FRONT, _OTHER, _DENSE = "#0b6e4f", "#9aa5b1", "#c1440e"


def write_png(report: SweepReport, path: Path) -> None:
    """The test metric against the number of nonzero weights, with deviations and the front."""
    from matplotlib.figure import Figure  # no global state, so no window system either
    from matplotlib.ticker import EngFormatter

    factor, unit = (100, ", %") if is_share(report.metric) else (1, "")
    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    front = report.fronts["nonzero"]
    others = [place for place in _with_figures(report) if place not in front]
    for places, color, label in ((others, _OTHER, "others"), (front, _FRONT, "worth their cost")):
        if not places:
            continue
        figures = [report.variants[place].figures for place in places]
        axes.errorbar(
            [f["nonzero"].mean for f in figures],
            [factor * f["test"].mean for f in figures],
            yerr=[factor * f["test"].std for f in figures],
            fmt="o-" if places is front else "o",
            color=color,
            label=label,
            capsize=3,
        )
    if dense := report.dense.get("test"):
        axes.axhline(factor * dense.mean, color=_DENSE, linestyle="--", label="dense")
    axes.set_xscale("log")
    for axis_formatter in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        axis_formatter(EngFormatter(sep=""))
    axes.set_xlabel("nonzero weights")
    axes.set_ylabel(f"{report.metric} on the test split{unit}")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path)


def choices(report: SweepReport) -> list[Choice]:
    """A chart to explore, with a choice of the cost."""
    found = []
    for cost in LABELS:
        places = [p for p in _with_figures(report) if cost in report.variants[p].figures]
        if not places:
            continue
        front = report.fronts[cost]
        others = [place for place in places if place not in front]
        data = [
            _trace(report, cost, others, "others", "var(--muted)", "markers"),
            _trace(report, cost, front, "worth their cost", "var(--final)", "markers+lines"),
        ]
        layout: dict[str, Any] = {
            "xaxis": {"title": {"text": LABELS[cost]}, "type": "log", "tickformat": "~s"},
            "yaxis": metric_axis(report.metric),
            "height": 480,
        }
        if dense := report.dense.get("test"):
            layout |= _dense_line(dense.mean)
        found.append({"label": LABELS[cost], "data": data, "layout": layout})
    return found


def _dense_line(height: float) -> dict[str, Any]:
    line = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": height, "y1": height}
    note = {"xref": "paper", "x": 0, "xanchor": "left", "y": height, "yanchor": "bottom"}
    return {
        "shapes": [{**line, "line": {"color": "var(--pruned)", "width": 1.5, "dash": "dash"}}],
        "annotations": [{**note, "text": "dense", "showarrow": False}],
    }


def _trace(
    report: SweepReport, cost: str, places: Sequence[int], name: str, color: str, mode: str
) -> dict[str, Any]:
    variants = [report.variants[place] for place in places]
    several = any(variant.figures["test"].trials > 1 for variant in variants)
    deviations = [variant.figures["test"].std for variant in variants]
    return {
        "type": "scatter",
        "mode": mode,
        "name": name,
        "x": [variant.figures[cost].mean for variant in variants],
        "y": [variant.figures["test"].mean for variant in variants],
        "error_y": {"type": "data", "array": deviations, "visible": several, "width": 3},
        "marker": {"color": color, "size": 9},
        "customdata": [
            f"{text(variant.name)}<br>test {worth(report, variant.figures['test'])}"
            f"<br>sparsity {variant.figures['sparsity'].mean:.2%}"
            for variant in variants
        ],
        "hovertemplate": f"%{{customdata}}<br>{LABELS[cost]} %{{x:,.0f}}<extra></extra>",
    }


def _with_figures(report: SweepReport) -> list[int]:
    return [place for place, variant in enumerate(report.variants) if "nonzero" in variant.figures]
