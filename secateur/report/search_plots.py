"""The picture of a search's path: every trial, the front, and what the budget allows."""

from __future__ import annotations

import io

from secateur.report.search import SearchReport, SearchStep, TrialOfSearch
from secateur.report.search_tables import LABELS

_COLOURS = {
    "kept": "#0b6e4f",
    "refuted": "#7b4ea3",
    "missed": "#c1440e",
    "measured": "#9aa5b1",
    "stopped": "#e0a100",
}


def step_svg(report: SearchReport, step: SearchStep) -> bytes:
    """Validation accuracy against the cost in question, as SVG."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.add_subplot()
    seen = [t for t in step.trials if t.validation is not None and t.costs.get(step.cost)]

    def cost(trial: TrialOfSearch) -> float:
        return trial.costs[step.cost] or 0.0

    for status, colour in _COLOURS.items():
        some = [trial for trial in seen if trial.status == status]
        if some:
            axes.errorbar(
                [cost(trial) for trial in some],
                [100 * (trial.validation or 0) for trial in some],
                yerr=[100 * trial.drop.margin if trial.drop else 0 for trial in some],
                fmt="o",
                color=colour,
                alpha=0.9,
                elinewidth=0.8,
                label=status,
            )
    for trial in seen:
        place = (cost(trial), 100 * (trial.validation or 0))
        axes.annotate(str(trial.number), place, xytext=(4, 4), textcoords="offset points")
    front = [next(t for t in seen if t.number == number) for number in step.front]
    axes.plot(
        [cost(trial) for trial in front],
        [100 * (trial.validation or 0) for trial in front],
        color="#52606d",
        linewidth=0.8,
        label="front",
    )
    axes.axhline(100 * report.dense.validation, color="#1f2933", linestyle="--", label="dense")
    if step.allowed is not None:
        least = 100 * (report.dense.validation - step.allowed)
        axes.axhline(least, color="#c1440e", linestyle=":", label="budget")
    if step.cost in step.limits:
        axes.axvline(step.limits[step.cost], color="#c1440e", linestyle=":", label="budget")
    axes.set_xscale("log")
    for setter in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        setter(EngFormatter(sep=""))
    axes.set_xlabel(LABELS[step.cost])
    axes.set_ylabel("validation accuracy, % (bars: margin)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg")
    return buffer.getvalue()
