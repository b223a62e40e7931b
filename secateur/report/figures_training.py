"""Charts of the trainings, in the form that `figures` describes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from secateur.report.figures import Choice, line_at, metric_axis, text
from secateur.report.histories import History

POINTS = 1_000
"""Points of a curve at most; of longer trainings some epochs are left out."""

_CURVES = (
    ("", "training", "var(--train)", "solid"),
    ("val_", "validation", "var(--pruned)", "dot"),
)


def training_choices(histories: Mapping[str, History], metric: str) -> list[Choice]:
    """One metric over the epochs of all trainings, one behind the other.

    Args:
        histories: The trainings by name.
        metric: Its name in them, without `val_`.
    """
    data: list[dict[str, Any]] = []
    places: list[tuple[str, int, int]] = []
    start = 0
    for training, history in histories.items():
        epochs = max(len(values) for values in history.values())
        data += _curves(training, history, metric, start, {trace["name"] for trace in data})
        places.append((training, start, epochs))
        start += epochs
    layout: dict[str, Any] = {
        "xaxis": {"title": {"text": "epoch"}, "range": [0.5, start + 0.5]},
        "yaxis": metric_axis(metric),
        "annotations": [
            {
                "x": begin + epochs / 2 + 0.5,
                "yref": "paper",
                "y": 1,
                "yanchor": "bottom",
                "text": text(training.replace("_", "-")),
                "showarrow": False,
            }
            for training, begin, epochs in places
            if epochs >= 0.2 * start  # or the names stand on each other
        ],
        "shapes": [line_at(begin + 0.5, "")["shapes"][0] for _, begin, _ in places[1:]],
    }
    return [{"label": metric, "data": data, "layout": layout}] if data else []


def _curves(
    training: str, history: History, metric: str, start: int, known: set[str]
) -> Iterator[dict[str, Any]]:
    """The metric on training and on validation data; a curve that is known has its legend."""
    for prefix, label, color, dash in _CURVES:
        values = history.get(prefix + metric)
        if not values:
            continue
        epochs = _chosen(values)
        yield {
            "type": "scatter",
            "mode": "lines+markers" if len(values) <= 30 else "lines",
            "name": label,
            "legendgroup": label,
            "showlegend": label not in known,
            "x": [start + epoch for epoch in epochs],
            "y": [float(f"{values[epoch - 1]:.6g}") for epoch in epochs],
            "line": {"color": color, "dash": dash, "width": 2},
            "marker": {"size": 5},
            "customdata": epochs,
            "hovertemplate": f"{text(training)}, epoch %{{customdata}}<br>{label} "
            f"{text(metric)} %{{y}}<extra></extra>",
        }


def _chosen(values: Sequence[float]) -> list[int]:
    """Epochs, from 1: the last one always, and every how-maniest before it."""
    step = -(-len(values) // POINTS)
    return list(range(len(values), 0, -step))[::-1]
