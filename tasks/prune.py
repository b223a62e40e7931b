"""The stage `prune`: scores and a target -> masks, and the model with its zeros."""

from __future__ import annotations

from functools import partial
from typing import Any

from secateur.proof.record import Check
from secateur.sparsity.config import TargetConfig
from secateur.store import Reference, digest_of
from secateur.tasks.proving import proved
from secateur.tasks.stage import Build, Product, read, stage


@stage()
def prune(
    build: Build,
    model: Reference,
    target: TargetConfig,
    scores: Reference | None = None,
    before: Reference | None = None,
    chosen: Reference | None = None,
    data: Reference | None = None,
    examples: int | None = None,
    seed: int = 0,
) -> Product:
    """Chooses the weights to remove and sets them to zero.

    The choice comes from `scores`, and with `before`, an earlier round, only weights that it kept
    are kept; or it is that of `chosen`, a fine-tuning that pruned along the way. With `data`,
    BatchNorm is measured anew on so many of its training examples.
    """
    from secateur.datasets.dataset import Dataset
    from secateur.models.files import load_model, save_model
    from secateur.models.weights import content_digest
    from secateur.sparsity.hold import apply_masks
    from secateur.sparsity.masks import Masks
    from secateur.structure.recalibration import remeasure
    from secateur.training.batches import calibration

    network = load_model(read(model).directory / "model.keras")
    if chosen:
        masks = Masks.load(read(chosen).directory / "masks.npz")
    else:
        assert scores is not None
        masks = _select(network, target, scores, before)
    apply_masks(network, masks)
    notices, checks = list(masks.notices), list[Check]()
    if data:
        training = Dataset(read(data).directory).train
        inputs = partial(calibration, training, examples, seed)
        found = remeasure(network, inputs, examples=examples, seed=seed)
        notices += found.notices
        checks += found.checks
    masks.save(build.directory / "masks.npz")
    saved = build.directory / "model.keras"
    save_model(network, saved)
    said = proved(network, saved, "after pruning", data=data, masks=masks, checks=checks)
    digest = digest_of([content_digest(network), masks.digest()])
    return Product(digest, {"notices": notices, "checks": said})


def _select(network: Any, target: TargetConfig, scores: Reference, before: Reference | None) -> Any:
    from secateur.importance.scores import Scores
    from secateur.models.weights import content_digest
    from secateur.sparsity.layout import describe
    from secateur.sparsity.masks import Masks
    from secateur.sparsity.select import select
    from secateur.sparsity.zeros import masks_of_zeros

    return select(
        Scores.load(read(scores).directory / "scores.npz"),
        target,
        layers=describe(network),
        model_digest=content_digest(network),
        within=Masks.load(read(before).directory / "masks.npz") if before else None,
        zeros=masks_of_zeros(network),
    )
