"""What is known of a pruning after the stage `explain`, as typed objects. Imports no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from secateur.sparsity.masks import Masks

_FACTS, _PICTURES, _MASKS = "explanation.json", "pictures.npy", "drawn_masks.npz"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Histogram(_Part):
    """Counts of values in bins of equal width."""

    low: float = Field(description="Left end of the first bin.")
    high: float = Field(description="Right end of the last bin.")
    counts: list[int]


class ScoreHistogram(_Part):
    """Counts of scores in bins of equal width of their decimal logarithm.

    Scores of zero lie in no bin. The threshold lies between `highest_removed` and `lowest_kept`
    where the first is not above the second; else other things than the score decided too.
    """

    low: float = Field(description="Decimal logarithm at the left end of the first bin.")
    high: float = Field(description="… and at the right end of the last one.")
    kept: list[int] = Field(description="Scores of weights that stayed; of all without masks.")
    removed: list[int] | None = Field(description="Scores of those that went.")
    zeros: int = Field(description="Scores that are zero.")
    lowest_kept: float | None
    highest_removed: float | None


class WeightFacts(_Part):
    """A prunable weight before and after."""

    path: str = Field(description="Name of the weight, unique in its model.")
    layer: str = Field(description="Name of the layer that owns it.")
    kind: str = Field(description="Class of that layer.")
    shape_before: list[int]
    shape_after: list[int] | None = Field(description="None if the weight was removed as a whole.")
    nonzero_after: int
    values_before: Histogram
    values_after: Histogram | None = Field(
        description="Of the values that are not zero, in the bins of those before."
    )
    scores: ScoreHistogram | None


class ClassChange(_Part):
    """One class on the test split."""

    name: str
    examples: int
    right_before: int
    right_after: int


class Confusion(_Part):
    """How often one class was taken for another."""

    label: int
    predicted: int
    before: int
    after: int


class Flip(_Part):
    """A test example whose answer changed."""

    index: int = Field(description="Its place in the test split.")
    label: int = Field(description="The right class.")
    before: int = Field(description="The dense model's answer.")
    after: int = Field(description="The final model's answer.")
    confidence_before: float = Field(description="Probability of that answer.")
    confidence_after: float
    picture: int | None = Field(description="Its place among the pictures.")


class Changes(_Part):
    """Answers of a classifier on the test split, before pruning and at the end."""

    classes: list[ClassChange]
    confusion: list[Confusion] = Field(description="Pairs that occur; the most frequent ones.")
    both_right: int
    lost: int = Field(description="Right before alone.")
    won: int = Field(description="Right at the end alone.")
    both_wrong: int
    changed: int = Field(description="Answers that differ.")
    flips: list[Flip] = Field(description="Some of those, the most confident answers first.")


class Explanation(_Part):
    """All that the stage `explain` finds out."""

    criterion: str | None = Field(description="What made the scores, where there are any.")
    scores: ScoreHistogram | None = Field(description="Those of all weights together.")
    masked: int = Field(description="Weights that have a mask.")
    weights: list[WeightFacts] = Field(description="Prunable weights in the model's order.")
    changes: Changes | None = Field(description="None where the task is not classification.")


@dataclass(frozen=True)
class Explained:
    """The facts, and what is no plain number.

    Attributes:
        facts: What was found out.
        pictures: Of `facts.changes.flips`: bytes of shape `(examples, height, width, 1 or 3)`;
            None where examples are no images.
        masks: What the last choice kept, of weights that are small enough to be drawn; None where
            units were removed for good.
    """

    facts: Explanation
    pictures: np.ndarray | None = None
    masks: Masks | None = None

    def save(self, folder: Path) -> None:
        """Writes up to three files into an existing folder."""
        (folder / _FACTS).write_text(self.facts.model_dump_json(), encoding="utf-8")
        if self.pictures is not None:
            np.save(folder / _PICTURES, self.pictures, allow_pickle=False)
        if self.masks is not None:
            self.masks.save(folder / _MASKS)

    @classmethod
    def load(cls, folder: Path) -> Explained:
        """Reads what `save` wrote."""
        facts = Explanation.model_validate_json((folder / _FACTS).read_text(encoding="utf-8"))
        pictures, masks = folder / _PICTURES, folder / _MASKS
        return cls(
            facts,
            np.load(pictures, allow_pickle=False) if pictures.exists() else None,
            Masks.load(masks) if masks.exists() else None,
        )
