"""Parameters of a transfer to another task; how the model is trained there says `fine_tune`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from secateur.schema import tell_bounds


class TransferConfig(BaseModel):
    """Where the pruned model comes from, and how much of it may change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra=tell_bounds, title="Transfer"
    )

    source: str = Field(
        min_length=1,
        description="A pruned `.keras` file, or the output folder of a run that made one.",
    )
    body: Literal["trained", "staged", "frozen"] = Field(
        default="staged",
        description="What is trained beside the new head: `trained`, all of it at once; `staged`, "
        "the head alone for head_epochs, then all; `frozen`, nothing.",
    )
    head_epochs: int = Field(
        default=3,
        ge=1,
        le=100_000,
        description="With body `staged`: epochs in which the head alone is trained, before those "
        "of fine_tune.",
    )
    scratch: bool = Field(
        default=True,
        description="Train the same network, with the same zeros, from fresh weights for as many "
        "epochs, to show what the transfer is worth.",
    )
