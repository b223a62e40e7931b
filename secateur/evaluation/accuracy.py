"""Loss and metrics of a model on a split."""

from __future__ import annotations

import keras
import tensorflow as tf

from secateur.datasets.dataset import Split
from secateur.training.batches import ordered
from secateur.training.objective import classification_loss


def measure_accuracy(model: keras.Model, split: Split) -> tuple[float, dict[str, float]]:
    """Loss and metrics over a whole split, in inference mode.

    Args:
        model: A classifier of the split's labels.
        split: Not empty.

    Returns:
        The mean loss of an example, without regularisation, and `{"accuracy": share}`.
    """
    per_example = classification_loss(model)
    loss = keras.metrics.MeanMetricWrapper(lambda y, p: per_example.call(y, p), name="loss")
    accuracy = keras.metrics.SparseCategoricalAccuracy()

    @tf.function(reduce_retracing=True)
    def step(x, y):
        predictions = model(x, training=False)
        loss.update_state(y, predictions)
        accuracy.update_state(y, predictions)

    for x, y in ordered(split, 1024):
        step(x, y)
    return float(loss.result()), {"accuracy": float(accuracy.result())}
