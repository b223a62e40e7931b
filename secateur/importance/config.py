"""The parameters of the importance stage."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from secateur.importance.names import BUILT_IN, DEFAULT, check_criterion
from secateur.schema import tell_bounds


def _offer_choices(schema: dict[str, Any]) -> None:
    """A form offers the built-in criteria to choose from, or takes another name."""
    own = {"type": schema.pop("type"), "title": "another"}
    schema["anyOf"] = [{"enum": list(BUILT_IN), "type": "string", "title": "built-in"}, own]


class ImportanceConfig(BaseModel):
    """How weights are scored."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=tell_bounds)

    criterion: str = Field(
        default=DEFAULT,
        json_schema_extra=_offer_choices,
        description=f"What a weight is worth. One of: {', '.join(BUILT_IN)}; or the name that an "
        "installed package gives to its own.",
    )
    examples: int | None = Field(
        default=None,
        ge=1,
        description="How many training examples to look at, at most; drawn at random from arrays, "
        "the first ones of a stream. Empty: all of them.",
    )
    batch_size: int | None = Field(
        default=None,
        ge=1,
        description="Examples that go through the model at a time; it changes memory and speed, "
        "not the scores. Empty: chosen to fit the model.",
    )

    pool: Literal["l1", "l2", "mean", "max"] | None = Field(
        default=None,
        description="Score whole units (neurons, channels, heads) by the sum of their weights' "
        "scores (l1), the root of the sum of squares (l2), the mean or the maximum; each weight "
        "gets the score of its unit. Empty: each weight has its own.",
    )
    tolerance: float = Field(
        default=1e-3,
        ge=0,
        description="Criterion density: weights up to this size count as zero.",
    )

    @field_validator("criterion")
    @classmethod
    def _known(cls, value: str) -> str:
        return check_criterion(value)
