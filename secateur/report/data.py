"""The card of a data set as `data.html`, which needs no network, and as a section of pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from secateur.datasets.card.schema import Card
from secateur.report.data_tables import (
    card_summary,
    duplicate_lines,
    feature_table,
    feeding_lines,
    input_table,
    picture_lines,
    sample_parts,
    source_line,
    source_table,
    split_table,
    target_table,
)
from secateur.report.pages import part, render


class DataFaces(NamedTuple):
    """What a run tells of its data beside its JSON.

    Attributes:
        cards: One for each data set, with pictures.
        feeding: Files that a user's texts or rows go through before the model.
    """

    cards: Sequence[Card] = ()
    feeding: Sequence[Path] = ()


def to_html(card: Card) -> str:
    """The text of `data.html`."""
    sections = {
        "warnings": bool(card.warnings),
        "notices": bool(card.notices),
        "splits": True,
        "columns": bool(card.source and card.source.columns),
        "inputs": True,
        "targets": bool(card.targets),
        "samples": True,
    }
    return render(
        "data.html",
        {},
        title=f"Data: {card.name}",
        summary=card_summary(card),
        sections=[{"id": id, "title": id.capitalize()} for id, shown in sections.items() if shown],
        captions={},
        data=_view(card, alone=True),
        notices=card.notices,
    )


def data_section(cards: Sequence[Card]) -> Markup:
    """The cards as a section, with the id `data`, of another page; nothing without one."""
    if not cards:
        return Markup()
    return part("data_section.html", cards=[_view(card, alone=False) for card in cards])


def _view(card: Card, alone: bool) -> dict[str, Any]:
    """What the templates show. Names of columns are open where the card has a page of its own."""
    columns = card.source.columns if card.source else ()
    samples = [
        dict(zip(("pictures", "texts", "target"), sample_parts(card, each), strict=True))
        for each in card.samples
    ]
    return {
        "summary": card_summary(card),
        "warnings": card.warnings,
        "splits": split_table(card),
        "notes": [*duplicate_lines(card), *([] if alone else feeding_lines(card))],
        "source": source_table(card) if columns else None,
        "format": source_line(card),
        "inputs": input_table(card),
        "pictures": picture_lines(card),
        "features": [
            {"name": each.name, "table": feature_table(each.features)}
            for each in card.inputs
            if each.features
        ],
        "open": alone,
        "targets": [
            {
                "name": each.name,
                "task": each.task.replace("_", " "),
                "table": target_table(each),
            }
            for each in card.targets
        ],
        "samples": samples,
        "wide": any(each["texts"] for each in samples),
    }
