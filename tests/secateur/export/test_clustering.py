"""A codebook for each kernel, zero among its values."""

from __future__ import annotations

import gzip

import keras
import numpy as np
import pytest

from secateur.export.clustering import cluster_weights
from secateur.models.weights import prunable_weights
from tests.secateur.export import models


def values(model):
    return [keras.ops.convert_to_numpy(w.variable.value).copy() for w in prunable_weights(model)]


@pytest.mark.parametrize("clusters", [1, 8])
def test_each_kernel_has_so_many_values_and_the_same_zeros(clusters):
    model = models.convolutional(zeros=0.6)
    before = values(model)
    biases = [w.numpy() for w in model.weights if len(w.shape) == 1]
    cluster_weights(model, clusters)
    for old, new in zip(before, values(model), strict=True):
        assert np.array_equal(old == 0, new == 0)
        assert len(np.unique(new[new != 0])) == clusters
    after = [w.numpy() for w in model.weights if len(w.shape) == 1]
    assert all(np.array_equal(a, b) for a, b in zip(biases, after, strict=True))


def test_values_lie_as_close_as_any_split_of_a_line_allows():
    """Against the best of all splits of sorted values into two groups."""
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4)])
    (kernel,) = values(model)
    line = np.sort(kernel.ravel().astype(np.float64))
    best = min(line[:n].var() * n + line[n:].var() * (24 - n) for n in range(1, 24))
    cluster_weights(model, 2)
    (clustered,) = values(model)
    assert ((clustered - kernel) ** 2).sum() == pytest.approx(best, rel=0.25)


def test_a_value_is_the_mean_of_what_it_stands_for():
    model = models.convolutional()
    before = values(model)
    cluster_weights(model, 5)
    for old, new in zip(before, values(model), strict=True):
        for value in np.unique(new):
            assert value == pytest.approx(old[new == value].mean(), abs=1e-3)


def test_few_values_are_left_alone_and_a_large_kernel_is_sampled(monkeypatch):
    monkeypatch.setattr("secateur.export.clustering._SAMPLE", 50)
    model = models.convolutional()
    cluster_weights(model, 8)
    once = values(model)
    cluster_weights(model, 8)
    assert all(np.array_equal(a, b) for a, b in zip(once, values(model), strict=True))


def test_a_clustered_model_compresses_better():
    model = models.convolutional(zeros=0.5)
    plain = len(gzip.compress(b"".join(value.tobytes() for value in values(model))))
    cluster_weights(model, 16)
    assert len(gzip.compress(b"".join(v.tobytes() for v in values(model)))) < 0.5 * plain
