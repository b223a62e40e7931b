"""The table of latencies: what lies on it, between its points, and what a model adds up to."""

from __future__ import annotations

from itertools import pairwise

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.searching.latency_table import LatencyTable
from tests.secateur.searching import models

TABLE = LatencyTable(
    call=0.5,
    kinds={"dense": [(100, 0.1), (10_000, 1.0)], "convolution": [(100, 0.2), (1000, 0.4)]},
)


def test_points_between_and_beyond():
    assert TABLE.predict([]) == 0.5
    assert TABLE.predict([("dense", 100)]) == pytest.approx(0.6)
    assert TABLE.predict([("dense", 1000)]) == pytest.approx(0.5 + np.sqrt(0.1))
    assert TABLE.predict([("dense", 10)]) == pytest.approx(0.51)
    assert TABLE.predict([("dense", 20_000)]) == pytest.approx(2.5)
    assert TABLE.predict([("convolution", 1000), ("unknown", 100)]) == pytest.approx(1.0)
    assert TABLE.predict([("convolution", 0)]) == 0.5


@given(st.floats(1, 1e6), st.floats(1, 1e6))
def test_more_work_takes_longer(one, other):
    low, high = sorted((one, other))
    assert TABLE.predict([("dense", low)]) <= TABLE.predict([("dense", high)]) + 1e-9


def test_the_operations_of_a_cut_model_are_those_of_the_built_one():
    from secateur.searching.profiling import operations
    from secateur.structure import analyse, choose, remove

    model = models.residual()
    graph = analyse(model)
    removal = choose(graph, models.scores(model), ratio=0.4, measure="flops")
    built = operations(analyse(remove(model, removal)))
    predicted = operations(graph, removal.removed)
    assert [pair for pair in predicted if pair[1]] == [pair for pair in built if pair[1]]
    assert sum(flops for _, flops in predicted) == removal.flops
    assert TABLE.predict(predicted) < TABLE.predict(operations(graph))


def test_kinds():
    from secateur.searching.profiling import kind_of

    layers = keras.layers
    assert kind_of(layers.Conv2D(3, 1)) == "pointwise"
    assert kind_of(layers.Conv2D(3, 3)) == "convolution"
    assert kind_of(layers.DepthwiseConv2D(3)) == "depthwise"
    assert kind_of(layers.Dense(3)) == "dense"


@pytest.mark.slow
def test_a_table_of_this_machine():
    from secateur.searching.profiling import measure_table

    table = measure_table(seconds=0.1)
    assert set(table.kinds) == {"dense", "convolution", "pointwise", "depthwise"}
    for points in table.kinds.values():
        assert all(a[0] < b[0] and a[1] <= b[1] for a, b in pairwise(points))
    assert 0 < table.call < 100
