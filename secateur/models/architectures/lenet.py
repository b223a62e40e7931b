"""LeCun's networks, on which most papers about pruning small models report."""

from __future__ import annotations

import keras

from secateur.models.architectures.simple_net import mlp


def lenet_300_100(input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """Flatten, Dense 300, Dense 100, and one logit a class; ReLU between.

    Args:
        input_shape: Shape of one example, any rank.
        classes: Number of classes.
    """
    return mlp("lenet_300_100", (300, 100), input_shape, classes)


def lenet_5(input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """LeNet-5 (LeCun et al. 1998) in its usual modern form: ReLU and max pooling.

    Two 5x5 convolutions of 6 and 16 channels, each with 2x2 pooling, then Dense 120, Dense 84 and
    one logit a class.

    Args:
        input_shape: Height, width and channels of an image, at least 14x14.
        classes: Number of classes.

    Raises:
        ValueError: The input is no image of that size.
    """
    if len(input_shape) != 3 or min(input_shape[:2]) < 14:
        raise ValueError(
            f"lenet_5 takes images of at least 14x14 pixels with channels, not inputs of shape "
            f"{tuple(input_shape)}; choose another model or data set."
        )
    return keras.Sequential(
        [
            keras.Input(input_shape, name="input"),
            keras.layers.Conv2D(6, 5, padding="same", activation="relu", name="conv_1"),
            keras.layers.MaxPooling2D(2, name="pool_1"),
            keras.layers.Conv2D(16, 5, activation="relu", name="conv_2"),
            keras.layers.MaxPooling2D(2, name="pool_2"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dense(120, activation="relu", name="dense_1"),
            keras.layers.Dense(84, activation="relu", name="dense_2"),
            keras.layers.Dense(classes, name="logits"),
        ],
        name="lenet_5",
    )
