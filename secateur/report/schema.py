"""`report.json` as a typed object. Its JSON schema is published and versioned.

`report.schema.json` beside this file holds it; `python -m secateur.report.schema` prints it.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from secateur.datasets.card.schema import Card
from secateur.evaluation.schema import Cost, LayerCount
from secateur.export.schema import Export
from secateur.proof.record import Check
from secateur.report.record import StageRecord
from secateur.schema import may_lack


class Report(BaseModel):
    """What a run of the pipeline found out."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        json_schema_serialization_defaults_required=True,
        json_schema_extra=may_lack("checks", "data_card"),
    )

    schema_version: Literal[1] = Field(1, alias="schema", description="Version of this contract.")
    parameters: dict[str, Any] = Field(description="All parameter groups, as the run took them.")
    task: str = Field(description="What the model does, such as classification.")
    dense: Cost = Field(description="The model before pruning.")
    pruned: Cost = Field(description="Right after pruning.")
    fine_tuned: Cost = Field(description="At the end.")
    sparsity: float = Field(
        description="Zeros / prunable weights of the final model, before channels that came out "
        "all zero were removed from it."
    )
    layers: list[LayerCount] = Field(description="The layers of the final model.")
    stages: list[StageRecord] = Field(description="What ran, in order.")
    notices: list[str] = Field(description="What was skipped, floored or stopped, and why.")
    exports: list[Export] = Field(description="Exported files.")
    checks: list[Check] = Field(
        default_factory=list, description="What was proved of the models of the run."
    )
    data_card: Card | None = Field(
        default=None,
        description="What was understood of the data, as `secateur data` tells it; without the "
        "pictures of its samples.",
    )

    def to_json(self) -> str:
        """The text of `report.json`."""
        return self.model_dump_json(indent=2, by_alias=True) + "\n"


def json_schema() -> str:
    """The text of the published schema: JSON Schema, draft 2020-12.

    Every field is required, except for what a later release added.
    """
    schema = Report.model_json_schema(by_alias=True, mode="serialization")
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps({"$schema": dialect, **schema}, indent=2) + "\n"


if __name__ == "__main__":
    print(json_schema(), end="")
