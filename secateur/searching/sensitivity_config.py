"""Parameters of the stage `sensitivity`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from secateur.schema import tell_bounds

Share = Annotated[float, Field(gt=0, lt=1)]


class SensitivityConfig(BaseModel):
    """How the effect of pruning each layer alone is measured, on validation data."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra=tell_bounds, title="Sensitivity"
    )

    ratios: tuple[Share, ...] = Field(
        default=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98),
        min_length=1,
        description="Shares of a layer that are removed, one after the other; rising. The "
        "patterns N:M and layer have one point a layer.",
    )
    stop: float = Field(
        default=0.3,
        gt=0,
        le=1,
        description="A layer's curve ends where the accuracy has certainly dropped by more than "
        "this; larger ratios of that layer are not measured.",
    )
    examples: int | None = Field(
        default=None,
        ge=1,
        description="Validation examples that are looked at, drawn by the seed. Default: all.",
    )

    @field_validator("ratios")
    @classmethod
    def _check_order(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError(f"ratios are {list(value)}; give rising numbers, each once")
        return value
