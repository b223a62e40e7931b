"""What is told of the data in reports and in the Prefect UI, and the files that feed a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from prefect.artifacts import create_markdown_artifact

from secateur.datasets.card.schema import FILE, Card
from secateur.report.data import DataFaces
from secateur.report.markdown import card_markdown
from secateur.store import Reference
from secateur.tasks.connection import shown_only
from secateur.tasks.stage import StageResult, read

_FEEDING = ("vectorizer.keras", "encoder.json")
"""Files of a data set's artifact that a user's texts or rows have to go through."""


def data_of(results: Sequence[StageResult]) -> StageResult | None:
    """What the stage `load_data` gave; None if it was not run."""
    return next((result for result in results if result.record.name == "load_data"), None)


def card_of(data: Reference) -> Card:
    """The card of a loaded data set."""
    return Card.model_validate_json((read(data).directory / FILE).read_text(encoding="utf-8"))


def slim_card(data: Reference | None) -> Card | None:
    """The same for a report's JSON, which holds no pictures."""
    return card_of(data).without_pictures() if data else None


def feeding_files(data: Reference | None) -> list[Path]:
    """Files that belong beside the model, where the data set has them."""
    if data is None:
        return []
    folder = read(data).directory
    return [folder / name for name in _FEEDING if (folder / name).is_file()]


def faces_of(*data: Reference) -> DataFaces:
    """What reports show of data sets; the files of one alone, for those of several differ."""
    feeding = feeding_files(data[0]) if len(data) == 1 else []
    return DataFaces([card_of(each) for each in data], feeding)


def show_data(*data: Reference) -> None:
    """Shows the cards of data sets in the Prefect UI."""
    show_cards(map(card_of, data))


def show_cards(cards: Iterable[Card]) -> None:
    """Shows cards in the Prefect UI; a run goes on without."""
    with shown_only():
        for place, card in enumerate(cards):
            key = f"data-{place + 1}" if place else "data"
            create_markdown_artifact(
                card_markdown(card), key=key, description="What was understood of the data"
            )
