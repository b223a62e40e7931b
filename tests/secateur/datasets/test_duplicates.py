"""Duplicates beside sets of the examples' bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.datasets import duplicates

_SPLITS = ("train", "validation", "test")


def _counted(x, y):
    """The same by sets of bytes, an example at a time."""
    rows = {s: [np.asarray(v).tobytes() for v in x[s]] for s in x}
    both = {s: [(row, bytes(label)) for row, label in zip(rows[s], y[s], strict=True)] for s in x}
    found = {}
    for split, other in (("test", "train"), ("validation", "train"), ("test", "validation")):
        same = [row in set(rows[other]) for row in rows[split]]
        wholly = [pair in set(both[other]) for pair in both[split]]
        differ = sum(a and not b for a, b in zip(same, wholly, strict=True))
        found[f"{split}_in_{other}"] = {"examples": sum(same), "other_target": differ}
    distinct = len(set(rows["train"]))
    found["within_train"] = {
        "examples": len(rows["train"]) - distinct,
        "other_target": len(set(both["train"])) - distinct,
    }
    return found


@settings(deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([np.uint8, np.int16, np.float32, np.float64, np.int64]),
    st.sampled_from([(), (1,), (3,), (5, 2), (16, 16, 3)]),
    st.integers(1, 3),
)
def test_they_are_counted_as_sets_of_bytes_count_them(seed, dtype, shape, values):
    random = np.random.default_rng(seed)
    sizes = {"train": 30, "validation": int(random.integers(0, 6)), "test": 12}
    # Examples are few constant arrays of which some have another last value.
    x, y = {}, {}
    for split, size in sizes.items():
        each = random.integers(0, values, size)
        array = np.broadcast_to(each.reshape(-1, *(1 for _ in shape)), (size, *shape)).astype(dtype)
        if shape and size:
            array.reshape(size, -1)[:, -1] += random.integers(0, 2, size).astype(dtype)
        x[split], y[split] = array, random.integers(0, 2, size)
    given = {split: [array] for split, array in x.items()}
    labels = {split: [array] for split, array in y.items()}
    assert duplicates.count(given, labels) == _counted(x, y)


@pytest.mark.parametrize("shape", [(4,), (600,)])
def test_among_many_that_differ_none_is_equal(shape):
    """Rows that differ in one bit, or in the order of their values."""
    random = np.random.default_rng(0)
    rows = np.zeros((20_000, *shape), np.int32)
    rows[:, :2] = np.stack([np.arange(20_000), 19_999 - np.arange(20_000)], axis=1)
    test = random.permutation(rows)[:, [1, 0, *range(2, shape[0])]] + np.int32(1 << 20)
    none = {"train": rows, "validation": rows[:0], "test": test}
    given = {split: [array] for split, array in none.items()}
    found = duplicates.count(given, {s: [np.zeros(len(a))] for s, a in none.items()})
    assert all(each == {"examples": 0, "other_target": 0} for each in found.values())


def test_texts_and_several_inputs_count_together():
    texts = np.array(["a", "b", "a", "\ud800"], object)
    numbers = np.array([[1.0], [1.0], [2.0], [1.0]])
    labels = np.array([0, 0, 1, 1])
    splits = {"train": slice(0, 4), "validation": slice(0, 0), "test": slice(3, 4)}
    found = duplicates.count(
        {split: [texts[rows], numbers[rows]] for split, rows in splits.items()},
        {split: [labels[rows]] for split, rows in splits.items()},
    )
    assert found["within_train"]["examples"] == 0
    assert found["test_in_train"] == {"examples": 1, "other_target": 0}
