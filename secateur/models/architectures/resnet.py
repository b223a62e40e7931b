"""The residual networks for small images (He et al. 2016, "Deep Residual Learning", 4.2)."""

from __future__ import annotations

import keras

layers = keras.layers


def resnet_20(input_shape: tuple[int, ...], classes: int) -> keras.Model:
    """ResNet-20: a convolution, three stages of three residual blocks, and one logit a class.

    The stages have 16, 32 and 64 channels; the second and third halve the height and width. Each
    block is conv-BN-ReLU-conv-BN, added to its input, then ReLU. Where the shape changes, the
    shortcut is a 1x1 convolution with BatchNorm (option B of the paper).

    Args:
        input_shape: Height, width and channels of an image, at least 8x8.
        classes: Number of classes.

    Raises:
        ValueError: The input is no image of that size.
    """
    if len(input_shape) != 3 or min(input_shape[:2]) < 8:
        raise ValueError(
            f"resnet_20 takes images of at least 8x8 pixels with channels, not inputs of shape "
            f"{tuple(input_shape)}; choose another model or data set."
        )
    inputs = keras.Input(input_shape, name="input")
    x = _conv(inputs, 16, "stem")
    x = layers.ReLU(name="stem_relu")(x)
    for stage, filters in enumerate((16, 32, 64), start=1):
        for block in range(1, 4):
            strides = 2 if stage > 1 and block == 1 else 1
            x = _block(x, filters, strides, f"stage_{stage}_block_{block}")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="resnet_20")


def _block(x: keras.KerasTensor, filters: int, strides: int, name: str) -> keras.KerasTensor:
    y = _conv(x, filters, f"{name}_1", strides=strides)
    y = layers.ReLU(name=f"{name}_1_relu")(y)
    y = _conv(y, filters, f"{name}_2")
    if x.shape[-1] != filters or strides != 1:
        x = _conv(x, filters, f"{name}_shortcut", size=1, strides=strides)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([y, x]))


def _conv(
    x: keras.KerasTensor, filters: int, name: str, size: int = 3, strides: int = 1
) -> keras.KerasTensor:
    """Convolution without bias, and BatchNorm."""
    x = layers.Conv2D(
        filters,
        size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    return layers.BatchNormalization(name=f"{name}_bn")(x)
