"""The slow, exact way: one forward and backward pass for each example, inside one graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from secateur.importance.data import Batch
from secateur.importance.losses import ExampleLoss


def looped_sums(
    model: keras.Model, variables: Sequence[keras.Variable], losses: ExampleLoss, power: int
) -> Callable[[Batch], list[tf.Tensor]]:
    """A function batch -> Σ over its examples of |∂L_i/∂w|^power, for each variable."""

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
                loss = tf.reduce_sum(losses(one[1], model(one[0], training=False), one[2]))
            gradients = tape.gradient(
                loss, [v.value for v in variables], unconnected_gradients="zero"
            )
            totals = [
                total + _power(tf.cast(tf.convert_to_tensor(g), total.dtype), power)
                for total, g in zip(totals, gradients, strict=True)
            ]
        return totals

    return lambda batch: sums(batch.x, batch.y, batch.weights)


def _wide(variable: keras.Variable) -> tf.DType:
    return tf.float64 if variable.dtype == "float64" else tf.float32


def _power(values: tf.Tensor, power: int) -> tf.Tensor:
    return tf.abs(values) if power == 1 else tf.square(values)
