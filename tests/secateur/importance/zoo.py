"""Small random models of every layer kind, and the slow, obvious way to score them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from secateur.models.weights import prunable_weights

L = keras.layers


def gradients_by_loop(model: Any, x: Any, y: Any, loss: Any) -> dict[str, np.ndarray]:
    """The gradient of each example's loss, one `GradientTape` after the other: (n, *shape)."""
    weights = prunable_weights(model)
    values = [w.variable.value for w in weights]
    rows = []
    for i in range(len(y)):
        one = tf.nest.map_structure(lambda a: tf.convert_to_tensor(a[i : i + 1]), x)  # noqa: B023
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            value = loss(y[i : i + 1], model(one, training=False))
        found = tape.gradient(value, values, unconnected_gradients="zero")
        rows.append([tf.convert_to_tensor(g).numpy().astype("float64") for g in found])
    return {w.path: np.stack([row[k] for row in rows]) for k, w in enumerate(weights)}


def _model(shape: tuple[int | None, ...], *layers: Any, dtype: str = "float32") -> keras.Model:
    return keras.Sequential([keras.Input(shape, dtype=dtype), *layers])


def _images(*layers: Any) -> Callable[[], keras.Model]:
    return lambda: _model((7, 8, 4), *[layer() for layer in layers], L.Flatten(), L.Dense(3))


def _volumes(*layers: Any) -> Callable[[], keras.Model]:
    return lambda: _model((5, 4, 5, 2), *[layer() for layer in layers], L.Flatten(), L.Dense(3))


def _series(*layers: Any) -> Callable[[], keras.Model]:
    return lambda: _model((6, 4), *[layer() for layer in layers], L.Flatten(), L.Dense(3))


def _tokens(*layers: Any) -> Callable[[], keras.Model]:
    return lambda: _model(
        (6,), *[layer() for layer in layers], L.Flatten(), L.Dense(3), dtype="int32"
    )


def _attention(kind: Any, **options: Any) -> Callable[[], keras.Model]:
    def build() -> keras.Model:
        x = keras.Input((5, 6))
        y = kind(**options)(x, x)
        y = L.Flatten()(L.LayerNormalization()(L.Add()([x, y])))
        return keras.Model(x, L.Dense(3)(y))

    return build


def _shared() -> keras.Model:
    x = keras.Input((4,))
    shared = L.Dense(4, activation="tanh", name="shared")
    return keras.Model(x, L.Dense(3)(shared(shared(x))))


def _shared_convolution() -> keras.Model:
    x = keras.Input((8, 8, 2))
    shared = L.Conv2D(2, 3, padding="same", activation="tanh")
    y = shared(L.MaxPooling2D(2)(shared(x)))
    return keras.Model(x, L.Dense(3)(L.Flatten()(y)))


def _nested() -> keras.Model:
    inner = keras.Sequential([keras.Input((5,)), L.Dense(4, activation="relu"), L.Dense(4)])
    x = keras.Input((5,))
    return keras.Model(x, L.Dense(3)(L.Concatenate()([inner(x), inner(keras.ops.tanh(x))])))


def _two_inputs() -> keras.Model:
    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    y = L.Concatenate()([L.Dense(4, activation="gelu")(a), L.Dense(2)(b)])
    return keras.Model({"a": a, "b": b}, L.Dense(3)(y))


class Subclassed(keras.Model):
    """Uses its layers as it pleases, one of them twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = L.Dense(5, activation="relu")
        self.twice = L.Dense(5)
        self.last = L.Dense(3)

    def call(self, x: Any) -> Any:
        y = self.first(x)
        for _ in range(2):
            y = keras.ops.tanh(self.twice(y)) + y
        return self.last(y)


class Tied(keras.Model):
    """Uses the embedding's matrix behind the layer's back."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = L.Embedding(9, 3)
        self.mix = L.Dense(3, activation="tanh")

    def call(self, x: Any) -> Any:
        hidden = keras.ops.mean(self.mix(self.embed(x)), axis=1)
        return keras.ops.matmul(hidden, keras.ops.transpose(self.embed.embeddings))[:, :3]


class Own(L.Layer):
    """A layer that nobody knows."""

    def build(self, shape: Any) -> None:
        self.matrix = self.add_weight(shape=(shape[-1], 4), name="matrix")

    def call(self, x: Any) -> Any:
        return keras.ops.sin(keras.ops.matmul(x, self.matrix))


class Doubled(L.Dense):
    """Looks like a Dense layer and is not."""

    def call(self, x: Any, training: Any = None) -> Any:
        return 2 * super().call(x) + super().call(x * x)


def _built(model: keras.Model, x: Any) -> keras.Model:
    model(x)
    return model


