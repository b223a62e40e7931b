"""The slow, exact way: one forward and backward pass for each example, inside one graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras.src.trainers.compile_utils import CompileLoss

from secateur.importance.data import Batch
from secateur.importance.losses import compiled_loss


def looped_sums(
    model: keras.Model, variables: Sequence[keras.Variable], loss: Any, power: int | None
) -> Callable[[Batch], list[tf.Tensor]]:
    """A function batch -> Σ over its examples of |∂L_i/∂w|^power, for each variable.

    L_i is what Keras computes for a batch of that example alone.

    Args:
        model: The model; it runs in inference mode.
        variables: The weights.
        loss: As it was given, or None for the one that the model was compiled with.
        power: 1, 2, or None for Σ ∂L_i/∂w itself.
    """
    given, factors = compiled_loss(model, loss)
    losses = CompileLoss(given, factors, output_names=getattr(model, "output_names", None))

    def value(x: Any, y: Any, weights: Any) -> tf.Tensor:
        return tf.reduce_sum(losses(y, model(x, training=False), weights))

    @tf.function(reduce_retracing=True)
    def sums(x: Any, y: Any, weights: Any) -> list[tf.Tensor]:
        count = tf.shape(tf.nest.flatten(x)[0])[0]
        totals = [tf.zeros(v.shape, _wide(v)) for v in variables]
        for i in tf.range(count):
            one = [
                None if tree is None else tf.nest.map_structure(lambda a: a[i][None], tree)  # noqa: B023
                for tree in (x, y, weights)
            ]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([v.value for v in variables])
                loss = value(*one)
            gradients = tape.gradient(
                loss, [v.value for v in variables], unconnected_gradients="zero"
            )
            totals = [
                total + _power(tf.cast(tf.convert_to_tensor(g), total.dtype), power)
                for total, g in zip(totals, gradients, strict=True)
            ]
        return totals

    def run(batch: Batch) -> list[tf.Tensor]:
        if not losses.built:  # its variables cannot be made inside a graph
            value(*batch.part(0, 1)[:3])
        return sums(batch.x, batch.y, batch.weights)

    return run


def _wide(variable: keras.Variable) -> tf.DType:
    return tf.float64 if variable.dtype == "float64" else tf.float32


def _power(values: tf.Tensor, power: int | None) -> tf.Tensor:
    if power is None:
        return values
    return tf.abs(values) if power == 1 else tf.square(values)
