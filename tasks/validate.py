"""The stage `validate`: a model on the validation split alone, for the choices of a search."""

from __future__ import annotations

from secateur.store import Reference, digest_of
from secateur.tasks.stage import Build, Product, read, stage


@stage()
def validate(build: Build, data: Reference, model: Reference) -> Product:
    """Notes for each example whether the model is right, and what the model costs."""
    import numpy as np

    from secateur.datasets.dataset import Dataset
    from secateur.searching.validation import validate_file

    validation = Dataset(read(data).directory).validation
    right, costs = validate_file(read(model).directory / "model.keras", validation)
    np.save(build.directory / "right.npy", right)
    (build.directory / "costs.json").write_text(costs.model_dump_json())
    return Product(digest_of([right.tolist(), costs]), {})
