"""Metrics by what a model shall do, where only its outputs are known."""

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


def _are_probabilities(outputs: np.ndarray) -> bool:
    return bool(outputs.min() >= 0 and outputs.max() <= 1)
