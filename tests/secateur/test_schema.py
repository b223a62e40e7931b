"""The bounds that a form shows."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field

from secateur.schema import tell_bounds

Share = Annotated[float, Field(ge=0, lt=1)]


class Model(BaseModel):
    model_config = ConfigDict(json_schema_extra=tell_bounds)

    both: int = Field(1, gt=0, le=9, description="A number.")
    low: float = Field(1.0, ge=0.5, description="A number.")
    optional: Share | None = Field(None, description="A share.")
    several: list[Share] | None = Field(None, description="Shares.")
    plain: int = 0
    untold: int = Field(0, ge=0)
    text: str = Field("", max_length=3, description="A text.")


@pytest.mark.parametrize(
    ("name", "description"),
    [
        ("both", "A number. Above 0, at most 9."),
        ("low", "A number. At least 0.5."),
        ("optional", "A share. At least 0, below 1."),
        ("several", "Shares. At least 0, below 1."),
        ("plain", None),
        ("untold", "At least 0."),
        ("text", "A text."),
    ],
)
def test_bounds_are_told(name, description):
    assert Model.model_json_schema()["properties"][name].get("description") == description
