"""What layers hold beside their configuration: moved from a model to one of the same make."""

from __future__ import annotations

import types
from collections.abc import Callable, Container
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from secateur.graph.attributes import from_keras, keras_names, move_attributes
from secateur.graph.pairing import Pairs

Value = Callable[[Any], Any]
"""Function of an old variable: the array that its partner is to hold."""


def move_state(
    pairs: Pairs, value: Value | None = None, changed: Container[int] = frozenset()
) -> None:
    """Gives the new model's layers the names, flags and all state of the old one's.

    Weights, buffers, seeds, tables, adapted statistics, and of layers of a user's own their plain
    attributes too, which their configuration need not tell.

    Args:
        pairs: What belongs to what.
        value: What a variable holds after the move; by default what it holds now.
        changed: ids of old layers whose configuration changed: their attributes stay as made.
    """
    for old, new in pairs.layers.values():
        _move_names(old, new)
        if isinstance(old, keras.Layer):
            _move_own(old, new, id(old) in changed)
    for old, new in pairs.variables.values():
        new.assign(keras.ops.convert_to_tensor(old) if value is None else value(old))
        if isinstance(old, keras.Variable):
            new.trainable = old.trainable
            # Keras names a weight after the scopes it was made in, and numbers those unnamed.
            new._path, new._name = old.path, old.name
    for old, new in pairs.layers.values():
        _finish(old, new)


def _move_names(old: Any, new: Any) -> None:
    if not hasattr(old, "name"):
        return
    new.name = old.name
    if hasattr(old, "output_names") and len(old.output_names) == len(new.output_names):
        new.output_names = list(old.output_names)
    if isinstance(old, keras.Layer):
        new._trainable = old._trainable
        new.supports_masking = old.supports_masking


def _move_own(old: Any, new: Any, changed: bool) -> None:
    """Functions as they are; of a user's own class also plain values and what it saves itself."""
    for name, value in vars(old).items():
        own = isinstance(value, types.FunctionType) and name not in keras_names()
        if own and hasattr(new, name):
            setattr(new, name, value)
    if not changed:
        move_attributes(old, new)
    if isinstance(old, keras.Model) or from_keras(old):
        return
    if not from_keras(type(old).save_own_variables):
        store: dict[str, Any] = {}
        old.save_own_variables(store)
        new.load_own_variables({k: keras.ops.convert_to_numpy(v) for k, v in store.items()})


def _finish(old: Any, new: Any) -> None:
    """What layers compute from their state, and state that is no variable."""
    if isinstance(old, keras.layers.Normalization):
        new.finalize_state()
    elif isinstance(old, keras.layers.Discretization):
        new.summary = np.array(old.summary)
    elif hasattr(old, "lookup_table") and hasattr(old, "set_vocabulary"):
        _move_table(old, new)
    elif not from_keras(old) and hasattr(old, "finalize_state"):
        new.finalize_state()


def _move_table(old: Any, new: Any) -> None:
    """The vocabulary of a lookup and the weights of its entries."""
    vocabulary = old.get_vocabulary(include_special_tokens=False)
    if len(vocabulary):
        weighted = old.output_mode == "tf_idf"
        new.set_vocabulary(vocabulary, np.zeros(len(vocabulary)) if weighted else None)
        if weighted:
            new.idf_weights = tf.Variable(old.idf_weights, trainable=False)
            new.idf_weights_const = new.idf_weights.value()
