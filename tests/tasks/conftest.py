from __future__ import annotations

import json

import numpy as np
import pytest

from secateur.datasets.dataset import Dataset
from secateur.store import digest_of, open_store


@pytest.fixture
def data():
    """A small data set in the store."""
    return store_small_data()


def store_small_data():
    """Vectors of four numbers, three classes, 20 examples a split."""
    rng = np.random.default_rng(0)
    with open_store().build(digest_of("a small data set"), stage="load_data") as build:
        for name in ("train", "validation", "test"):
            np.save(build.directory / f"{name}_x.npy", rng.normal(size=(20, 4)).astype(np.float32))
            np.save(build.directory / f"{name}_y.npy", np.arange(20) % 3)
        info = {"name": "small", "task": "classification", "shape": [4], "classes": 3, "scale": 1.0}
        (build.directory / "info.json").write_text(json.dumps(info))
        build.commit(Dataset(build.directory).fingerprint())
    return build.artifact.reference
