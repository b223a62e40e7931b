"""The flow `prune`: load, train, score, prune, fine-tune, evaluate, report."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from prefect import flow, get_client
from prefect.runtime import flow_run

from flows.parameters import PruneParameters
from secateur.datasets.config import DatasetConfig
from secateur.importance.config import ImportanceConfig
from secateur.models.config import ModelConfig
from secateur.report.schema import Report
from secateur.sparsity.config import TargetConfig
from secateur.store import Reference
from secateur.training.config import TrainConfig
from secateur.training.fine_tune_config import FineTuneConfig
from tasks.check import check
from tasks.evaluate import evaluate
from tasks.fine_tune import fine_tune as fine_tune_stage
from tasks.importance import importance as importance_stage
from tasks.load_data import load_data
from tasks.pinned import pinned
from tasks.prune import prune as prune_stage
from tasks.report import report
from tasks.stage import Stage, StageResult
from tasks.train import train as train_stage

R = TypeVar("R", bound=Reference)

STAGES = ("load_data", "train", "importance", "prune", "fine_tune", "evaluate")
"""The stages whose results are kept, and that `refresh` can name."""


def _run_name() -> str:
    return run_name(PruneParameters.model_validate(_own(flow_run.parameters)))


def _own(parameters: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in parameters.items() if k in PruneParameters.model_fields}


def run_name(parameters: PruneParameters) -> str:
    """`prune-<data>-<model>-<target>`, such as `prune-mnist_5k-simple_net-0.9`."""
    model, target = parameters.model, parameters.target
    source = model.name or model.factory or Path(model.path or "").stem
    amounts = (target.ratio, target.threshold, target.quantile)
    amount = next((value for value in amounts if value is not None), target.pattern)
    return f"prune-{parameters.dataset.name}-{source}-{amount}"


@flow(name="prune", flow_run_name=_run_name)
def prune(
    dataset: DatasetConfig = DatasetConfig(),  # noqa: B008  (frozen models)
    model: ModelConfig = ModelConfig(),  # noqa: B008
    train: TrainConfig = TrainConfig(),  # noqa: B008
    importance: ImportanceConfig = ImportanceConfig(),  # noqa: B008
    *,
    target: TargetConfig,
    fine_tune: FineTuneConfig = FineTuneConfig(),  # noqa: B008
    seed: int = 0,
    output: Path = Path("out"),
    refresh: Collection[str] = (),
) -> Report:
    """Prunes a Keras model and shows the evidence.

    Args:
        dataset: The data that trains, calibrates and measures.
        model: The model to prune: built-in, a file, or a factory.
        train: How the dense model is trained.
        importance: What a weight is worth.
        target: How much to remove, and where.
        fine_tune: How the pruned model is trained.
        seed: One integer for everything.
        output: The folder of report.json, report.md and model.keras.
        refresh: Stages to run again though their results are in the store.

    Returns:
        The report.

    Raises:
        ValueError: One sentence about a parameter, before any work.
    """
    parameters = PruneParameters(
        dataset=dataset,
        model=model,
        train=train,
        importance=importance,
        target=target,
        fine_tune=fine_tune,
        seed=seed,
        output=output,
    ).resolved()
    parameters.check()
    check_stages(refresh)
    _tag_run(parameters)
    with pinned():
        return _run(parameters, set(refresh))


def _tag_run(parameters: PruneParameters) -> None:
    """Tags the flow run alone: for each tag of a task, Prefect asks for a concurrency limit."""
    run_id = flow_run.get_id()
    if run_id:
        names = [parameters.dataset.name, parameters.importance.criterion]
        with get_client(sync_client=True) as client:
            client.update_flow_run(UUID(run_id), tags={*flow_run.get_tags(), *names})


def check_stages(refresh: Collection[str]) -> None:
    """Refuses a name in `refresh` that is no stage."""
    for name in refresh:
        if name not in STAGES:
            raise ValueError(f"refresh names {name!r}; stages are {', '.join(STAGES)}.")


def is_stored(parameters: PruneParameters) -> bool:
    """Whether every stage's result is in the store, so that a run needs no TensorFlow.

    Args:
        parameters: Resolved ones.
    """

    def look_up(stage: Stage, subject: str | None = None, **arguments) -> Reference:
        found = stage.find(**arguments)
        if found is None:
            raise LookupError
        return found

    try:
        _wire(parameters, look_up)
    except LookupError:
        return False
    return True


def _run(p: PruneParameters, refresh: set[str]) -> Report:
    done: list[StageResult] = []

    def run(stage: Stage, **arguments) -> StageResult:
        if stage is train_stage and stage.find(**arguments) is None:
            check(arguments["data"], p.model, p.target)
        result = stage(refresh=stage.name in refresh, **arguments)
        done.append(result)
        return result

    tuned, evaluations = _wire(p, run)
    return report(p.model_dump(mode="json"), done, evaluations, tuned, p.output)


def _wire(p: PruneParameters, run: Callable[..., R]) -> tuple[R, dict[str, R]]:
    """Which stage gets what: the final model, and the evaluations by subject."""
    data = run(load_data, dataset=p.dataset)
    dense = run(train_stage, data=data, model=p.model, train=p.train, seed=p.seed)
    scores = run(importance_stage, data=data, model=dense, importance=p.importance, seed=p.seed)
    pruned = run(prune_stage, model=dense, scores=scores, target=p.target)
    tuned = run(
        fine_tune_stage,
        data=data,
        pruned=pruned,
        fine_tune=p.fine_tune.model_copy(update={"seed": None}),  # it is the next argument
        seed=p.fine_tune.seed,
    )
    subjects = {"dense": dense, "pruned": pruned, "fine_tuned": tuned}
    evaluations = {
        subject: run(evaluate, data=data, model=model, subject=subject)
        for subject, model in subjects.items()
    }
    return tuned, evaluations


if __name__ == "__main__":
    import sys

    from flows.cli import main

    sys.exit(main(["prune", *sys.argv[1:]]))
