"""Loss and metrics of a model on a split."""

from __future__ import annotations

import keras
import tensorflow as tf

from secateur.datasets.dataset import Split
from secateur.training.batches import ordered
from secateur.training.objective import Objective


def measure_accuracy(
    model: keras.Model, split: Split, objective: Objective | None = None
) -> tuple[float, dict[str, float]]:
    """Loss and metrics over a whole split, in inference mode.

    Args:
        model: A model of the split's labels.
        split: Not empty.
        objective: What the model is for; by default classification.

    Returns:
        The mean loss of an example, without regularisation, and the metrics by their names:
        `{"accuracy": share}` of a classifier.
    """
    objective = objective or Objective()
    per_example = objective.loss(model)
    loss = keras.metrics.MeanMetricWrapper(lambda y, p: per_example.call(y, p), name="loss")
    metrics = objective.metrics(model)

    @tf.function(reduce_retracing=True)
    def step(x, y):
        predictions = model(x, training=False)
        for metric in (loss, *metrics):
            metric.update_state(y, predictions)

    for x, y in ordered(split, 1024):
        step(x, y)
    return float(loss.result()), {metric.name: float(metric.result()) for metric in metrics}
