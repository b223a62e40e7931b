"""Parameters of what a model is trained and measured on. Imports no TensorFlow."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from secateur.datasets.traits import Task
from secateur.schema import tell_bounds


class ObjectiveConfig(BaseModel):
    """What the model is for: its task, its loss, and what it is measured by."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra=tell_bounds, title="Objective"
    )

    task: Task | None = Field(
        default=None, description="What the model shall do. Empty: what the data set says."
    )
    loss: str | None = Field(
        default=None,
        description="A Keras loss by name, such as huber or binary_focal_crossentropy, or your own "
        "as package.module:function of (labels, outputs) that gives a value for each example, from "
        "modules that the operator has allowed. Empty: cross-entropy, in a regression the mean "
        "squared error.",
    )
    metrics: tuple[str, ...] = Field(
        default=(),
        max_length=20,
        description="Keras metrics by name, such as auc, or your own as above; they see "
        "probabilities. The first one counts. Empty: accuracy, in a regression the mean absolute "
        "error.",
    )
    better: Literal["higher", "lower"] = Field(
        default="higher", description="Whether a higher or a lower value of metrics is better."
    )

    @field_validator("loss", "metrics")
    @classmethod
    def _named(cls, value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        for name in (value,) if isinstance(value, str) else value or ():
            module, colon, function = name.partition(":")
            parts = [*module.split("."), *([function] if colon else [])]
            if not all(part.isidentifier() for part in parts) or ("." in module and not colon):
                raise ValueError(
                    f"{name!r} is neither a name nor package.module:function; give one of them"
                )
        return value

    @property
    def own(self) -> tuple[str, ...]:
        """Those of loss and metrics that are functions of the user's."""
        return tuple(name for name in (self.loss, *self.metrics) if name and ":" in name)
