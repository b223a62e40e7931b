"""The stage `export`: a model as files of other runtimes, each checked in its own."""

from __future__ import annotations

import json
from typing import Any

from secateur.evaluation.machine import runtimes
from secateur.export.config import ExportConfig
from secateur.store import Reference, digest_of
from tasks.stage import Build, Product, read, stage


def _outside(**_: Any) -> Any:
    return runtimes()


@stage(outside=_outside)
def export(
    build: Build, data: Reference, model: Reference, export: ExportConfig, seed: int
) -> Product:
    """Writes the files that are asked for, and refuses one that does not do what the model does."""
    import numpy as np

    from secateur.datasets.dataset import Dataset
    from secateur.evaluation.by_task import loss_for, metrics_for
    from secateur.evaluation.runtimes.keras import Keras
    from secateur.export.exporting import EXAMPLES, Measures, export_model
    from secateur.models.files import load_model

    source = read(model)
    network = load_model(source.directory / "model.keras")
    dataset = Dataset(read(data).directory)
    (build.directory / "files").mkdir()
    x, _ = dataset.train.arrays(np.arange(min(EXAMPLES, len(dataset.train))))
    outputs = Keras(network).predict(x)
    measures = Measures(
        metrics=lambda: metrics_for(dataset.task, outputs),
        loss=loss_for(dataset.task, outputs),
        higher=dataset.task != "regression",
    )
    folder = build.directory / "files"
    records, notices = export_model(network, dataset, export, folder, measures, seed)
    found = [record.model_dump(mode="json") for record in records]
    (build.directory / "exports.json").write_text(json.dumps(found, indent=2))
    return Product(digest_of([source.digest, found]), {"notices": notices})
