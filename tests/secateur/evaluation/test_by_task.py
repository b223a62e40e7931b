"""Metrics of outputs whose model is not known."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from secateur.evaluation.by_task import metrics_for

LOGITS = np.array([[-2.0, 0.5, 1.0], [3.0, 0.1, -1.0]])


@pytest.mark.parametrize("outputs", [LOGITS[:, :1] + 1, 1 / (1 + np.exp(-LOGITS[:, :1] - 1))])
def test_yes_and_no_are_logits_or_probabilities(outputs):
    y = np.array([[0.0], [1.0]])
    (metric,) = metrics_for("binary", outputs)
    metric.update_state(y, outputs)
    assert float(metric.result()) == 1.0


@pytest.mark.parametrize("outputs", [LOGITS, np.array(keras.ops.softmax(LOGITS))])
def test_classes_are_logits_or_probabilities(outputs):
    y = np.array([2, 1])
    (metric,) = metrics_for("classification", outputs)
    metric.update_state(y, outputs)
    assert float(metric.result()) == 0.5


def test_numbers_are_compared_by_their_distance():
    (metric,) = metrics_for("regression", LOGITS)
    metric.update_state(LOGITS + 2, LOGITS)
    assert (metric.name, float(metric.result())) == ("mae", pytest.approx(2))
