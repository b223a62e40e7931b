"""The stage `transfer`: a pruned model gets a head for another task; its zeros stay."""

from __future__ import annotations

from secateur.store import Reference, digest_of
from secateur.tasks.proving import proved
from secateur.tasks.stage import Build, Product, read, stage


@stage()
def transfer(build: Build, source: Reference, data: Reference, seed: int) -> Product:
    """Replaces the head, and refuses a model that does not fit the data."""
    import keras

    from secateur.datasets.dataset import Dataset
    from secateur.models.build import check_fits
    from secateur.models.files import load_model, save_model
    from secateur.models.weights import content_digest
    from secateur.sparsity.zeros import masks_of_zeros
    from secateur.training.heads import replace_head

    dataset = Dataset(read(data).directory)
    keras.utils.set_random_seed(seed)
    network, head = replace_head(
        load_model(read(source).directory / "model.keras"), dataset.classes
    )
    check_fits(network, dataset.shape, dataset.classes, dataset.traits)
    masks = masks_of_zeros(network, without=head)
    if masks:
        masks.save(build.directory / "masks.npz")
    saved = build.directory / "model.keras"
    save_model(network, saved)
    checks = proved(network, saved, "after the new head", data=data, masks=masks or None)
    digest = digest_of([content_digest(network), masks.digest(), head])
    return Product(digest, {"head": head, "checks": checks})
