"""The stage `evaluate`: what a model is worth and what it costs."""

from __future__ import annotations

from secateur.store import Reference, digest_of
from tasks.stage import Build, Product, read, stage


@stage()
def evaluate(build: Build, data: Reference, model: Reference) -> Product:
    """Measures loss and accuracy, and counts weights, FLOPs and bytes."""
    from secateur.datasets.dataset import Dataset
    from secateur.evaluation.evaluate import evaluate_file

    path = read(model).directory / "model.keras"
    dataset = Dataset(read(data).directory)
    evaluation = evaluate_file(path, dataset.test, dataset.validation)
    text = evaluation.model_dump_json(indent=2)
    (build.directory / "evaluation.json").write_text(text)
    return Product(digest_of(evaluation), {"notices": evaluation.notices})
