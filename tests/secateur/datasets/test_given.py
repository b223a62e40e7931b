"""Data in memory: read by position and whole, or refused in one sentence, never hung."""

from __future__ import annotations

import itertools
import math

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import tensorflow as tf

from secateur.datasets import given
from secateur.datasets.given import Arrays, batches_of, number_of_batches, read

X = np.arange(24, dtype="float32").reshape(8, 3)
Y = np.array([3, 1, 4, 1, 5, 9, 2, 6])


class Batches(keras.utils.PyDataset):
    def __init__(self, count=4, most=None):
        super().__init__()
        self._count, self._most = count, most

    @property
    def num_batches(self):
        return self._count

    def __getitem__(self, place):
        return X[2 * place : 2 * place + 2], Y[2 * place : 2 * place + 2]


def joined(data):
    """All inputs and labels, whatever form they are in."""
    found = read(data)
    parts = [found] if isinstance(found, Arrays) else list(batches_of(found))
    return tuple(np.concatenate([np.asarray(part[i]) for part in parts]) for i in range(2))


SHUFFLED = [5, 2, 7, 0, 1, 6, 3, 4]
FORMS = {
    "arrays": lambda: (X, Y),
    "series by position": lambda: (X, pd.Series(Y, index=SHUFFLED)),
    "frame by position": lambda: (pd.DataFrame(X, index=SHUFFLED), pd.Series(Y)),
    "frame of mixed numbers": lambda: (pd.DataFrame(X).astype({0: "int64"}), Y),
    "nullable integers": lambda: (X, pd.Series(Y, dtype="Int64")),
    "lists": lambda: (X.tolist(), Y.tolist()),
    "lists of tuples": lambda: (list(map(tuple, X.tolist())), tuple(Y.tolist())),
    "tensors": lambda: (tf.constant(X), tf.constant(Y)),
    "batched": lambda: tf.data.Dataset.from_tensor_slices((X, Y)).batch(3),
    "not batched": lambda: tf.data.Dataset.from_tensor_slices((X, Y)),
    "unknown length": lambda: tf.data.Dataset.from_tensor_slices((X, Y)).filter(lambda x, y: True),
    "PyDataset": Batches,
    "generator": lambda: ((X[i : i + 3], Y[i : i + 3]) for i in range(0, 8, 3)),
    "generator of lists": lambda: iter([(X[:5].tolist(), Y[:5]), (X[5:].tolist(), Y[5:])]),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_examples_in_their_order(form):
    x, y = joined(FORMS[form]())
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)


def test_a_dataset_of_one_hot_labels_that_is_not_batched_is_batched():
    dataset = tf.data.Dataset.from_tensor_slices((X, np.eye(10)[Y]))
    x, y = joined(dataset)
    assert (x.shape, y.shape) == ((8, 3), (8, 10))


def test_lists_and_dicts_of_arrays_are_several_inputs():
    found = read(({"a": pd.Series(Y), "b": X}, [Y, X.tolist()]))
    assert set(found.x) == {"a", "b"}
    np.testing.assert_array_equal(found.x["a"], Y)
    assert isinstance(found.y, list)
    np.testing.assert_array_equal(found.y[1], X)
    assert found.size == 8


def test_texts_and_booleans_keep_their_kind():
    found = read((pd.Series(["b", "a"]), pd.DataFrame({"n": [1, 2], "yes": [True, False]})))
    assert found.x.tolist() == ["b", "a"]
    assert found.y.tolist() == [[1, 1], [2, 0]]


def test_what_was_read_is_read_again_as_it_is():
    found = read((X, Y, np.ones(8)))
    again = read(found)
    assert all(a is b for a, b in zip(again, found, strict=True))


def test_batches_of_an_epoch():
    dataset = tf.data.Dataset.from_tensor_slices((X, Y))
    assert number_of_batches(read((X, Y)), 3) == 3
    assert number_of_batches(read(dataset, batch_size=3), 99) == 3
    assert number_of_batches(read(Batches()), 99) == 4
    assert number_of_batches(read(dataset.filter(lambda x, y: True)), 3) is None


def _endless():
    while True:
        yield X, Y


