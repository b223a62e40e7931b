"""Parameters of how a training computes; what it computes they leave as it is."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from secateur.schema import tell_bounds


class ComputeConfig(BaseModel):
    """Precision, compiler and devices of a training."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra=tell_bounds, title="Computing"
    )

    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        default="float32",
        description="Of the computation: in mixed precision layers compute in 16 bits, while "
        "weights, masks and outputs stay in 32. It pays on GPUs, and on processors made for it.",
    )
    xla: bool = Field(
        default=False,
        description="Compile the step with XLA: some seconds before the first step, faster ones "
        "after.",
    )
    devices: int = Field(
        default=1,
        ge=1,
        le=1024,
        description="GPUs that share each batch; without a GPU logical CPUs, as many as the "
        "environment variable SECATEUR_CPU_DEVICES says.",
    )

    @model_validator(mode="after")
    def _check_together(self) -> ComputeConfig:
        if self.xla and self.devices > 1:
            raise ValueError(
                f"xla compiles a step for one device, but devices is {self.devices}; leave out one "
                "of them"
            )
        return self
