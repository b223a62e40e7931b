"""A small data set for exports."""

import json

import numpy as np
import pytest

from secateur.datasets.dataset import Dataset
from tests.secateur.export import models


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """Random images, labelled by the model itself but for a tenth."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(1)
    model = models.convolutional()
    for name in ("train", "validation", "test"):
        x = rng.normal(size=(300, 8, 8, 1)).astype(np.float32)
        y = np.asarray(model(x)).argmax(-1)
        y[:30] = (y[:30] + 1) % 3
        np.save(folder / f"{name}_x.npy", x)
        np.save(folder / f"{name}_y.npy", y)
    info = {"name": "random", "task": "classification", "shape": [8, 8, 1], "classes": 3}
    (folder / "info.json").write_text(json.dumps({**info, "scale": 1.0}))
    return Dataset(folder)
