"""The flow `sweep`: a grid of trials, their means over seeds, and which are worth their cost."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from pydantic import Field

from secateur.correction.config import CorrectConfig
from secateur.datasets.config import DatasetConfig
from secateur.flows.fan_out import run_as_deployments
from secateur.flows.parameters import PruneParameters, Seed
from secateur.flows.pipeline import find, wire_importance, wire_train
from secateur.flows.publish import PublishConfig
from secateur.flows.sweep_parameters import Grid, SweepAxes, SweepParameters, SweepTarget, Trial
from secateur.flows.trials import Job, Result, dask_cluster, process_pool, run_here, run_on
from secateur.importance.config import ImportanceConfig
from secateur.models.config import ModelConfig
from secateur.output import OutputFolder, locate
from secateur.report.sweep import SweepReport
from secateur.report.tracking import open_experiment
from secateur.store import Reference, StoreError
from secateur.tasks.approval import approved, check_approval, rejected
from secateur.tasks.load_data import load_data
from secateur.tasks.pinned import pinned
from secateur.tasks.progress import counted
from secateur.tasks.sweep_report import TrialOutcome, preview, sweep_report, to_markdown
from secateur.tasks.tags import tag_flow_run
from secateur.tasks.track import track_sweep
from secateur.training.config import TrainConfig
from secateur.training.fine_tune_config import FineTuneConfig
from secateur.training.objective_config import ObjectiveConfig

Advance = Callable[[Job, Result], None]


def _run_name() -> str:
    parameters = flow_run.parameters
    given = {k: v for k, v in parameters.items() if k in SweepParameters.model_fields}
    return run_name(SweepParameters.model_validate(given))


def run_name(p: SweepParameters) -> str:
    """`sweep-<data>-<model>-<axes>`, such as `sweep-mnist_5k-simple_net-ratio-criterion`."""
    source = p.model.label
    axes = [name.rpartition(".")[2] for name in p.axes()]
    return "-".join(["sweep", p.dataset.label, source, *axes])


@flow(name="sweep", flow_run_name=_run_name)
def sweep(
    sweep: SweepAxes,  # type: ignore[valid-type]
    dataset: DatasetConfig = DatasetConfig(),  # noqa: B008  (frozen models)
    model: ModelConfig = ModelConfig(),  # noqa: B008
    train: TrainConfig = TrainConfig(),  # noqa: B008
    importance: ImportanceConfig = ImportanceConfig(),  # noqa: B008
    target: SweepTarget = SweepTarget(),  # noqa: B008
    correct: CorrectConfig = CorrectConfig(),  # noqa: B008
    fine_tune: FineTuneConfig = FineTuneConfig(),  # noqa: B008
    objective: ObjectiveConfig = ObjectiveConfig(),  # noqa: B008
    seed: Seed = 0,
    output: OutputFolder = Path("out"),
    publish: PublishConfig = PublishConfig(),  # noqa: B008
    workers: Annotated[int, Field(ge=1, le=1024)] = 1,
    runner: Literal["process", "dask", "deployment"] = "process",
    address: str | None = None,
    deployment: str = "trial/trial",
    max_trials: Annotated[int, Field(ge=1)] = 1000,
) -> SweepReport | State:
    """Prunes a model in many ways, and shows which of them are worth their cost.

    Args:
        sweep: The grid: for any parameter a list of values; every combination is a trial. Ways
            to say how much is removed (ratio, threshold, quantile) have trials of their own each.
        dataset: The data that trains, calibrates and measures.
        model: The model to prune: built-in, a file, or a factory.
        train: How the dense model is trained.
        importance: What a weight is worth.
        target: How much to remove, and where; the axes say what it leaves open.
        correct: What is mended after the cut, without training.
        fine_tune: How the pruned model is trained.
        objective: What the model is for, and measured by.
        seed: One integer for everything, at least 0.
        output: The folder of sweep.json, sweep.html and the best models.
        publish: When results are written, and who is told.
        workers: Processes that run trials on this machine, at least 1.
        runner: Where trials run: process, dask or deployment.
        address: Runner dask: the scheduler, such as tcp://host:8786.
        deployment: Runner deployment: its name, as flow/deployment.
        max_trials: Refuse a grid of more trials than this, at least 1.

    Returns:
        The report. A trial that failed is in it with its error.

    Raises:
        ValueError: One sentence about a parameter, before any work.
        RuntimeError: If every trial failed.
        CancelledRun: If a person was asked and did not agree.
    """
    given = dict(locals())
    p = SweepParameters.model_validate({name: given[name] for name in SweepParameters.model_fields})
    grid = p.check()
    if publish.approval:
        check_approval()
    if publish.mlflow:
        open_experiment(publish.mlflow)
    tag_flow_run(p.dataset.label, "sweep")
    for notice in grid.notices:
        get_run_logger().warning(notice)
    with p.destination(grid).claim(), pinned():
        outcomes = _run_all(p, grid)
        shared = json.loads(p.model_dump_json(exclude={"sweep"}))
        if publish.approval:
            found = preview(shared, p.axes(), outcomes, grid.notices)
            answer = approved(to_markdown(found))
            if not answer.publish:
                return rejected(answer)
        written = sweep_report(
            shared,
            p.axes(),
            outcomes,
            grid.notices,
            locate(p.output),
            publish.accuracy_bar,
        )
        if publish.mlflow:
            track_sweep(publish.mlflow, written)
        return written


def _run_all(p: SweepParameters, grid: Grid) -> list[TrialOutcome]:
    jobs = [_job(trial) for trial in grid.trials]
    stored = [find(trial.parameters) is not None for trial in grid.trials]
    with counted("trials", len(jobs)) as count:

        def advance(job: Job, result: Result) -> None:
            if job.part == "trial":
                count(job.name, result.error)

        at_hand = [job for job, there in zip(jobs, stored, strict=True) if there]
        missing = [trial for trial, there in zip(grid.trials, stored, strict=True) if not there]
        run_here(at_hand, advance)
        ran = iter(_run_missing(p, missing, advance))
    results = [Result() if there else next(ran) for there in stored]
    data: dict[str, Reference | None] = {}
    for trial in grid.trials:
        given = trial.parameters.dataset
        if (name := given.model_dump_json()) not in data:
            data[name] = load_data.find(dataset=given)
    return [
        _outcome(trial, result, data[trial.parameters.dataset.model_dump_json()])
        for trial, result in zip(grid.trials, results, strict=True)
    ]


def _run_missing(p: SweepParameters, trials: Sequence[Trial], advance: Advance) -> list[Result]:
    jobs = [_job(trial) for trial in trials]
    if not jobs:
        return []
    if p.runner == "deployment":
        run = functools.partial(run_as_deployments, p.deployment)
        return _in_order(run, trials, jobs, advance)
    if p.runner == "dask":
        with dask_cluster(p.address or "") as cluster:
            results = _in_order(functools.partial(run_on, cluster), trials, jobs, advance)
        for job, result in zip(jobs, results, strict=True):
            if result.crashed:
                advance(job, result)
        return results
    if p.workers == 1:
        return run_here(jobs, advance)
    with process_pool(min(p.workers, len(jobs))) as pool:
        results = _in_order(functools.partial(run_on, pool), trials, jobs, advance)
    for place, (job, result) in enumerate(zip(jobs, results, strict=True)):
        if result.crashed:  # a lost process takes the whole pool with it: each has one of its own
            with process_pool(1) as pool:
                results[place] = run_on(pool, [job], advance)[0]
            if results[place].crashed:
                advance(job, results[place])
    return results


def _in_order(
    run: Callable[[Sequence[Job], Advance], list[Result]],
    trials: Sequence[Trial],
    jobs: Sequence[Job],
    advance: Advance,
) -> list[Result]:
    """What trials share first, each once; then the trials. One that fails fails its trials again,
    with the same sentence."""
    for part, wire in (("train", wire_train), ("importance", wire_importance)):
        shared: dict[str, PruneParameters] = {}
        for trial in trials:
            shared.setdefault(_need(trial.parameters, wire), trial.parameters)
        if len(shared) < len(trials):
            run([_shared_job(part, parameters) for parameters in shared.values()], advance)
    return run(jobs, advance)


def _need(p: PruneParameters, wire: Callable) -> str:
    """What the stages up to `wire` depend on."""
    groups = {"dataset", "model", "train", "seed"}
    if wire is wire_importance:
        groups.add("importance")
    return p.model_dump_json(include=groups)


def _shared_job(part: str, p: PruneParameters) -> Job:
    return Job(f"{part}-{p.model.name or 'model'}-{p.seed}", part, p.model_dump(mode="json"))


def _job(trial: Trial) -> Job:
    return Job(trial.name, "trial", trial.parameters.model_dump(mode="json"))


def _outcome(trial: Trial, result: Result, data: Reference | None) -> TrialOutcome:
    found, error = None, result.error
    if error is None:
        try:
            found = find(trial.parameters)
        except StoreError as problem:
            error = str(problem)
        if found is None and error is None:
            error = "Its results are not in the store; run the same command again."
    return TrialOutcome(
        name=trial.name,
        values=trial.values,
        variant=trial.variant,
        error=error,
        final=found.final if found else None,
        evaluations=found.evaluations if found else {},
        data=data if found else None,
    )


if __name__ == "__main__":
    import sys

    from secateur.flows.cli import run

    run(["sweep", *sys.argv[1:]])
