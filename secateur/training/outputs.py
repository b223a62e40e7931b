"""What a model gives: logits or probabilities, and the way from one to the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import keras

Given = Literal["logits", "softmax", "sigmoid"]


def gives(model: keras.Model, output: str | None = None) -> Given:
    """Probabilities where the last operation is a softmax or a sigmoid; any other gives logits.

    Args:
        model: A built model.
        output: Which of several outputs, by its name; None for the only one.
    """
    try:
        tensor = model.outputs[0] if output is None else model.output[output]
        operation, place = tensor._keras_history.operation, tensor._keras_history.tensor_index
    except (AttributeError, IndexError, KeyError, TypeError):  # a subclassed model has no graph
        operation, place = model.layers[-1] if model.layers else model, 0
    while isinstance(operation, keras.Model) and operation is not model and operation.outputs:
        history = operation.outputs[place]._keras_history
        operation, place = history.operation, history.tensor_index
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
