"""The stage `prune` behind masks: channels that they leave nothing of are removed for good."""

from __future__ import annotations

from typing import Any

from secateur.store import Reference, digest_of
from secateur.tasks.proving import first_examples, proved
from secateur.tasks.stage import Build, Product, read, stage


@stage(name="prune")
def prune_shrink(
    build: Build,
    model: Reference,
    masks: Reference,
    whole: bool = False,
    data: Reference | None = None,
) -> Product:
    """Removes channels that came out all zero; what the model computes stays the same.

    Masks of `whole` channels were chosen to be cut, and leave no zeros behind them. Of others it
    also tells the sparsity of the model as it came. Proofs run on examples of `data`.
    """
    from secateur.evaluation.counts import sparsity
    from secateur.models.files import load_model, save_model
    from secateur.models.weights import content_digest
    from secateur.sparsity.masks import Masks
    from secateur.structure.shrinking import shrink_where_possible, width_changes

    network = load_model(read(model).directory / "model.keras")
    told_sparsity = {} if whole else {"sparsity": sparsity(network)}
    chosen = Masks.load(read(masks).directory / "masks.npz")
    small = shrink_where_possible(network, chosen, empty=not whole, data=first_examples(data))
    assert small.masks is not None
    small.masks.save(build.directory / "masks.npz")
    saved = build.directory / "model.keras"
    save_model(small.model, saved)
    digest = digest_of([content_digest(small.model), small.masks.digest()])
    given: dict[str, Any] = {"data": data, "masks": small.masks, "checks": small.checks}
    said = {
        "notices": [*small.notices, *width_changes(small.widths)],
        "checks": proved(small.model, saved, "after channels were removed", **given),
    }
    return Product(digest, {**said, **told_sparsity})
