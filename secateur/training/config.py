"""Parameters of the training of the dense model."""

from pydantic import BaseModel, ConfigDict, Field

from secateur.schema import tell_bounds


class TrainConfig(BaseModel):
    """How the dense model is trained (Adam, cross-entropy)."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra=tell_bounds, title="Training"
    )

    epochs: int | None = Field(
        default=None,
        ge=0,
        le=100_000,
        description="Passes over the training data. Default: 10, and 0 for a model.path.",
    )
    batch_size: int = Field(default=32, ge=1, le=1_000_000, description="Examples a step.")
    learning_rate: float = Field(default=1e-3, gt=0, le=10, description="Adam's learning rate.")
