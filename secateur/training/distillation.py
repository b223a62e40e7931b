"""Distillation: a model learns from another one as well as from labels."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import keras
import tensorflow as tf

from secateur.training.distill_config import DistillConfig
from secateur.training.joint import Goal
from secateur.training.objective import Objective


class Taught(keras.Model):
    """A model in training whose loss also compares it with a teacher.

    `(1 - weight) · loss + weight · T² · KL(teacher ‖ model) + features · Σ mean((t - s)²)`, where
    the divergence is that of softmax(logits / T), for yes or no of the sigmoid, and in a
    regression the mean of the squared difference stands in its place. Of several outputs these are
    added up by the weights of their losses. Regularisation counts in full. The validation loss is
    that of the labels alone.

    The losses are those of `keras.distillation`. Its `Distiller` is not used: it leaves out class
    weights and regularisation, runs the model twice where features are compared, counts the
    teacher among the weights, and takes probabilities for logits.

    Source: Hinton et al. 2015, "Distilling the knowledge in a neural network"; Romero et al. 2015,
    "FitNets".

    Args:
        student: The model to train; its weights are the only ones here.
        teacher: A model of the same inputs and outputs; it stays as it is.
        config: The weights, the temperature, and the layers whose outputs are compared.
        objective: What both are for.

    Raises:
        ValueError: One sentence: there are no layers whose outputs could be compared.
    """

    def __init__(
        self,
        student: keras.Model,
        teacher: keras.Model,
        config: DistillConfig,
        objective: Goal,
    ) -> None:
        super().__init__(name="taught")
        self.student = student
        self._config = config
        names = _compared(student, teacher, config) if config.features else ()
        # Behind functions, Keras does not track them as part of this model.
        run_student, run_teacher = _with_features(student, names), _with_features(teacher, names)
        self._run_student = lambda x, training: run_student(x, training=training)
        self._run_teacher = lambda x: run_teacher(x, training=False)
        self._pair = (student, teacher).__getitem__
        parts = [(part, _distance(part.objective, config)) for part in objective.parts]
        self._parts = lambda: parts
        self._features: tuple = ()

    def call(self, x: Any, training: bool = False) -> Any:
        if not training:
            return self.student(x, training=False)
        given, *self._features = self._run_student(x, True)
        return given

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not training:
            return loss
        # Keras's losses are means of one device's share, divided by this: all devices add up.
        devices = tf.distribute.get_strategy().num_replicas_in_sync
        given, *features = self._run_teacher(x)
        weight = self._config.weight
        if weight:
            apart = self._apart(given, y_pred, devices)
            terms = [self._aggregate_additional_loss(term) for term in self.losses]
            loss = (1 - weight) * loss + weight * (sum(terms) + tf.cast(apart, loss.dtype))
        for theirs, own in zip(features, self._features, strict=True):
            difference = tf.cast(theirs, tf.float32) - tf.cast(own, tf.float32)
            loss += self._config.features * tf.reduce_mean(tf.square(difference)) / devices
        return loss

    def _apart(self, theirs: Any, own: Any, devices: int) -> Any:
        """How far the answers of both are apart, as a share of one device."""
        student, teacher = self._pair(0), self._pair(1)
        total = 0.0
        for part, distance in self._parts():
            apart = distance.compute_loss(
                part.objective.logits(teacher, part.pick(theirs)),
                part.objective.logits(student, part.pick(own)),
            )
            # The divergence is one of Keras's losses.
            total += part.weight * (apart if part.objective.labels else apart / devices)
        return total


def _distance(objective: Objective, config: DistillConfig) -> Any:
    if not objective.labels:
        return keras.distillation.LogitsDistillation(1.0, loss="mse")
    # By its name, the divergence would be taken of the logits themselves (Keras 3.15).
    divergence = keras.losses.KLDivergence()
    return keras.distillation.LogitsDistillation(config.temperature, divergence)


def taught_by(
    teacher: keras.Model | None, config: DistillConfig, objective: Goal
) -> Callable[[keras.Model], keras.Model] | None:
    """What goes around a model in `fit` so that `teacher` teaches it; None without a teacher."""
    if teacher is None or not config.used:
        return None
    return lambda student: Taught(student, teacher, config, objective)


def _with_features(model: keras.Model, names: tuple[str, ...]) -> Any:
    """A function that gives a list: what `model` gives, and the outputs of some of its layers."""
    if not names:
        return lambda x, training: [model(x, training=training)]
    inside = _outputs(model)
    inputs = model.inputs[0] if len(model.inputs) == 1 else model.input
    given = model.outputs[0] if len(model.outputs) == 1 else model.output
    return keras.Model(inputs, [given, *(inside[name] for name in names)])


def _compared(student: keras.Model, teacher: keras.Model, config: DistillConfig) -> tuple[str, ...]:
    """Names of the layers that both models have, with outputs of one shape."""
    theirs, own = _outputs(teacher), _outputs(student)
    last = list(own)[-1:]
    chosen = [
        name
        for name, output in own.items()
        if name in theirs
        and tuple(theirs[name].shape) == tuple(output.shape)
        and (
            any(fnmatchcase(name, glob) for glob in config.layers)
            if config.layers
            else name not in last
        )
    ]
    if not chosen:
        wanted = f"that match {', '.join(config.layers)}" if config.layers else "inside"
        raise ValueError(
            f"fine_tune.distill.features is {config.features:g}, but the dense and the pruned "
            f"model have no layers {wanted} whose outputs have the same shape; leave it out."
        )
    return tuple(chosen)


def _outputs(model: keras.Model) -> dict[str, keras.KerasTensor]:
    """What each layer gives that has weights, is called once and gives one tensor, by its name."""
    graph = getattr(model, "_functional", None) or model  # of a Sequential
    found: dict[str, list[Any]] = {}
    levels = getattr(graph, "_nodes_by_depth", {})  # none of a subclassed model
    for depth in sorted(levels, reverse=True):
        for node in levels[depth]:
            if isinstance(node.operation, keras.Layer) and node.operation.weights:
                found.setdefault(node.operation.name, []).extend(node.outputs)
    return {name: outputs[0] for name, outputs in found.items() if len(outputs) == 1}
