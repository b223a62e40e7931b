"""Compile settings and the optimizer's state of a model that was cut."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

logger = logging.getLogger(__name__)


def copy_compilation(
    old: Any, new: Any, slices: Mapping[int, Callable[[np.ndarray], np.ndarray]]
) -> None:
    """Compiles the new model as the old one was.

    Losses, loss weights, metrics and all other settings are the same; metrics start empty. The
    optimizer is a new one with the same settings, learning rate and step count. Its state (momenta
    and the like) is cut with the weights where each of its variables has the shape of a weight, as
    in SGD, Adam, AdamW, RMSprop, Lion and Nadam. In optimizers that keep something else (Adafactor,
    Muon) the state starts anew, and the log says so.

    Args:
        old: The original model, compiled or not.
        new: The cut model.
        slices: id of each weight of the old model -> function that cuts an array of its shape.
    """
    if not getattr(old, "compiled", False) or not hasattr(old, "_compile_config"):
        return
    settings = dict(old._compile_config.config)
    optimizer = settings.pop("optimizer", None)
    for key in ("metrics", "weighted_metrics"):
        settings[key] = keras.tree.map_structure(_fresh_metric, settings.get(key))
    if isinstance(old.optimizer, keras.optimizers.Optimizer):
        optimizer = type(old.optimizer).from_config(old.optimizer.get_config())
    new.compile(optimizer=optimizer, **settings)
    if isinstance(old.optimizer, keras.optimizers.Optimizer):
        _copy_state(old, new, slices)


def _fresh_metric(metric: Any) -> Any:
    if isinstance(metric, keras.metrics.Metric):
        return type(metric).from_config(metric.get_config())
    return metric


def _copy_state(old: Any, new: Any, slices: Mapping[int, Callable]) -> None:
    source, target = old.optimizer, new.optimizer
    if not source.built:
        return
    target.build(new.trainable_variables)
    values: list[np.ndarray] = []
    follows = True
    names = {v.path.replace("/", "_"): v for v in old.trainable_variables}
    for before in source.variables:
        value = keras.ops.convert_to_numpy(before.value)
        if value.ndim:
            owner = slot_owner(before.name, names)
            if owner is None or tuple(owner.shape) != value.shape:
                follows = False
                break
            if id(owner) not in slices:
                continue  # the layer is gone
            value = slices[id(owner)](value)
        values.append(value)
    shapes = [tuple(after.shape) for after in target.variables]
    if follows and [value.shape for value in values] == shapes:
        for variable, value in zip(target.variables, values, strict=True):
            variable.assign(value)
        return
    logger.warning(
        "The state of the optimizer %s cannot be cut with the weights; it starts anew.",
        type(source).__name__,
    )
    target.iterations.assign(source.iterations)
    if not isinstance(source._learning_rate, keras.optimizers.schedules.LearningRateSchedule):
        target.learning_rate.assign(source.learning_rate)


def slot_owner(slot: str, names: Mapping[str, Any]) -> Any:
    """The weight that a slot belongs to: Keras puts the weight's path before the slot's name."""
    best = max((n for n in names if slot.startswith(n + "_")), key=len, default=None)
    return None if best is None else names[best]
