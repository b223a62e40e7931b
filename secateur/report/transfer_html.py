"""`transfer.html`: a transfer as one file that a browser opens without a network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from secateur.datasets.card.schema import Card
from secateur.report.checked import NOTE, checked_table
from secateur.report.data import data_section
from secateur.report.figures import Choice, metric_axis, text
from secateur.report.pages import render
from secateur.report.tables import stage_table
from secateur.report.transfer import LABELS, TransferReport, model_table, transfer_summary

_SECTIONS = {
    "models": "Models",
    "layers": "Layers",
    "data": "Data",
    "notices": "Notices",
    "checked": "Checked",
    "stages": "Stages",
    "parameters": "Parameters",
}
_COLORS = {"transferred": "var(--final)", "scratch": "var(--dense)", "pruned": "var(--pruned)"}


def to_html(report: TransferReport, cards: Sequence[Card] = ()) -> str:
    """The text of `transfer.html`; the cards are those of the data."""
    shown = {
        "data": bool(cards),
        "notices": bool(report.notices),
        "checked": bool(report.checks),
    }
    layers = [
        [layer.name, layer.kind, f"{layer.parameters:,}", f"{layer.nonzero:,}"]
        for layer in report.layers
    ]
    return render(
        "transfer.html",
        {"training": choices(report)},
        title=f"Transfer to {report.data}",
        summary=transfer_summary(report),
        source=report.source,
        sections=[{"id": i, "title": t} for i, t in _SECTIONS.items() if shown.get(i, True)],
        captions={"training": "The models by epoch"},
        models=model_table(report),
        layers=(["layer", "kind", "weights", "nonzero"], layers),
        data=data_section(cards),
        notices=report.notices,
        checks=checked_table(report.checks) if report.checks else None,
        checks_note=NOTE,
        stages=stage_table(report),
        parameters=json.dumps(report.parameters, indent=2, ensure_ascii=False),
    )


def choices(report: TransferReport) -> list[Choice]:
    """The first metric, and the loss, of each model by epoch; on validation data if there is."""
    metric = next(iter(report.models["transferred"].metrics))
    found = [(name, _curves(report, name)) for name in (metric, "loss")]
    return [
        {
            "label": name,
            "data": data,
            "layout": {"xaxis": {"title": {"text": "epoch"}}, "yaxis": metric_axis(name)},
        }
        for name, data in found
        if data
    ]


def _curves(report: TransferReport, metric: str) -> list[dict[str, Any]]:
    before = len(report.histories["transferred"].get("loss", ()))
    curves = []
    for model, history in report.histories.items():
        values = history.get(f"val_{metric}") or history.get(metric) or []
        start = before if model == "pruned" else 0  # it goes on from the transferred one
        if values:
            curves.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers" if len(values) <= 30 else "lines",
                    "name": LABELS[model],
                    "x": list(range(start + 1, start + 1 + len(values))),
                    "y": [float(f"{value:.6g}") for value in values],
                    "line": {"color": _COLORS[model], "width": 2},
                    "hovertemplate": f"{LABELS[model]}, epoch %{{x}}<br>{text(metric)} %{{y}}"
                    "<extra></extra>",
                }
            )
    return curves
