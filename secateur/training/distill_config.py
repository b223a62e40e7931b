"""Parameters of distillation."""

from pydantic import BaseModel, ConfigDict, Field

from secateur.schema import tell_bounds


class DistillConfig(BaseModel):
    """How much the dense model teaches the pruned one; with both weights 0 it does not."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra=tell_bounds, title="Distillation"
    )

    weight: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of the loss that compares what both models give, in place of the loss "
        "on the labels (Hinton 2015).",
    )
    temperature: float = Field(
        default=4.0,
        gt=0,
        le=1000,
        description="Divides the logits of both models first, so that the classes that the dense "
        "model finds unlikely count as well; of no meaning in a regression.",
    )
    features: float = Field(
        default=0.0,
        ge=0,
        le=1e6,
        description="Weight of the squared differences between outputs of the layers of both "
        "models (Romero 2015).",
    )
    layers: tuple[str, ...] = Field(
        default=(),
        description="Globs on the names of the layers that features compares. Empty: all layers "
        "with weights but the last, as far as their outputs have the same shape.",
    )

    @property
    def used(self) -> bool:
        """Whether there is anything to learn from a teacher."""
        return bool(self.weight or self.features)
