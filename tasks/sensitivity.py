"""The stage `sensitivity`: what pruning each layer alone does, on validation data."""

from __future__ import annotations

from secateur.searching.sensitivity_config import SensitivityConfig
from secateur.sparsity.config import TargetConfig
from secateur.store import Reference, digest_of
from secateur.tasks.stage import Build, Product, read, stage
from secateur.training.objective_config import ObjectiveConfig


@stage()
def sensitivity(
    build: Build,
    data: Reference,
    model: Reference,
    target: TargetConfig,
    sensitivity: SensitivityConfig,
    seed: int,
    scores: Reference | None = None,
) -> Product:
    """Measures the accuracy with each layer or group of channels pruned alone."""
    from secateur.datasets.dataset import Dataset
    from secateur.importance.scores import Scores
    from secateur.models.files import load_model
    from secateur.searching.sensitivity import sensitivity as measure
    from secateur.training.joint import objective_of

    dataset = Dataset(read(data).directory)
    network = load_model(read(model).directory / "model.keras")
    found = measure(
        network,
        Scores.load(read(scores).directory / "scores.npz") if scores else None,
        target,
        dataset.validation.arrays(),
        loss=objective_of(ObjectiveConfig(), dataset.goal).loss(network),
        ratios=sensitivity.ratios,
        stop=sensitivity.stop,
        examples=sensitivity.examples,
        seed=seed,
    )
    (build.directory / "sensitivity.json").write_text(found.model_dump_json(indent=2))
    return Product(digest_of(found), {"notices": found.notices})
