"""`search.json` as typed objects: the path of a search, what it chose, and how sure that is."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from secateur.datasets.card.schema import Card
from secateur.report.sweep import Spread
from secateur.searching.curves import Sensitivity


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Drop(_Part):
    """Accuracy lost against the dense model, on the validation split."""

    value: float = Field(description="Of the mean over the seeds, as a share.")
    error: float = Field(description="Its standard error, from examples and seeds.")
    margin: float = Field(description="What is kept free of the budget for it.")


class TrialOfSearch(_Part):
    """One candidate."""

    number: int
    name: str
    tuned: bool = Field(description="Whether it was fine-tuned; else its costs were in question.")
    target: dict[str, Any] = Field(description="How the model was pruned.")
    status: Literal["kept", "refuted", "missed", "measured", "stopped"] = Field(
        description="kept the budget, kept it but not on fresh seeds, missed it, was measured for "
        "its costs, or was stopped."
    )
    why: str = Field(description="One sentence.")
    seeds: int
    validation: float | None = Field(description="Mean accuracy on the validation split.")
    drop: Drop | None
    costs: dict[str, float | None] = Field(description="Means over the seeds.")


class SearchStep(_Part):
    """The search with one pattern."""

    pattern: str
    allowed: float | None = Field(description="The drop that was allowed up to here.")
    limits: dict[str, float] = Field(description="The limits up to here, in the costs' units.")
    cost: str = Field(description="The cost that the front is about.")
    sensitivity: Sensitivity
    trials: list[TrialOfSearch]
    front: list[int] = Field(
        description="Numbers of the trials that no other beats in cost and validation accuracy."
    )
    chosen: int | None = Field(description="Number of the trial that it ended with, if any.")


class Winner(_Part):
    """The model that was found, fine-tuned with fresh seeds."""

    step: int = Field(description="Place of its step.")
    trial: int
    name: str
    seeds: list[int] = Field(description="The fresh seeds.")
    seed: int = Field(description="The one whose model was written: best on validation.")
    layers: dict[str, float] = Field(description="Share of each layer that goes.")
    drop: Drop
    certainty: float | None = Field(
        None,
        description="How sure it is, by the validation split, that it loses no more than is "
        "allowed (one-sided); null without such a budget.",
    )
    validation: Spread
    test: Spread
    test_drop: float = Field(description="Accuracy lost on the test split, mean over the seeds.")
    costs: dict[str, float | None] = Field(description="Of the model that was written.")


class DenseModel(_Part):
    """The dense model."""

    validation: float
    test: float
    costs: dict[str, float | None]


class SearchReport(_Part):
    """What a search found out."""

    schema_version: Literal[1] = Field(1, alias="schema", description="Version of this contract.")
    parameters: dict[str, Any]
    objective: str | None = Field(description="What shall be low; null: accuracy shall be high.")
    budget: dict[str, float]
    confidence: float
    strategy: str
    dense: DenseModel
    steps: list[SearchStep]
    winner: Winner
    kept_on_test: bool = Field(
        description="Whether the written model keeps the budget on the test split, which had no "
        "part in any choice."
    )
    notices: list[str]
    data_card: Card | None = Field(
        default=None, description="What was understood of the data, without pictures."
    )

    def to_json(self) -> str:
        """The text of `search.json`."""
        return self.model_dump_json(indent=2, by_alias=True) + "\n"
