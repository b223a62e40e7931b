"""Gradients by activations, of one example after the other, in the model as Keras runs it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras.src.trainers.compile_utils import CompileLoss

from secateur.models.strided import mend
from secateur.proof.scores import single

mend()  # before a gradient is taken here


class Place(NamedTuple):
    """Where the activation of a layer's units is.

    Attributes:
        layer: The layer whose units they are.
        operation: The layer or raw operation that puts the activation out.
        number: Which of its calls it is.
        calls: How many calls it has in all.
    """

    layer: Any
    operation: Any
    number: int
    calls: int


class ActivationsOneByOne:
    """Σ over positions of |∂L_i/∂a| for each unit, of one example.

    Args:
        model: The model.
        places: Path of a weight -> where its units' activations are.
        units: Path of a weight -> how many units it has.
        x: Inputs of some examples, the first axis the examples.
        y: Their labels.
        sample_weight: Their weights, or None.
        loss: As `compile` takes it.
        loss_weights: As `compile` takes them.
    """

    def __init__(
        self,
        model: keras.Model,
        places: Mapping[str, Sequence[Place]],
        units: Mapping[str, int],
        x: Any,
        y: Any,
        sample_weight: Any,
        loss: Any,
        loss_weights: Any = None,
    ):
        self._model, self._places, self._units = model, places, units
        self._data = (x, y, sample_weight)
        names = getattr(model, "output_names", None)
        self._loss = CompileLoss(loss, loss_weights, output_names=names)

    def __call__(self, example: int) -> dict[str, np.ndarray | None]:
        """Path -> float64 array (units,)."""
        x, y, sample_weight = single(self._data, example)
        operations = {id(p.operation): p.operation for some in self._places.values() for p in some}
        outputs: dict[int, list[tf.Tensor]] = {key: [] for key in operations}
        with (
            contextlib.ExitStack() as stack,
            tf.GradientTape(watch_accessed_variables=False) as tape,
        ):
            for key, operation in operations.items():
                stack.callback(_listen(operation, outputs[key], tape))
            value = self._loss(y, self._model(x, training=False), sample_weight)
        gradients = tape.gradient(value, outputs)
        return {path: self._sums(path, gradients) for path in self._places}

    def _sums(self, path: str, gradients: Mapping[int, list[Any]]) -> np.ndarray:
        places, size = self._places[path], self._units[path]
        total = np.zeros(size)
        for key in {id(place.operation) for place in places}:
            own = [place for place in places if id(place.operation) == key]
            found = gradients[key]
            if len({place.number for place in own}) < own[0].calls:
                found = [found[place.number] for place in own]
            # All calls are the layer's own: those that nothing depends on add nothing. (Keras runs
            # the first step of a recurrent layer once more, to see what it gives.)
            for gradient in found:
                if gradient is not None:
                    total += _by_unit(own[0].layer, np.asarray(gradient, np.float64), size)
        return total


def _listen(operation: Any, outputs: list[tf.Tensor], tape: tf.GradientTape) -> Any:
    """Keeps and watches what an operation puts out; returns a function that ends it."""
    original, own = operation.call, "call" in operation.__dict__

    def call(*args: Any, **kwargs: Any) -> Any:
        made = original(*args, **kwargs)
        first = tf.nest.flatten(made)[0]
        tape.watch(first)
        outputs.append(first)
        return made

    operation.__dict__["call"] = call

    def end() -> None:
        if own:
            operation.__dict__["call"] = original
        else:
            del operation.__dict__["call"]

    return end


def _by_unit(layer: Any, gradient: np.ndarray, size: int) -> np.ndarray:
    """Σ|gradient| for each unit: the last axis, or what the layer says."""
    axes = [gradient.ndim - 1]
    if isinstance(layer, keras.layers.EinsumDense):
        sides, out = layer.equation.replace(" ", "").split("->")
        kernel = sides.split(",")[1]
        head, _, tail = out.partition("...") if "..." in out else ("", "", out)
        spelled = [*head, *[None] * (gradient.ndim - len(head) - len(tail)), *tail]
        axes = [spelled.index(name) for name in kernel if name in spelled]
    elif getattr(layer, "data_format", None) == "channels_first" and gradient.ndim > 2:
        axes = [1]
    sums = np.moveaxis(np.abs(gradient), axes, range(len(axes)))
    sums = sums.reshape(*sums.shape[: len(axes)], -1).sum(-1)
    return sums.reshape(size, -1).sum(1)  # the units of a head make one
