"""Rows of the page on layers, masks and exports."""

from __future__ import annotations

import math
from typing import Any

from secateur.explanation.schema import Explanation, WeightFacts
from secateur.report.evidence import Evidence
from secateur.report.figures_values import threshold
from secateur.report.images import mask_cells, mask_uri
from secateur.report.schema import Report
from secateur.report.tables import show

MASKS = 24
"""Masks that are drawn, at most."""

Table = tuple[list[str], list[list[str]]]


def rows(report: Report, told: Explanation | None) -> list[dict[str, Any]]:
    """Name, and weights before, after and nonzero, of each layer that had any."""
    if told is None:
        return [
            {
                "name": layer.name,
                "kind": layer.kind,
                "before": layer.parameters,
                "after": layer.parameters,
                "nonzero": layer.nonzero,
                "shapes": "",
            }
            for layer in report.layers
        ]
    members: dict[str, list[WeightFacts]] = {}
    for weight in told.weights:
        members.setdefault(weight.layer, []).append(weight)
    return [
        {
            "name": name,
            "kind": weights[0].kind,
            "before": sum(math.prod(w.shape_before) for w in weights),
            "after": sum(math.prod(w.shape_after) for w in weights if w.shape_after is not None),
            "nonzero": sum(w.nonzero_after for w in weights),
            "shapes": ", ".join(_shapes(w) for w in weights),
        }
        for name, weights in members.items()
    ]


def table(report: Report, told: Explanation | None) -> Table:
    """Header and rows of the layers: shapes before and after, weights, and sparsity."""
    found = rows(report, told)
    shapes = any(row["shapes"] for row in found)
    header = ["layer", "kind", *(["shape"] if shapes else []), "weights", "nonzero", "sparsity"]
    cells = []
    for row in found:
        after = f"{row['after']:,}"
        if row["after"] != row["before"]:
            after = f"{row['before']:,} → {after}"
        sparsity = f"{1 - row['nonzero'] / row['after']:.2%}" if row["after"] else "removed"
        shape = [row["shapes"]] if shapes else []
        cells.append([row["name"], row["kind"], *shape, after, f"{row['nonzero']:,}", sparsity])
    return header, cells


def _shapes(weight: WeightFacts) -> str:
    before = "×".join(map(str, weight.shape_before))
    if weight.shape_after == weight.shape_before:
        return before
    if weight.shape_after is None:
        return f"{before} → removed"
    return f"{before} → {'×'.join(map(str, weight.shape_after))}"


def masks(evidence: Evidence) -> tuple[list[dict[str, Any]], int]:
    """Pictures of the masks that are small enough, and how many are not."""
    if not evidence.masks:
        return [], 0
    told = evidence.explanation
    order = [weight.path for weight in told.weights] if told else list(evidence.masks)
    paths = [path for path in order if path in evidence.masks]
    found: list[dict[str, Any]] = []
    for path in paths:
        if len(found) == MASKS:
            break
        mask = evidence.masks[path]
        size = mask_cells(mask.shape)
        if size is None:
            continue
        scale = max(1, min(8, 480 // max(size)))
        found.append(
            {
                "path": path,
                "note": f"{'×'.join(map(str, mask.shape))}, {int(mask.sum()):,} of {mask.size:,} "
                "stay",
                "uri": mask_uri(mask),
                "width": size[1] * scale,
                "height": size[0] * scale,
            }
        )
    return found, max(len(paths), told.masked if told else 0) - len(found)


def score_notes(told: Explanation | None, most: int) -> list[str]:
    """What is to be known for reading the histograms."""
    if told is None:
        return []
    notes = []
    scores = told.scores
    if scores and scores.zeros:
        notes.append(f"{scores.zeros:,} scores are zero and stand in no bar.")
    if scores and scores.removed:
        line = threshold(scores)
        notes.append(
            f"All scores below {line:.3g} went, and all above it stayed."
            if line
            else "No single threshold parts what went from what stayed: the budget was shared "
            "between layers, or weights went in groups. Single weights may have one of their own."
        )
    if len(told.weights) > most:
        notes.append(f"The first {most} of {len(told.weights)} weights are shown.")
    return notes


def exports(report: Report) -> Table | None:
    """The exported files, each as it was checked in its own runtime."""
    if not report.exports:
        return None
    names = list(dict.fromkeys(name for each in report.exports for name in each.metrics))
    rows = [
        [
            each.file,
            each.name,
            f"{each.bytes.raw:,}",
            f"{each.bytes.gzip:,}",
            *(show(n, each.metrics[n]) if n in each.metrics else "" for n in names),
            f"{each.max_difference:.3g}",
            "sparse" if each.sparse else "plain",
        ]
        for each in report.exports
    ]
    sizes = ["bytes", "bytes (gzip)"]
    return ["file", "format", *sizes, *names, "largest difference", "encoding"], rows
