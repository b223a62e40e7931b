"""Losses and metrics in the form that the rest takes, where Keras has none of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras


class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy of integer labels with smoothing, which Keras has for one-hot labels alone.

    Args:
        from_logits: Whether predictions are logits.
        smoothing: Share of each label that is spread evenly over all classes.
    """

    def __init__(self, from_logits: bool, smoothing: float) -> None:
        super().__init__(name="smoothed_crossentropy")
        self._from_logits, self._smoothing = from_logits, smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        one_hot = keras.ops.one_hot(keras.ops.cast(y_true, "int32"), y_pred.shape[-1])
        return keras.losses.categorical_crossentropy(
            one_hot, y_pred, self._from_logits, self._smoothing
        )


class FunctionLoss(keras.losses.Loss):
    """A function of (labels, predictions) that gives a value for each example, as a loss."""

    def __init__(self, function: Callable[[Any, Any], Any], name: str) -> None:
        super().__init__(name=name)
        self._function = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if len(y_true.shape) == len(y_pred.shape) - 1 and y_pred.shape[-1] == 1:
            y_true = keras.ops.expand_dims(y_true, -1)
        return self._function(y_true, y_pred)


class Weighted(keras.losses.Loss):
    """A loss times a number.

    Args:
        loss: The loss.
        weight: The number.
    """

    def __init__(self, loss: keras.losses.Loss, weight: float) -> None:
        super().__init__(name=loss.name, reduction=loss.reduction)
        self._loss, self._weight = loss, weight

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self._weight * self._loss.call(y_true, y_pred)


class OnOutput(keras.metrics.Metric):
    """A metric of one of several outputs, called as Keras calls it: `<output>_<metric>`.

    Args:
        metric: The metric.
        output: Name of the output.
    """

    def __init__(self, metric: keras.metrics.Metric, output: str) -> None:
        super().__init__(name=f"{output}_{metric.name}")
        self.metric, self.output = metric, output

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.metric.update_state(y_true[self.output], y_pred[self.output], sample_weight)

    def result(self) -> Any:
        return self.metric.result()

    def reset_state(self) -> None:
        self.metric.reset_state()


class OnProbabilities(keras.metrics.Metric):
    """A metric that expects probabilities, of a model that gives logits.

    Args:
        metric: The metric.
        convert: Logits -> probabilities.
    """

    def __init__(self, metric: keras.metrics.Metric, convert: Callable[[Any], Any]) -> None:
        super().__init__(name=metric.name)
        self._metric, self._convert = metric, convert

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self._metric.update_state(y_true, self._convert(y_pred), sample_weight)

    def result(self) -> Any:
        return self._metric.result()

    def reset_state(self) -> None:
        self._metric.reset_state()


@keras.saving.register_keras_serializable("secateur")
class Perplexity(keras.metrics.SparseCategoricalCrossentropy):
    """e to the mean cross-entropy of a token: among how many tokens the model wavers.

    Args:
        from_logits: Whether predictions are logits.
        **options: As Keras's metric takes them.
    """

    def __init__(self, from_logits: bool = False, **options: Any) -> None:
        super().__init__(**{"name": "perplexity", **options, "from_logits": from_logits})

    def result(self) -> Any:
        return keras.ops.exp(super().result())
