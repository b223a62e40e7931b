"""Parameters of fine-tuning; apart from `config`, so that a change here retrains nothing."""

from typing import Literal

from pydantic import ConfigDict, Field

from secateur.sparsity.dynamic_config import DynamicConfig
from secateur.training.distill_config import DistillConfig
from secateur.training.fit_config import FitConfig, RateSchedule


class FineTuneConfig(FitConfig):
    """How the pruned model is trained on; what was pruned stays zero at every step."""

    model_config = ConfigDict(title="Fine-tuning")

    epochs: int = Field(
        default=10, ge=0, le=100_000, description="Passes over the training data; 0 for none."
    )
    learning_rate: float = Field(
        default=5e-3, gt=0, le=10, description="Adam's learning rate, at its highest."
    )
    rate_schedule: RateSchedule = Field(
        default="one_cycle", description=FitConfig.model_fields["rate_schedule"].description
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        le=2**31 - 1,
        description="Seed of fine-tuning alone, so that several trials share one dense model. "
        "Default: the seed of the run.",
    )
    rewind: Literal["none", "learning_rate", "weights"] = Field(
        default="none",
        description="learning_rate: the rates of the last epochs of train come again, as many as "
        "fine_tune.epochs (Renda 2020). weights: so they do, and what was not pruned begins with "
        "its value after train.keep_epoch epochs (lottery ticket, Frankle 2020); with schedule "
        "iterative in every round.",
    )
    distill: DistillConfig = Field(
        default=DistillConfig(), description="How much the dense model teaches the pruned one."
    )
    dynamic: DynamicConfig = Field(
        default=DynamicConfig(), description="Masks that move while the pruned model trains."
    )
