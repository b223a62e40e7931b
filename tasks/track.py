"""The end of a run that is tracked: it is written to MLflow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from secateur.report.files import RESULTS
from secateur.report.histories import named
from secateur.report.numbers import numbers
from secateur.report.schema import Report
from secateur.report.tracking import Tracked, track
from tasks.stage import StageResult, read


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
    run = Tracked(
        name=flow_run.get_name() or "secateur prune",
        parameters=report.parameters,
        metrics=numbers(report),
        curves=named((each.stage, each.metadata.get("history", {})) for each in artifacts),
        files=[output / name for name in RESULTS if (output / name).exists()],
    )
    (number,) = track(experiment, [run])
    get_run_logger().info("Written to MLflow: experiment %s, run %s.", experiment, number)
