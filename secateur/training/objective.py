"""What a model is trained and measured on: by the task of its data, or the user's own."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import keras

from secateur.datasets.traits import Task
from secateur.training.objective_config import ObjectiveConfig
from secateur.training.outputs import gives, probabilities, to_logits
from secateur.training.own_losses import (
    FunctionLoss,
    OnProbabilities,
    Perplexity,
    SmoothedCrossentropy,
)

if TYPE_CHECKING:
    from secateur.training.joint import Goal

_ONE_OF_SEVERAL = ("classification", "token_classification", "language_model")
_YES_OR_NO = ("binary", "multi_label")


@dataclass(frozen=True)
class Objective:
    """Loss and metrics of a task.

    One class of several (`classification`, `token_classification`, `language_model`): integer
    labels, cross-entropy, accuracy; of a language model perplexity too. Yes or no (`binary`,
    `multi_label`): zeros and ones, binary cross-entropy, accuracy at a threshold of 0.5.
    `regression`: numbers, mean squared error, mean absolute error.

    Whether a model gives logits or probabilities is read from its last operation.

    Attributes:
        task: What the model shall do.
        config: The user's own loss and metrics.
        output: Which of several outputs this is for; None for the only one.
    """

    task: Task = "classification"
    config: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    output: str | None = None

    @property
    def parts(self) -> list[Part]:
        """What is compared and how much it counts: of a single output, all of it."""
        return [Part(lambda given: given, self, 1.0)]

    @property
    def labels(self) -> bool:
        """Whether outputs are probabilities of labels, or logits of them."""
        return self.task != "regression"

    @property
    def higher(self) -> bool:
        """Whether a higher value of the first metric is a better one."""
        return self.config.better == "higher" if self.config.metrics else self.labels

    def loss(self, model: keras.Model, smoothing: float = 0.0) -> keras.losses.Loss:
        """The loss for what `model` gives.

        Args:
            model: A built model.
            smoothing: Share of each label that is spread evenly over all classes.

        Raises:
            ValueError: One sentence: a loss that does not exist, or that cannot be smoothed.
        """
        logits = self.labels and gives(model, self.output) == "logits"
        if self.config.loss is not None:
            return _own_loss(self.config.loss, logits, smoothing)
        if self.task in _YES_OR_NO:
            return keras.losses.BinaryCrossentropy(logits, label_smoothing=smoothing)
        if self.task in _ONE_OF_SEVERAL:
            if smoothing:
                return SmoothedCrossentropy(logits, smoothing)
            return keras.losses.SparseCategoricalCrossentropy(logits)
        if smoothing:
            raise ValueError(
                f"label_smoothing is {smoothing:g}, but a {self.task} has no labels; leave it out."
            )
        return keras.losses.MeanSquaredError()

    def metrics(self, model: keras.Model) -> list[keras.metrics.Metric]:
        """Fresh metrics for what `model` gives; the first one counts.

        Raises:
            ValueError: One sentence: a metric that does not exist.
        """
        given = gives(model, self.output)
        if self.config.metrics:
            own = [_own_metric(name) for name in self.config.metrics]
            if not self.labels or given != "logits":
                return own
            kind = "sigmoid" if self.task in _YES_OR_NO else "softmax"
            return [OnProbabilities(metric, probabilities(kind)) for metric in own]
        if self.task in _YES_OR_NO:
            threshold = 0.0 if given == "logits" else 0.5
            return [keras.metrics.BinaryAccuracy("accuracy", threshold=threshold)]
        if self.task in _ONE_OF_SEVERAL:
            accuracy = keras.metrics.SparseCategoricalAccuracy("accuracy")
            perplexity = [Perplexity(given == "logits")] if self.task == "language_model" else []
            return [accuracy, *perplexity]
        return [keras.metrics.MeanAbsoluteError("mae")]

    def logits(self, model: keras.Model, given: Any) -> Any:
        """What `model` gave as logits over a last axis of classes; of a regression, as it is.

        Of yes or no, the classes are yes (logit z) and no (logit 0).
        """
        if not self.labels:
            return given
        return to_logits(given, gives(model, self.output), pair=self.task in _YES_OR_NO)


class Part(NamedTuple):
    """One output of a model.

    Attributes:
        pick: Takes its part of what a model gives, or of targets.
        objective: What it is for.
        weight: What its loss is multiplied by.
    """

    pick: Callable[[Any], Any]
    objective: Objective
    weight: float


def compile_for(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    steps_per_execution: int = 1,
    *,
    objective: Goal | None = None,
    outputs_of: keras.Model | None = None,
    smoothing: float = 0.0,
    xla: bool = False,
) -> None:
    """Compiles `model` with an optimizer, and the loss and metrics of an objective.

    Args:
        model: What `fit` is called on.
        optimizer: A fresh one.
        steps_per_execution: As in Keras.
        objective: By default classification.
        outputs_of: The model behind `model` that tells logits from probabilities, if not itself.
        smoothing: See `Objective.loss`.
        xla: Whether the step is compiled; on a CPU that takes longer than training a small model.
    """
    objective, source = objective or Objective(), outputs_of or model
    metrics: Any = objective.metrics(source)
    loss: Any = objective.loss(source, smoothing)
    if isinstance(loss, dict):  # Keras puts the outputs' names before those of the metrics
        metrics = {name: [m.metric for m in metrics if m.output == name] for name in loss}
    model.compile(
        optimizer=optimizer,
        loss=loss,
        metrics=metrics,
        steps_per_execution=steps_per_execution,
        jit_compile=xla,
    )


def _own_loss(name: str, logits: bool, smoothing: float) -> keras.losses.Loss:
    function = _imported(name) if ":" in name else _keras_named(keras.losses.get, name, "loss")
    options: dict[str, Any] = {}
    taken = inspect.signature(function).parameters
    if logits and "from_logits" in taken:
        options["from_logits"] = True
    if smoothing:
        if "label_smoothing" not in taken:
            raise ValueError(
                f"label_smoothing is {smoothing:g}, but the loss {name} has no such argument; "
                "leave it out, or use another loss."
            )
        options["label_smoothing"] = smoothing
    if isinstance(function, type):
        return function(**options)
    if isinstance(function, keras.losses.Loss):
        return function if not options else type(function)(**function.get_config() | options)
    return FunctionLoss(functools.partial(function, **options), name.rpartition(":")[2])


def _own_metric(name: str) -> keras.metrics.Metric:
    found = _imported(name) if ":" in name else _keras_named(keras.metrics.get, name, "metric")
    if isinstance(found, type):
        return found()
    called = name.rpartition(":")[2]
    if isinstance(found, keras.metrics.Metric):  # Keras numbers the names of its own
        return type(found).from_config({**found.get_config(), "name": called})
    return keras.metrics.MeanMetricWrapper(found, name=called)


def _keras_named(get: Callable[[str], Any], name: str, kind: str) -> Any:
    try:
        return get(name)
    except ValueError as error:
        raise ValueError(
            f"objective names the {kind} {name!r}, which Keras does not have; give the name of one "
            "in the Keras documentation, or your own as package.module:function."
        ) from error


def _imported(name: str) -> Any:
    module, _, function = name.partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except Exception as error:  # importing runs the user's code
        raise ValueError(
            f"objective names {name!r}, which cannot be imported ({type(error).__name__}: {error})."
        ) from error