SPEC = (tf.TensorSpec((None, 3)), tf.TensorSpec((None,), tf.int64))
REFUSED = {
    "sparse matrix": (lambda: (scipy.sparse.csr_matrix(X), Y), "x is sparse: pass a dense array"),
    "sparse array": (lambda: (scipy.sparse.coo_array(X), Y), "x is sparse"),
    "sparse tensor": (lambda: (X, tf.sparse.from_dense(X)), "y is sparse"),
    "sparse dataset": (
        lambda: tf.data.Dataset.from_tensor_slices((tf.sparse.from_dense(X), Y)).batch(2),
        "yields sparse values",
    ),
    "ragged tensor": (lambda: (tf.ragged.constant([[1], [1, 2]]), Y), "x is ragged"),
    "ragged lists": (lambda: ([[1], [1, 2]], [0, 1]), "x is ragged"),
    "list in frame": (lambda: (pd.Series([[1], [1, 2]]), [0, 1]), "x is ragged, or holds lists"),
    "ragged dataset": (
        lambda: tf.data.Dataset.from_tensors(tf.ragged.constant([[1], [1, 2]])),
        "yields ragged values",
    ),
    "lengths": (lambda: (X, Y[:5]), r"number of examples: \[5, 8\]\."),
    "list of examples": (lambda: (list(X[:4]), Y), r"\[3, 8\] \(a list of arrays counts as"),
    "empty": (lambda: (X[:0], Y[:0]), "no examples"),
    "empty list": (lambda: ([], []), "no examples"),
    "empty dataset": (lambda: tf.data.Dataset.from_tensor_slices((X, Y)).take(0), "no examples"),
    "empty generator": (lambda: iter(()), "no examples"),
    "no inputs": (lambda: (None, Y), "x is None"),
    "one value": (lambda: (X, 3), "y is a single int"),
    "mixed": (lambda: (pd.DataFrame({"a": [1, 2], "b": ["u", "v"]}), [0, 1]), "values of int, str"),
    "missing": (lambda: (X[:2], pd.Series(["a", None])), "fill in what is missing"),
    "dates": (lambda: (pd.Series(pd.to_datetime(["2024-01-01"])), [1]), "which no model takes"),
    "frame alone": (lambda: pd.DataFrame(X), r"data is a DataFrame; it must be a tuple \(x, y\)"),
    "list": (lambda: [X, Y], "data is a list of 2"),
    "four parts": (lambda: (X, Y, Y, Y), "data is a tuple of 4"),
    "endless dataset": (
        lambda: tf.data.Dataset.from_tensor_slices((X, Y)).batch(2).repeat(),
        "has no end",
    ),
    "endless PyDataset": (lambda: Batches(None), "has no end"),
    "endless generator": (_endless, "The generator gave 20 batches and no end"),
    "endless unknown": (
        lambda: tf.data.Dataset.from_generator(_endless, output_signature=SPEC),
        "20 batches and no end",
    ),
    "shapes of a generator": (lambda: iter([(X, Y), (X[:, :2], Y)]), "differ in their shapes"),
    "shapes of a dataset": (
        lambda: tf.data.Dataset.from_generator(
            lambda: iter([(X[0], 1), (X[0, :2], 2)]),
            output_signature=(tf.TensorSpec((None,)), tf.TensorSpec((), tf.int64)),
        ),
        "different shapes: pad them",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_in_one_sentence(name, monkeypatch):
    monkeypatch.setattr(given, "MOST_BATCHES", 20)
    monkeypatch.setattr(given, "_ENDLESS", "data gave 20 batches and no end.")
    make, said = REFUSED[name]
    with pytest.raises(ValueError, match=said) as caught:
        joined(make())
    assert "\n" not in str(caught.value)


def test_no_more_than_the_limit_is_taken_of_what_has_no_end():
    assert read(_endless(), limit=20).size == 20
    endless = tf.data.Dataset.from_tensor_slices((X, Y)).batch(2).repeat()
    taken = list(itertools.islice(batches_of(read(endless, limit=6)), 3))
    assert [batch.size for batch in taken] == [2, 2, 2]


def test_a_generator_that_is_too_large_to_keep_is_refused(monkeypatch):
    monkeypatch.setattr(given, "MOST_BYTES", 1_000)
    with pytest.raises(ValueError, match="more than 2 GiB"):
        read(_endless())
    assert math.isclose(read(_endless(), limit=8).x.sum(), X.sum())
