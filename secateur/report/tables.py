"""The rows that every face of the report shows: terminal, Markdown, and the Prefect UI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from secateur.evaluation.schema import Cost
from secateur.report.record import StageRecord
from secateur.report.schema import Report
from secateur.report.speed import change, latency_rows, unquantized

SUBJECTS = (("dense", "dense"), ("pruned", "pruned"), ("fine_tuned", "fine-tuned"))
"""Fields of the report that hold a model, and what people call them."""


def cost_table(report: Report) -> tuple[list[str], list[list[str]]]:
    """Header and rows: one row a measure, one column a model, and what changed."""
    costs = [getattr(report, field) for field, _ in SUBJECTS]
    header = ["", *(label for _, label in SUBJECTS), "change"]
    rows = [
        [name, *(show(name, cost.metrics[name]) for cost in costs), _points(costs, name)]
        for name in report.dense.metrics
    ]
    rows.append(["loss", *(f"{cost.loss:.4f}" for cost in costs), ""])
    for label, get in _COUNTS:
        values = [get(cost) for cost in costs]
        shown = ["not counted" if value is None else f"{value:,}" for value in values]
        rows.append([label, *shown, _factor(values[0], values[-1])])
    rows.append(["sparsity", *(f"{_sparsity(cost):.2%}" for cost in costs), ""])
    return header, [*rows, *_exported_rows(report), *_latency_rows(report)]


def _exported_rows(report: Report) -> list[list[str]]:
    """Bytes of the exported files, raw and compressed, and of the weights in sparse formats."""
    rows = []
    for name, size in report.fine_tuned.bytes.items():
        if name == "keras":
            continue
        before = report.dense.bytes.get(unquantized(name))
        kinds = ("raw",) if name in ("csr", "bitmap") else ("raw", "gzip")
        for kind in kinds:
            pair = [getattr(each, kind) if each else None for each in (before, size)]
            shown = [f"{value:,}" if value is not None else "" for value in pair]
            label = f"bytes ({name}{', gzip' if kind == 'gzip' else ''})"
            rows.append([label, shown[0], "", shown[1], _factor(*pair)])
    return rows


def _latency_rows(report: Report) -> list[list[str]]:
    return [
        [
            f"ms ({name})",
            f"{dense.median:.4g}" if dense else "",
            "",
            f"{final.median:.4g}",
            change(dense, final),
        ]
        for name, dense, final in latency_rows(report)
    ]


def layer_table(report: Report) -> tuple[list[str], list[list[str]]]:
    """Header and rows: the layers of the final model."""
    rows = [
        [
            layer.name,
            layer.kind,
            f"{layer.parameters:,}",
            f"{layer.nonzero:,}",
            f"{layer.sparsity:.2%}",
        ]
        for layer in report.layers
    ]
    return ["layer", "kind", "weights", "nonzero", "sparsity"], rows


class Staged(Protocol):
    """A report of a run: it tells the stages."""

    @property
    def stages(self) -> list[StageRecord]: ...


def stage_table(report: Staged) -> tuple[list[str], list[list[str]]]:
    """Header and rows: the stages of the run."""
    rows = [
        [
            "-".join(str(p) for p in (stage.name, stage.subject, stage.round) if p is not None),
            "cached" if stage.cached else "built",
            f"{stage.seconds:.2f}",
            stage.key[:12],
        ]
        for stage in report.stages
    ]
    return ["stage", "result", "seconds", "key"], rows


def summary(report: Report) -> str:
    """What came out, in one sentence."""
    dense, final = report.dense, report.fine_tuned
    name, after = next(iter(final.metrics.items()))
    said = []
    if final.parameters < dense.parameters:
        said.append(f"{final.parameters:,} of {dense.parameters:,} parameters are left")
    if report.sparsity or not said:
        prunable = report.pruned.prunable
        gone = "zero" if final.prunable == prunable else "zero or gone"
        said.append(f"{report.sparsity:.1%} of the {prunable:,} prunable weights are {gone}")
    return (
        f"{', and '.join(said)}; {name} went from "
        f"{show(name, dense.metrics[name])} (dense) to {show(name, after)} "
        "(pruned and fine-tuned) on the test split."
    )


_COUNTS: tuple[tuple[str, Callable[[Cost], int | None]], ...] = (
    ("parameters", lambda cost: cost.parameters),
    ("nonzero weights", lambda cost: cost.nonzero),
    ("FLOPs", lambda cost: cost.flops),
    ("bytes (.keras)", lambda cost: cost.bytes["keras"].raw),
    ("bytes (.keras, gzip)", lambda cost: cost.bytes["keras"].gzip),
)


def show(metric: str, value: float) -> str:
    """A metric's value: accuracies and the like, which are shares, in percent."""
    return f"{value:.2%}" if is_share(metric) else f"{value:.4g}"


def is_share(metric: str) -> bool:
    """Whether a metric is a share, such as an accuracy, by its name."""
    return any(word in metric.lower() for word in ("accuracy", "auc", "precision", "recall", "f1"))


def _points(costs: list[Cost], name: str) -> str:
    if not is_share(name):
        return f"{costs[-1].metrics[name] - costs[0].metrics[name]:+.4g}"
    return f"{100 * (costs[-1].metrics[name] - costs[0].metrics[name]):+.2f} points"


def _factor(before: int | None, after: int | None) -> str:
    if not before or not after:
        return ""
    if before == after:
        return "the same"
    factor = max(before, after) / min(before, after)
    more = "less" if before > after else "more"
    # 1.0x less would say nothing.
    return f"{factor:.1f}x {more}" if factor >= 1.1 else f"{abs(after / before - 1):.1%} {more}"


def _sparsity(cost: Cost) -> float:
    return 1 - cost.nonzero / cost.prunable if cost.prunable else 0.0
