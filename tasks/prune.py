"""The stage `prune`: scores and a target -> masks, and the model with its zeros."""

from __future__ import annotations

from secateur.sparsity.config import TargetConfig
from secateur.store import Reference, digest_of
from tasks.stage import Build, Product, read, stage


@stage()
def prune(build: Build, model: Reference, scores: Reference, target: TargetConfig) -> Product:
    """Chooses the weights to remove and sets them to zero."""
    from secateur.importance.scores import Scores
    from secateur.models.files import load_model, save_model
    from secateur.models.weights import content_digest
    from secateur.sparsity.hold import apply_masks
    from secateur.sparsity.layout import describe
    from secateur.sparsity.select import select

    network = load_model(read(model).directory / "model.keras")
    masks = select(
        Scores.load(read(scores).directory / "scores.npz"),
        target,
        layers=describe(network),
        model_digest=model.digest,
    )
    apply_masks(network, masks)
    masks.save(build.directory / "masks.npz")
    save_model(network, build.directory / "model.keras")
    digest = digest_of([content_digest(network), masks.digest()])
    return Product(digest, {"notices": list(masks.notices)})
