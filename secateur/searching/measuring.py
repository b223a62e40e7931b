"""Accuracy of a model on the same examples again and again, as quickly as can be."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from secateur.evaluation.flops import graph_of
from secateur.importance.losses import example_losses
from secateur.structure.blocks import Part
from secateur.structure.execute import Execution
from secateur.structure.ranking import following

_FIRST, _BATCH = 256, 2048


class Measured(NamedTuple):
    """A model on the examples that were looked at."""

    accuracy: float
    loss: float
    examples: int


class Measuring:
    """Measures a model whose weights change in between; its graph is traced once.

    Args:
        model: A built classifier.
        data: `(x, y)` as arrays, not empty.
        loss: Keras loss of its outputs.
        examples: How many examples to use, at most; None for all.
        seed: Seed of their draw and order: random, so that the first ones stand for all.
    """

    def __init__(
        self,
        model: keras.Model,
        data: Any,
        loss: keras.losses.Loss,
        *,
        examples: int | None = None,
        seed: int = 0,
    ):
        x, y = data
        if not len(y):
            raise ValueError("the validation split is empty; give dataset.validation above 0")
        order = np.random.default_rng(seed).permutation(len(y))[:examples]
        cuts = [0, *range(min(_FIRST, len(order)), len(order), _BATCH), len(order)]
        parts = [order[low:high] for low, high in pairwise(cuts) if low < high]
        self._batches = [
            (keras.tree.map_structure(partial(_rows, part), x), tf.constant(y[part]))
            for part in parts
        ]
        self._model, self._size = model, len(order)
        self._losses = example_losses(model, loss)
        self._after: Any = None
        self._known: list[Any] = []

        @tf.function(reduce_retracing=True)
        def step(x, y):
            return self._score(y, model(x, training=False))

        self._step = step

    def whole(self, least: float = 0.0) -> Measured:
        """The model as it is now.

        Args:
            least: Stop early where the accuracy is certainly below this.
        """
        return self._over(lambda number, x, y: self._step(x, y), least)

    def without(self, part: Part, least: float = 0.0) -> Measured:
        """The model without a part that can go whole; what comes before it is computed once.

        The weights may not have changed since the first call.
        """
        graph: Any = graph_of(self._model)
        if not self._known:
            self._after = following(self._model)
            whole = Execution(self._model)
            self._known = [whole.run(graph, x) for x, _ in self._batches]
        changed = self._after(part)
        execution = Execution(self._model, part.bypass)

        def step(number, x, y):
            known = {k: v for k, v in self._known[number].items() if k not in changed}
            found = execution.run(graph, x, known)
            outputs = keras.tree.map_structure(lambda t: found[id(t)], graph._outputs_struct)
            return self._score(y, outputs)

        return self._over(step, least)

    def _score(self, y: Any, outputs: Any) -> Any:
        outputs = keras.tree.flatten(outputs)[0]
        right = tf.equal(tf.argmax(outputs, -1, output_type=tf.int64), tf.cast(y, tf.int64))
        loss = self._losses(y, outputs, None)
        return tf.reduce_sum(tf.cast(right, tf.int32)), tf.reduce_sum(tf.cast(loss, tf.float64))

    def _over(self, step: Any, least: float) -> Measured:
        right = seen = 0
        loss = 0.0
        for number, (x, y) in enumerate(self._batches):
            found, lost = step(number, x, y)
            right, loss, seen = right + int(found), loss + float(lost), seen + int(y.shape[0])
            if right + self._size - seen < least * self._size:
                break
        return Measured(right / seen, loss / seen, seen)


def _rows(part: np.ndarray, array: np.ndarray) -> tf.Tensor:
    return tf.constant(array[part])
