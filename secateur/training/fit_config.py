"""Parameters that `train` and `fine_tune` share: how a model is fitted."""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from secateur.schema import tell_bounds
from secateur.training.augment_config import Augmentation
from secateur.training.compute_config import ComputeConfig
from secateur.training.regularizer_config import RegularizerConfig

_BATCH = 32
"""Examples a step, of a data set that is large enough."""

RateSchedule = Literal["constant", "cosine", "one_cycle"]


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
    batch_size: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Examples a step. Default: 32, and fewer with under 1,024 training examples "
        "(16, 8, 4, 2, 1), so that an epoch of a small data set has steps enough to learn in.",
    )
    learning_rate: float = Field(
        default=1e-3, gt=0, le=10, description="Adam's learning rate, at its highest."
    )
    rate_schedule: RateSchedule = Field(
        default="constant",
        description="How the learning rate goes on: constant, cosine (down to 0 at the end, "
        "Loshchilov & Hutter 2017), or one_cycle (up to its highest, then down; Smith & Topin "
        "2018).",
    )
    warmup: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the steps in which the learning rate rises to its highest. 0: none, "
        "and 0.3 with one_cycle.",
    )
    keep: Literal["last", "best"] = Field(
        default="last",
        description="Which epoch's weights stay: the last one's, or the best one's by the "
        "validation split.",
    )
    patience: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Training stops after so many epochs without a better one by the validation "
        "split. Empty: never.",
    )
    class_weight: Literal["none", "balanced"] = Field(
        default="none",
        description="balanced: examples of rare classes weigh more in the loss, so that all "
        "classes weigh the same.",
    )
    label_smoothing: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of each label that is spread evenly over all classes (Szegedy 2016).",
    )
    regularizer: RegularizerConfig = Field(
        default=RegularizerConfig(), description="What pushes weights towards zero."
    )
    augment: tuple[Augmentation, ...] = Field(
        default=(),
        max_length=7,
        description="Random changes of the training images, anew in each epoch: flip (left and "
        "right), translation, rotation, zoom, brightness, contrast, erasing. Empty: none.",
    )
    compute: ComputeConfig = Field(
        default=ComputeConfig(), description="Precision, compiler and devices."
    )

    def batch(self, examples: int) -> int:
        """Examples a step, of so many in all: by default as many steps as examples, up to 32."""
        if self.batch_size is not None:
            return self.batch_size
        smaller = 2 ** max(0, int(math.log2(max(examples, _BATCH) / _BATCH)))
        return min(_BATCH, smaller)

    def steps(self, examples: int) -> int:
        """Steps of an epoch."""
        return math.ceil(examples / self.batch(examples))

    def told(self, examples: int) -> list[str]:
        """A sentence where the batches are smaller than usual, for there are few examples."""
        batch = self.batch(examples)
        if self.batch_size is not None or batch == _BATCH or not self.epochs:
            return []
        return [
            f"There are {examples:,} training examples, so that a step takes {batch} of them "
            f"instead of {_BATCH} (--train.batch_size, --fine_tune.batch_size)."
        ]
