"""Whole numbers as targets: classes, or numbers to predict; and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest

from secateur.datasets.config import DatasetConfig
from secateur.datasets.labels import encode
from secateur.datasets.load import materialize
from secateur.datasets.raw import Raw
from secateur.datasets.whole import is_quantity, tell

_RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("values", "quantity"),
    [
        (np.arange(300) % 3, False),
        (np.arange(1000) % 100, False),
        (np.arange(1000) % 100 + 1, False),
        (np.arange(100) % 50, True),
        (_RANDOM.integers(10_000, 90_000, 300), True),
        (np.array([0, 7, 9] * 5), False),
        (np.arange(400) % 40 * 2, True),
    ],
)
def test_many_numbers_that_do_not_count_are_predicted(values, quantity):
    assert is_quantity(values) == quantity
    raw = {"train": Raw({"": np.zeros((len(values), 2))}, {"price": values})}
    config = DatasetConfig(path="a.csv")
    said = tell(raw, config)
    assert bool(said) == (len(np.unique(values)) > 20)
    if said:
        other = "classification" if quantity else "regression"
        assert f"dataset.task {other} takes" in said[0]
    if quantity:
        assert encode(raw, config).task == "regression"
        asked = config.model_copy(update={"task": "regression"})
        assert not tell(raw, asked)


@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_targets_that_float32_does_not_tell_apart_are_refused(kind, tmp_path):
    x, y = np.zeros((60, 2)), (10**12 + np.arange(60)).astype(kind)
    np.savez(tmp_path / "d.npz", x=x, y=y)
    lost = 60 - len(np.unique(y.astype(np.float32)))
    sentence = f"{lost} of its 60 different values become equal to others in float32"
    with pytest.raises(ValueError, match=sentence):
        _materialized(tmp_path / "d.npz")
    np.savez(tmp_path / "e.npz", x=x, y=y - 10**12 + 0.5)
    assert _materialized(tmp_path / "e.npz").task == "regression"


def _materialized(path):
    out = path.with_suffix("")
    out.mkdir()
    return materialize(DatasetConfig(path=str(path)), out)
