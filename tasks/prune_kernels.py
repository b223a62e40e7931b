"""The stage `prune` of kernels: the edge of large convolution kernels is removed for good."""

from __future__ import annotations

from secateur.store import Reference
from secateur.tasks.proving import first_examples, proved
from secateur.tasks.stage import Build, Product, read, stage


@stage(name="prune")
def prune_kernels(
    build: Build, model: Reference, size: int, data: Reference | None = None
) -> Product:
    """Cuts kernels to at most `size` rows and columns, which is proved on examples of `data`."""
    from secateur.models.files import load_model, save_model
    from secateur.models.weights import content_digest
    from secateur.structure.kernels import cut_kernels

    network = load_model(read(model).directory / "model.keras")
    cut, notices, checks = cut_kernels(network, size, first_examples(data))
    saved = build.directory / "model.keras"
    save_model(cut, saved)
    said = proved(cut, saved, "after kernels were cut", data=data, checks=checks)
    return Product(content_digest(cut), {"notices": notices, "checks": said})
