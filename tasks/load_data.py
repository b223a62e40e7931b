"""The stage `load_data`: TFDS -> train, validation and test splits."""

from __future__ import annotations

from typing import Any

from secateur.datasets.config import DatasetConfig
from secateur.datasets.names import prepared_fingerprint
from tasks.stage import Build, Product, stage


def _outside(dataset: DatasetConfig) -> Any:
    return prepared_fingerprint(dataset)


@stage(outside=_outside)
def load_data(build: Build, dataset: DatasetConfig) -> Product:
    """Loads a data set by TFDS and keeps its splits as arrays."""
    from secateur.datasets.load import materialize

    loaded = materialize(dataset, build.directory)
    return Product(loaded.fingerprint(), {"info": loaded.info})
