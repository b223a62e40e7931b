"""Compile settings and the optimizer's state of a model that was copied or cut."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from secateur.graph.building import own_code
from secateur.graph.pairing import Pairs, UnlikeError

logger = logging.getLogger(__name__)

Slices = Mapping[int, Callable[[np.ndarray], np.ndarray]]
"""id of each weight of the old model -> function that cuts an array of its shape."""


def copy_compilation(old: Any, new: Any, pairs: Pairs, slices: Slices | None = None) -> None:
    """Compiles the new model as the old one was.

    Losses, loss weights, metrics and all other settings are the same; metrics start empty. The
    optimizer is a new one with the same settings and learning rate, weights that are excluded from
    weight decay included. With `slices` it has the step count and the state (momenta and the like)
    too, cut with the weights where each of its variables has the shape of a weight, as in SGD,
    Adam, AdamW, RMSprop, Lion and Nadam. In optimizers that keep something else (Adafactor, Muon)
    the state starts anew, and the log says so.

    Args:
        old: The original model, compiled or not.
        new: The new model.
        pairs: Which variable of the one is which of the other.
        slices: How state is cut; None for a fresh optimizer.

    Raises:
        UnlikeError: One clause: the class compiles in a way of its own that Keras cannot repeat,
            or a metric or optimizer cannot be made again.
    """
    if not getattr(old, "compiled", False) or not hasattr(old, "_compile_config"):
        return
    cls = type(old)
    if cls.compile is not keras.Model.compile:
        if cls.compile_from_config is keras.Model.compile_from_config:
            raise UnlikeError(
                f"{cls.__name__} has a compile() of its own, but no get_compile_config() and "
                "compile_from_config() by which it could be repeated"
            )
        with own_code(old):
            new.compile_from_config(old.get_compile_config())
        return
    settings = dict(old._compile_config.config)
    with own_code(old):
        for key in ("metrics", "weighted_metrics"):
            settings[key] = keras.tree.map_structure(_fresh_metric, settings.get(key))
        settings["optimizer"] = fresh_optimizer(old.optimizer, pairs)
    for key in ("loss", "metrics", "weighted_metrics"):
        settings[key] = keras.tree.map_structure(lambda f: _rebound(f, old, new), settings[key])
    new.compile(**settings, auto_scale_loss=False)  # an optimizer that scales is one already
    if slices is not None and isinstance(old.optimizer, keras.optimizers.Optimizer):
        _copy_state(old, new, slices)


def fresh_optimizer(optimizer: Any, pairs: Pairs) -> Any:
    """An optimizer with the same settings for the new model's variables, and without state.

    Args:
        optimizer: That of the old model; what is no Keras optimizer is handed on.
        pairs: Which variable of the old model is which of the new one.
    """
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        return optimizer
    config = optimizer.get_config()
    schedule = getattr(optimizer, "_learning_rate", None)
    if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        config["learning_rate"] = schedule  # it has no state
    try:
        fresh = type(optimizer).from_config(config)
    except Exception as error:  # whatever a user's own class raises
        raise UnlikeError(
            f"the optimizer {type(optimizer).__name__} cannot be made again from its get_config()"
        ) from error
    _copy_exclusions(optimizer, fresh, pairs)
    return fresh


def _copy_exclusions(old: Any, fresh: Any, pairs: Pairs) -> None:
    """Which weights do not decay: kept by the identity of variables, and by names."""
    if hasattr(old, "inner_optimizer"):
        _copy_exclusions(old.inner_optimizer, fresh.inner_optimizer, pairs)
    excluded = getattr(old, "_exclude_from_weight_decay", ())
    partners = [
        new
        for variable, new in pairs.variables.values()
        if isinstance(variable, keras.Variable) and old._var_key(variable) in excluded
    ]
    pattern = getattr(old, "_exclude_from_weight_decay_pattern", None)
    if partners or pattern is not None:
        fresh.exclude_from_weight_decay(partners, [pattern.pattern] if pattern else None)


def _fresh_metric(metric: Any) -> Any:
    if not isinstance(metric, keras.metrics.Metric):
        return metric
    try:
        return type(metric).from_config(metric.get_config())
    except Exception as error:  # whatever a user's own class raises
        raise UnlikeError(
            f"the metric {metric.name!r} ({type(metric).__name__}) cannot be made again from its "
            "get_config()"
        ) from error


def _rebound(function: Any, old: Any, new: Any) -> Any:
    """A method of the old model as that of the new one."""
    if getattr(function, "__self__", None) is old:
        return getattr(new, function.__name__)
    return function


def _copy_state(old: Any, new: Any, slices: Slices) -> None:
    source, target = old.optimizer, new.optimizer
    if not source.built:
        return
    target.build(new.trainable_variables)
    values: dict[str, np.ndarray] = {}
    own: list[np.ndarray] = []
    follows = True
    names = {v.path.replace("/", "_"): v for v in old.trainable_variables}
    for before in source.variables:
        value = keras.ops.convert_to_numpy(before.value)
        owner = slot_owner(before.name, names)
        if owner is None:
            # Counters and products; Keras numbers their names through the whole process.
            own.append(value)
            continue
        if id(owner) not in slices:
            continue  # the layer is gone
        if value.ndim:
            if tuple(owner.shape) != value.shape:
                follows = False
                break
            value = slices[id(owner)](value)
        follows &= before.name not in values
        values[before.name] = value
    # The new weights have the paths of the old ones, so that their slots have the same names.
    slots = {after.name: after for after in target.variables if after.name in values}
    others = [after for after in target.variables if after.name not in values]
    pairs = [(slots[name], value) for name, value in values.items() if name in slots]
    follows &= len(slots) == len(values) and len(slots) + len(others) == len(target.variables)
    follows &= len(others) == len(own)
    pairs += zip(others, own, strict=False)
    if follows and all(tuple(after.shape) == value.shape for after, value in pairs):
        for after, value in pairs:
            after.assign(value)
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
