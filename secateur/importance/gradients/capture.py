"""Watches a model's forward pass: what goes into each layer, and where its gradient is needed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from secateur.models.weights import flat_layers

_ACTIVATIONS = ("activation", "recurrent_activation")


class Call:
    """One call of one layer.

    Attributes:
        layer: The layer.
        arguments: What it was called with, its own defaults left out.
        output: What it returned.
        watched: For each activation in the order it ran: (attribute, its input, its output). For
            a layer without one, its output stands for both.
        deltas: Gradient of the summed losses with respect to each watched input; zeros where
            nothing depends on it. Set by the engine after the backward pass.
    """

    def __init__(self, layer: keras.Layer, arguments: list[Any]):
        self.layer = layer
        self.arguments = arguments
        self.output: Any = None
        self.watched: list[tuple[str, tf.Tensor, tf.Tensor]] = []
        self.deltas: list[tf.Tensor] = []

    @property
    def x(self) -> tf.Tensor:
        """The first argument."""
        return self.arguments[0]

    def delta_of(self, activation: str, time: int) -> tf.Tensor:
        """Gradient with respect to the input of an activation, the `time`-th it ran."""
        return self.deltas[self._index(activation, time)]

    def output_of(self, activation: str, time: int) -> tf.Tensor:
        """Output of an activation, the `time`-th it ran."""
        return self.watched[self._index(activation, time)][2]

    def _index(self, activation: str, time: int) -> int:
        return [i for i, entry in enumerate(self.watched) if entry[0] == activation][time]


class Capture:
    """Records the calls of some layers while a model runs eagerly.

    Use `with capture.installed():` around the forward passes; `capture.tape` is the tape that
    shall watch, `capture.calls` what was recorded since it was last emptied. With
    `capture.handle`, a function, each call is handed over at once and not kept.

    Args:
        model: Any built Keras model.
        layers: The layers (or raw operations) to record.
        outputs: Whether to watch what the layers return rather than the inputs of their
            activations.
    """

    def __init__(self, model: keras.Model, layers: list[Any], *, outputs: bool = False):
        self.model = model
        self.layers = layers
        self.outputs = outputs
        self.calls: list[Call] = []
        self.tape: tf.GradientTape | None = None
        self.handle: Callable[[Call], None] | None = None
        self._muted = 0

    @contextlib.contextmanager
    def installed(self) -> Iterator[Capture]:
        """Puts the recording in place, and takes it out again."""
        with contextlib.ExitStack() as stack:
            for layer in self.layers:
                self._record(layer, stack)
            for layer in flat_layers(self.model):
                if getattr(layer, "use_cudnn", False):  # the fused kernel hides its steps
                    stack.enter_context(_attribute(layer, "use_cudnn", False))
                if isinstance(layer, keras.layers.RNN) and not layer.unroll:
                    self._skip_probe(layer, stack)
            yield self

    def _skip_probe(self, layer: keras.layers.RNN, stack: contextlib.ExitStack) -> None:
        """Leaves out the steps that Keras runs before its loop, to learn the shape of its output.

        (Unrolled it would not run the last of them, but unrolled some layers compute something else
        under a mask.)
        """
        loop, cell, before = layer.inner_loop, layer.cell, layer._maybe_config_dropout_masks
        step = cell.call
        probing: list[bool] = []

        def inner_loop(*args: Any, **kwargs: Any) -> Any:
            probing.append(True)
            try:
                return loop(*args, **kwargs)
            finally:
                probing.pop()

        def call(*args: Any, **kwargs: Any) -> Any:
            if not probing or not probing[-1]:
                return step(*args, **kwargs)
            probing[-1] = False
            return muted(step, *args, **kwargs)

        def muted(function: Any, *args: Any, **kwargs: Any) -> Any:
            self._muted += 1
            try:
                return function(*args, **kwargs)
            finally:
                self._muted -= 1

        dropout = partial(muted, before)
        stack.enter_context(_attribute(layer, "_maybe_config_dropout_masks", dropout))
        stack.enter_context(_attribute(layer, "inner_loop", inner_loop))
        stack.enter_context(_attribute(cell, "call", call))

    def _record(self, layer: keras.Layer, stack: contextlib.ExitStack) -> None:
        original = layer.call
        running: list[Call] = []

        def call(*args: Any, **kwargs: Any) -> Any:
            if self._muted:
                return original(*args, **kwargs)
            record = Call(layer, [*args, *kwargs.values()])
            running.append(record)
            try:
                output = original(*args, **kwargs)
            finally:
                running.pop()
            if not self._visible([record.arguments[0], output]):
                return output
            if self.outputs or not record.watched:
                result = tf.nest.flatten(output)[0]
                self._watch(result)
                record.watched.append(("", result, result))
            record.output = output
            if self.handle is None:
                self.calls.append(record)
            else:
                self.handle(record)
            return output

        def activation(name: str, function: Any) -> Any:
            def watched(z: Any, *args: Any, **kwargs: Any) -> Any:
                if self._muted or not running or not self._visible([z]):
                    return function(z, *args, **kwargs)
                record = running[-1]
                self._watch(z)
                output = function(z, *args, **kwargs)
                record.watched.append((name, z, output))
                return output

            return watched

        stack.enter_context(_attribute(layer, "call", call))
        if self.outputs:
            return
        for name in _ACTIVATIONS:
            function = layer.__dict__.get(name)
            if function is not None:
                stack.enter_context(_attribute(layer, name, activation(name, function)))

    def _watch(self, value: tf.Tensor) -> None:
        if self.tape is not None:
            self.tape.watch(value)

    @staticmethod
    def _visible(values: list[Any]) -> bool:
        """Whether these are values; inside a `tf.function` they are only symbols."""
        return all(hasattr(leaf, "numpy") for leaf in tf.nest.flatten(values))


@contextlib.contextmanager
def _attribute(layer: keras.Layer, name: str, value: Any) -> Iterator[None]:
    """Sets an instance attribute behind Keras's tracking, and restores what was there."""
    missing = object()
    before = layer.__dict__.get(name, missing)
    layer.__dict__[name] = value
    try:
        yield
    finally:
        if before is missing:
            layer.__dict__.pop(name, None)
        else:
            layer.__dict__[name] = before
