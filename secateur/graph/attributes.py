"""Plain attributes of layers: what a user's own class keeps beside its configuration."""

from __future__ import annotations

import copy
import functools
import types
from typing import Any

import keras
import numpy as np
import tensorflow as tf

OWN_STEPS = ("train_step", "test_step", "compute_loss")
"""Methods of `keras.Model` by which a class trains or measures in a way of its own."""


def from_keras(obj: Any) -> bool:
    """Whether an object is of a class, or a function, of Keras itself."""
    module = getattr(obj, "__module__", None) or type(obj).__module__
    return module.partition(".")[0] == "keras"


def move_attributes(old: Any, new: Any, *, arrays: bool = False) -> None:
    """Gives a layer of a user's own class the plain attributes of another one.

    Args:
        old: Any layer; of Keras's own classes nothing is moved.
        new: One of the same class.
        arrays: Only arrays, such as what an `adapt` found; all else may say that a layer is built.
    """
    if from_keras(old):
        return
    for name, value in vars(old).items():
        array = isinstance(value, np.ndarray) or tf.is_tensor(value)
        if name not in keras_names() and _is_plain(value) and (array or not arrays):
            setattr(new, name, copy.deepcopy(value))


def _is_plain(value: Any) -> bool:
    """Numbers, text, arrays, and containers of them."""
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(_is_plain, value))
    if tf.is_tensor(value):
        variable = isinstance(value, keras.Variable | tf.Variable)
        return hasattr(value, "numpy") and not variable
    plain = (int, float, complex, str, bytes, bool, np.ndarray, np.generic, types.NoneType)
    return isinstance(value, plain)


@functools.cache
def keras_names() -> frozenset[str]:
    """Attributes that Keras itself gives to layers and models."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    graph = keras.Model(model.inputs, model.outputs)
    names = {name for x in (model, graph, keras.layers.Layer()) for name in vars(x)}
    return frozenset(names | {"history", "stop_training"})


def own_steps(cls: type) -> list[str]:
    """Which of `OWN_STEPS` a class of models has that is not Keras's."""
    return [name for name in OWN_STEPS if not from_keras(getattr(cls, name))]
