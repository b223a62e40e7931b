"""The stage `waypoints`: targets from the dense model to the smallest, and what each leaves."""

from __future__ import annotations

from typing import Any, Literal

from secateur.importance.config import ImportanceConfig
from secateur.sparsity.config import TargetConfig
from secateur.store import Reference, digest_of
from secateur.tasks.stage import Build, Product, read, stage
from secateur.training.objective_config import ObjectiveConfig


@stage()
def waypoints(
    build: Build,
    data: Reference,
    model: Reference,
    target: TargetConfig,
    way: Literal["ratio", "loss"],
    measure: Literal["nonzero", "parameters", "flops"],
    importance: ImportanceConfig,
    seed: int,
    sensitivity: Reference,
    scores: Reference | None = None,
    table: Reference | None = None,
) -> Product:
    """Predicts what each target leaves, without pruning or building anything."""
    from secateur.datasets.dataset import Dataset
    from secateur.importance.scores import Scores
    from secateur.models.files import load_model
    from secateur.searching.curves import Sensitivity
    from secateur.searching.prediction import Predictor
    from secateur.searching.waypoints import by_loss, by_ratio
    from secateur.training.batches import calibration
    from secateur.training.joint import objective_of

    dataset = Dataset(read(data).directory)
    network = load_model(read(model).directory / "model.keras")
    predictor = Predictor(
        network,
        Scores.load(read(scores).directory / "scores.npz") if scores else None,
        calibration(dataset.train, importance.examples, seed),
        objective_of(ObjectiveConfig(), dataset.goal).loss(network),
        _table(table),
    )
    if way == "ratio":
        found = by_ratio(predictor, target, measure)
    else:
        text = (read(sensitivity).directory / "sensitivity.json").read_text()
        found = by_loss(predictor, target, measure, Sensitivity.model_validate_json(text))
    (build.directory / "waypoints.json").write_text(found.model_dump_json(indent=1))
    return Product(digest_of(found), {})


def _table(reference: Reference | None) -> Any:
    from secateur.searching.latency_table import LatencyTable

    if reference is None:
        return None
    return LatencyTable.model_validate_json((read(reference).directory / "table.json").read_text())
