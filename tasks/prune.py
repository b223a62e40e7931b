"""The stage `prune`: scores and a target -> masks, and the model with its zeros."""

from __future__ import annotations

from typing import Any

from secateur.importance.config import ImportanceConfig
from secateur.sparsity.config import TargetConfig
from secateur.store import Reference, digest_of
from tasks.stage import Build, Product, read, stage


@stage()
def prune(
    build: Build,
    model: Reference,
    target: TargetConfig,
    scores: Reference | None = None,
    before: Reference | None = None,
    data: Reference | None = None,
    importance: ImportanceConfig | None = None,
    seed: int | None = None,
    chosen: Reference | None = None,
) -> Product:
    """Chooses the weights to remove and sets them to zero.

    The choice comes from `scores`, and with `before`, an earlier round, only weights that it kept
    are kept; or, without scores, from a method, which also rewrites the weights that stay, with
    `data`, `importance` and `seed`; or it is that of `chosen`, which pruned while it trained.
    Channels, heads and layers are removed for good, and leave no masks; that needs `data` too.
    """
    from secateur.models.files import load_model, save_model
    from secateur.models.weights import content_digest
    from secateur.sparsity.hold import apply_masks
    from secateur.sparsity.masks import Masks

    network = load_model(read(model).directory / "model.keras")
    if target.cuts:
        small, notices = _cut(network, target, scores, data, importance, seed)
        save_model(small, build.directory / "model.keras")
        return Product(content_digest(small), {"notices": notices})
    if chosen:
        masks = Masks.load(read(chosen).directory / "masks.npz")
    elif scores:
        masks = _select(network, target, scores, before)
    else:
        masks = _rewrite(network, target, data, importance, seed)
    apply_masks(network, masks)
    masks.save(build.directory / "masks.npz")
    save_model(network, build.directory / "model.keras")
    digest = digest_of([content_digest(network), masks.digest()])
    return Product(digest, {"notices": list(masks.notices)})


def _select(network: Any, target: TargetConfig, scores: Reference, before: Reference | None) -> Any:
    from secateur.importance.scores import Scores
    from secateur.models.weights import content_digest
    from secateur.sparsity.layout import describe
    from secateur.sparsity.masks import Masks
    from secateur.sparsity.select import select

    return select(
        Scores.load(read(scores).directory / "scores.npz"),
        target,
        layers=describe(network),
        model_digest=content_digest(network),
        within=Masks.load(read(before).directory / "masks.npz") if before else None,
    )


def _cut(network, target: TargetConfig, scores: Any, data: Any, importance: Any, seed: Any) -> Any:
    from secateur.datasets.dataset import Dataset
    from secateur.importance.scores import Scores
    from secateur.structure.targets import cut, told
    from secateur.training.batches import calibration
    from secateur.training.objective import classification_loss

    found = Scores.load(read(scores).directory / "scores.npz") if scores else None
    pruned = cut(
        network,
        found,
        target,
        data=calibration(Dataset(read(data).directory).train, importance.examples, seed),
        loss=classification_loss(network),
        seed=seed,
    )
    return pruned.model, [*pruned.notices, *told(pruned.widths)]


def _rewrite(network: Any, target: TargetConfig, data: Any, importance: Any, seed: Any) -> Any:
    from secateur.datasets.dataset import Dataset
    from secateur.sparsity.methods import rewrite
    from secateur.training.batches import calibration

    return rewrite(
        network,
        calibration(Dataset(read(data).directory).train, importance.examples, seed),
        target,
        examples=importance.examples,
        batch_size=importance.batch_size,
        seed=seed,
    )
