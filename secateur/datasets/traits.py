"""What is known of a data set beside its shapes. Imports no TensorFlow."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Task = Literal[
    "classification",
    "binary",
    "multi_label",
    "regression",
    "token_classification",
    "language_model",
]
"""What a model shall do: say which class, yes or no, which of several labels, which numbers, which
class each token or pixel has, or which token comes next."""

SEVERAL = "several"
"""The task of data with several outputs, of which each has a task of its own."""

TASKS: tuple[str, ...] = get_args(Task)


class Traits(BaseModel):
    """What an architecture may need to know of the data beside the shapes of input and output."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Task | Literal["several"] = Field(
        default="classification", description="What the model shall do."
    )
    outputs: dict[str, Task] = Field(
        default={}, description="Of several outputs: what each of them shall do."
    )
    vocabulary: int | None = Field(
        default=None, description="Of inputs that are tokens: how many there are, 0 for padding."
    )
    mean: tuple[float, ...] | None = Field(
        default=None, description="Of tables: mean of each feature over the training split."
    )
    variance: tuple[float, ...] | None = Field(default=None, description="And its variance.")
    target_mean: tuple[float, ...] | None = Field(
        default=None, description="Of a regression: mean of each target over the training split."
    )
    target_deviation: tuple[float, ...] | None = Field(
        default=None, description="And its standard deviation."
    )
