"""What compressing a model in steps found out, as typed objects, a table and a sentence."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from secateur.datasets.card.schema import Card
from secateur.evaluation.schema import FileSize, Latency
from secateur.export.schema import Export
from secateur.proof.record import Check
from secateur.report.markdown import checks_section, data_section, markdown_table
from secateur.report.record import StageRecord

_STRICT = ConfigDict(
    extra="forbid",
    frozen=True,
    populate_by_name=True,
    json_schema_serialization_defaults_required=True,
)


class Step(BaseModel):
    """The model after one step."""

    model_config = _STRICT

    name: str = Field(description="What was done.")
    metrics: dict[str, float] = Field(description="Metrics on the test split.")
    parameters: int = Field(description="All weights, biases and statistics.")
    nonzero: int = Field(description="Prunable weights that are not zero.")
    flops: int | None = Field(description="FLOPs of one example.")
    bytes: FileSize = Field(description="Bytes of the LiteRT file.")
    latency_ms: Latency = Field(description="LiteRT, one thread, one example.")
    dense_latency_ms: Latency = Field(description="That of the dense model, in turns with it.")


class CompressReport(BaseModel):
    """The steps from the dense model to the smallest one."""

    model_config = _STRICT

    schema_version: int = Field(1, alias="schema", description="Version of this contract.")
    parameters: dict[str, Any] = Field(description="All parameter groups, as the run took them.")
    steps: list[Step] = Field(description="The dense model first, the final one last.")
    exports: list[Export] = Field(description="The files of the final model.")
    stages: list[StageRecord] = Field(description="What ran, in order.")
    notices: list[str] = Field(description="What was skipped or stopped, and why.")
    checks: list[Check] = Field(
        default_factory=list, description="What was proved of the models of the run."
    )
    data_card: Card | None = Field(
        default=None, description="What was understood of the data, without pictures."
    )

    def to_json(self) -> str:
        """The text of `compress.json`."""
        return self.model_dump_json(indent=2, by_alias=True) + "\n"


def step_table(report: CompressReport) -> tuple[list[str], list[list[str]]]:
    """Header and rows: a step each, and how much smaller and faster than the dense model it is."""
    dense = report.steps[0]
    metric = next(iter(dense.metrics))
    header = [
        "step",
        metric,
        "parameters",
        "nonzero",
        "FLOPs",
        "bytes (LiteRT)",
        "gzip",
        "smaller",
        "ms",
        "faster",
    ]
    rows = []
    for step in report.steps:
        faster = step.dense_latency_ms.median / step.latency_ms.median
        rows.append(
            [
                step.name,
                f"{step.metrics[metric]:.2%}",
                f"{step.parameters:,}",
                f"{step.nonzero:,}",
                "not counted" if step.flops is None else f"{step.flops:,}",
                f"{step.bytes.raw:,}",
                f"{step.bytes.gzip:,}",
                f"{dense.bytes.gzip / step.bytes.gzip:.1f}x",
                f"{step.latency_ms.median:.4f}",
                f"{faster:.2f}x" if step is not dense else "1x",
            ]
        )
    return header, rows


def compress_summary(report: CompressReport) -> str:
    """What came out, in one sentence."""
    dense, final = report.steps[0], report.steps[-1]
    metric = next(iter(dense.metrics))
    faster = final.dense_latency_ms.median / final.latency_ms.median
    points = 100 * (final.metrics[metric] - dense.metrics[metric])
    smaller = dense.bytes.gzip / final.bytes.gzip
    return (
        f"{smaller:.1f}x fewer bytes (gzip) and {faster:.2f}x the speed of the dense model in "
        f"LiteRT; {metric} {final.metrics[metric]:.2%}, {points:+.2f} points."
    )


def compress_markdown(report: CompressReport) -> str:
    """The text of `compress.md`."""
    notices = "".join(f"- {notice}\n" for notice in report.notices) or "None.\n"
    return "\n".join(
        [
            "# Compression\n",
            compress_summary(report) + "\n",
            markdown_table(*step_table(report)),
            "Bytes are those of the LiteRT file of 32-bit floats, and of the quantized one in the "
            "last step; ms is the median of one example on one thread, timed in turns with the "
            "dense model.\n",
            *data_section(report.data_card),
            "## Notices\n",
            notices,
            *checks_section(report.checks),
        ]
    )
