"""What must not be pruned: quantized layers, LoRA factors, tables, transforms and buffers."""

import keras
import numpy as np
import pytest
from keras import layers

import secateur
from secateur.models.weights import left_alone, prunable_weights


def paths(model):
    return [weight.path for weight in prunable_weights(model)]


def test_what_is_quantized_is_left_alone_and_told():
    model = keras.Sequential(
        [keras.Input((6, 4)), layers.Conv1D(5, 2, name="conv"), layers.Dense(3, name="head")]
    )
    model.get_layer("head").quantize("int8")
    before = [np.array(v) for v in model.get_layer("head").variables]
    pruned = secateur.prune(model, ratio=0.5, criterion="magnitude", in_place=True)
    assert paths(model) == ["conv/kernel"]
    for a, b in zip(before, model.get_layer("head").variables, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any("quantized (int8): head" in notice for notice in pruned.notices)


def test_a_model_of_nothing_else_is_refused():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    model.quantize("int8")
    with pytest.raises(ValueError, match=r"no weight that can be pruned.*quantized") as refused:
        secateur.prune(model, ratio=0.5, criterion="magnitude")
    assert "\n" not in str(refused.value)


def test_factors_of_lora_are_left_alone():
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(5, name="a"), layers.Dense(3, name="b")]
    )
    model.get_layer("a").enable_lora(2)
    assert paths(model) == ["b/kernel"]
    assert "LoRA is enabled: a" in left_alone(model)[0]


class Buffered(layers.Layer):
    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 2), name="kernel")
        self.table = self.add_weight(shape=(3, 4), name="table", trainable=False)

    def call(self, x):
        return x @ self.kernel


def test_buffers_states_and_transforms_are_left_alone():
    i = keras.Input(batch_shape=(2, 16, 1))
    z = layers.STFTSpectrogram(frame_length=8, frame_step=4, fft_length=8)(i)
    z = layers.LSTM(3, stateful=True, name="lstm")(z)
    model = keras.Model(i, Buffered(name="own")(z))
    assert paths(model) == [
        "lstm/lstm_cell/kernel",
        "lstm/lstm_cell/recurrent_kernel",
        "own/kernel",
    ]


def test_a_frozen_kernel_counts():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="a", trainable=False)])
    model.get_layer("a").trainable = False
    assert paths(model) == ["a/kernel"]
