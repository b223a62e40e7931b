"""Parameters of fine-tuning; apart from `config`, so that a change here retrains nothing."""

from pydantic import BaseModel, ConfigDict, Field

from secateur.schema import tell_bounds


class FineTuneConfig(BaseModel):
    """How the pruned model is trained on; what was pruned stays zero at every step."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra=tell_bounds, title="Fine-tuning"
    )

    epochs: int = Field(
        default=10, ge=0, le=100_000, description="Passes over the training data; 0 for none."
    )
    batch_size: int = Field(default=32, ge=1, le=1_000_000, description="Examples a step.")
    learning_rate: float = Field(default=1e-3, gt=0, le=10, description="Adam's learning rate.")
    seed: int | None = Field(
        default=None,
        ge=0,
        le=2**31 - 1,
        description="Seed of fine-tuning alone, so that several trials share one dense model. "
        "Default: the seed of the run.",
    )
