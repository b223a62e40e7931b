"""What goes into a model's layers in a plain forward pass, and what their weights do with it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from secateur.models.strided import mend

mend()  # before a gradient is taken here

Calls = dict[int, list[list[np.ndarray]]]
"""Id of a layer -> for each of its calls the arrays that went into it."""


def plain_inputs(model: keras.Model, layers: Sequence[Any], x: Any) -> Calls:
    """The inputs of some layers, call by call, when Keras runs the model as it is.

    The cells of recurrent layers are called once more than there are steps, to learn the shape of
    what they give: calls of cells that nothing depends on are left out.

    Args:
        model: The model; it runs in inference mode.
        layers: Layers inside it.
        x: Some examples.
    """
    rnns = [each for each in _inside(model) if isinstance(each, keras.layers.RNN)]
    cells = {id(each) for rnn in rnns for each in (rnn.cell, *_inside(rnn.cell))}
    seen: dict[int, list[tuple[list[np.ndarray], tf.Tensor]]] = {id(layer): [] for layer in layers}
    ends: list[tf.Tensor] = []
    with (
        contextlib.ExitStack() as stack,
        tf.GradientTape(watch_accessed_variables=False) as tape,
    ):
        for layer in layers:
            stack.enter_context(_listening(layer, seen[id(layer)], tape))
        for rnn in rnns:
            stack.enter_context(_ending(rnn, ends))
        model(x, training=False)
        target = tf.add_n([tf.reduce_sum(tf.cast(end, tf.float32)) for end in ends]) if ends else 0
    if not ends:
        return {key: [given for given, _ in calls] for key, calls in seen.items()}
    of_cells = {key: [out for _, out in calls] for key, calls in seen.items() if key in cells}
    reached = tape.gradient(target, of_cells)
    return {
        key: [
            given
            for number, (given, _) in enumerate(calls)
            if key not in cells or reached[key][number] is not None
        ]
        for key, calls in seen.items()
    }


def apart(found: Calls, wanted: Calls) -> dict[int, float]:
    """Id of a layer -> the largest difference of its inputs; infinite where calls differ."""
    return {key: _calls_apart(found.get(key, []), calls) for key, calls in wanted.items()}


def some_gradients(
    model: keras.Model, variables: Mapping[str, keras.Variable], x: Any
) -> dict[str, np.ndarray | None]:
    """Gradient of `some_function` of the model's outputs by each variable: a plain tape."""
    values = [variable.value for variable in variables.values()]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)
        result = some_function(model(x, training=False))
    return {
        path: None if g is None else tf.convert_to_tensor(g).numpy()
        for path, g in zip(variables, tape.gradient(result, values), strict=True)
    }


def some_function(outputs: Any) -> tf.Tensor:
    """Some linear function of a model's outputs in which each number counts differently."""
    rng, total = np.random.default_rng(0), tf.constant(0.0)
    for leaf in tf.nest.flatten(outputs):
        if leaf.dtype.is_floating:
            factors = rng.normal(size=leaf.shape).astype("float32")
            total += tf.reduce_sum(tf.cast(leaf, tf.float32) * factors)
    return total


def _inside(layer: Any) -> Iterator[Any]:
    if isinstance(layer, keras.Layer):
        yield from layer._flatten_layers(include_self=False, recursive=True)


@contextlib.contextmanager
def _listening(layer: Any, seen: list[Any], tape: tf.GradientTape) -> Iterator[None]:
    def listen(given: list[Any], made: Any) -> None:
        output = tf.nest.flatten(made)[0]
        tape.watch(output)
        arrays = [leaf.numpy() for leaf in tf.nest.flatten(given) if isinstance(leaf, tf.Tensor)]
        seen.append((arrays, output))

    with _hooked(layer, listen):
        yield


@contextlib.contextmanager
def _ending(layer: Any, ends: list[tf.Tensor]) -> Iterator[None]:
    with _hooked(layer, lambda _, made: ends.append(tf.nest.flatten(made)[0])):
        yield


@contextlib.contextmanager
def _hooked(layer: Any, hook: Any) -> Iterator[None]:
    before = dict(layer.__dict__)
    original = layer.call

    def call(*args: Any, **kwargs: Any) -> Any:
        made = original(*args, **kwargs)
        leaves = [x for x in tf.nest.flatten([args, kwargs, made]) if isinstance(x, tf.Tensor)]
        if all(hasattr(leaf, "numpy") for leaf in leaves):  # inside a graph they are symbols
            hook([*args, *kwargs.values()], made)
        return made

    layer.__dict__["call"] = call
    try:
        yield
    finally:
        if "call" in before:
            layer.__dict__["call"] = before["call"]
        else:
            del layer.__dict__["call"]


def _calls_apart(found: list[list[np.ndarray]], wanted: list[list[np.ndarray]]) -> float:
    if len(found) != len(wanted):
        return np.inf
    worst = 0.0
    for ours, theirs in zip(found, wanted, strict=True):
        if [a.shape for a in ours] != [a.shape for a in theirs]:
            return np.inf
        for a, b in zip(ours, theirs, strict=True):
            a, b = a.astype(np.float64), b.astype(np.float64)
            size = np.abs(b[np.isfinite(b)]).max(initial=0.0) or 1.0
            with np.errstate(invalid="ignore"):
                difference = np.where(a == b, 0.0, np.abs(a - b))
            difference[np.isnan(a) & np.isnan(b)] = 0.0
            worst = max(worst, float(np.nan_to_num(difference, nan=np.inf).max(initial=0)) / size)
    return worst
