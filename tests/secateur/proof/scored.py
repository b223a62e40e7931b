"""Models and losses of which examples one by one and a batch differ if one is not careful."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from secateur.models.weights import prunable_weights

L, ops = keras.layers, keras.ops
CLASSES = 3


def gradients_one_by_one(
    model: keras.Model, x: Any, y: Any, weights: Any, count: int
) -> dict[str, np.ndarray]:
    """(examples, *weight shape): `compute_loss` of a model, one example after the other."""
    prunable = prunable_weights(model)
    values = [w.variable.value for w in prunable]
    rows = []
    for i in range(count):
        one = [
            None if t is None else tf.nest.map_structure(lambda a: tf.constant(a[i : i + 1]), t)  # noqa: B023
            for t in (x, y, weights)
        ]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            outputs = model(one[0], training=False)
            loss = model.compute_loss(x=one[0], y=one[1], y_pred=outputs, sample_weight=one[2])
            loss -= sum(model.losses)  # regularizers and the like are no part of it
        found = tape.gradient(loss, values, unconnected_gradients="zero")
        rows.append([tf.convert_to_tensor(g).numpy().astype("float64") for g in found])
    return {w.path: np.stack([row[k] for row in rows]) for k, w in enumerate(prunable)}


def windows() -> keras.Model:
    """Windows folded into the first axis, each example's behind each other."""
    i = keras.Input((6, 5))
    z = L.Dense(4, activation="tanh")(ops.reshape(i, (-1, 2, 5)))
    return keras.Model(i, L.Dense(CLASSES)(L.Flatten()(ops.reshape(z, (-1, 6, 4)))))


def siamese() -> keras.Model:
    """Both halves of each example joined along the first axis."""
    i = keras.Input((2, 5))
    both = ops.concatenate([i[:, 0], i[:, 1]], axis=0)
    a, b = ops.split(L.Dense(4, activation="tanh")(both), 2, axis=0)
    return keras.Model(i, L.Dense(CLASSES)(ops.abs(a - b)))


def time_major() -> keras.Model:
    """The steps in the first axis, the examples in the second."""
    i = keras.Input((7, 5))
    z = L.Dense(4, activation="tanh")(ops.transpose(i, (1, 0, 2)))
    return keras.Model(i, L.Dense(CLASSES)(L.Flatten()(ops.transpose(z, (1, 0, 2)))))


def bidirectional() -> keras.Model:
    """A masked sequence, read in both directions."""
    i = keras.Input((6,), dtype="int32")
    z = L.Embedding(9, 4, mask_zero=True)(i)
    z = L.Bidirectional(L.GRU(3, return_sequences=True))(z)
    z = L.Bidirectional(L.LSTM(3))(z)
    return keras.Model(i, L.Dense(CLASSES)(z))


def tagging() -> keras.Model:
    """A class for each step, masked."""
    i = keras.Input((6,), dtype="int32")
    z = L.Embedding(9, 4, mask_zero=True)(i)
    return keras.Model(i, L.Dense(CLASSES)(L.SimpleRNN(4, return_sequences=True)(z)))


def shared() -> keras.Model:
    """A layer that is called twice, in a nested model that is called twice."""
    inner_in = keras.Input((5,))
    dense = L.Dense(5, activation="tanh")
    inner = keras.Model(inner_in, dense(dense(inner_in)))
    i = keras.Input((5,))
    return keras.Model(i, L.Dense(CLASSES)(inner(ops.relu(inner(i)))))


def stacked() -> keras.Model:
    """Cells on top of each other, with dropout between: Keras runs them before the loop as well."""
    i = keras.Input((4, 5))
    cells = [L.LSTMCell(3, dropout=0.5), L.GRUCell(4)]
    return keras.Model(i, L.Dense(CLASSES)(L.RNN(cells)(i)))


MODELS: dict[str, Callable[[], keras.Model]] = {
    f.__name__: f for f in (windows, siamese, time_major, bidirectional, tagging, shared, stacked)
}
SLOW = {"time_major": 1}  # weights that no closed form fits
STEPS = {"tagging"}


def inputs(model: keras.Model, rng: np.random.Generator, count: int) -> np.ndarray:
    """Random inputs; tokens with zeros, which are masked, but for the first of each example."""
    shape = (count, *model.input_shape[1:])
    if "int" in model.inputs[0].dtype:
        x = rng.integers(0, 9, shape) * (rng.uniform(size=shape) < 0.7)
        x[:, 0] = rng.integers(1, 9, count)
        return x.astype("int32")
    return rng.normal(size=shape).astype("float32")


def randomize(model: keras.Model, rng: np.random.Generator) -> keras.Model:
    """Random values in all weights."""
    for variable in model.weights:
        if "float" in variable.dtype:
            variable.assign(rng.normal(scale=0.6, size=variable.shape))
    return model
