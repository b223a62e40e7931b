"""Small models, one of each kind that exports in its own way."""

from __future__ import annotations

import keras
import numpy as np

L = keras.layers


def convolutional(zeros=0.0):
    """8x8 images of one channel, three classes; a share of each kernel is zero."""
    keras.utils.set_random_seed(0)
    layers = [
        L.Conv2D(8, 3, activation="relu"),
        L.BatchNormalization(),
        L.Conv2D(16, 3, activation="relu"),
        L.Flatten(),
        L.Dense(64, activation="relu"),
        L.Dense(3),
    ]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    for weight in model.trainable_weights:
        if len(weight.shape) > 1:
            value = weight.numpy()
            value[np.abs(value) < np.quantile(np.abs(value), zeros)] = 0
            weight.assign(value)
    return model


def recurrent():
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((5, 4)), L.LSTM(6), L.Dense(3)])


def two_inputs():
    """Numbers and tokens, by name."""
    keras.utils.set_random_seed(0)
    numbers, tokens = keras.Input((4,), name="numbers"), keras.Input((6,), dtype="int32", name="b")
    read = L.GlobalAveragePooling1D()(L.Embedding(10, 8)(tokens))
    joined = L.Concatenate()([L.Dense(8, activation="relu")(numbers), read])
    return keras.Model({"numbers": numbers, "b": tokens}, L.Dense(3)(joined))


def inputs(model, count=40):
    """Random inputs in the structure of the model's."""
    rng = np.random.default_rng(0)

    def one(x):
        shape = (count, *x.shape[1:])
        if "int" in x.dtype:
            return rng.integers(0, 10, shape).astype(np.int32)
        return rng.normal(size=shape).astype(np.float32)

    given = [one(x) for x in model.inputs]
    return (
        dict(zip((x.name for x in model.inputs), given, strict=True))
        if len(given) > 1
        else given[0]
    )
