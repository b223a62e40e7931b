"""Pictures of a sweep: one for the Prefect UI, and one to explore in a browser."""

from __future__ import annotations

from pathlib import Path

from secateur.report.sweep import SweepReport
from secateur.report.sweep_tables import LABELS, percent

_FRONT, _OTHER, _DENSE = "#0b6e4f", "#9aa5b1", "#c1440e"


def write_png(report: SweepReport, path: Path) -> None:
    """The test metric against the number of nonzero weights, with deviations and the front."""
    from matplotlib.figure import Figure  # no global state, so no window system either
    from matplotlib.ticker import EngFormatter

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
            [100 * f["test"].mean for f in figures],
            yerr=[100 * f["test"].std for f in figures],
            fmt="o-" if places is front else "o",
            color=color,
            label=label,
            capsize=3,
        )
    if dense := report.dense.get("test"):
        axes.axhline(100 * dense.mean, color=_DENSE, linestyle="--", label="dense")
    axes.set_xscale("log")
    for axis_formatter in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        axis_formatter(EngFormatter(sep=""))
    axes.set_xlabel("nonzero weights")
    axes.set_ylabel(f"{report.metric} on the test split, %")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path)


def chart_html(report: SweepReport) -> str:
    """An interactive chart with a choice of the cost, as HTML with all it needs inside."""
    import plotly.graph_objects as go

    figure = go.Figure()
    costs = [cost for cost in LABELS if any(cost in v.figures for v in report.variants)]
    for cost in costs:
        front = report.fronts[cost]
        places = [
            place for place in _with_figures(report) if cost in report.variants[place].figures
        ]
        others = [place for place in places if place not in front]
        shown = cost == costs[0]
        figure.add_trace(_trace(report, cost, others, "others", _OTHER, "markers", shown))
        figure.add_trace(
            _trace(report, cost, front, "worth their cost", _FRONT, "markers+lines", shown)
        )
    figure.update_layout(
        template="plotly_white",
        yaxis={"title": f"{report.metric} on the test split", "tickformat": ".1%"},
        xaxis={"title": LABELS[costs[0]], "type": "log"},
        margin={"t": 60},
        updatemenus=[{"buttons": [_button(costs, cost) for cost in costs], "x": 0, "y": 1.15}],
    )
    if dense := report.dense.get("test"):
        figure.add_hline(dense.mean, line_dash="dash", line_color=_DENSE, annotation_text="dense")
    return figure.to_html(full_html=False, include_plotlyjs=True, config={"displaylogo": False})


def _trace(report: SweepReport, cost: str, places, name: str, color: str, mode: str, shown: bool):
    import plotly.graph_objects as go

    variants = [report.variants[place] for place in places]
    several = any(variant.figures["test"].trials > 1 for variant in variants)
    deviations = [variant.figures["test"].std for variant in variants]
    return go.Scatter(
        x=[variant.figures[cost].mean for variant in variants],
        y=[variant.figures["test"].mean for variant in variants],
        error_y={"type": "data", "array": deviations, "visible": several},
        mode=mode,
        name=name,
        visible=shown,
        marker={"color": color, "size": 9},
        text=[
            f"{variant.name}<br>test {percent(variant.figures['test'])}"
            f"<br>sparsity {variant.figures['sparsity'].mean:.2%}"
            for variant in variants
        ],
        hovertemplate=f"%{{text}}<br>{LABELS[cost]} %{{x:,.0f}}<extra></extra>",
    )


def _button(costs: list[str], cost: str) -> dict:
    visible = [each == cost for each in costs for _ in range(2)]
    arguments = [{"visible": visible}, {"xaxis.title.text": LABELS[cost]}]
    return {"label": LABELS[cost], "method": "update", "args": arguments}


def _with_figures(report: SweepReport) -> list[int]:
    return [place for place, variant in enumerate(report.variants) if "nonzero" in variant.figures]
