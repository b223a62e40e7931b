"""The stage `evaluate`: what a model is worth and what it costs."""

from __future__ import annotations

from typing import Any

from secateur.store import Reference, digest_of
from secateur.tasks.stage import Build, Product, read, stage
from secateur.training.objective_config import ObjectiveConfig
from secateur.training.objective_sources import objective_fingerprint


def _outside(objective: ObjectiveConfig) -> Any:
    return objective_fingerprint(objective)


@stage(outside=_outside)
def evaluate(
    build: Build,
    data: Reference,
    model: Reference,
    objective: ObjectiveConfig = ObjectiveConfig(),  # noqa: B008  (frozen)
) -> Product:
    """Measures loss and metrics, and counts weights, FLOPs and bytes."""
    from secateur.datasets.dataset import Dataset
    from secateur.evaluation.evaluate import evaluate_file
    from secateur.training.joint import objective_of

    path = read(model).directory / "model.keras"
    dataset = Dataset(read(data).directory)
    measured = objective_of(objective, dataset.goal)
    evaluation = evaluate_file(path, dataset.test, dataset.validation, measured)
    text = evaluation.model_dump_json(indent=2)
    (build.directory / "evaluation.json").write_text(text)
    return Product(digest_of(evaluation), {"notices": evaluation.notices})
