"""The stage `prune` by a method, which also rewrites the weights that stay."""

from __future__ import annotations

from functools import partial

from secateur.importance.config import ImportanceConfig
from secateur.proof.record import Check
from secateur.sparsity.config import TargetConfig
from secateur.store import Reference, digest_of
from secateur.tasks.progress import epochs_shown
from secateur.tasks.proving import proved
from secateur.tasks.stage import Build, Product, read, stage


@stage(name="prune")
def prune_rewriting(
    build: Build,
    model: Reference,
    target: TargetConfig,
    data: Reference,
    importance: ImportanceConfig,
    seed: int,
    examples: int | None = None,
) -> Product:
    """Chooses the weights to remove, layer by layer, and adapts the others to it.

    With `examples`, BatchNorm is measured anew on so many of the training examples.
    """
    from secateur.datasets.dataset import Dataset
    from secateur.models.files import load_model, save_model
    from secateur.models.weights import content_digest
    from secateur.sparsity.methods import rewrite
    from secateur.structure.recalibration import remeasure
    from secateur.training.batches import calibration

    training = Dataset(read(data).directory).train
    network = load_model(read(model).directory / "model.keras")
    checks: list[Check] = []
    with epochs_shown("prune", 100, unit="percent") as progress:
        masks = rewrite(
            network,
            calibration(training, importance.examples, seed),
            target,
            examples=importance.examples,
            batch_size=importance.batch_size,
            seed=seed,
            progress=lambda done, total: progress(100 * done / total, {}),
            checks=checks,
        )
    notices = list(masks.notices)
    if examples:
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
