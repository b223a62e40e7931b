"""Keras models in Keras, as a `tf.function` of the forward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from secateur.evaluation.runtimes.runner import Inputs, check_batch, each, in_batches


class Keras:
    """A Keras model of one output."""

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self._any_size: Callable[[Any], Any] | None = None
        inputs = getattr(model, "inputs", None)  # a subclassed model has none
        self.batch = inputs[0].shape[0] if inputs else None

    def predict(self, x: Inputs) -> np.ndarray:
        return in_batches(self._run, x, self.batch)

    def ready(self, x: Inputs) -> Callable[[], Any]:
        check_batch(self.batch, x)
        inputs = each(x, tf.constant)
        run = self._traced(each(inputs, lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype)))
        return lambda: run(inputs)

    def _run(self, x: Inputs) -> np.ndarray:
        inputs = each(x, tf.constant)
        if self._any_size is None:
            size = self.batch
            self._any_size = self._traced(
                each(inputs, lambda x: tf.TensorSpec((size, *x.shape[1:]), x.dtype))
            )
        return self._any_size(inputs).numpy()

    def _traced(self, spec: Any) -> Callable[[Any], Any]:
        run = tf.function(lambda x: self._model(x, training=False))
        return run.get_concrete_function(spec)