MODELS: dict[str, Callable[[], keras.Model]] = {
    "dense": lambda: _model((6,), L.Dense(5, activation="relu"), L.Dense(3)),
    "dense_on_sequence": _series(lambda: L.Dense(5, activation="gelu")),
    "dense_selu_no_bias": lambda: _model((6,), L.Dense(5, "selu", use_bias=False), L.Dense(3)),
    "batchnorm_dropout": lambda: _model(
        (6,), L.Dense(5), L.BatchNormalization(), L.ReLU(), L.Dropout(0.5), L.Dense(3)
    ),
    "conv1d": _series(lambda: L.Conv1D(3, 3, strides=2, activation="relu")),
    "conv1d_causal": _series(lambda: L.Conv1D(3, 2, padding="causal", dilation_rate=2)),
    "conv1d_groups": _series(lambda: L.Conv1D(6, 3, groups=2, activation="tanh")),
    "conv2d": _images(lambda: L.Conv2D(3, (3, 2), activation="relu")),
    "conv2d_same_strided": _images(lambda: L.Conv2D(3, 3, strides=(2, 3), padding="same")),
    "conv2d_dilated": _images(lambda: L.Conv2D(3, 3, dilation_rate=2, padding="same")),
    "conv2d_groups": _images(lambda: L.Conv2D(4, 3, groups=2, padding="same", strides=2)),
    "conv2d_whole": _images(lambda: L.Conv2D(5, (7, 8), activation="tanh")),
    "conv3d": _volumes(lambda: L.Conv3D(3, 2, strides=(1, 2, 1), padding="same")),
    "conv3d_channels_first": _volumes(
        lambda: L.Conv3D(3, 2, padding="same", data_format="channels_first")
    ),
    "conv3d_valid": _volumes(lambda: L.Conv3D(3, (2, 3, 2), activation="relu")),
    "depthwise1d": _series(lambda: L.DepthwiseConv1D(3, depth_multiplier=2, padding="same")),
    "depthwise2d": _images(lambda: L.DepthwiseConv2D(3, strides=2, activation="relu")),
    "depthwise2d_multiplied": _images(
        lambda: L.DepthwiseConv2D(3, depth_multiplier=2, padding="same", dilation_rate=2)
    ),
    "separable1d": _series(lambda: L.SeparableConv1D(5, 3, padding="same", activation="tanh")),
    "separable2d": _images(
        lambda: L.SeparableConv2D(5, 3, strides=2, depth_multiplier=2, activation="relu")
    ),
    "conv1d_transpose": _series(
        lambda: L.Conv1DTranspose(3, 3, strides=2, padding="same", activation="relu")
    ),
    "conv2d_transpose": _images(lambda: L.Conv2DTranspose(3, 3, strides=2)),
    "conv2d_transpose_same": _images(
        lambda: L.Conv2DTranspose(3, (3, 4), strides=(2, 3), padding="same", output_padding=1)
    ),
    "conv3d_transpose": _volumes(lambda: L.Conv3DTranspose(2, 2, strides=2, padding="same")),
    "einsum_dense": _series(lambda: L.EinsumDense("abc,cd->abd", (6, 5), activation="relu")),
    "einsum_dense_ellipsis": _series(lambda: L.EinsumDense("...b,bc->...c", 5)),
    "einsum_dense_grouped": _series(lambda: L.EinsumDense("abc,bcd->abd", (6, 5))),
    "einsum_dense_heads": _series(
        lambda: L.EinsumDense("abc,cde->adbe", (2, 6, 3)),
        lambda: L.EinsumDense("adbe,deg->abg", (6, 4)),
    ),
    "embedding": _tokens(lambda: L.Embedding(9, 4)),
    "embedding_masked": _tokens(lambda: L.Embedding(9, 4, mask_zero=True), lambda: L.LSTM(3)),
    "simple_rnn": _series(lambda: L.SimpleRNN(3, return_sequences=True)),
    "lstm": _series(lambda: L.LSTM(3)),
    "lstm_backwards": _series(lambda: L.LSTM(3, go_backwards=True, unroll=True)),
    "gru": _series(lambda: L.GRU(3, return_sequences=True)),
    "gru_reset_before": _series(lambda: L.GRU(3, reset_after=False)),
    "bidirectional": _series(lambda: L.Bidirectional(L.LSTM(3, return_sequences=True))),
    "stacked_cells": _series(lambda: L.RNN([L.LSTMCell(3), L.GRUCell(4)])),
    "conv_lstm": lambda: _model((3, 5, 5, 2), L.ConvLSTM2D(2, 3), L.Flatten(), L.Dense(3)),
    "time_distributed": _series(lambda: L.TimeDistributed(L.Dense(3, activation="relu"))),
    "attention": _attention(L.MultiHeadAttention, num_heads=2, key_dim=3),
    "grouped_attention": _attention(
        L.GroupQueryAttention, head_dim=3, num_query_heads=4, num_key_value_heads=2
    ),
    "spectral": lambda: _model((6,), L.SpectralNormalization(L.Dense(4)), L.Dense(3)),
    "shared": _shared,
    "shared_convolution": _shared_convolution,
    "nested": _nested,
    "two_inputs": _two_inputs,
    "subclassed": lambda: _built(Subclassed(), np.zeros((1, 6), "float32")),
    "tied": lambda: _built(Tied(), np.zeros((1, 6), "int32")),
    "own_layer": lambda: _model((6,), Own(), L.Dense(3)),
    "own_dense": lambda: _model((6,), Doubled(4, "tanh"), L.Dense(3)),
}


def examples(model: keras.Model, count: int = 9, seed: int = 0) -> tuple[Any, np.ndarray]:
    """Random inputs that fit the model, and labels of three classes."""
    rng = np.random.default_rng(seed)

    def draw(shape: tuple[Any, ...], dtype: str) -> np.ndarray:
        if "int" in dtype:
            return rng.integers(0, 9, (count, *shape[1:])).astype(dtype)
        return rng.normal(size=(count, *shape[1:])).astype("float32")

    if isinstance(model, Tied):
        x: Any = draw((None, 6), "int32")
    elif isinstance(model, Subclassed):
        x = draw((None, 6), "float32")
    elif len(model.inputs) > 1:
        x = {t.name: draw(t.shape, t.dtype) for t in model.inputs}
    else:
        x = draw(model.inputs[0].shape, model.inputs[0].dtype)
    return x, rng.integers(0, 3, count)


def randomize(model: keras.Model, seed: int = 0) -> keras.Model:
    """Random values in all weights, the moving statistics included."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if "float" in variable.dtype and "moving_variance" not in variable.path:
            variable.assign(rng.normal(scale=0.5, size=variable.shape))
    return model
