"""The parameters of dynamic sparse training: masks that move during fine-tuning."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from secateur.schema import tell_bounds


class DynamicConfig(BaseModel):
    """Masks that move while the pruned model trains; each layer keeps its number of weights."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra=tell_bounds, title="Dynamic masks"
    )

    method: Literal["none", "set", "rigl"] = Field(
        default="none",
        description="Which weights come for the smallest ones that go: none (masks stay as they "
        "are), set (drawn at random; Mocanu 2018), rigl (those with the largest gradients; Evci "
        "2020). Target.schedule gradual moves masks in a way of its own.",
    )
    fraction: float = Field(
        default=0.3,
        gt=0,
        le=1,
        description="Share of a layer's weights that an update moves; with rigl it falls to 0 "
        "along a cosine.",
    )
    frequency: int = Field(
        default=100, ge=1, le=1_000_000, description="Training steps between two updates."
    )
    end: float = Field(
        default=0.75,
        gt=0,
        le=1,
        description="Where updates end, as a share of the fine-tuning steps.",
    )
