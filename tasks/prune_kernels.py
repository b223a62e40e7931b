"""The stage `prune` of kernels: the edge of large convolution kernels is removed for good."""

from __future__ import annotations

from secateur.store import Reference
from secateur.tasks.stage import Build, Product, read, stage


@stage(name="prune")
def prune_kernels(build: Build, model: Reference, size: int) -> Product:
    """Cuts kernels to at most `size` rows and columns; there are no masks."""
    from secateur.models.files import load_model, save_model
    from secateur.models.weights import content_digest
    from secateur.structure.kernels import cut_kernels

    cut, notices = cut_kernels(load_model(read(model).directory / "model.keras"), size)
    save_model(cut, build.directory / "model.keras")
    return Product(content_digest(cut), {"notices": notices})
