"""The rows that every face of a search shows."""

from __future__ import annotations

from secateur.report.search import SearchReport, SearchStep
from secateur.report.sweep_tables import percent
from secateur.searching.curves import Sensitivity

LABELS = {
    "parameters": "parameters",
    "nonzero": "nonzero weights",
    "flops": "FLOPs",
    "bytes": "bytes (.keras, gzip)",
    "latency_ms": "milliseconds",
}
"""What people call the costs."""


def search_summary(report: SearchReport) -> str:
    """What came out, in one sentence."""
    winner, cost = report.winner, report.objective or report.steps[-1].cost
    before, after = report.dense.costs[cost], winner.costs[cost]
    size = f"{shown(after)} {LABELS[cost]}"
    if before and after:
        size += f" ({before / after:.1f}x less than the dense model)"
    lost = 100 * winner.drop.value
    text = (
        f"{size}, at {percent(winner.validation)} on the validation split: {_points(lost)} than "
        f"the dense model, with a margin of {100 * winner.drop.margin:.2f} points for the "
        f"uncertainty of that split; {percent(winner.test)} on the test split, where the dense "
        f"model has {report.dense.test:.2%}."
    )
    return text[0].upper() + text[1:]


def search_verdict(report: SearchReport) -> str:
    """Whether the budget is kept on the test split, and how sure that was beforehand."""
    kept = "keeps" if report.kept_on_test else "does not keep"
    text = (
        f"The written model {kept} the budget on the test split, which had no part in any choice."
    )
    sure = report.winner.certainty
    if sure is not None:
        text += f" By the validation split it was {min(sure, 0.999):.1%} sure to do so."
    return text


def winner_table(report: SearchReport) -> tuple[list[str], list[list[str]]]:
    """Header and rows: the dense model beside the one that was found."""
    dense, winner = report.dense, report.winner
    rows = [
        ["accuracy (test)", f"{dense.test:.2%}", percent(winner.test)],
        ["accuracy (validation)", f"{dense.validation:.2%}", percent(winner.validation)],
    ]
    rows += [
        [LABELS[name], shown(dense.costs[name]), shown(winner.costs[name])]
        for name in LABELS
        if name in dense.costs
    ]
    return ["", "dense", "found"], rows


def trial_table(step: SearchStep) -> tuple[list[str], list[list[str]]]:
    """Header and rows: every trial of a step, in order."""
    costs = [name for name in LABELS if any(t.costs.get(name) is not None for t in step.trials)]
    header = ["trial", "what is left", "validation", *(LABELS[c] for c in costs), "", "why"]
    rows = [
        [
            str(trial.number),
            trial.name,
            "" if trial.validation is None else f"{trial.validation:.2%}",
            *(shown(trial.costs.get(name)) for name in costs),
            "chosen" if trial.number == step.chosen else trial.status,
            trial.why,
        ]
        for trial in step.trials
    ]
    return header, rows


def sensitivity_table(found: Sensitivity) -> tuple[list[str], list[list[str]]]:
    """Header and rows: for each layer the accuracy at each ratio, in percent."""
    ratios = sorted({point.ratio for curve in found.curves for point in curve.points})
    header = ["layer", "kind", "units", *(f"{ratio:g}" for ratio in ratios)]
    rows = []
    for curve in found.curves:
        at = {point.ratio: f"{100 * point.accuracy:.1f}" for point in curve.points}
        units = f"{curve.units:,}"
        rows.append([curve.layer, curve.kind, units, *(at.get(ratio, "") for ratio in ratios)])
    return header, rows


def sensitivity_summary(found: Sensitivity) -> str:
    """What came out, in one sentence."""
    worst = min(found.curves, key=lambda c: min((p.accuracy for p in c.points), default=1.0))
    return (
        f"The model as it is has {found.accuracy:.2%} on {found.examples:,} validation examples; "
        f"each layer was pruned alone ({found.pattern}), without fine-tuning, and "
        f"{worst.layer} bears it worst."
    )


def shown(value: float | None) -> str:
    """A cost as people read it."""
    if value is None:
        return "not counted"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _points(lost: float) -> str:
    if abs(lost) < 0.005:
        return "no less"
    return f"{abs(lost):.2f} points {'less' if lost > 0 else 'more'}"
