"""The stage `load_data`: any source -> train, validation and test splits."""

from __future__ import annotations

from typing import Any

from secateur.datasets.config import DatasetConfig
from secateur.datasets.names import outside_fingerprint
from secateur.tasks.stage import Build, Product, stage


def _outside(dataset: DatasetConfig) -> Any:
    return outside_fingerprint(dataset)


@stage(outside=_outside)
def load_data(build: Build, dataset: DatasetConfig) -> Product:
    """Loads a data set and keeps its splits as arrays, and the card that tells of them."""
    from secateur.datasets.card.describe import describe
    from secateur.datasets.card.schema import FILE
    from secateur.datasets.load import materialize

    loaded = materialize(dataset, build.directory)
    card = describe(loaded).model_dump_json(indent=2)
    (build.directory / FILE).write_text(card, encoding="utf-8")
    return Product(loaded.fingerprint(), {"info": loaded.info, "notices": loaded.info["notices"]})
