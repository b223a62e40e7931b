"""Loss and metrics of a model on a split."""

from __future__ import annotations

import keras
import tensorflow as tf

from secateur.datasets.dataset import Split
from secateur.training.batches import ordered
from secateur.training.joint import Goal
from secateur.training.objective import Objective


def measure_accuracy(
    model: keras.Model, split: Split, objective: Goal | None = None
) -> tuple[float, dict[str, float]]:
    """Loss and metrics over a whole split, in inference mode.

    Args:
        model: A model of the split's labels.
        split: Not empty.
        objective: What the model is for; by default classification.

    Returns:
        The mean loss of an example, without regularisation, and the metrics by their names:
        `{"accuracy": share}` of a classifier. Of several outputs the losses are added up by their
        weights.
    """
    objective = objective or Objective()
    parts = [(*part, part.objective.loss(model)) for part in objective.parts]

    def per_example(y, p):
        if len(parts) == 1:
            return parts[0][-1].call(y, p)
        return sum(
            weight * _of_examples(loss.call(pick(y), pick(p))) for pick, _, weight, loss in parts
        )

    loss = keras.metrics.MeanMetricWrapper(per_example, name="loss")
    metrics = objective.metrics(model)

    @tf.function(reduce_retracing=True)
    def step(x, y):
        predictions = model(x, training=False)
        for metric in (loss, *metrics):
            metric.update_state(y, predictions)

    for x, y in ordered(split, 1024):
        step(x, y)
    return float(loss.result()), {metric.name: float(metric.result()) for metric in metrics}


def _of_examples(values: tf.Tensor) -> tf.Tensor:
    """The mean of each example's values: (batch, …) -> (batch,)."""
    return tf.reduce_mean(tf.reshape(values, [tf.shape(values)[0], -1]), axis=1)
