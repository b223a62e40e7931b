"""Charts of the page as plain JSON for plotly.js; colours are names of the page's own.

A figure is a list of choices, of which one is shown at a time: `{"label", "data", "layout"}`.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from secateur.explanation.schema import Changes
from secateur.report.tables import is_share

Choice = dict[str, Any]

COLORS = {
    "dense": "var(--dense)",
    "pruned": "var(--pruned)",
    "fine_tuned": "var(--final)",
}
SYMBOLS = {"dense": "circle", "pruned": "diamond", "fine_tuned": "square"}
"""Of the models, by field of the report."""


def text(value: Any) -> str:
    """A user's text, such that plotly.js takes nothing in it for markup."""
    return html.escape(str(value), quote=False)


def short(name: str, length: int = 26) -> str:
    """A name cut to what fits beside an axis, its end kept."""
    return text(name if len(name) <= length else "…" + name[1 - length :])


def metric_axis(metric: str) -> dict[str, Any]:
    """An axis of a metric: shares, such as an accuracy, are written as percent."""
    axis: dict[str, Any] = {"title": {"text": text(metric)}}
    return {**axis, "tickformat": ".2~%"} if is_share(metric) else axis


def layer_choices(rows: Sequence[Mapping[str, Any]]) -> list[Choice]:
    """Of each layer's weights before pruning: the shares that are left, zero, and removed.

    Args:
        rows: `name`, `before`, `after` and `nonzero` of each layer, in order.
    """
    parts = (
        ("nonzero", "var(--final)", lambda row: row["nonzero"]),
        ("zero", "var(--zero)", lambda row: row["after"] - row["nonzero"]),
        ("removed for good", "var(--pruned)", lambda row: row["before"] - row["after"]),
    )
    names = [short(row["name"]) for row in rows]
    data = []
    for label, color, count in parts:
        counts = [count(row) for row in rows]
        if not any(counts):
            continue
        data.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": label,
                "y": list(range(len(rows))),
                "x": [n / (row["before"] or 1) for n, row in zip(counts, rows, strict=True)],
                "customdata": [
                    f"{text(row['name'])}<br>{n:,} of {row['before']:,} weights {label}"
                    for n, row in zip(counts, rows, strict=True)
                ],
                "hovertemplate": "%{customdata} (%{x})<extra></extra>",
                "marker": {"color": color},
            }
        )
    layout = {
        "barmode": "stack",
        "bargap": 0.25,
        "height": 110 + 26 * len(rows),
        "xaxis": {"tickformat": ".0%", "range": [0, 1], "hoverformat": ".2%"},
        "yaxis": {
            "autorange": "reversed",
            "tickvals": list(range(len(rows))),
            "ticktext": names,
            "automargin": True,
            "showgrid": False,
        },
    }
    return [{"label": "layers", "data": data, "layout": layout}]


def class_choices(changes: Changes, most: int = 40) -> list[Choice]:
    """Accuracy of each class before and at the end; of many classes, those that changed most."""
    counted = [each for each in changes.classes if each.examples]
    if len(counted) > most:
        counted.sort(key=lambda c: -abs(c.right_after - c.right_before) / c.examples)
        counted = counted[:most]
    places = list(range(len(counted)))
    before = [each.right_before / each.examples for each in counted]
    after = [each.right_after / each.examples for each in counted]
    joined = {
        "type": "scatter",
        "mode": "lines",
        "x": [x for pair in zip(before, after, strict=True) for x in (*pair, None)],
        "y": [y for place in places for y in (place, place, None)],
        "line": {"color": "var(--zero)", "width": 3},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    points = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "x": values,
            "y": places,
            "marker": {"color": COLORS[field], "symbol": SYMBOLS[field], "size": 10},
            "customdata": [f"{text(c.name)}, {c.examples:,} examples" for c in counted],
            "hovertemplate": f"%{{customdata}}<br>{name} %{{x}}<extra></extra>",
        }
        for field, name, values in (("dense", "dense", before), ("fine_tuned", "at the end", after))
    ]
    layout = {
        "height": 110 + 24 * len(counted),
        "xaxis": {"tickformat": ".2~%"},
        "yaxis": {
            "autorange": "reversed",
            "tickvals": places,
            "ticktext": [short(each.name) for each in counted],
            "automargin": True,
        },
    }
    return [{"label": "classes", "data": [joined, *points], "layout": layout}]


def line_at(x: float, label: str) -> dict[str, Any]:
    """A dotted line over a chart's whole height, with a label above it."""
    line = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": x, "x1": x}
    note = {"x": x, "yref": "paper", "y": 1, "yanchor": "bottom", "text": label, "showarrow": False}
    style = {"color": "var(--text)", "width": 1.5, "dash": "dot"}
    return {"shapes": [{**line, "line": style}], "annotations": [note]}
