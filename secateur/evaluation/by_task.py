"""Metrics and losses by what a model shall do, where only its outputs are known."""

from __future__ import annotations

import keras
import numpy as np

_YES_OR_NO = ("binary", "multi_label")


def metrics_for(task: str, outputs: np.ndarray) -> list[keras.metrics.Metric]:
    """Fresh metrics of a task.

    Args:
        task: One of `secateur.datasets.traits.TASKS`.
        outputs: What the model gives for some examples. Of a yes or no, values that all lie between
            0 and 1 are probabilities, and others logits.
    """
    if task == "regression":
        return [keras.metrics.MeanAbsoluteError("mae")]
    if task in _YES_OR_NO:
        threshold = 0.5 if _are_probabilities(outputs) else 0.0
        return [keras.metrics.BinaryAccuracy("accuracy", threshold=threshold)]
    return [keras.metrics.SparseCategoricalAccuracy("accuracy")]


def loss_for(task: str, outputs: np.ndarray) -> keras.losses.Loss:
    """The usual loss of a task; the arguments are those of `metrics_for`.

    Of one class of several, rows that are not negative and sum to 1 are probabilities.
    """
    if task == "regression":
        return keras.losses.MeanSquaredError()
    if task in _YES_OR_NO:
        return keras.losses.BinaryCrossentropy(from_logits=not _are_probabilities(outputs))
    sums = np.abs(outputs.sum(axis=-1) - 1).max() < 1e-3
    logits = not (sums and _are_probabilities(outputs))
    return keras.losses.SparseCategoricalCrossentropy(from_logits=logits)


def _are_probabilities(outputs: np.ndarray) -> bool:
    return bool(outputs.min() >= 0 and outputs.max() <= 1)
