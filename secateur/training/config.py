"""Parameters of the training of the dense model."""

from pydantic import ConfigDict, Field

from secateur.training.fit_config import FitConfig


class TrainConfig(FitConfig):
    """How the dense model is trained (Adam, cross-entropy)."""

    model_config = ConfigDict(title="Training")

    epochs: int | None = Field(
        default=None,
        ge=0,
        le=100_000,
        description="Passes over the training data. Default: 10, and 0 for a model.path.",
    )
    keep_epoch: int | None = Field(
        default=None,
        ge=0,
        le=100_000,
        description="After how many epochs the weights are kept, for fine_tune.rewind weights. "
        "Empty: they are not.",
    )
