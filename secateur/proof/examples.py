"""A few examples to run a model on: real ones, else such as its inputs can take."""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

COUNT = 4
"""Examples of a proof: enough for masks of different lengths, few enough to cost nothing."""
_SIZES = (16, 33, 64)
"""Tried for axes of open size, the smaller ones first: some networks shrink their inputs away."""


class Examples(NamedTuple):
    """Inputs for a model.

    Attributes:
        x: As the model takes them.
        count: How many examples.
        real: Whether they are the user's; else they were generated.
        gives: What the model gives for them in inference, and the state that it would leave behind.
    """

    x: Any
    count: int  # type: ignore[assignment]
    real: bool
    gives: Any = None


def examples_for(model: keras.Model, data: Any = None) -> Examples | None:
    """The first examples of `data`, or generated ones; None where neither can be had.

    Args:
        model: A built model.
        data: `(x, …)` of arrays, a `tf.data.Dataset` or `PyDataset` of batches, or None.
    """
    candidates = [*_real(data, _batch(model)), *_generated(model)]
    for candidate in candidates:
        with contextlib.suppress(Exception):  # whatever a model raises at what it does not take
            return candidate._replace(gives=outputs(model, candidate.x))
    return None


def outputs(model: keras.Model, x: Any, values: Any = None, training: bool = False) -> Any:
    """What a model gives, and the state that it would leave behind; it is left as it is.

    Args:
        model: A built model.
        x: Inputs.
        values: id of a variable -> the value to take in its place.
        training: The mode.

    Returns:
        Outputs, and the values of `model.non_trainable_variables` after the call.
    """
    own = values or {}
    trained, others = (
        [own.get(id(v), v.value) for v in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    )
    return model.stateless_call(trained, others, x, training=training)


def _batch(model: Any) -> int | None:
    sizes = [x.shape[0] for x in getattr(model, "inputs", None) or () if x.shape]
    return next((size for size in sizes if size), None)


def _real(data: Any, size: int | None) -> list[Examples]:
    """The first examples, as they are and, of a model that is called on several, unpacked."""
    try:
        if isinstance(data, tf.data.Dataset):
            first = next(iter(data.take(1)))
            x = first[0] if isinstance(first, tuple) else first
        elif isinstance(data, keras.utils.PyDataset):
            first = data[0]
            x = first[0] if isinstance(first, tuple) else first
        elif isinstance(data, tuple) and data:
            x = data[0]
        else:
            return []
        count = size or COUNT
        x = keras.tree.map_structure(lambda a: _first(a, count), x)
        if any(map(tf.is_tensor, keras.tree.flatten(x))):  # Keras takes no mixture
            x = keras.tree.map_structure(tf.convert_to_tensor, x)
        number = len(keras.tree.flatten(x)[0])
    except Exception:  # data of a kind that others read, or refuse
        return []
    return [Examples(x, number, True)] if number else []


def _first(array: Any, count: int) -> Any:
    if tf.is_tensor(array):
        return array[:count]
    taken = np.asarray(array[:count])
    return tf.constant(taken.tolist()) if taken.dtype.kind in "OU" else taken


def _generated(model: Any) -> list[Examples]:
    random = np.random.default_rng(0)
    inputs = getattr(model, "inputs", None)
    size = _batch(model) or COUNT
    if inputs:
        structure = getattr(model, "_inputs_struct", None)
        if isinstance(model, keras.Sequential):
            structure = model._functional._inputs_struct
        if structure is None:
            structure = list(inputs)

        def like(n: int) -> Any:
            made = keras.tree.map_structure(lambda x: _like(model, x, size, n, random), structure)
            if any(map(tf.is_tensor, keras.tree.flatten(made))):  # Keras takes no mixture
                made = keras.tree.map_structure(tf.convert_to_tensor, made)
            return made

        return [Examples(like(n), size, False) for n in _SIZES]
    shapes = getattr(model, "_build_shapes_dict", None) or {}
    found = []
    for shape in list(shapes.values())[:1]:
        if shape is None or not all(isinstance(n, int | None) for n in shape):
            continue
        for n in _SIZES:
            sizes = (size, *(n if s is None else s for s in shape[1:]))
            top = _entries(model, None)
            found.append(Examples(random.normal(size=sizes).astype("float32"), size, False))
            found.append(Examples(random.integers(0, top, sizes), size, False))
    return found


def _like(model: Any, x: Any, size: int, open_size: int, random: np.random.Generator) -> Any:
    """Values for an input: text, numbers of entries, flags or floats; some ends are masked."""
    shape = (size, *(open_size if n is None else n for n in x.shape[1:]))
    dtype = keras.backend.standardize_dtype(x.dtype)
    if dtype == "string":
        words = _words(model)
        return tf.constant(random.choice(words, shape).tolist())
    if dtype == "bool":
        return random.random(shape) < 0.7
    top = _entries(model, x)
    if top is not None or "int" in dtype:
        values = random.integers(0, top or 8, shape).astype(dtype)
    else:
        values = random.normal(size=shape).astype("float32")
    masked = _masked_value(model)
    if masked is not None and len(shape) > 1:
        for row in range(1, size):  # the first one is whole
            values[row, shape[1] - row * shape[1] // (2 * size) :] = masked
    return tf.cast(values, dtype) if dtype == "bfloat16" else values.astype(dtype)


def _entries(model: Any, x: Any) -> int | None:
    """How many entries the tables have that an input is looked up in; None: it is in none."""
    readers = _layers(model) if x is None else _readers(model, x)
    tables = [
        getattr(layer, "input_dim", None) or getattr(layer, "num_tokens", None)
        for layer in readers
        if isinstance(layer, keras.layers.Embedding | keras.layers.CategoryEncoding)
    ]
    if not tables and x is not None and "int" in keras.backend.standardize_dtype(x.dtype):
        return _entries(model, None)
    return min((n for n in tables if n), default=None if x is not None else 8)


def _readers(model: Any, x: Any) -> list[Any]:
    """Operations that take a tensor itself."""
    graph = model._functional if isinstance(model, keras.Sequential) else model
    nodes = (node for some in graph._nodes_by_depth.values() for node in some)
    return [n.operation for n in nodes if any(y is x for y in n.input_tensors)]


def _words(model: Any) -> list[str]:
    found: list[str] = ["", "something else"]
    for layer in _layers(model):
        if hasattr(layer, "get_vocabulary"):
            found += [str(word) for word in layer.get_vocabulary()[:64]]
    return found


def _masked_value(model: Any) -> float | None:
    for layer in _layers(model):
        if isinstance(layer, keras.layers.Masking):
            return float(layer.mask_value)
        if getattr(layer, "mask_zero", False):
            return 0.0
    return None


def _layers(model: Any) -> list[Any]:
    return list(model._flatten_layers(include_self=False, recursive=True))
