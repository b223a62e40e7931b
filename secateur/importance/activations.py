"""What each output unit of a layer puts out, and how the loss depends on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from secateur.importance.data import Batch
from secateur.importance.gradients.capture import Call, Capture
from secateur.importance.gradients.forms import einsum_axes, form_of
from secateur.importance.gradients.passes import TRIAL, fitting_batch
from secateur.importance.run import Run
from secateur.importance.units import head_layers
from secateur.models.weights import PrunableWeight, flat_layers
from secateur.proof.activations import Place

_L = keras.layers
# Layers and operations that go on with the same units: a unit's activation is what the last of
# them puts out, up to the first that is not linear.
_LINEAR = (
    _L.BatchNormalization,
    _L.Dropout,
    _L.SpatialDropout1D,
    _L.SpatialDropout2D,
    _L.SpatialDropout3D,
    _L.GaussianDropout,
    _L.GaussianNoise,
    _L.Identity,
)
_NONLINEAR = (_L.Activation, _L.ReLU, _L.LeakyReLU, _L.PReLU, _L.ELU)
_NONLINEAR_OPS = {"Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Celu", "Gelu", "Silu", "Sigmoid"}
_NONLINEAR_OPS |= {"Tanh", "HardSigmoid", "HardSilu", "Softplus", "Softsign", "Absolute", "Square"}
_SEPARABLE = (_L.SeparableConv1D, _L.SeparableConv2D)


class Seen(NamedTuple):
    """The units of one weight in one call of its layer.

    Attributes:
        values: Activations, float32, (examples, positions, units).
        deltas: ∂ΣL/∂activation, the same shape; zeros if gradients were not asked for.
    """

    values: tf.Tensor
    deltas: tf.Tensor


class Activations:
    """Runs the model of a `Run` and hands back the activations of the units of its weights.

    The activation of a unit is the output of its layer's activation function; where the layer has
    none, what the normalisations and activation layers right behind it make of the output.
    """

    def __init__(self, run: Run):
        self._run = run
        self._heads = head_layers(run.model)
        self._weights: dict[int, list[PrunableWeight]] = {}
        layers = []
        for layer in flat_layers(run.model):
            own = [w for w in run.weights if w.layer is layer]
            if own and form_of(layer) is not None:
                self._weights[id(layer)] = own
                layers.append(layer)
            elif isinstance(layer, (*_LINEAR, *_NONLINEAR)):
                layers.append(layer)
        layers += [op for op in _operations(run.model) if type(op).__name__ in _NONLINEAR_OPS]
        self._capture = Capture(run.model, layers, outputs=True)

    def totals(
        self, statistic: Callable[[str, Seen], tf.Tensor], *, gradients: bool = False
    ) -> dict[str, tuple[np.ndarray, int]]:
        """Adds up a statistic over all examples.

        Args:
            statistic: (weight path, what was seen) -> tensor (units, ...), to be added up.
            gradients: Whether deltas are needed, and so the loss.

        Returns:
            Weight path -> (the sum, float64; how many activations a unit had in all). Weights
            whose units are not known are left out, and a notice names them.
        """
        sums: dict[str, tuple[np.ndarray, int]] = {}
        for batch in self._batches(gradients):
            for path, seen in self._seen(batch, gradients):
                part = statistic(path, seen).numpy().astype(np.float64)
                before, count = sums.get(path, (np.zeros_like(part), 0))
                here = int(seen.values.shape[0] * seen.values.shape[1])
                sums[path] = (before + part, count + here)
        missing = sorted({w.path for w in self._run.weights if w.path not in sums})
        if missing:
            self._run.note(f"The units of {', '.join(missing)} cannot be watched: not scored.")
        return sums

    def each(self) -> Iterator[tuple[str, Seen]]:
        """Yields what is seen of each weight, batch after batch, without gradients."""
        for batch in self._batches(False):
            yield from self._seen(batch, False)

    def ends(self, batch: Batch) -> list[tuple[PrunableWeight, list[Call]]]:
        """For each weight and call of its layer, the calls of the layers that go on with it."""
        with self._capture.installed():
            calls = self._forward(batch)
        chains = _chains(calls)
        return [
            (weight, chains[id(call)][1])
            for call in calls
            for weight in self._weights.get(id(call.layer), ())
        ]

    def places(self, batch: Batch) -> dict[str, list[Place]]:
        """Where the activations of each weight's units are, for each call of its layer."""
        with self._capture.installed():
            calls = self._forward(batch)
        chains, times = _chains(calls), Counter[int]()
        number: dict[int, int] = {}
        for call in calls:
            number[id(call)] = times[id(call.layer)]
            times[id(call.layer)] += 1
        found: dict[str, list[Place]] = {}
        for call in calls:
            end = chains[id(call)][1][-1] if chains[id(call)][1] else call
            for weight in self._weights.get(id(call.layer), ()):
                place = Place(weight.layer, end.layer, number[id(end)], times[id(end.layer)])
                found.setdefault(weight.path, []).append(place)
        return found

    def seen(self, batch: Batch, gradients: bool = True) -> Iterator[tuple[str, Seen]]:
        """Yields what is seen of each weight in one batch, call by call."""
        yield from self._seen(batch, gradients)

    def _batches(self, gradients: bool) -> Iterator[Batch]:
        run, size = self._run, self._run.batch_size
        if size is None:
            first = run.first(TRIAL)
            with self._capture.installed():
                size = fitting_batch(self._forward(first), first.size)
        yield from run.batches(size)

    def _forward(self, batch: Batch) -> list[Call]:
        capture = self._capture
        capture.calls, capture.tape = [], None
        self._run.model(batch.x, training=False)
        calls, capture.calls = capture.calls, []
        return calls

    def _seen(self, batch: Batch, gradients: bool) -> Iterator[tuple[str, Seen]]:
        with self._capture.installed():
            if gradients:
                calls, deltas = self._backward(batch)
            else:
                calls = self._forward(batch)
                deltas = None
        chains = _chains(calls)
        for index, call in enumerate(calls):
            for weight in self._weights.get(id(call.layer), ()):
                values = chains[id(call)][0]
                delta = values if deltas is None else deltas[index]
                heads = id(call.layer) in self._heads
                rows = _by_unit(weight, call, values, heads)
                if rows is not None:
                    yield weight.path, Seen(rows, _by_unit(weight, call, delta, heads))

    def _backward(self, batch: Batch) -> tuple[list[Call], list[tf.Tensor]]:
        capture = self._capture
        capture.calls = []
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            capture.tape = tape
            predictions = self._run.model(batch.x, training=False)
            loss = tf.reduce_sum(self._run.losses(batch.y, predictions, batch.weights))
        calls, capture.calls, capture.tape = capture.calls, [], None
        chains = _chains(calls)
        points = [chains[id(call)][0] for call in calls]
        return calls, tape.gradient(loss, points, unconnected_gradients="zero")


