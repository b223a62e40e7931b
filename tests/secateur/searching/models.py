"""Small models and data for the tests of search."""

from __future__ import annotations

import keras
import numpy as np

layers = keras.layers


def data(examples: int = 60, seed: int = 0):
    """Small images of three classes that differ in brightness."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, examples)
    x = rng.normal(size=(examples, 8, 8, 2)).astype(np.float32) + y[:, None, None, None]
    return x.astype(np.float32), y


def plain() -> keras.Model:
    """Convolution, flatten, two dense layers."""
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            layers.Conv2D(6, 3, activation="relu", name="conv"),
            layers.Flatten(name="flat"),
            layers.Dense(12, activation="relu", name="hidden"),
            layers.Dense(3, name="logits"),
        ]
    )


def residual() -> keras.Model:
    """Two residual blocks with BatchNorm."""
    keras.utils.set_random_seed(2)
    inputs = keras.Input((8, 8, 2))
    x = layers.Conv2D(6, 3, padding="same", name="stem")(inputs)
    for number in (1, 2):
        y = layers.Conv2D(8, 3, padding="same", name=f"block_{number}_a")(x)
        y = layers.BatchNormalization(name=f"block_{number}_norm")(y)
        y = layers.ReLU(name=f"block_{number}_relu")(y)
        y = layers.Conv2D(6, 3, padding="same", name=f"block_{number}_b")(y)
        x = layers.Add(name=f"block_{number}_add")([x, y])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def loss() -> keras.losses.Loss:
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def scores(model: keras.Model) -> dict[str, np.ndarray]:
    """Magnitudes."""
    from secateur.models.weights import prunable_weights

    found = prunable_weights(model)
    return {w.path: np.abs(keras.ops.convert_to_numpy(w.variable.value)) for w in found}
