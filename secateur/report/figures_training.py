"""Charts of the trainings, in the form that `figures` describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secateur.report.figures import Choice, line_at, percent_axis, text
from secateur.report.histories import History


def training_choices(histories: Mapping[str, History], metric: str, task: str) -> list[Choice]:
    """One metric over the epochs of all trainings, one behind the other."""
    data: list[dict[str, Any]] = []
    borders: list[tuple[int, int, str]] = []
    start = 0
    for training, history in histories.items():
        epochs = max(len(values) for values in history.values())
        for name, label, color, dash in (
            (metric, "training", "var(--train)", "solid"),
            (f"val_{metric}", "validation", "var(--pruned)", "dot"),
        ):
            values = history.get(name)
            if values:
                data.append(
                    {
                        "type": "scatter",
                        "mode": "lines+markers" if len(values) <= 30 else "lines",
                        "name": label,
                        "legendgroup": label,
                        "showlegend": all(trace["name"] != label for trace in data),
                        "x": list(range(start + 1, start + len(values) + 1)),
                        "y": [float(f"{value:.6g}") for value in values],
                        "line": {"color": color, "dash": dash, "width": 2},
                        "marker": {"size": 5},
                        "hovertemplate": f"{text(training)}, epoch %{{customdata}}<br>{label} "
                        f"{text(metric)} %{{y}}<extra></extra>",
                        "customdata": list(range(1, len(values) + 1)),
                    }
                )
        borders.append((start, epochs, training))
        start += epochs
    layout: dict[str, Any] = {
        "xaxis": {"title": {"text": "epoch"}, "range": [0.5, start + 0.5]},
        "yaxis": {
            "title": {"text": text(metric)},
            **({} if metric == "loss" else percent_axis(task)),
        },
        "annotations": [
            {
                "x": begin + epochs / 2 + 0.5,
                "yref": "paper",
                "y": 1,
                "yanchor": "bottom",
                "text": text(training.replace("_", "-")),
                "showarrow": False,
            }
            for begin, epochs, training in borders
        ],
        "shapes": [line_at(begin + 0.5, "")["shapes"][0] for begin, *_ in borders[1:]],
    }
    return [{"label": metric, "data": data, "layout": layout}] if data else []