def _operations(model: keras.Model) -> list[Any]:
    """The raw operations of a functional model and of the models in it."""
    found = []
    for part in (model, *flat_layers(model)):
        for operation in getattr(part, "operations", ()) or ():
            if not isinstance(operation, keras.Layer):
                found.append(operation)
    return found


def _chains(calls: list[Call]) -> dict[int, tuple[tf.Tensor, list[Call]]]:
    """For each call: the activation it ends in, and the calls that lead there."""
    behind = {id(call.x): call for call in calls if not _scored(call)}
    chains = {}
    for call in calls:
        value, passed = _first(call.output), []
        done = not _is_linear(call.layer)
        while not done and id(value) in behind:
            follower = behind[id(value)]
            if follower in passed:  # a layer that returns its input, such as Dropout
                del behind[id(value)]
                continue
            passed.append(follower)
            value = _first(follower.output)
            done = not isinstance(follower.layer, _LINEAR)
        chains[id(call)] = (value, passed)
    return chains


def _scored(call: Call) -> bool:
    return not (
        isinstance(call.layer, (*_LINEAR, *_NONLINEAR)) or not isinstance(call.layer, keras.Layer)
    )


def _is_linear(layer: Any) -> bool:
    function = getattr(layer, "activation", None)
    return function is None or function is keras.activations.linear


def _first(output: Any) -> tf.Tensor:
    return tf.nest.flatten(output)[0]  # a recurrent cell returns its states as well


def _by_unit(weight: PrunableWeight, call: Call, value: tf.Tensor, heads: bool) -> Any:
    """(examples, positions, units), the units in the order in which the weight holds them."""
    layer, rank = weight.layer, len(value.shape)
    if isinstance(layer, _SEPARABLE) and weight.variable is layer.depthwise_kernel:
        return None  # they are inside the layer
    axes = [rank - 1]
    if isinstance(layer, _L.EinsumDense):
        _, kernel, out = einsum_axes(layer.equation, len(call.x.shape))
        names = [a for a in kernel if a in out]
        axes = [out.index(a) for a in (names[:1] if heads else names)]
    elif getattr(layer, "data_format", None) == "channels_first" and rank > 2:
        axes = [1]
    rest = [axis for axis in range(1, rank) if axis not in axes]
    units = int(np.prod([value.shape[axis] for axis in axes]))
    value = tf.transpose(tf.cast(value, tf.float32), [0, *rest, *axes])
    return tf.reshape(value, [value.shape[0], -1, units])
