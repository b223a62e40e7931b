"""`report.json` as a typed object. Its JSON schema is published and versioned.

`report.schema.json` beside this file holds it; `python -m secateur.report.schema` prints it.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from secateur.evaluation.schema import Cost, LayerCount


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class StageRecord(_Part):
    """A stage that ran, or was found in the store."""

    name: str = Field(description="The stage, which is also the name of its file in `tasks`.")
    subject: str | None = Field(None, description="dense, pruned or fine_tuned, where it matters.")
    round: int | None = Field(None, description="Round of an iterative schedule, from 1.")
    key: str = Field(description="SHA-256 of all that the result depends on.")
    cached: bool = Field(description="Whether the result was in the store.")
    seconds: float = Field(description="Wall time in this run.")


class Report(_Part):
    """What a run of the pipeline found out."""

    schema_version: Literal[1] = Field(1, alias="schema", description="Version of this contract.")
    parameters: dict[str, Any] = Field(description="All parameter groups, as the run took them.")
    task: str = Field(description="What the model does: classification.")
    dense: Cost = Field(description="The model before pruning.")
    pruned: Cost = Field(description="Right after pruning.")
    fine_tuned: Cost = Field(description="At the end.")
    sparsity: float = Field(description="Zeros / prunable weights of the final model.")
    layers: list[LayerCount] = Field(description="The layers of the final model.")
    stages: list[StageRecord] = Field(description="What ran, in order.")
    notices: list[str] = Field(description="What was skipped, floored or stopped, and why.")
    exports: list[dict[str, Any]] = Field(description="Exported files.")

    def to_json(self) -> str:
        """The text of `report.json`."""
        return self.model_dump_json(indent=2, by_alias=True) + "\n"


def json_schema() -> str:
    """The text of the published schema."""
    return json.dumps(Report.model_json_schema(by_alias=True), indent=2) + "\n"


if __name__ == "__main__":
    print(json_schema(), end="")
