"""The measure latency: a cut model beside the original, by turns."""

import itertools

import keras
import numpy as np
import pytest

from secateur import structure
from secateur.evaluation.schema import Latency
from secateur.structure import timing
from secateur.structure.timing import LiteRTLatency
from tests.secateur.structure.reference import magnitude, randomize

L = keras.layers


def dense(width=32):
    inputs = keras.Input((16,))
    x = L.Dense(width, activation="relu", name="hidden")(inputs)
    return randomize(keras.Model(inputs, L.Dense(4)(x), name="small"))


def test_it_runs_in_litert():
    model = dense()
    latency = LiteRTLatency(model)
    assert latency(model) == latency.whole > 0
    assert 0 < latency(dense(8)) < float("inf")


def test_integers_and_several_inputs_are_fed():
    tokens, age = keras.Input((6,), dtype="int32"), keras.Input((2,))
    x = L.Concatenate()([L.GlobalAveragePooling1D()(L.Embedding(9, 4)(tokens)), age])
    assert LiteRTLatency(keras.Model({"a": tokens, "b": age}, L.Dense(3)(x))).whole > 0


class Fake:
    """A runner whose time is that of its number of weights."""

    def __init__(self, model):
        self.cost = float(model.count_params())

    def invoke(self):
        return self.cost


def test_what_slows_down_both_does_not_count(monkeypatch):
    """The machine gets slower and slower; the share that is removed is met all the same."""
    slower = itertools.count(1)

    def compare(calls):
        factor = next(slower)
        times = {name: factor * call() for name, call in calls.items()}
        return {name: Latency(median=t, p10=t, p90=t) for name, t in times.items()}

    monkeypatch.setattr(timing, "_runner", Fake)
    monkeypatch.setattr(timing, "compare", compare)
    model = dense(64)
    graph = structure.analyse(model)
    latency = LiteRTLatency(model)
    removal = structure.choose(
        graph, magnitude(model), ratio=0.5, measure="latency", latency=latency
    )
    by_size = structure.choose(graph, magnitude(model), ratio=0.5, measure="parameters")
    np.testing.assert_array_equal(removal.removed, by_size.removed)


def test_what_cannot_be_measured_is_refused_in_one_sentence():
    inputs = keras.Input((None, 4))
    with pytest.raises(ValueError, match="a size is open; use measure flops"):
        LiteRTLatency(keras.Model(inputs, L.Dense(3)(L.GlobalAveragePooling1D()(inputs))))
    inputs = keras.Input((4,))
    with pytest.raises(ValueError, match="cannot be converted to LiteRT"):
        LiteRTLatency(keras.Model(inputs, keras.ops.erfinv(L.Dense(3)(inputs))))
