"""The stage `prune` by structure: channels, heads and layers are removed for good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from secateur.importance.config import ImportanceConfig
from secateur.sparsity.config import TargetConfig
from secateur.store import Reference, digest_of
from secateur.tasks.proving import proved
from secateur.tasks.stage import Build, Product, read, stage
from secateur.training.objective_config import ObjectiveConfig
from secateur.training.objective_sources import objective_fingerprint


def _outside(objective: ObjectiveConfig, **_: Any) -> Any:
    return objective_fingerprint(objective)


@stage(name="prune", outside=_outside)
def prune_structure(
    build: Build,
    model: Reference,
    target: TargetConfig,
    data: Reference,
    importance: ImportanceConfig,
    seed: int,
    scores: Reference | None = None,
    objective: ObjectiveConfig = ObjectiveConfig(),  # noqa: B008  (frozen)
) -> Product:
    """Cuts the model, and measures its BatchNorm anew on training data; there are no masks."""
    return cut_model(build, model, target, data, importance, seed, scores, objective)


def cut_model(
    build: Build,
    model: Reference,
    target: TargetConfig,
    data: Reference,
    importance: ImportanceConfig,
    seed: int,
    scores: Reference | None,
    objective: ObjectiveConfig,
    timing: Callable[[Any], Any] | None = None,
) -> Product:
    """The work of the stage; `timing` makes of the model what measures latencies."""
    from secateur.datasets.dataset import Dataset
    from secateur.importance.scores import Scores
    from secateur.models.files import load_model, save_model
    from secateur.models.weights import content_digest
    from secateur.sparsity.masks import Masks
    from secateur.sparsity.zeros import masks_of_zeros
    from secateur.structure.kept import save_kept
    from secateur.structure.pruning import remove_least
    from secateur.structure.shrinking import width_changes
    from secateur.training.batches import calibration
    from secateur.training.joint import objective_of

    dataset = Dataset(read(data).directory)
    network = load_model(read(model).directory / "model.keras")
    pruned = remove_least(
        network,
        Scores.load(read(scores).directory / "scores.npz") if scores else None,
        target,
        data=calibration(dataset.train, importance.examples, seed),
        loss=objective_of(objective, dataset.goal).loss(network),
        seed=seed,
        latency=timing(network) if timing else None,
    )
    zeros = Masks({}) if target.regrow else masks_of_zeros(pruned.model)
    digest = content_digest(pruned.model)
    if zeros:  # of a model that was pruned before: fine-tuning holds them
        zeros.save(build.directory / "masks.npz")
        digest = digest_of([digest, zeros.digest()])
    saved = build.directory / "model.keras"
    save_model(pruned.model, saved)
    save_kept(build.directory / "kept.npz", pruned.kept)
    notices = [*pruned.notices, *width_changes(pruned.widths)]
    given: dict[str, Any] = {"data": data, "masks": zeros or None, "checks": pruned.checks}
    checks = proved(pruned.model, saved, "after the cut", **given)
    return Product(digest, {"notices": notices, "checks": checks})
