"""Parameters of sparse optimisation and regularisation, for `train` and `fine_tune`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from secateur.schema import tell_bounds


class RegularizerConfig(BaseModel):
    """What pushes weights towards zero while a model trains."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra=tell_bounds,
        allow_inf_nan=False,
        title="Regularizer",
    )

    penalty: Literal["none", "l1", "group_lasso", "batchnorm", "hard"] = Field(
        default="none",
        description="What is penalized: l1 (prunable weights, one by one), group_lasso (their "
        "output units: neurons and channels), batchnorm (the scales of BatchNormalization; network "
        "slimming, Liu 2017); or hard: after each step all but the largest weights are zero "
        "(iterative hard thresholding), as many as ratio says.",
    )
    strength: float = Field(
        default=1e-4, gt=0, le=1000, description="Factor of the penalty beside the loss."
    )
    growth: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of the steps in which the strength grows from 0, in equal steps; 0: it "
        "is there at once.",
    )
    step: Literal["proximal", "gradient"] = Field(
        default="proximal",
        description="How the penalty acts: by proximal steps behind those of the optimizer, which "
        "make weights exactly zero, or by its gradient, which makes them small.",
    )
    ratio: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="Penalty hard: the share of the prunable weights that is zero at every step.",
    )

    @model_validator(mode="after")
    def _check_ratio(self) -> RegularizerConfig:
        if self.penalty == "hard" and self.ratio is None:
            raise ValueError("penalty hard needs a ratio: the share of the weights that is zero")
        if self.penalty != "hard" and self.ratio is not None:
            raise ValueError(
                f"ratio goes with penalty hard, not with {self.penalty}; leave it out, or say how "
                "strongly the penalty acts by strength"
            )
        return self


def check_regularizer(config: RegularizerConfig, group: str, epochs: int, masked: bool) -> None:
    """Refuses what could have no effect. Imports no TensorFlow.

    Args:
        config: The regularizer.
        group: Whose it is: `train` or `fine_tune`.
        epochs: Of that training.
        masked: Whether masks are held during it.

    Raises:
        ValueError: One sentence with the reason and a way out.
    """
    if config.penalty == "none":
        return
    said = f"{group}.regularizer.penalty {config.penalty}"
    if not epochs:
        raise ValueError(
            f"{said} acts while a model trains, but {group}.epochs is 0; give epochs, or leave it "
            "out."
        )
    if config.penalty == "hard" and masked:
        raise ValueError(
            f"{said} chooses which weights are zero, and so do the masks of the target; use it in "
            "train, or target.schedule gradual to choose weights during fine-tuning."
        )
