"""A cut kernel gives what the kernel with zeros at its edge gives."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.structure.kernels import cut_kernels

L = keras.layers


def zeroed(model, size):
    """The given model with the taps outside the middle set to zero."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    for layer in copy.layers:
        if isinstance(layer, L.Conv2D) and max(layer.kernel_size) > size:
            kernel, *rest = layer.get_weights()
            rows, columns = (max(0, -(-(k - size) // 2)) for k in kernel.shape[:2])
            inner = np.zeros_like(kernel)
            middle = np.s_[rows : len(kernel) - rows, columns : kernel.shape[1] - columns]
            inner[middle] = kernel[middle]
            layer.set_weights([inner, *rest])
    return copy


def x_for(model):
    return np.random.default_rng(0).normal(size=(3, *model.inputs[0].shape[1:])).astype("float32")


@settings(max_examples=15, deadline=None)
@given(
    kernel=st.tuples(st.sampled_from([1, 3, 5, 7]), st.sampled_from([3, 5, 7])),
    padding=st.sampled_from(["same", "valid"]),
    strides=st.sampled_from([1, 2]),
    dilation=st.sampled_from([1, 2]),
    groups=st.sampled_from([1, 2]),
    size=st.sampled_from([1, 3, 5]),
)
def test_it_equals_the_edge_set_to_zero(kernel, padding, strides, dilation, groups, size):
    if strides > 1 and (dilation > 1 or padding == "same"):
        return
    keras.utils.set_random_seed(0)
    conv = L.Conv2D(
        4, kernel, strides, padding, dilation_rate=dilation, groups=groups, bias_initializer="ones"
    )
    model = keras.Sequential([keras.Input((15, 16, 2)), conv, L.ReLU()])
    cut = cut_kernels(model, size).model
    x = x_for(model)
    np.testing.assert_allclose(cut(x), zeroed(model, size)(x), rtol=1e-5, atol=1e-5)
    assert max(cut.layers[-2].kernel_size) == min(size, max(kernel))


def test_a_residual_network_keeps_its_shape_and_names():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((12, 12, 3))
    y = L.Conv2D(4, 5, padding="same", name="a")(inputs)
    z = L.Add()([y, L.Conv2D(4, 7, padding="same", name="b")(y)])
    model = keras.Model(inputs, L.Conv2D(2, 5, name="c")(z))
    cut, notices, checks = cut_kernels(model, 3)
    x = x_for(model)
    np.testing.assert_allclose(cut(x), zeroed(model, 3)(x), rtol=1e-5, atol=1e-5)
    assert {layer.name for layer in model.layers} < {layer.name for layer in cut.layers}
    assert notices[0] == "The kernels of a were cut from 5x5 to 3x3."
    assert [check.subject for check in checks] == ["cut"]
    assert model.get_layer("a").kernel_size == (5, 5)


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (L.Conv2D(2, 5, strides=2, padding="same", name="a"), "padding depends"),
        (L.Conv2D(2, 4, name="a"), "no middle"),
    ],
)
def test_what_cannot_be_cut_exactly_stays_and_is_named(layer, why):
    model = keras.Sequential([keras.Input((12, 12, 1)), layer])
    cut, notices, checks = cut_kernels(model, 3)
    assert cut is model
    assert not checks
    assert why in notices[0]
    assert "kernels of a stay" in notices[0]
