"""`report.html`: a run as one file that a browser opens without a network."""

from __future__ import annotations

import functools
import json
from typing import Any

from secateur.report import page_changes, page_layers
from secateur.report.checked import NOTE, checked_table
from secateur.report.data import data_section
from secateur.report.evidence import Evidence
from secateur.report.figures import (
    class_choices,
    layer_choices,
)
from secateur.report.figures_cost import latency_choices, size_choices
from secateur.report.figures_training import training_choices
from secateur.report.figures_values import score_choices, weight_choices
from secateur.report.markdown import title
from secateur.report.pages import render
from secateur.report.schema import Report
from secateur.report.speed import verdict
from secateur.report.tables import cost_table, summary

WEIGHTS = 100
"""Weights whose histograms the page holds, at most."""

_SECTIONS = {
    "cost": "",
    "layers": "Layers",
    "weights": "Weights and scores",
    "masks": "Masks",
    "training": "Training",
    "changes": "What pruning changed",
    "data": "Data",
    "notices": "Notices",
    "checked": "Checked",
    "lineage": "Lineage",
}
_TILES = ("nonzero weights", "FLOPs", "bytes (.keras, gzip)")


def to_html(report: Report, evidence: Evidence) -> str:
    """The text of `report.html`; what the run has no evidence of has no section."""
    figures, captions = _figures(report, evidence), _captions(report)
    masks, left_out = page_layers.masks(evidence)
    told = evidence.explanation
    changes = told.changes if told else None
    shown = {
        "weights": bool(figures["weights"] or figures["scores"]),
        "masks": bool(masks),
        "training": bool(figures["loss"]),
        "changes": changes is not None,
        "data": evidence.card is not None,
        "notices": bool(report.notices),
        "checked": bool(report.checks),
    }
    return render(
        "report.html",
        figures,
        title=title(report),
        summary=summary(report),
        tiles=_tiles(report),
        sections=[
            {"id": i, "title": t or captions["cost"]}
            for i, t in _SECTIONS.items()
            if shown.get(i, True)
        ],
        captions=captions,
        cost_table=cost_table(report),
        verdict=verdict(report),
        layer_table=page_layers.table(report, told),
        exports=page_layers.exports(report),
        score_notes=page_layers.score_notes(told, WEIGHTS),
        masks=masks,
        masks_left_out=left_out,
        changes=page_changes.changes(changes) if changes else None,
        confusion=page_changes.confusion(changes) if changes else None,
        confused=page_changes.confused(changes) if changes else None,
        class_table=page_changes.class_table(changes) if changes else None,
        flips=page_changes.flips(changes, evidence.pictures) if changes else [],
        data=data_section([evidence.card] if evidence.card else []),
        notices=report.notices,
        checks=checked_table(report.checks) if report.checks else None,
        checks_note=NOTE,
        command=evidence.command,
        lineage=[_stage(place, report, evidence) for place in range(len(report.stages))],
        parameters=json.dumps(report.parameters, indent=2, ensure_ascii=False),
        versions={k: v for k, v in evidence.versions.items() if k != "store"},
    )


def _figures(report: Report, evidence: Evidence) -> dict[str, list]:
    told = evidence.explanation
    weights = told.weights[:WEIGHTS] if told else []
    metric = next(iter(report.dense.metrics))
    training = functools.partial(training_choices, evidence.histories)
    others = dict.fromkeys(
        name.removeprefix("val_") for history in evidence.histories.values() for name in history
    )
    measured = [metric, *(name for name in others if name not in (metric, "loss"))]
    return {
        "size": size_choices(report),
        "latency": latency_choices(report),
        "layers": layer_choices(page_layers.rows(report, told)),
        "weights": weight_choices(weights),
        "scores": score_choices(told.scores, weights, told.criterion or "") if told else [],
        "loss": training("loss"),
        "metric": [choice for name in measured for choice in training(name)],
        "classes": class_choices(told.changes) if told and told.changes else [],
    }


def _captions(report: Report) -> dict[str, str]:
    metric = next(iter(report.dense.metrics))
    worth = metric[:1].upper() + metric[1:]
    return {
        "cost": f"{worth} against cost",
        "size": f"{worth} on the test split against size",
        "latency": f"{worth} on the test split against latency",
        "layers": "What is left of each layer's weights",
        "weights": "Values of the weights, dense and at the end",
        "scores": "Scores that the choice was made by",
        "loss": "Loss",
        "metric": worth,
        "classes": "Accuracy of each class, dense and at the end",
    }


def _tiles(report: Report) -> list[dict[str, str]]:
    """The figures at the top: the first metric, what is left, and how fast it is where timed."""
    rows = {row[0]: row for row in cost_table(report)[1]}
    timed = [label for label in rows if label.startswith("ms (")]
    lite = [label for label in timed if label.startswith("ms (litert")]
    labels = [next(iter(report.dense.metrics)), *_TILES, *(lite or timed)[:1]]
    if not report.sparsity:
        labels.insert(1, "parameters")
    tiles = [{"label": n, "value": rows[n][-2], "change": rows[n][-1]} for n in labels]
    if report.sparsity:
        zeros = {"label": "zeros", "value": f"{report.sparsity:.2%}"}
        tiles.insert(1, {**zeros, "change": "of what can be zero"})
    return tiles


def _stage(place: int, report: Report, evidence: Evidence) -> dict[str, Any]:
    record = report.stages[place]
    parts = (record.name, record.subject, record.round)
    found: dict[str, Any] = {
        "name": " ".join(str(part).replace("_", "-") for part in parts if part is not None),
        "cached": record.cached,
        "seconds": f"{record.seconds:.2f} s",
        "key": record.key,
    }
    if place < len(evidence.origins):
        origin = evidence.origins[place]
        found |= {
            "digest": origin.digest,
            "built": f"{origin.created:%Y-%m-%d %H:%M} UTC, in {origin.seconds:.2f} s",
            "upstream": [(name, _digests(value)) for name, value in origin.upstream.items()],
            "parameters": json.dumps(origin.parameters, indent=2) if origin.parameters else "",
        }
    return found


def _digests(value: Any) -> str:
    return ", ".join(each[:12] for each in value) if isinstance(value, list) else str(value)
