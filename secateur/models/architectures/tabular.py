"""A perceptron for rows of tables."""

from __future__ import annotations

import keras

from secateur.datasets.traits import Traits

layers = keras.layers


def tabular_mlp(input_shape: tuple[int, ...], classes: int, traits: Traits) -> keras.Model:
    """Normalisation, Dense 128, Dense 64, ReLU between, and a value for each class or target.

    It takes the numbers as they stand in the table: their mean and variance over the training
    split are part of the model, and so are the targets' of a regression.

    Args:
        input_shape: `(features,)`.
        classes: Values to give.
        traits: Of the data.

    Raises:
        ValueError: The input is no row of a table.
    """
    if len(input_shape) != 1 or traits.mean is None:
        raise ValueError(
            f"tabular_mlp takes rows of a table, not inputs of shape {tuple(input_shape)}; choose "
            "another model or data set."
        )
    stack: list[keras.layers.Layer] = [
        keras.Input(input_shape, name="features"),
        layers.Normalization(mean=traits.mean, variance=traits.variance, name="normalization"),
        layers.Dense(128, activation="relu", name="dense_1"),
        layers.Dense(64, activation="relu", name="dense_2"),
        layers.Dense(classes, name="logits"),
    ]
    if traits.target_mean is not None:
        stack.append(
            layers.Rescaling(
                scale=list(traits.target_deviation or ()),
                offset=list(traits.target_mean),
                name="units",
            )
        )
    return keras.Sequential(stack, name="tabular_mlp")
