"""The flow `compress`: channels, then weights, then fewer bits, each step measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from prefect import flow

from secateur.datasets.config import DatasetConfig
from secateur.flows.compress_parameters import CompressParameters, CompressTuningConfig, StepsConfig
from secateur.flows.deadline import Deadline
from secateur.flows.parameters import PruneParameters, Seed
from secateur.flows.pipeline import stage_runner, tuning, wire_rounds, wire_train
from secateur.importance.config import ImportanceConfig
from secateur.models.config import ModelConfig
from secateur.output import OutputFolder
from secateur.report.compress import CompressReport
from secateur.store import Reference
from secateur.tasks.compress_report import compress_report
from secateur.tasks.data_card import show_data
from secateur.tasks.deadline import deadline as until
from secateur.tasks.evaluate import evaluate
from secateur.tasks.export import export
from secateur.tasks.fine_tune import fine_tune as fine_tune_stage
from secateur.tasks.measure import measure
from secateur.tasks.pinned import pinned
from secateur.tasks.prune_kernels import prune_kernels
from secateur.training.config import TrainConfig
from secateur.training.distill_config import DistillConfig

R = TypeVar("R", bound=Reference)

FINAL, BITS = "weights", "bits"
"""The model of the last step but one, and the last step: a file of that model with fewer bits."""


class Wired(NamedTuple):
    """What the stages gave, by subject.

    Attributes:
        models: The models.
        evaluations: What they are worth.
        files: Their LiteRT files, and under `bits` those of the last one with fewer bits.
        measured: Each of `files` but `dense` in turns with `dense`.
    """

    models: dict[str, Reference]
    evaluations: dict[str, Reference]
    files: dict[str, Reference]
    measured: dict[str, Reference]


def wire_compress(p: CompressParameters, run: Callable[..., R]) -> Wired:
    """Calls `run(stage, **arguments)` for each stage; see `secateur.flows.pipeline.wire`."""
    first, second = p.channels(), p.weights()
    data, dense = wire_train(first, run)
    models = {"dense": dense}
    model = dense
    if p.steps.kernel is not None:
        cut = run(prune_kernels, model=model, size=p.steps.kernel, data=data)
        if cut.digest != model.digest:  # there were large kernels
            # Smaller kernels learn more from the labels than from a model that they outdo.
            model = run(fine_tune_stage, data=data, pruned=cut, **tuning(_untaught(first), dense))
            models["kernels"] = model
    _, models["channels"] = wire_rounds(first, run, data, model)
    _, models[FINAL] = wire_rounds(second, run, data, models["channels"])
    evaluations = {
        name: run(evaluate, data=data, model=model, subject=name) for name, model in models.items()
    }
    plain = second.export.model_copy(update={"quantize": None, "clusters": None})
    last = {"model": models[FINAL], "export": second.export}
    exports = {name: {"model": model, "export": plain} for name, model in models.items()}
    files = {
        name: run(export, data=data, seed=p.seed, subject=name, **what)
        for name, what in {**exports, BITS: last}.items()
    }
    measured = {
        name: run(
            measure,
            data=data,
            dense=dense,
            pruned=models[FINAL if name == BITS else name],
            dense_files=files["dense"],
            pruned_files=files[name],
            subject=name,
        )
        for name in files
        if name != "dense"
    }
    return Wired(dict(models), dict(evaluations), dict(files), dict(measured))


def _untaught(p: PruneParameters) -> PruneParameters:
    alone = p.fine_tune.model_copy(update={"distill": DistillConfig()})
    return p.model_copy(update={"fine_tune": alone})


@flow(name="compress", flow_run_name="compress-{dataset.label}")
def compress(
    dataset: DatasetConfig = DatasetConfig(),  # noqa: B008  (frozen models)
    model: ModelConfig = ModelConfig(),  # noqa: B008
    train: TrainConfig = TrainConfig(),  # noqa: B008
    importance: ImportanceConfig = ImportanceConfig(),  # noqa: B008
    steps: StepsConfig = StepsConfig(),  # noqa: B008
    fine_tune: CompressTuningConfig = CompressTuningConfig(),  # noqa: B008
    seed: Seed = 0,
    output: OutputFolder = Path("out"),
    deadline: Deadline | None = None,
) -> CompressReport:
    """Makes a Keras model small and fast, and shows what each step gained.

    Args:
        dataset: The data that trains, calibrates and measures.
        model: The model to compress: built-in, a file, or a factory.
        train: How the dense model is trained.
        importance: What a weight is worth.
        steps: How far each step goes.
        fine_tune: How the model is trained after each step but the last.
        seed: One integer for everything, at least 0.
        output: The folder of compress.json, compress.md, model.keras and the LiteRT files.
        deadline: How long the run may train, from its start, such as 90s, 30m, 2h or 1h30m: the
            training under way then stops at the end of its epoch with the best so far, and later
            ones have one epoch each. The same run, started again, goes on from there.

    Returns:
        The report.

    Raises:
        ValueError: One sentence about a parameter, before any work.
    """
    parameters = CompressParameters(
        dataset=dataset,
        model=model,
        train=train,
        importance=importance,
        steps=steps,
        fine_tune=fine_tune,
        seed=seed,
        output=output,
        deadline=deadline,
    )
    parameters.check()
    with parameters.destination().claim(), pinned(), until(deadline):
        run, done = stage_runner(parameters.channels(), loaded=show_data)
        wired = wire_compress(parameters, run)
        given = parameters.model_dump(mode="json")
        return compress_report(given, done, wired._asdict(), parameters.channels().output)


def find_compressed(p: CompressParameters, look_up: Callable[..., Reference]) -> bool:
    """Whether every stage's result is in the store.

    Args:
        p: The parameters.
        look_up: Finds a stage's result, or raises `LookupError`.
    """
    try:
        wire_compress(p, look_up)
    except LookupError:
        return False
    return True
