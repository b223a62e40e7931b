"""The stage `report`: everything the run found, into the output folder and the Prefect UI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.tasks import exponential_backoff

from secateur.evaluation.schema import Evaluation
from secateur.report.evidence import Evidence
from secateur.report.files import write_results
from secateur.report.markdown import lost_examples, to_markdown
from secateur.report.schema import Report
from secateur.report.tables import layer_table, summary
from secateur.report.worth import learnt_nothing
from secateur.store import Reference
from secateur.tasks.announce import announce
from secateur.tasks.connection import shown_only
from secateur.tasks.data_card import data_of, feeding_files, slim_card
from secateur.tasks.evidence import evidence_of
from secateur.tasks.exported import records, with_exports
from secateur.tasks.said import checks_of, notices_of
from secateur.tasks.stage import StageResult, can_pass, read


@task(
    name="report",
    task_run_name="report",
    cache_policy=NO_CACHE,
    retries=2,
    retry_delay_seconds=exponential_backoff(backoff_factor=1),
    retry_jitter_factor=0.5,
    retry_condition_fn=can_pass,
)
def report(
    parameters: dict[str, Any],
    results: Sequence[StageResult],
    evaluations: Mapping[str, Reference],
    exports: Mapping[str, Reference],
    final: Reference,
    output: Path,
    bar: float | None = None,
    explanation: Reference | None = None,
    command: str = "",
) -> Report:
    """Writes report.json, report.md, report.html, model.keras and its card; always runs.

    Args:
        parameters: All groups, as plain JSON.
        results: What the stages gave, in their order.
        evaluations: The evaluations of `dense`, `pruned` and `fine_tuned`.
        exports: The artifacts of the exports; see `secateur.flows.pipeline.Outcome`.
        final: The artifact that holds the final model.
        output: The output folder.
        bar: The value of the first metric that is good enough.
        explanation: The artifact of the stage `explain`, if the run had it.
        command: What runs the same again.
    """
    written = gather(parameters, results, evaluations, exports)
    evidence, logs = evidence_of(results, explanation, command)
    files = read(exports["files"]).directory / "files" if exports else None
    model = read(final).directory / "model.keras"
    write_results(output, written, model, evidence, logs, files, feeding_files(data_of(results)))
    get_run_logger().info(summary(written))
    with shown_only():
        _show_in_ui(written, evidence, output)
    _announce(written, bar, output, _evaluation(evaluations["fine_tuned"]).higher)
    return written


def gather(
    parameters: dict[str, Any],
    results: Sequence[StageResult],
    evaluations: Mapping[str, Reference],
    exports: Mapping[str, Reference],
) -> Report:
    """The report, not written yet; the arguments are those of `report`."""
    found = {subject: _evaluation(reference) for subject, reference in evaluations.items()}
    costs = with_exports({subject: each.cost for subject, each in found.items()}, exports)
    last = found["fine_tuned"]
    card = slim_card(data_of(results))
    return Report(
        schema_version=1,
        parameters=parameters,
        task=last.task,
        dense=costs["dense"],
        pruned=costs["pruned"],
        fine_tuned=costs["fine_tuned"],
        sparsity=_sparsity(results, last),
        layers=last.layers,
        stages=[result.record for result in results],
        notices=[*notices_of(results), *learnt_nothing(costs["dense"], card)],
        checks=checks_of(results),
        data_card=card,
        exports=records(exports["files"]) if exports else [],
    )


def _evaluation(reference: Reference) -> Evaluation:
    text = (read(reference).directory / "evaluation.json").read_text()
    return Evaluation.model_validate_json(text)


def _sparsity(results: Sequence[StageResult], last: Evaluation) -> float:
    """That of the final model before channels that came out all zero were removed from it."""
    told = [read(result).metadata.get("sparsity") for result in results]
    known = [value for value in told if value is not None]
    return known[-1] if known else 1 - last.cost.nonzero / last.cost.prunable


def _show_in_ui(report: Report, evidence: Evidence, output: Path) -> None:
    text = f"{to_markdown(report)}\nWith charts, masks and examples: `{output}/report.html`\n"
    create_markdown_artifact(
        f"{text}{lost_examples(evidence)}", key="report", description="The run's report"
    )
    header, rows = layer_table(report)
    table = [dict(zip(header, row, strict=True)) for row in rows]
    create_table_artifact(table, key="layers", description="Sparsity of each layer")


def _announce(report: Report, bar: float | None, output: Path, higher: bool) -> None:
    final = report.fine_tuned
    metric = next(iter(final.metrics))
    facts = {
        f"dense_{metric}": report.dense.metrics[metric],
        "parameters": final.parameters,
        "nonzero": final.nonzero,
        "output": str(output),
    }
    announce(final.metrics[metric], report.sparsity, bar, facts, metric, higher)
