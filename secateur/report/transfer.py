"""The report of a transfer: the transferred model beside a fresh start of the same network."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from secateur.datasets.card.schema import Card
from secateur.evaluation.schema import Cost, LayerCount
from secateur.proof.record import Check
from secateur.report.markdown import checks_section, data_section, markdown_table
from secateur.report.record import StageRecord
from secateur.report.tables import stage_table

LABELS = {
    "transferred": "transferred",
    "scratch": "from scratch",
    "pruned": "pruned further",
}
"""What people call the models."""


class SourceFacts(BaseModel):
    """The pruned model as it came."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(description="Where it was read.")
    parameters: int = Field(description="All its weights.")
    sparsity: float = Field(description="Share of zeros among its prunable weights.")


class TransferReport(BaseModel):
    """What a transfer found out; `transfer.json` holds it."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    schema_version: Literal[1] = Field(1, alias="schema", description="Version of this contract.")
    parameters: dict[str, Any] = Field(description="All parameter groups, as the run took them.")
    task: str = Field(description="What the model does: classification.")
    source: SourceFacts = Field(description="The pruned model as it came.")
    models: dict[str, Cost] = Field(description="`transferred`, and `scratch` and `pruned`.")
    histories: dict[str, dict[str, list[float]]] = Field(
        description="Loss and metrics of the models' trainings by epoch."
    )
    layers: list[LayerCount] = Field(description="The layers of the final model.")
    stages: list[StageRecord] = Field(description="What ran, in order.")
    notices: list[str] = Field(description="What was skipped or stopped, and why.")
    checks: list[Check] = Field(
        default_factory=list, description="What was proved of the models of the run."
    )
    data_card: Card | None = Field(
        default=None, description="What was understood of the data, without pictures."
    )

    @property
    def data(self) -> str:
        """What the data set is called."""
        given = self.parameters["dataset"]
        return given["name"] or given["factory"] or given["path"]

    @property
    def final(self) -> Cost:
        """The model that is handed out."""
        return self.models.get("pruned", self.models["transferred"])

    def to_json(self) -> str:
        """The text of `transfer.json`."""
        return self.model_dump_json(indent=2, by_alias=True) + "\n"


def model_table(report: TransferReport) -> tuple[list[str], list[list[str]]]:
    """Header and rows: one row a measure, one column a model."""
    costs = list(report.models.values())
    rows = [[name, *(f"{cost.metrics[name]:.2%}" for cost in costs)] for name in costs[0].metrics]
    rows.append(["loss", *(f"{cost.loss:.4f}" for cost in costs)])
    rows.append(["epochs", *(str(_epochs(report, name)) for name in report.models)])
    rows.append(["parameters", *(f"{cost.parameters:,}" for cost in costs)])
    rows.append(["nonzero weights", *(f"{cost.nonzero:,}" for cost in costs)])
    rows.append(["FLOPs", *("not counted" if c.flops is None else f"{c.flops:,}" for c in costs)])
    rows.append(["sparsity", *(f"{1 - cost.nonzero / cost.prunable:.2%}" for cost in costs)])
    return ["", *(LABELS[name] for name in report.models)], rows


def _epochs(report: TransferReport, name: str) -> int:
    epochs = len(report.histories[name].get("loss", ()))
    if name == "pruned":
        epochs += _epochs(report, "transferred")
    return epochs


def transfer_summary(report: TransferReport) -> str:
    """What came out, in one sentence."""
    ours = report.models["transferred"]
    name, value = next(iter(ours.metrics.items()))
    said = f"The pruned model reaches {value:.2%} {name} on the test split of the new data"
    if scratch := report.models.get("scratch"):
        other = scratch.metrics[name]
        points = 100 * (value - other)
        said += (
            f"; the same network from scratch, at the same sparsity and epochs, {other:.2%} "
            f"({points:+.2f} points for the transfer)"
        )
    if pruned := report.models.get("pruned"):
        zeros = 1 - pruned.nonzero / pruned.prunable
        said += f"; pruned further to {zeros:.1%} zeros, {pruned.metrics[name]:.2%}"
    return said + "."


def transfer_markdown(report: TransferReport) -> str:
    """The text of `transfer.md`."""
    notices = "".join(f"- {notice}\n" for notice in report.notices) or "None.\n"
    return "\n".join(
        [
            f"# Transfer to {report.data}\n",
            transfer_summary(report) + "\n",
            f"The source, `{report.source.path}`, has {report.source.parameters:,} parameters; "
            f"{report.source.sparsity:.1%} of its prunable weights are zero.\n",
            "## Models\n",
            markdown_table(*model_table(report)),
            *data_section(report.data_card),
            "## Notices\n",
            notices,
            *checks_section(report.checks),
            "## Stages\n",
            markdown_table(*stage_table(report)),
            "## Parameters\n",
            f"```json\n{json.dumps(report.parameters, indent=2)}\n```\n",
        ]
    )
