"""The end of a transfer: what it found, into the output folder and the Prefect UI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from secateur.evaluation.schema import Evaluation
from secateur.report.transfer import (
    SourceFacts,
    TransferReport,
    transfer_markdown,
    transfer_summary,
)
from secateur.report.transfer_files import write_transfer
from secateur.store import Reference
from secateur.tasks.announce import announce
from secateur.tasks.data_card import data_of, faces_of, slim_card
from secateur.tasks.said import checks_of, notices_of
from secateur.tasks.stage import StageResult, can_pass, read

to_markdown = transfer_markdown


def gather(
    parameters: dict[str, Any],
    results: Sequence[StageResult],
    source: Reference,
    evaluations: Mapping[str, Reference],
    trainings: Mapping[str, Sequence[Reference]],
) -> TransferReport:
    """The report, not written yet.

    Args:
        parameters: All groups, as plain JSON.
        results: What the stages gave, in their order.
        source: The pruned model as it came.
        evaluations: By what people call the models.
        trainings: The trainings of each model, in order.
    """
    found = {name: _evaluation(reference) for name, reference in evaluations.items()}
    facts = read(source).metadata
    return TransferReport(
        schema_version=1,
        parameters=parameters,
        task=found["transferred"].task,
        source=SourceFacts(
            path=parameters["transfer"]["source"],
            parameters=facts["parameters"],
            sparsity=facts["sparsity"],
        ),
        models={name: evaluation.cost for name, evaluation in found.items()},
        histories={name: _joined(several) for name, several in trainings.items()},
        layers=found.get("pruned", found["transferred"]).layers,
        stages=[result.record for result in results],
        notices=notices_of(results),
        checks=checks_of(results),
        data_card=slim_card(data_of(results)),
    )


@task(
    name="report",
    task_run_name="report",
    cache_policy=NO_CACHE,
    retries=2,
    retry_condition_fn=can_pass,
)
def transfer_report(
    report: TransferReport, data: Reference, final: Reference, output: Path, bar: float | None
) -> TransferReport:
    """Writes the results and shows them in the UI; always runs."""
    faces = faces_of(data)
    write_transfer(output, report, read(final).directory / "model.keras", faces)
    get_run_logger().info(transfer_summary(report))
    create_markdown_artifact(transfer_markdown(report), key="transfer", description="The transfer")
    accuracy = report.final.metrics.get("accuracy")
    if accuracy is not None:
        zeros = 1 - report.final.nonzero / report.final.prunable
        announce(accuracy, zeros, bar, {"output": str(output)})
    return report


def _evaluation(reference: Reference) -> Evaluation:
    text = (read(reference).directory / "evaluation.json").read_text()
    return Evaluation.model_validate_json(text)


def _joined(trainings: Sequence[Reference]) -> dict[str, list[float]]:
    """The histories of trainings that followed one another, as one."""
    joined: dict[str, list[float]] = {}
    for reference in trainings:
        for name, values in read(reference).metadata["history"].items():
            joined.setdefault(name, []).extend(values)
    return joined
