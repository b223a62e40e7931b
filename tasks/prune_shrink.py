"""The stage `prune` behind masks: channels that they leave nothing of are removed for good."""

from __future__ import annotations

from secateur.store import Reference, digest_of
from secateur.tasks.stage import Build, Product, read, stage


@stage(name="prune")
def prune_shrink(build: Build, model: Reference, masks: Reference, whole: bool = False) -> Product:
    """Removes channels that came out all zero; what the model computes stays the same.

    Masks of `whole` channels were chosen to be cut, and leave no zeros behind them. Of others it
    also tells the sparsity of the model as it came.
    """
    from secateur.evaluation.counts import sparsity
    from secateur.models.files import load_model, save_model
    from secateur.models.weights import content_digest
    from secateur.sparsity.masks import Masks
    from secateur.structure.shrinking import shrink_where_possible, width_changes

    network = load_model(read(model).directory / "model.keras")
    told_sparsity = {} if whole else {"sparsity": sparsity(network)}
    chosen = Masks.load(read(masks).directory / "masks.npz")
    small = shrink_where_possible(network, chosen, empty=not whole)
    assert small.masks is not None
    small.masks.save(build.directory / "masks.npz")
    save_model(small.model, build.directory / "model.keras")
    digest = digest_of([content_digest(small.model), small.masks.digest()])
    said = {
        "notices": [*small.notices, *width_changes(small.widths)],
        "checks": [check.model_dump() for check in small.checks],
    }
    return Product(digest, {**said, **told_sparsity})
