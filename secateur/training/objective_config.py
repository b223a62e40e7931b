"""Parameters of what a model is trained and measured on. Imports no TensorFlow."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from secateur.datasets.traits import Task
from secateur.schema import tell_bounds


def check_names(value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
    """Refuses what is neither a name of Keras's nor `package.module:function`."""
    for name in (value,) if isinstance(value, str) else value or ():
        module, colon, function = name.partition(":")
        parts = [*module.split("."), *([function] if colon else [])]
        if not all(part.isidentifier() for part in parts) or ("." in module and not colon):
            raise ValueError(
                f"{name!r} is neither a name nor package.module:function; give one of them"
            )
    return value


class OutputConfig(BaseModel):
    """What one of several outputs is trained and measured on."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra=tell_bounds, title="Output"
    )

    loss: str | None = Field(default=None, description="As objective.loss.")
    metrics: tuple[str, ...] = Field(default=(), max_length=20, description="As objective.metrics.")
    weight: float = Field(
        default=1.0,
        ge=0,
        le=1e9,
        description="What its loss is multiplied by, before the losses of all outputs are added.",
    )

    @field_validator("loss", "metrics")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return check_names(value)


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

    outputs: dict[str, OutputConfig] = Field(
        default={},
        description="With dataset.outputs: loss, metrics and weight of single outputs by their "
        "names; those that are left out have the loss and metric of their task.",
    )

    @field_validator("loss", "metrics")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return check_names(value)

    @property
    def own(self) -> dict[str, str]:
        """The losses and metrics that are functions of the user's, and the fields they are in."""
        single = {f"objective.outputs.{name}": config for name, config in self.outputs.items()}
        groups: dict[str, Any] = {"objective": self, **single}
        given = [
            (name, f"{group}.{field}")
            for group, config in groups.items()
            for field, names in (("loss", (config.loss,)), ("metrics", config.metrics))
            for name in names
        ]
        return {name: field for name, field in given if name and ":" in name}
