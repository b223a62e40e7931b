"""The small tables of scikit-learn, as they are there."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import datasets

from secateur.datasets.config import DatasetConfig
from secateur.datasets.load import materialize


@pytest.mark.parametrize(
    ("name", "task", "classes"),
    [
        ("breast_cancer", "classification", 2),
        ("wine", "classification", 3),
        ("diabetes", "regression", 1),
    ],
)
def test_every_row_is_that_of_the_package(name, task, classes, tmp_path):
    data = materialize(DatasetConfig(name=name), tmp_path)
    options = {"scaled": False} if name == "diabetes" else {}
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True, **options)
    assert (data.task, data.classes, data.shape) == (task, classes, x.shape[1:])
    splits = (data.train, data.validation, data.test)
    rows = np.concatenate([np.column_stack([s.x, np.reshape(s.y, len(s))]) for s in splits])
    theirs = np.column_stack([x, y]).astype(np.float32)
    np.testing.assert_array_equal(rows[np.lexsort(rows.T)], theirs[np.lexsort(theirs.T)])
    assert len(data.test) == pytest.approx(len(x) / 5, abs=2)
    if task == "classification":
        shares = [np.bincount(split.y) / len(split) for split in splits]
        np.testing.assert_allclose(shares[0], shares[2], atol=0.03)
    else:
        assert data.test.y.mean() == pytest.approx(data.train.y.mean(), rel=0.1)
