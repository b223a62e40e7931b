"""The stage `importance`: what each weight of the dense model is worth."""

from __future__ import annotations

from typing import Any

from secateur.importance.config import ImportanceConfig
from secateur.importance.sources import criterion_fingerprint
from secateur.store import Reference
from secateur.tasks.stage import Build, Product, read, stage
from secateur.training.objective_config import ObjectiveConfig
from secateur.training.objective_sources import objective_fingerprint


def _outside(importance: ImportanceConfig, objective: ObjectiveConfig, **_: Any) -> Any:
    return criterion_fingerprint(importance.criterion), objective_fingerprint(objective)


@stage(outside=_outside)
def importance(
    build: Build,
    data: Reference,
    model: Reference,
    importance: ImportanceConfig,
    seed: int,
    objective: ObjectiveConfig = ObjectiveConfig(),  # noqa: B008  (frozen)
) -> Product:
    """Scores the prunable weights on training data, one array a weight."""
    from secateur.datasets.dataset import Dataset
    from secateur.importance.scoring import score
    from secateur.models.files import load_model
    from secateur.training.batches import calibration
    from secateur.training.joint import objective_of

    dataset = Dataset(read(data).directory)
    network = load_model(read(model).directory / "model.keras")
    scores = score(
        network,
        calibration(dataset.train, importance.examples, seed),
        importance.criterion,
        loss=objective_of(objective, dataset.goal).loss(network),
        batch_size=importance.batch_size,
        seed=seed,
        pool=importance.pool,
        tolerance=importance.tolerance,
    )
    scores.save(build.directory / "scores.npz")
    return Product(scores.digest(), {"notices": list(scores.notices)})
