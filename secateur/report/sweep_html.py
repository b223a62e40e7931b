"""`sweep.html`: a sweep as one file that a browser opens without a network."""

from __future__ import annotations

import json
from collections.abc import Sequence

from secateur.datasets.card.schema import Card
from secateur.report.data import data_section
from secateur.report.naming import source
from secateur.report.pages import render
from secateur.report.sweep import SweepReport
from secateur.report.sweep_plots import choices
from secateur.report.sweep_tables import front_table, sweep_summary, variant_table

_SECTIONS = {
    "front": "Worth their cost",
    "variants": "All variants",
    "data": "Data",
    "notices": "Notices",
    "parameters": "What all trials share",
}


def to_html(report: SweepReport, cards: Sequence[Card] = ()) -> str:
    """The text of `sweep.html`; the cards are those of the data."""
    model, dataset = report.parameters["model"], report.parameters["dataset"]
    shown = {"data": bool(cards), "notices": bool(report.notices)}
    metric = report.metric[:1].upper() + report.metric[1:]
    return render(
        "sweep.html",
        {"cost": choices(report)},
        title=f"Sweep of {source(model)} on {source(dataset)}",
        summary=sweep_summary(report),
        sections=[{"id": i, "title": t} for i, t in _SECTIONS.items() if shown.get(i, True)],
        captions={"cost": f"{metric} on the test split against cost"},
        front=front_table(report),
        variants=variant_table(report),
        data=data_section(cards),
        notices=report.notices,
        parameters=json.dumps(report.parameters, indent=2, ensure_ascii=False),
    )
