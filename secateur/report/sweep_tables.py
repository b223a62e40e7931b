"""The rows that every face of a sweep shows."""

from __future__ import annotations

from secateur.report.sweep import Spread, SweepReport, Variant
from secateur.report.tables import is_share, show

LABELS = {
    "nonzero": "nonzero weights",
    "parameters": "parameters",
    "flops": "FLOPs",
    "bytes": "bytes (.keras)",
    "bytes_gzip": "bytes (.keras, gzip)",
}
"""What people call the costs."""


def variant_table(report: SweepReport) -> tuple[list[str], list[list[str]]]:
    """Header and rows: every variant, in the order of the grid."""
    return _table(report, list(range(len(report.variants))))


def front_table(report: SweepReport) -> tuple[list[str], list[list[str]]]:
    """Header and rows: the variants on a front, by rising number of nonzero weights."""
    places = sorted(
        report.on_a_front, key=lambda place: report.variants[place].figures["nonzero"].mean
    )
    return _table(report, places)


def sweep_summary(report: SweepReport) -> str:
    """What came out, in one sentence."""
    finished = sum(trial.status == "done" for trial in report.trials)
    dense = report.dense.get("test")
    before = f"; the dense model has {worth(report, dense)} on the test split" if dense else ""
    return (
        f"{finished} of {len(report.trials)} trials have a result; {len(report.on_a_front)} of "
        f"{len(report.variants)} variants are worth their cost: no other is smaller and better "
        f"on the validation split{before}."
    )


def worth(report: SweepReport, figure: Spread) -> str:
    """The metric of a sweep: a share as a percentage, anything else as a number."""
    if is_share(report.metric):
        return percent(figure)
    return show(report.metric, figure.mean) + (f" ± {figure.std:.2g}" if figure.trials > 1 else "")


def percent(figure: Spread) -> str:
    """A share as a percentage, with its deviation where there are several trials."""
    if figure.trials == 1:
        return f"{figure.mean:.2%}"
    return f"{100 * figure.mean:.2f} ± {100 * figure.std:.2f}%"


def _table(report: SweepReport, places: list[int]) -> tuple[list[str], list[list[str]]]:
    costs = [cost for cost in LABELS if cost == "nonzero" or _differs(report, cost)]
    header = ["variant", "validation", "test", "sparsity", *(LABELS[cost] for cost in costs)]
    return header, [_row(report, report.variants[place], costs) for place in places]


def _differs(report: SweepReport, cost: str) -> bool:
    """Whether variants differ in a cost: one that pruning leaves alone tells nothing."""
    means = [v.figures[cost].mean for v in report.variants if cost in v.figures]
    return bool(means) and max(means) > 1.01 * min(means)


def _row(report: SweepReport, variant: Variant, names: list[str]) -> list[str]:
    worths = [variant.figures.get(name) for name in ("validation", "test")]
    zeros = variant.figures.get("sparsity")
    costs = [variant.figures.get(name) for name in names]
    return [
        variant.name,
        *("" if figure is None else worth(report, figure) for figure in worths),
        "" if zeros is None else percent(zeros),
        *("" if figure is None else f"{figure.mean:,.0f}" for figure in costs),
    ]
