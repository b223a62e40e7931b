"""The flow `transfer`: a pruned model goes to another data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from secateur.datasets.config import DatasetConfig
from secateur.flows.deadline import Deadline
from secateur.flows.parameters import Seed
from secateur.flows.publish import PublishConfig
from secateur.flows.transfer_parameters import TransferParameters
from secateur.importance.config import ImportanceConfig
from secateur.output import OutputFolder
from secateur.report.transfer import TransferReport
from secateur.sparsity.config import TargetConfig
from secateur.store import Reference
from secateur.tasks.approval import approved, check_approval, rejected
from secateur.tasks.data_card import show_data
from secateur.tasks.deadline import deadline as until
from secateur.tasks.evaluate import evaluate
from secateur.tasks.fine_tune import fine_tune
from secateur.tasks.fine_tune_head import fine_tune_head
from secateur.tasks.importance import importance
from secateur.tasks.load_data import load_data
from secateur.tasks.pinned import pinned
from secateur.tasks.prune import prune
from secateur.tasks.source import source
from secateur.tasks.stage import Stage, StageResult, read
from secateur.tasks.tags import tag_flow_run
from secateur.tasks.transfer import transfer as adapt
from secateur.tasks.transfer_report import gather, to_markdown, transfer_report
from secateur.tasks.transfer_scratch import transfer_scratch
from secateur.training.fine_tune_config import FineTuneConfig
from secateur.training.transfer_config import TransferConfig

R = TypeVar("R", bound=Reference)


class Way(NamedTuple):
    """Where the stages' results are.

    Attributes:
        source: The pruned model as it came.
        data: The data of the new task.
        final: The artifact with the model that the transfer gives.
        evaluations: By what people call the models: `transferred`, `scratch`, `pruned`.
        trainings: The trainings of each of them, in order.
    """

    source: Reference
    data: Reference
    final: Reference
    evaluations: dict[str, Reference]
    trainings: dict[str, list[Reference]]


def wire(p: TransferParameters, run: Callable[..., Any]) -> Way:
    """Calls `run(stage, **arguments)` for each stage in order; see `secateur.flows.pipeline.wire`.

    Args:
        p: Resolved parameters.
        run: Gives a reference to the stage's artifact.
    """
    found = run(source, path=p.transfer.source)
    data = run(load_data, dataset=_fitting(p.dataset, found))
    adapted = run(adapt, source=found, data=data, seed=p.seed)
    head = read(adapted).metadata["head"]
    trainings = {"transferred": _train(p, run, data, adapted, head)}
    models = {"transferred": trainings["transferred"][-1]}
    if p.transfer.scratch:
        fresh = run(transfer_scratch, data=data, adapted=adapted, seed=p.seed, subject="scratch")
        settings = _settings(p, _epochs(p))
        trainings["scratch"] = [
            run(fine_tune, data=data, pruned=fresh, subject="scratch", **settings)
        ]
        models["scratch"] = trainings["scratch"][-1]
    final = models["transferred"]
    if p.target is not None:
        final = _prune_on(p, run, data, adapted, final)
        trainings["pruned"], models["pruned"] = [final], final
    evaluations = {
        name: run(evaluate, data=data, model=model, subject=name) for name, model in models.items()
    }
    return Way(found, data, final, evaluations, trainings)


def _fitting(dataset: DatasetConfig, found: Reference) -> DatasetConfig:
    """Images are brought to the size that the model takes, unless the user gave another."""
    shape = read(found).metadata["input_shape"]
    if dataset.image_size is not None or len(shape) != 3 or None in shape[:2]:
        return dataset
    return dataset.model_copy(update={"image_size": (shape[0], shape[1])})


def _train(p: TransferParameters, run: Callable, data, adapted, head: str) -> list[Reference]:
    """The trainings of the transferred model."""
    label = {"subject": "transferred"}
    if p.transfer.body == "trained":
        settings = _settings(p, p.fine_tune.epochs)
        return [run(fine_tune, data=data, pruned=adapted, **settings, **label)]
    staged = p.transfer.body == "staged"
    settings = _settings(p, p.transfer.head_epochs if staged else p.fine_tune.epochs)
    first = run(fine_tune_head, data=data, adapted=adapted, head=head, round=1, **settings, **label)
    if not staged:
        return [first]
    settings = _settings(p, p.fine_tune.epochs)
    return [first, run(fine_tune, data=data, pruned=first, round=2, **settings, **label)]


def _prune_on(p: TransferParameters, run: Callable, data, adapted, model) -> Reference:
    """Pruned further, within what is left, and trained again."""
    assert p.target is not None
    label = {"subject": "pruned"}
    scores = run(importance, data=data, model=model, importance=p.importance, seed=p.seed, **label)
    masked = (read(adapted).directory / "masks.npz").exists()
    before = {"before": adapted} if masked else {}
    pruned = run(prune, model=model, target=p.target, scores=scores, **before, **label)
    return run(fine_tune, data=data, pruned=pruned, **_settings(p, p.fine_tune.epochs), **label)


def _epochs(p: TransferParameters) -> int:
    """Epochs that the transferred model is trained for, in all."""
    return p.fine_tune.epochs + (p.transfer.head_epochs if p.transfer.body == "staged" else 0)


def _settings(p: TransferParameters, epochs: int) -> dict[str, Any]:
    settings = p.fine_tune.model_copy(update={"seed": None, "epochs": epochs})
    return {"fine_tune": settings, "seed": p.fine_tune.seed}


def find(p: TransferParameters) -> Way | None:
    """What a run would find if every stage's result is in the store; else None."""

    def look_up(stage: Stage, subject=None, round=None, **arguments) -> Reference:
        found = stage.find(**arguments)
        if found is None:
            raise LookupError
        return found

    try:
        return wire(p, look_up)
    except LookupError:
        return None


