"""What the card of a data set tells; `secateur data --json` prints it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from secateur.datasets.understanding import Understanding

FILE = "card.json"
"""The name of a card in the artifact of a data set."""


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Feature(_Told):
    """A column of what the model gets, over the training split."""

    name: str
    minimum: float
    maximum: float
    mean: float
    deviation: float = Field(ge=0)


class Input(_Told):
    """An input of the model."""

    name: str = Field(description="Empty of an only one.")
    kind: str = Field(description="`table`, `image`, `text` or `array`.")
    shape: tuple[int, ...]
    minimum: float = Field(description="As the model gets it, over the training split.")
    maximum: float
    features: tuple[Feature, ...] = Field(default=(), description="Of a table.")
    lengths: tuple[int, int, int] | None = Field(
        default=None,
        description="Of text: tokens of the shortest, the median and the longest text, as cut.",
    )
    values: str | None = Field(default=None, description="Of images: what their values stand for.")


class Class(_Told):
    """A class, and its examples in each split."""

    name: str
    examples: dict[str, int]


class Target(_Told):
    """What the model shall give."""

    name: str = Field(description="Empty of an only one.")
    task: str
    classes: tuple[Class, ...] = ()
    ranges: tuple[Feature, ...] = Field(default=(), description="Of numbers.")


class Sample(_Told):
    """An example of the training split."""

    inputs: dict[str, Any] = Field(
        description="By the inputs' names: numbers of a table, tokens of a text joined by spaces, "
        "the data URI of an image, or null of what cannot be shown."
    )
    target: dict[str, str]


class Card(_Told):
    """What was understood of a data set."""

    name: str
    task: str
    splits: dict[str, int] = Field(description="Examples of each split.")
    sources: dict[str, str | None] = Field(description="Where each split comes from.")
    inputs: tuple[Input, ...]
    targets: tuple[Target, ...]
    source: Understanding | None = Field(description="What a reader made of the files.")
    pictures: dict[str, Any] = Field(description="Of images: modes, sizes and range, by input.")
    duplicates: dict[str, dict[str, int]]
    notices: tuple[str, ...] = Field(description="What was decided, and how to decide else.")
    warnings: tuple[str, ...] = Field(description="What may be wrong with the data.")
    samples: tuple[Sample, ...]

    def without_pictures(self) -> Card:
        """The same for a report's JSON: null in the place of pictures, which its page has."""
        images = {each.name for each in self.inputs if each.kind == "image"}
        samples = [
            each.model_copy(
                update={"inputs": {n: None if n in images else v for n, v in each.inputs.items()}}
            )
            for each in self.samples
        ]
        return self.model_copy(update={"samples": tuple(samples)})
