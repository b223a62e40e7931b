"""The stage `transfer` for comparison: the same network and zeros, with fresh weights."""

from __future__ import annotations

import shutil

from secateur.store import Reference, digest_of
from secateur.tasks.proving import proved
from secateur.tasks.stage import Build, Product, read, stage


@stage(name="transfer")
def transfer_scratch(
    build: Build, adapted: Reference, seed: int, data: Reference | None = None
) -> Product:
    """Draws all weights anew; what was pruned stays zero."""
    import keras

    from secateur.models.files import load_model, save_model
    from secateur.models.weights import content_digest
    from secateur.sparsity.hold import apply_masks
    from secateur.sparsity.masks import Masks
    from secateur.training.heads import start_anew

    before = read(adapted).directory
    keras.utils.set_random_seed(seed)
    network = start_anew(load_model(before / "model.keras"))
    digests, masks = [], None
    if (before / "masks.npz").exists():
        masks = Masks.load(before / "masks.npz")
        apply_masks(network, masks)
        digests.append(masks.digest())
        shutil.copyfile(before / "masks.npz", build.directory / "masks.npz")
    saved = build.directory / "model.keras"
    save_model(network, saved)
    checks = proved(network, saved, "with fresh weights", data=data, masks=masks)
    return Product(digest_of([content_digest(network), *digests]), {"checks": checks})
