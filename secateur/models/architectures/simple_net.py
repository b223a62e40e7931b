"""The multilayer perceptron of the article on pruning."""

from __future__ import annotations

import keras


def simple_net(input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """Flatten, Dense 64, Dense 32, and one logit a class; ReLU between.

    Args:
        input_shape: Shape of one example, any rank.
        classes: Number of classes.
    """
    return mlp("simple_net", (64, 32), input_shape, classes)


def mlp(
    name: str, widths: tuple[int, ...], input_shape: tuple[int, ...], classes: int
) -> keras.Model:
    """A perceptron with ReLU hidden layers of `widths`, and one logit a class."""
    layers = [keras.Input(input_shape, name="input"), keras.layers.Flatten(name="flatten")]
    for number, width in enumerate(widths, start=1):
        layers.append(keras.layers.Dense(width, activation="relu", name=f"dense_{number}"))
    layers.append(keras.layers.Dense(classes, name="logits"))
    return keras.Sequential(layers, name=name)
