"""What a check found: a line of the section Checked, or one sentence that stops the run."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Subject = Literal["copy", "cut", "masks", "scores", "statistics", "file", "data"]


class ProofError(ValueError):
    """A check failed: one sentence that names the layer, what was found, and what to do."""


class Check(BaseModel):
    """One thing that was proved on the user's own model and data."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: Subject = Field(description="What was checked.")
    statement: str = Field(description="What was proved, as one sentence.")
    examples: int = Field(ge=0, description="On how many examples; 0 where it needs none.")
    difference: float = Field(
        ge=0, description="The largest difference seen, as a share of the largest value compared."
    )
    tolerance: float = Field(ge=0, description="The difference from which the check fails.")
    seconds: float = Field(ge=0, description="How long the check took.")
