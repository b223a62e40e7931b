"""Charts of what a model is worth against what it takes, in the form that `figures` describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from secateur.evaluation.schema import Cost, Latency
from secateur.report.figures import COLORS, SYMBOLS, Choice, metric_axis, text
from secateur.report.schema import Report
from secateur.report.speed import latency_rows, unquantized
from secateur.report.tables import SUBJECTS


class _Point(NamedTuple):
    """What one model takes, from and to where it varies, and what it is worth."""

    cost: float
    worth: float
    low: float | None = None
    high: float | None = None


def size_choices(report: Report) -> list[Choice]:
    """The first metric against each size: weights, parameters, FLOPs, and bytes of each file."""
    costs: dict[str, Cost] = {field: getattr(report, field) for field, _ in SUBJECTS}
    found: dict[str, dict[str, float | None]] = {
        "nonzero weights": {field: cost.nonzero for field, cost in costs.items()},
        "parameters": {field: cost.parameters for field, cost in costs.items()},
        "FLOPs": {field: cost.flops for field, cost in costs.items()},
    }
    files: dict[str, str] = {}
    for name in report.fine_tuned.bytes:
        same = {"dense": unquantized(name), "pruned": name, "fine_tuned": name}
        for kind in ("raw", "gzip", "zstd"):
            sizes = {field: costs[field].bytes.get(same[field]) for field in costs}
            label = f"bytes ({_file(name)})" if kind == "raw" else f"bytes ({_file(name)}, {kind})"
            found[label] = {f: getattr(size, kind) if size else None for f, size in sizes.items()}
            files[label] = name
    return [
        choice
        for label, values in found.items()
        if (choice := _choice(report, label, _points(report, values, files.get(label, ""))))
    ]


def latency_choices(report: Report) -> list[Choice]:
    """The first metric against each latency, with its tenth and ninetieth percentile."""
    found = []
    # A runtime that ships models comes first, alone and for one example.
    rows = sorted(latency_rows(report), key=lambda row: row[0].startswith("keras"))
    for name, dense, final in rows:
        points = {"fine_tuned": _timed(final, _worth(report, "fine_tuned", name))}
        if dense:
            points["dense"] = _timed(dense, _worth(report, "dense", ""))
        found.append(_choice(report, f"ms a call ({name})", points, unit=" ms"))
    return [choice for choice in found if choice]


def _file(name: str) -> str:
    return ".keras" if name == "keras" else name


def _worth(report: Report, field: str, file: str) -> float:
    """The first metric of a model; of an exported file, as it was measured in its runtime.

    Args:
        report: The report.
        field: The model.
        file: Name of the file, or of a latency, which begins with it.
    """
    metric = next(iter(report.dense.metrics))
    names = {each.name: each for each in report.exports}
    parts = file.split("-")
    for end in range(len(parts), 0, -1):
        exported = names.get("-".join(parts[:end]))
        if field == "fine_tuned" and exported and metric in exported.metrics:
            return exported.metrics[metric]
    return getattr(report, field).metrics[metric]


def _points(report: Report, values: Mapping[str, float | None], file: str) -> dict[str, _Point]:
    return {
        field: _Point(value, _worth(report, field, file))
        for field, value in values.items()
        if value is not None
    }


def _timed(latency: Latency, worth: float) -> _Point:
    return _Point(latency.median, worth, latency.p10, latency.p90)


def _choice(
    report: Report, label: str, points: Mapping[str, _Point], unit: str = ""
) -> Choice | None:
    """A chart of the models that have such a cost; None where there is nothing to compare."""
    if not {"dense", "fine_tuned"} <= points.keys():
        return None
    metric = next(iter(report.dense.metrics))
    data = []
    for field, name in SUBJECTS:
        if field not in points:
            continue
        point = points[field]
        trace: dict[str, Any] = {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "x": [point.cost],
            "y": [point.worth],
            "marker": {"color": COLORS[field], "symbol": SYMBOLS[field], "size": 13},
            "hovertemplate": f"{name}<br>{text(metric)} %{{y}}<br>{text(label)} "
            f"%{{x:,}}{unit}<extra></extra>",
        }
        if point.low is not None and point.high is not None:
            above, below = point.high - point.cost, point.cost - point.low
            bars = {"type": "data", "symmetric": False, "array": [above], "arrayminus": [below]}
            trace["error_x"] = {**bars, "color": COLORS[field]}
        data.append(trace)
    layout: dict[str, Any] = {
        "xaxis": {"title": {"text": text(label)}, "rangemode": "tozero"},
        "yaxis": metric_axis(metric),
    }
    if not unit:
        layout["xaxis"]["tickformat"] = "~s"
    return {"label": label, "data": data, "layout": layout}