def run_name(p: TransferParameters) -> str:
    """`transfer-<model>-<data>`, such as `transfer-lenet_5-digits`."""
    path = Path(p.transfer.source)
    return f"transfer-{path.stem if path.suffix else path.name}-{p.dataset.label}"


def _run_name() -> str:
    given = flow_run.parameters
    own = {name: given[name] for name in TransferParameters.model_fields if name in given}
    return run_name(TransferParameters.model_validate(own))


@flow(name="transfer", flow_run_name=_run_name)
def transfer(
    transfer: TransferConfig,
    dataset: DatasetConfig = DatasetConfig(name="digits"),  # noqa: B008  (frozen models)
    fine_tune: FineTuneConfig = FineTuneConfig(),  # noqa: B008
    target: TargetConfig | None = None,
    importance: ImportanceConfig = ImportanceConfig(),  # noqa: B008
    seed: Seed = 0,
    output: OutputFolder = Path("out"),
    publish: PublishConfig = PublishConfig(),  # noqa: B008
    deadline: Deadline | None = None,
) -> TransferReport | State:
    """Moves a pruned model to another data set, and compares it with a fresh start.

    Args:
        transfer: The pruned model, and what may change of it.
        dataset: The data of the new task.
        fine_tune: Training on the new task.
        target: Prune further on the new task. Empty: keep the zeros that the model came with.
        importance: What a weight is worth, where it is pruned further.
        seed: One integer for everything, at least 0.
        output: The folder of transfer.json, transfer.html and model.keras.
        publish: When results are written, and who is told.
        deadline: How long the run may train, from its start, such as 90s, 30m, 2h or 1h30m: the
            training under way then stops at the end of its epoch with the best so far, and later
            ones have one epoch each. The same run, started again, goes on from there.

    Returns:
        The report.

    Raises:
        ValueError: One sentence about a parameter, before any work.
        CancelledRun: If a person was asked and did not agree.
    """
    values = dict(locals())
    fields = {name: values[name] for name in TransferParameters.model_fields}
    p = TransferParameters.model_validate(fields).resolved()
    p.check()
    if publish.approval:
        check_approval()
    tag_flow_run(p.dataset.label, "transfer")
    done: list[StageResult] = []

    def run(stage: Stage, **arguments) -> StageResult:
        done.append(stage(**arguments))
        if stage is load_data:
            show_data(done[-1])
        return done[-1]

    with p.destination().claim(), pinned(), until(deadline):
        way = wire(p, run)
        given = p.model_dump(mode="json")
        found = gather(given, done, way.source, way.evaluations, way.trainings)
        if publish.approval:
            answer = approved(to_markdown(found))
            if not answer.publish:
                return rejected(answer)
        return transfer_report(found, way.data, way.final, p.output, publish.accuracy_bar)


if __name__ == "__main__":
    import sys

    from secateur.flows.cli import main

    sys.exit(main(["transfer", *sys.argv[1:]]))
