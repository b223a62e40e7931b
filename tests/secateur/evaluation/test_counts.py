"""Weights and zeros of each layer, against numbers by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from secateur.evaluation.counts import count_layers

layers = keras.layers


def _zeroed(layer, name, count):
    """Sets the first `count` weights of one kernel to zero, and all others to one."""
    variable = next(v for v in layer.weights if v.name == name)
    value = np.ones(variable.shape, np.float32)
    value.flat[:count] = 0
    variable.assign(value)


def _counted(model):
    return {
        layer.name: (layer.kind, layer.parameters, layer.nonzero, layer.sparsity)
        for layer in count_layers(model)
    }


def test_a_layer_of_several_kernels_counts_all_of_them():
    separable = layers.SeparableConv2D(5, 3, name="separable")
    model = keras.Sequential([keras.Input((8, 8, 2)), separable])
    _zeroed(separable, "depthwise_kernel", 4)
    _zeroed(separable, "pointwise_kernel", 3)
    size = 3 * 3 * 2 + 2 * 5
    assert _counted(model) == {
        "separable": ("SeparableConv2D", size, size - 7, pytest.approx(7 / size))
    }


def test_recurrent_layers_count_in_their_cells():
    model = keras.Sequential([keras.Input((5, 3)), layers.GRU(4, name="gru")])
    _zeroed(model.layers[0].cell, "recurrent_kernel", 12)
    _zeroed(model.layers[0].cell, "kernel", 0)
    size = 3 * 12 + 4 * 12  # three gates of four units; the bias has two axes and does not count
    assert _counted(model) == {
        "gru/gru_cell": ("GRUCell", size, size - 12, pytest.approx(12 / size))
    }


def test_a_shared_layer_counts_once_and_layers_without_kernels_not_at_all():
    a, b = keras.Input((4,)), keras.Input((4,))
    shared = layers.Dense(3, name="shared")
    x = layers.BatchNormalization()(layers.Add()([shared(a), shared(b)]))
    model = keras.Model([a, b], layers.PReLU()(x))
    _zeroed(shared, "kernel", 6)
    assert _counted(model) == {"shared": ("Dense", 12, 6, 0.5)}


def test_layers_of_nested_models_with_one_name_stay_apart():
    def tower(name, units):
        inner = [keras.Input((4,)), layers.Dense(units, name="dense")]
        return keras.Sequential(inner, name=name)

    inputs = keras.Input((4,))
    model = keras.Model(inputs, [tower("a", 2)(inputs), tower("b", 3)(inputs)])
    counted = _counted(model)
    assert {name: size for name, (_, size, _, _) in counted.items()} == {
        "a/dense": 8,
        "b/dense": 12,
    }


def test_a_negative_zero_is_a_zero_and_tiny_numbers_are_not():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2, name="dense")])
    model.layers[0].kernel.assign(np.array([[-0.0, 0.0], [1e-45, -1e-38]], np.float32))
    assert _counted(model) == {"dense": ("Dense", 4, 2, 0.5)}
