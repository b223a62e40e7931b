"""What a model gives: logits or probabilities, and the way from one to the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import keras

Given = Literal["logits", "softmax", "sigmoid"]


def gives(model: keras.Model) -> Given:
    """Probabilities where the last operation is a softmax or a sigmoid; any other gives logits."""
    try:
        operation = model.outputs[0]._keras_history.operation
    except (AttributeError, IndexError, TypeError):  # a subclassed model has no graph
        operation = model.layers[-1] if model.layers else model
    if isinstance(operation, keras.Model) and operation is not model:
        return gives(operation)
    activation = getattr(operation, "activation", None)
    kind = type(operation).__name__
    if kind == "Softmax" or activation is keras.activations.softmax:
        return "softmax"
    if kind == "Sigmoid" or activation is keras.activations.sigmoid:
        return "sigmoid"
    return "logits"


def probabilities(kind: str) -> Callable[[Any], Any]:
    """The function that makes probabilities of logits: `softmax` or `sigmoid`."""
    return {"softmax": keras.ops.softmax, "sigmoid": keras.ops.sigmoid}[kind]


def to_logits(given: Any, kind: Given, *, pair: bool) -> Any:
    """Logits over a last axis of classes.

    Args:
        given: What a model gave.
        kind: What that is; see `gives`.
        pair: Whether each value is a yes or no: it becomes the pair of the logits `(z, 0)`.
    """
    if kind != "logits":
        given = keras.ops.clip(keras.ops.cast(given, "float32"), 1e-7, 1 - 1e-7)
        given = keras.ops.log(given) if not pair else keras.ops.log(given / (1 - given))
    return keras.ops.stack([given, keras.ops.zeros_like(given)], axis=-1) if pair else given
