"""Gradients of strided 1x1 convolutions, which oneDNN in TensorFlow gets wrong for few channels.

Up to TensorFlow 2.21 (oneDNN 3.7) its gradient by the kernel of a strided 1x1 convolution that
reads fewer channels than the processor computes at a time (8, or 16 with AVX-512) writes past the
memory it booked: wrong gradients, foreign values overwritten, or the end of the process. Cut models
have such convolutions, as on the shortcuts of residual networks.

The convolution with a stride is the one without, of every so many positions of its input, and so is
its gradient. That is how `mend` has TensorFlow compute it; all else it leaves as it is. It is said
to TensorFlow for the whole process, once, when a module is imported that models are read by, and
holds for whatever takes gradients there: this package, `fit` of Keras, layers of a user's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.framework import ops  # it has no public name

CHANNELS = 16
"""Input channels from which on oneDNN is right: what it computes at a time with AVX-512."""

Gradient = Callable[[Any, tf.Tensor], list]


def mend() -> None:
    """Has TensorFlow compute these gradients another way, from now on in this process."""
    for name, mended in (("Conv2D", _of_convolution), ("Conv2DBackpropInput", _of_transposed)):
        entry = ops.gradient_registry._registry[name]
        if not hasattr(entry["type"], "mended"):
            entry["type"] = mended(entry["type"])


def failing(kernel: tuple[int | None, ...], strides: tuple[int, ...], channels: int | None) -> bool:
    """Whether oneDNN may get the gradient by a kernel wrong.

    Args:
        kernel: Shape of the kernel's axes in space, as (1, 1).
        strides: Along the same axes.
        channels: What the convolution reads; of a transposed one what it gives. None where only
            the running model knows.
    """
    narrow = channels is None or channels < CHANNELS
    return narrow and all(size == 1 for size in kernel) and any(step > 1 for step in strides)


def notices(layers: Iterable[keras.Layer]) -> list[str]:
    """What to know of a model with such convolutions where this package is not; else nothing."""
    kinds = keras.layers.Conv2D | keras.layers.Conv2DTranspose
    found = [
        layer.name
        for layer in layers
        if isinstance(layer, kinds)
        and getattr(layer, "groups", 1) == 1  # grouped ones XLA computes
        and layer.data_format == "channels_last"
        and failing(layer.kernel_size, layer.strides, layer.kernel.shape[2])
    ]
    if not found:
        return []
    named = ", ".join(found)
    return [
        f"Strided 1x1 convolutions of fewer than {CHANNELS} channels ({named}): TensorFlow up to "
        "2.21 with oneDNN computes their gradients wrongly, or the process dies. Secateur computes "
        "them another way. To train the saved model on without it, set TF_ENABLE_ONEDNN_OPTS=0 "
        "there, or call secateur.models.strided.mend() first. What the model computes is right "
        "everywhere."
    ]


def _of_convolution(before: Gradient) -> Gradient:
    """The gradient of a convolution by what it reads and by its kernel."""

    def gradient(op, change):
        read, kernel = op.inputs
        if not _failing(op, read, kernel):
            return before(op, change)
        by_input = tf.raw_ops.Conv2DBackpropInput(
            input_sizes=tf.shape(read), filter=kernel, out_backprop=change, **_options(op)
        )
        return [by_input, _by_kernel(op, read, kernel, change)]

    return _marked(gradient)


def _of_transposed(before: Gradient) -> Gradient:
    """The gradient of a transposed convolution by its kernel and by what it reads."""

    def gradient(op, change):
        _, kernel, read = op.inputs
        if not _failing(op, change, kernel):
            return before(op, change)
        by_read = tf.raw_ops.Conv2D(input=change, filter=kernel, **_options(op))
        return [None, _by_kernel(op, change, kernel, read), by_read]

    return _marked(gradient)


def _marked(gradient: Any) -> Gradient:
    gradient.mended = True
    return gradient


def _failing(op: Any, read: tf.Tensor, kernel: tf.Tensor) -> bool:
    if op.get_attr("data_format") != b"NHWC" or op.get_attr("padding") == b"EXPLICIT":
        return False  # the first is right in oneDNN; the second Keras does not give
    if kernel.shape.rank != 4 or read.shape.rank != 4:
        return False
    strides = tuple(op.get_attr("strides"))[1:3]
    return failing(tuple(kernel.shape)[:2], strides, read.shape[-1])


def _options(op: Any) -> dict[str, Any]:
    names = ("strides", "padding", "use_cudnn_on_gpu", "data_format", "dilations")
    return {name: op.get_attr(name) for name in names}


def _by_kernel(op: Any, read: tf.Tensor, kernel: tf.Tensor, change: tf.Tensor) -> tf.Tensor:
    """The gradient by the kernel of the convolution without a stride.

    An average over windows of one takes the positions out, NaN included, twice as fast as a slice.
    """
    seen = tf.nn.avg_pool2d(read, 1, op.get_attr("strides"), "SAME")
    return tf.raw_ops.Conv2DBackpropFilter(
        input=seen,
        filter_sizes=tf.shape(kernel),
        out_backprop=change,
        strides=[1, 1, 1, 1],
        padding="VALID",
    )
