"""The flow `prune`: load, train, score, prune, fine-tune, evaluate, report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from secateur.correction.config import CorrectConfig
from secateur.datasets.config import DatasetConfig
from secateur.export.config import ExportConfig
from secateur.flows.command_line import command_line
from secateur.flows.deadline import Deadline
from secateur.flows.parameters import PruneParameters, Seed
from secateur.flows.pipeline import StageName, check_stages, run_stages, wire_explained
from secateur.flows.publish import PublishConfig
from secateur.importance.config import ImportanceConfig
from secateur.models.config import ModelConfig
from secateur.output import OutputFolder
from secateur.report.markdown import to_markdown
from secateur.report.schema import Report
from secateur.report.tracking import open_experiment
from secateur.sparsity.config import TargetConfig
from secateur.tasks.approval import approved, check_approval, rejected
from secateur.tasks.deadline import deadline as until
from secateur.tasks.pinned import pinned
from secateur.tasks.report import gather, report
from secateur.tasks.tags import tag_flow_run
from secateur.tasks.track import track_run
from secateur.training.config import TrainConfig
from secateur.training.fine_tune_config import FineTuneConfig
from secateur.training.objective_config import ObjectiveConfig


def _run_name() -> str:
    return run_name(PruneParameters.model_validate(_own(flow_run.parameters)))


def _own(parameters: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in parameters.items() if k in PruneParameters.model_fields}


def run_name(parameters: PruneParameters) -> str:
    """`prune-<data>-<model>-<target>`, such as `prune-mnist_5k-simple_net-0.9`."""
    model, target = parameters.model, parameters.target
    source = model.label
    amounts = (target.ratio, target.threshold, target.quantile)
    amount = next((value for value in amounts if value is not None), target.pattern)
    return f"prune-{parameters.dataset.label}-{source}-{amount}"


@flow(name="prune", flow_run_name=_run_name)
def prune(
    dataset: DatasetConfig = DatasetConfig(),  # noqa: B008  (frozen models)
    model: ModelConfig = ModelConfig(),  # noqa: B008
    train: TrainConfig = TrainConfig(),  # noqa: B008
    importance: ImportanceConfig = ImportanceConfig(),  # noqa: B008
    *,
    target: TargetConfig,
    first: tuple[TargetConfig, ...] = (),
    correct: CorrectConfig = CorrectConfig(),  # noqa: B008
    fine_tune: FineTuneConfig = FineTuneConfig(),  # noqa: B008
    objective: ObjectiveConfig = ObjectiveConfig(),  # noqa: B008
    export: ExportConfig = ExportConfig(),  # noqa: B008
    seed: Seed = 0,
    output: OutputFolder = Path("out"),
    publish: PublishConfig = PublishConfig(),  # noqa: B008
    deadline: Deadline | None = None,
    refresh: tuple[StageName, ...] = (),
) -> Report | State:
    """Prunes a Keras model and shows the evidence.

    Args:
        dataset: The data that trains, calibrates and measures.
        model: The model to prune: built-in, a file, or a factory.
        train: How the dense model is trained.
        importance: What a weight is worth.
        target: How much to remove, and where. Say how much in one way: by ratio, threshold or
            quantile, by an allocation of ratios to layers, or by a pattern such as 2:4.
        first: Targets that the model is pruned by before, each followed by fine-tuning.
        correct: What is mended after the cut, without training.
        fine_tune: How the pruned model is trained.
        objective: What the model is for, and measured by.
        export: In which formats the final model is written; each file is checked.
        seed: One integer for everything, at least 0.
        output: The folder of report.json, report.html, model.keras and what else the run leaves.
        publish: When results are written, and who is told.
        deadline: How long the run may train, from its start, such as 90s, 30m, 2h or 1h30m: the
            training under way then stops at the end of its epoch with the best so far, and later
            ones have one epoch each. The same run, started again, goes on from there.
        refresh: Stages to run again though their results are in the store.

    Returns:
        The report.

    Raises:
        ValueError: One sentence about a parameter, before any work.
        CancelledRun: If a person was asked and did not agree.
    """
    parameters = PruneParameters(
        dataset=dataset,
        model=model,
        train=train,
        importance=importance,
        target=target,
        first=first,
        correct=correct,
        fine_tune=fine_tune,
        objective=objective,
        export=export,
        seed=seed,
        output=output,
        publish=publish,
        deadline=deadline,
    ).resolved()
    parameters.check()
    check_stages(refresh)
    if publish.approval:
        check_approval()
    if publish.mlflow:
        open_experiment(publish.mlflow)
    tag_flow_run(parameters.dataset.label, parameters.importance.criterion)
    with parameters.destination().claim(), pinned(), until(deadline):
        outcome = run_stages(parameters, set(refresh), through=wire_explained)
        given = parameters.model_dump(mode="json")
        if publish.approval:
            found = gather(given, outcome.results, outcome.evaluations, outcome.exports)
            answer = approved(to_markdown(found))
            if not answer.publish:
                return rejected(answer)
        written = report(
            given,
            outcome.results,
            outcome.evaluations,
            outcome.exports,
            outcome.final,
            parameters.output,
            publish.accuracy_bar,
            outcome.explanation,
            command_line(parameters),
        )
        if publish.mlflow:
            track_run(publish.mlflow, written, outcome.results, parameters.output)
        return written


if __name__ == "__main__":
    import sys

    from secateur.flows.cli import run

    run(["prune", *sys.argv[1:]])
