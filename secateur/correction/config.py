"""The parameters of the group `correct`: what is mended between pruning and fine-tuning."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from secateur.schema import tell_bounds


class CorrectConfig(BaseModel):
    """What is mended after pruning, on training inputs, without labels and without training.

    With `target.schedule` gradual nothing is: the model trains while it is pruned.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra=tell_bounds, title="Correction"
    )

    method: Literal["none", "bias", "least_squares"] = Field(
        default="least_squares",
        description="Layer by layer, so that outputs are those of the dense model again: none; "
        "bias (the mean of what is missing goes into the bias); least_squares (the weights that "
        "stay are fitted anew, and biases with them).",
    )
    batch_norm: bool = Field(
        default=True,
        description="Measure the statistics of BatchNormalization anew. (Where channels, heads or "
        "layers are removed it is done in any case.)",
    )
    examples: int = Field(
        default=2048,
        ge=1,
        le=1_000_000,
        description="Training examples to look at, at most; drawn by the seed.",
    )

    @property
    def acts(self) -> bool:
        """Whether anything is mended."""
        return self.method != "none" or self.batch_norm
