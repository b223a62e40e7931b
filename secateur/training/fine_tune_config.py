"""Parameters of fine-tuning; apart from `config`, so that a change here retrains nothing."""

from pydantic import ConfigDict, Field

from secateur.sparsity.dynamic_config import DynamicConfig
from secateur.training.fit_config import FitConfig


class FineTuneConfig(FitConfig):
    """How the pruned model is trained on; what was pruned stays zero at every step."""

    model_config = ConfigDict(title="Fine-tuning")

    epochs: int = Field(
        default=10, ge=0, le=100_000, description="Passes over the training data; 0 for none."
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        le=2**31 - 1,
        description="Seed of fine-tuning alone, so that several trials share one dense model. "
        "Default: the seed of the run.",
    )
    dynamic: DynamicConfig = Field(
        default=DynamicConfig(), description="Masks that move while the pruned model trains."
    )
