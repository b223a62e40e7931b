"""The end of a run or a sweep that is tracked: it is written to MLflow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from secateur.output import names_of
from secateur.report.histories import named
from secateur.report.numbers import cost_numbers, numbers
from secateur.report.schema import Report
from secateur.report.sweep import SweepReport, TrialRecord
from secateur.report.tracking import Tracked, track
from secateur.tasks.stage import StageResult, read


@task(name="track", task_run_name="track", cache_policy=NO_CACHE, retries=2, retry_delay_seconds=2)
def track_run(
    experiment: str, report: Report, results: Sequence[StageResult], output: Path
) -> None:
    """Writes a run to MLflow: parameters, numbers, curves of training, and the results' files.

    Args:
        experiment: Name of the experiment.
        report: What the run found out.
        results: What its stages gave.
        output: The output folder, which holds the results.
    """
    artifacts = [read(result) for result in results]
    names = dict.fromkeys([*names_of("prune"), *(each.file for each in report.exports)])
    run = Tracked(
        name=flow_run.get_name() or "secateur prune",
        parameters=report.parameters,
        metrics=numbers(report),
        curves=named((each.stage, each.metadata.get("history", {})) for each in artifacts),
        files=[path for path in map(output.joinpath, names) if path.exists()],
    )
    (number,) = track(experiment, [run])
    get_run_logger().info("Written to MLflow: experiment %s, run %s.", experiment, number)


@task(name="track", task_run_name="track", cache_policy=NO_CACHE, retries=2, retry_delay_seconds=2)
def track_sweep(experiment: str, report: SweepReport) -> None:
    """Writes each trial that has a result to MLflow, as a run of its own.

    Args:
        experiment: Name of the experiment.
        report: What the sweep found out.
    """
    finished = [trial for trial in report.trials if trial.status == "done"]
    sweep = flow_run.get_name() or "secateur sweep"
    track(experiment, [_tracked(trial, report.parameters, sweep) for trial in finished])
    get_run_logger().info("Written to MLflow: experiment %s, %d runs.", experiment, len(finished))


def _tracked(trial: TrialRecord, shared: dict[str, Any], sweep: str) -> Tracked:
    metrics: dict[str, float] = {}
    for subject in ("dense", "pruned", "fine_tuned"):
        if cost := getattr(trial, subject):
            metrics |= cost_numbers(cost, f"{subject}.")
    if trial.validation:
        found = trial.validation.metrics.items()
        metrics |= {f"validation.{name}": value for name, value in found}
    if trial.sparsity is not None:
        metrics["sparsity"] = trial.sparsity
    return Tracked(f"{sweep} {trial.name}", _joined(shared, trial.values), metrics)


def _joined(shared: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Shared parameters with a trial's own in their places, which dotted names say."""
    joined = {**shared}
    for name, value in values.items():
        group, _, rest = name.partition(".")
        if rest:
            joined[group] = _joined(joined.get(group) or {}, {rest: value})
        else:
            joined[group] = value
    return joined
