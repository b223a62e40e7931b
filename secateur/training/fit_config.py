"""Parameters that `train` and `fine_tune` share: how a model is fitted."""

from pydantic import BaseModel, ConfigDict, Field

from secateur.schema import tell_bounds
from secateur.training.regularizer_config import RegularizerConfig


class FitConfig(BaseModel):
    """How a model is fitted.

    Fields that both stages have lie here; those of one stage alone in `config` or
    `fine_tune_config`, and what is a subject of its own in a group in a file of its own, such as
    `fine_tune.distill.temperature`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=tell_bounds)

    epochs: int | None = Field(
        default=1, ge=0, le=100_000, description="Passes over the training data; 0 for none."
    )
    batch_size: int = Field(default=32, ge=1, le=1_000_000, description="Examples a step.")
    learning_rate: float = Field(default=1e-3, gt=0, le=10, description="Adam's learning rate.")
    regularizer: RegularizerConfig = Field(
        default=RegularizerConfig(), description="What pushes weights towards zero."
    )
