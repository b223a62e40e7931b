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

    method: Literal["none", "bias", "least_squares"] | None = Field(
        default=None,
        description="Layer by layer, so that outputs are those of the dense model again: none; "
        "bias (the mean of what is missing goes into the bias); least_squares (the weights that "
        "stay are fitted anew, and biases with them). Empty: least_squares where no fine-tuning "
        "follows, which gains little from it; else none.",
    )
    batch_norm: bool = Field(
        default=True,
        description="Measure the statistics of BatchNormalization anew, which a fine-tuning needs "
        "as well; where channels, heads or layers are removed it is done in any case.",
    )
    examples: int = Field(
        default=2048,
        ge=1,
        le=1_000_000,
        description="Training examples to look at, at most; drawn by the seed.",
    )

    def resolved(self, epochs: int) -> CorrectConfig:
        """The same with its defaults filled in, before a fine-tuning of so many epochs."""
        method = self.method or ("none" if epochs else "least_squares")
        return self.model_copy(update={"method": method})

    @property
    def acts(self) -> bool:
        """Whether layers are mended, in a stage of its own; asked of what is resolved."""
        return self.method != "none"
