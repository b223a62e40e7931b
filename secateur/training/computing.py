"""Precision and devices of a training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf

from secateur.models.weights import flat_layers
from secateur.training.compute_config import ComputeConfig


def on_devices(config: ComputeConfig, setting: str) -> contextlib.AbstractContextManager:
    """Where a model is built or loaded that is trained as `config` says.

    Args:
        config: How the training computes.
        setting: What the user calls it, for the message.

    Raises:
        ValueError: One sentence: there are fewer devices.
    """
    if config.devices == 1:
        return contextlib.nullcontext()
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(found) < config.devices:
        kind = found[0].device_type
        raise ValueError(
            f"{setting}.devices is {config.devices}, but TensorFlow sees {len(found)} {kind}"
            f"{'' if len(found) == 1 else 's'} here; give at most that."
        )
    names = [device.name for device in found[: config.devices]]
    return tf.distribute.MirroredStrategy(names).scope()


@contextlib.contextmanager
def in_precision(model: keras.Model, config: ComputeConfig) -> Iterator[None]:
    """Lets the layers of a built model compute in `config.precision`; its weights stay as they are.

    Layers whose outputs are the model's go on in their own precision, so that losses are exact.
    At the end every layer has its own policy again: a saved model is the same whatever trained it.
    """
    if config.precision == "float32":
        yield
        return
    policy = keras.DTypePolicy(config.precision)
    last = {id(layer) for layer in _outputs(model)}
    changed = []
    for layer in (model, *flat_layers(model)):
        if id(layer) not in last and layer.dtype_policy.name == "float32":
            changed.append((layer, layer.dtype_policy))
            layer.dtype_policy = policy
    try:
        yield
    finally:
        for layer, before in changed:
            layer.dtype_policy = before
        model.train_function = model.test_function = model.predict_function = None


def _outputs(model: keras.Model) -> list[keras.Layer]:
    try:
        return [tensor._keras_history.operation for tensor in model.outputs]
    except (AttributeError, TypeError):  # a subclassed model has no graph
        return list(model.layers[-1:])
