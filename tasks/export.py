"""The stage `export`: a model as files of other runtimes, each checked in its own."""

from __future__ import annotations

import json
from typing import Any

from secateur.evaluation.machine import runtimes
from secateur.export.config import ExportConfig
from secateur.store import Reference, digest_of
from secateur.tasks.stage import Build, Product, read, stage
from secateur.training.objective_config import ObjectiveConfig
from secateur.training.objective_sources import objective_fingerprint


def _outside(objective: ObjectiveConfig, **_: Any) -> Any:
    return runtimes(), objective_fingerprint(objective)


@stage(outside=_outside)
def export(
    build: Build,
    data: Reference,
    model: Reference,
    export: ExportConfig,
    seed: int,
    objective: ObjectiveConfig = ObjectiveConfig(),  # noqa: B008  (frozen)
) -> Product:
    """Writes the files that are asked for, and refuses one that does not do what the model does."""
    from secateur.datasets.dataset import Dataset
    from secateur.export.exporting import Measures, export_model
    from secateur.models.files import load_model
    from secateur.training.joint import objective_of

    source = read(model)
    network = load_model(source.directory / "model.keras")
    dataset = Dataset(read(data).directory)
    (build.directory / "files").mkdir()
    goal = objective_of(objective, dataset.goal)
    measures = Measures(
        metrics=lambda: goal.metrics(network), loss=goal.loss(network), higher=goal.higher
    )
    folder = build.directory / "files"
    records, notices = export_model(network, dataset, export, folder, measures, seed, build.partial)
    found = [record.model_dump(mode="json") for record in records]
    (build.directory / "exports.json").write_text(json.dumps(found, indent=2))
    return Product(digest_of([source.digest, found]), {"notices": notices})
