"""A stage's line of the report; apart from `schema`, so that a new field there rebuilds nothing."""

from pydantic import BaseModel, ConfigDict, Field


class StageRecord(BaseModel):
    """A stage that ran, or was found in the store."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_serialization_defaults_required=True
    )

    name: str = Field(description="The stage, which is also the name of its file in `tasks`.")
    subject: str | None = Field(None, description="dense, pruned or fine_tuned, where it matters.")
    round: int | None = Field(None, description="Round of an iterative schedule, from 1.")
    key: str = Field(description="SHA-256 of all that the result depends on.")
    cached: bool = Field(description="Whether the result was in the store.")
    seconds: float = Field(description="Wall time in this run.")
