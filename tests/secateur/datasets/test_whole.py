"""Whole numbers as targets: classes, or numbers to predict; and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest

from secateur.datasets.config import DatasetConfig
from secateur.datasets.labels import encode
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
