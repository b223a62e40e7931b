"""Forward and backward passes of one batch, and the terms of the weights that they give."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from secateur.importance.data import Batch
from secateur.importance.gradients.capture import Call, Capture
from secateur.importance.gradients.forms import TRANSPOSED, Form, form_of
from secateur.importance.gradients.terms import Term
from secateur.importance.run import Run
from secateur.models.weights import flat_layers

# Examples of a trial batch: few, and a number that is unlikely to be the size of another axis.
TRIAL = 7
# Bytes of layers' inputs and outputs that a batch of the chosen size may hold, and its limit.
_BATCH_BYTES = 1 << 26
_BATCH_LIMIT = 4096


class Passes:
    """Runs the model of a `Run` and hands back the terms of its weights.

    Use inside `with passes.installed():`.
    """

    def __init__(self, run: Run):
        self._run = run
        self._forms: dict[int, Form] = {}
        self._wanted = {id(weight.variable) for weight in run.weights}
        layers = []
        for layer in flat_layers(run.model):
            form = form_of(layer)
            if form is not None and any(id(v) in self._wanted for v in layer.weights):
                self._forms[id(layer)] = form
                layers.append(layer)
        self._capture = Capture(run.model, layers)
        self.installed = self._capture.installed

    def batch_size(self, calls: list[Call], examples: int, *, streamed: bool = False) -> int:
        """How many examples to run at a time, going by what a few of them took."""
        return self._run.batch_size or fitting_batch(calls, examples, streamed=streamed)

    def forward(self, batch: Batch) -> list[Call]:
        """Runs the model. The calls' deltas are stand-ins that have the right shape."""
        calls: list[Call] = []
        self.stream(batch, calls.append)
        return calls

    def stream(self, batch: Batch, handle: Callable[[Call], None]) -> None:
        """Runs the model and hands over each call once it is made, with stand-ins as deltas."""
        self.watch(lambda: self._run.model(batch.x, training=False), handle)

    def watch(self, function: Callable[[], Any], handle: Callable[[Call], None]) -> Any:
        """Does the same with a function that runs the model or a part of it; gives its result."""

        def complete(call: Call) -> None:
            # Ones: what a transposed convolution's kernel sees of them is where it counts.
            call.deltas = [
                tf.ones_like(z) if isinstance(call.layer, TRANSPOSED) else z
                for _, z, _ in call.watched
            ]
            handle(call)

        self._capture.tape, self._capture.handle = None, complete
        try:
            return function()
        finally:
            self._capture.handle = None

    def backward(
        self, batch: Batch, variables: list[keras.Variable]
    ) -> tuple[list[Call], list[Any]]:
        """Runs the model and its loss, forward and backward.

        Returns:
            The calls with their deltas, and the gradient of the summed losses with respect to
            each of `variables`, None where nothing depends on it.
        """
        run = self._run

        def loss(predictions: Any) -> tf.Tensor:
            return tf.reduce_sum(run.losses(batch.y, predictions, batch.weights))

        return self._differentiate(batch, loss, variables)

    def gradients(
        self, batch: Batch, function: Callable[[Any], tf.Tensor]
    ) -> tuple[list[Call], list[Any]]:
        """Does the same with any function of the model's outputs; not to be called inside."""
        with self.installed():
            return self._differentiate(batch, function, [])

    def _differentiate(
        self, batch: Batch, loss_of: Callable[[Any], tf.Tensor], variables: list[keras.Variable]
    ) -> tuple[list[Call], list[Any]]:
        capture = self._capture
        capture.calls = []
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            capture.tape = tape
            tape.watch([v.value for v in variables])
            predictions = self._run.model(batch.x, training=False)
            loss = loss_of(predictions)
        calls, capture.calls, capture.tape = capture.calls, [], None
        points = [[z for _, z, _ in call.watched] for call in calls]
        gradients, plain = tape.gradient(loss, (points, [v.value for v in variables]))
        for call, deltas, watched in zip(calls, gradients, points, strict=True):
            call.deltas = [
                tf.zeros_like(z) if delta is None else tf.convert_to_tensor(delta)
                for delta, z in zip(deltas, watched, strict=True)
            ]
        return calls, plain

    def terms(self, calls: list[Call]) -> dict[int, list[Term]]:
        """The terms of each weight's variable, by its id."""
        terms: dict[int, list[Term]] = defaultdict(list)
        for call in calls:
            for name, term in self._forms[id(call.layer)](call.layer, call).items():
                key = id(getattr(call.layer, name))
                if key in self._wanted:
                    terms[key].append(term)
        return terms


def fitting_batch(calls: list[Call], examples: int, *, streamed: bool = False) -> int:
    """How many examples to run at a time, so that what the layers hold stays bounded.

    Args:
        calls: The calls of a trial.
        examples: Its examples.
        streamed: Whether one call at a time is held, and not all of them.
    """
    held = [_bytes(call.arguments) + _bytes(call.output) for call in calls]
    most = max(held, default=0) if streamed else sum(held)
    return max(1, min(_BATCH_BYTES * examples // max(1, most), _BATCH_LIMIT))


def _bytes(values: Any) -> int:
    return sum(
        leaf.shape.num_elements() * leaf.dtype.size
        for leaf in tf.nest.flatten(values)
        if isinstance(leaf, tf.Tensor)
    )
