"""The stage `explain`: what pruning changed, for the report; and logs for TensorBoard."""

from __future__ import annotations

from secateur.store import Reference, digest_of
from secateur.tasks.stage import Build, Product, read, stage
from secateur.training.objective_config import ObjectiveConfig


@stage()
def explain(
    build: Build,
    data: Reference,
    dense: Reference,
    tuned: Reference,
    scores: Reference | None,
    masks: Reference | None,
    fits: list[Reference],
    objective: ObjectiveConfig = ObjectiveConfig(),  # noqa: B008  (frozen)
) -> Product:
    """Compares the model before pruning and at the end: weights, masks and answers.

    `scores` are those that the last choice was made by, `masks` an artifact with what it kept;
    `fits` are the artifacts of all trainings.
    """
    from secateur.datasets.dataset import Dataset
    from secateur.explanation.explain import explain
    from secateur.importance.scores import Scores
    from secateur.models.files import load_model
    from secateur.report.events import write_events
    from secateur.report.histories import named
    from secateur.sparsity.masks import Masks

    dataset = Dataset(read(data).directory)
    found = explain(
        load_model(read(dense).directory / "model.keras"),
        load_model(read(tuned).directory / "model.keras"),
        dataset,
        Scores.load(read(scores).directory / "scores.npz") if scores else None,
        Masks.load(read(masks).directory / "masks.npz") if masks else None,
        objective.task or dataset.task,
    )
    found.save(build.directory)
    trained = [(fit.stage, fit.metadata["history"]) for fit in map(read, fits)]
    write_events(named(trained), build.directory / "tensorboard")
    return Product(digest_of(found.facts), {})
