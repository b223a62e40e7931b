"""The card of a data set: for the terminal, and as `data.html`, which needs no network."""

from __future__ import annotations

from typing import Any

from secateur.datasets.card.schema import Card, Feature, Input, Target
from secateur.report.pages import render

Table = tuple[list[str], list[list[str]]]
"""Header and rows."""

_ROWS = 40
"""Columns or classes that a table shows, at most; the JSON has all."""


def card_summary(card: Card) -> str:
    """One sentence: what, how much, and of what shape."""
    sizes = ", ".join(f"{count:,} {name}" for name, count in card.splits.items() if count)
    inputs = " and ".join(f"{each.kind} {'×'.join(map(str, each.shape))}" for each in card.inputs)
    return f"{card.name}: {card.task.replace('_', ' ')} of {inputs}; {sizes}."


def source_table(card: Card) -> Table:
    """The columns or keys of the files, as a reader understood them."""
    rows = []
    for each in card.source.columns if card.source else ():
        span = _span(each.minimum, each.maximum)
        kind = each.kind or each.why or ""
        shape = "×".join(map(str, each.shape))
        values = ", ".join(each.values[:6]) + (" …" if len(each.values) > 6 else "")
        distinct = "" if each.distinct is None else f"{each.distinct:,}"
        rows.append([each.name or "(no name)", each.role, kind, shape, span, distinct, values])
    return ["column", "role", "kind", "shape", "range", "different", "inputs"], rows


def feature_table(features: tuple[Feature, ...]) -> Table:
    """Columns of numbers over the training split."""
    rows = [
        [each.name, *(f"{v:.6g}" for v in (each.minimum, each.maximum, each.mean, each.deviation))]
        for each in features
    ]
    return ["", "minimum", "maximum", "mean", "deviation"], _cut(rows)


def class_table(target: Target) -> Table:
    """Examples of each class in each split."""
    splits = list(target.classes[0].examples) if target.classes else []
    rows = [
        [each.name, *(f"{each.examples[split]:,}" for split in splits)] for each in target.classes
    ]
    return ["class", *splits], _cut(rows)


def input_table(card: Card) -> Table:
    """The model's inputs."""
    rows = [
        [
            each.name or "input",
            each.kind,
            "×".join(map(str, each.shape)),
            _span(each.minimum, each.maximum),
            each.values or _lengths(each),
        ]
        for each in card.inputs
    ]
    return ["input", "kind", "shape", "range", ""], rows


def split_table(card: Card) -> Table:
    """Examples of each split, and what they were taken from."""
    rows = [
        [name, f"{count:,}", card.sources.get(name) or ""] for name, count in card.splits.items()
    ]
    return ["split", "examples", "from the source's"], rows


def to_html(card: Card) -> str:
    """The text of `data.html`."""
    sections = {
        "warnings": bool(card.warnings),
        "notices": bool(card.notices),
        "splits": True,
        "columns": bool(card.source and card.source.columns),
        "inputs": True,
        "targets": any(each.classes or each.ranges for each in card.targets),
        "samples": True,
    }
    return render(
        "data.html",
        {},
        title=f"Data: {card.name}",
        summary=card_summary(card),
        sections=[{"id": id, "title": id.capitalize()} for id, shown in sections.items() if shown],
        captions={},
        card=card,
        splits=split_table(card),
        source=source_table(card),
        inputs=input_table(card),
        features=[(each.name, feature_table(each.features)) for each in card.inputs],
        targets=[_target(each) for each in card.targets],
        samples=[_sample(card, each) for each in card.samples],
        notices=card.notices,
        most=_ROWS,
    )


def _target(target: Target) -> dict[str, Any]:
    table = class_table(target) if target.classes else feature_table(target.ranges)
    count = len(target.classes or target.ranges)
    return {"name": target.name, "task": target.task, "table": table, "count": count}


def _sample(card: Card, sample: Any) -> dict[str, Any]:
    pictures, texts = [], []
    for each in card.inputs:
        value = sample.inputs[each.name]
        if each.kind == "image":
            pictures.append(value)
        elif each.kind == "text":
            texts.append(value)
        elif each.kind == "table":
            more = " …" if len(value) > 12 else ""
            texts.append(", ".join(f"{number:.4g}" for number in value[:12]) + more)
    target = "; ".join(f"{n}: {v}" if n else v for n, v in sample.target.items())
    return {"pictures": pictures, "texts": texts, "target": target}


def _lengths(each: Input) -> str:
    if each.lengths is None:
        return ""
    low, middle, high = each.lengths
    return f"{low} to {high} tokens a text, the median {middle}"


def _span(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.6g} to {high:.6g}"


def _cut(rows: list[list[str]]) -> list[list[str]]:
    return rows[:_ROWS]
