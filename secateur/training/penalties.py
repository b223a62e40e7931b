"""Penalties under which weights become zero: their subgradients and their proximal steps."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import keras
import tensorflow as tf

from secateur.models.weights import flat_layers, prunable_weights
from secateur.sparsity.layout import Layout, describe


class Penalty(Protocol):
    """A function R of one weight, to be multiplied by a strength."""

    def gradient(self, weight: tf.Tensor) -> tf.Tensor:
        """A subgradient of R, of the weight's shape; zero where the weight is."""

    def proximal(self, weight: tf.Tensor, threshold: tf.Tensor) -> tf.Tensor:
        """argmin over z of ‖z − w‖² / 2 + threshold · R(z), of the weight's shape."""


class L1:
    """R(w) = Σ |w|; its proximal step is soft thresholding (Daubechies et al. 2004)."""

    def gradient(self, weight: tf.Tensor) -> tf.Tensor:
        return tf.sign(weight)

    def proximal(self, weight: tf.Tensor, threshold: tf.Tensor) -> tf.Tensor:
        return tf.sign(weight) * tf.nn.relu(tf.abs(weight) - threshold)


class GroupLasso:
    """R(w) = Σ_g √|g| · ‖w_g‖₂ over the output units g of a kernel (Yuan & Lin 2006, eq. 2.1).

    Its proximal step shortens each group, and makes a short one zero as a whole (Wen et al. 2016,
    "Learning structured sparsity", is the same penalty on convolutions).

    Args:
        layout: Says which axes are outputs; fused gates of a recurrent kernel are one unit.
    """

    def __init__(self, layout: Layout):
        outputs = layout.output_axes
        self._shape = layout.shape
        self._order = (*(a for a in range(len(layout.shape)) if a not in outputs), *outputs)
        self._back = tuple(self._order.index(axis) for axis in range(len(self._order)))
        count = math.prod(layout.shape[axis] for axis in outputs) // layout.gates
        self._grouped = (-1, layout.gates, count)
        self._root = math.sqrt(layout.size / max(1, count))

    def gradient(self, weight: tf.Tensor) -> tf.Tensor:
        return self._scaled(weight, lambda norm: tf.math.divide_no_nan(self._root, norm))

    def proximal(self, weight: tf.Tensor, threshold: tf.Tensor) -> tf.Tensor:
        def factor(norm: tf.Tensor) -> tf.Tensor:
            return tf.nn.relu(1.0 - tf.math.divide_no_nan(threshold * self._root, norm))

        return self._scaled(weight, factor)

    def _scaled(self, weight: tf.Tensor, factor) -> tf.Tensor:
        moved = tf.transpose(weight, self._order)
        grouped = tf.reshape(moved, self._grouped)
        norm = tf.norm(grouped, axis=(0, 1), keepdims=True)
        scaled = tf.reshape(grouped * factor(norm), tf.shape(moved))
        return tf.transpose(scaled, self._back)


class Penalized(NamedTuple):
    """A variable of a model and its penalty."""

    variable: keras.Variable
    penalty: Penalty


def penalized(model: keras.Model, name: str) -> list[Penalized]:
    """What a penalty acts on in a model.

    Args:
        model: A built model.
        name: `l1` (prunable weights, one by one), `group_lasso` (their output units: neurons and
            channels), or `batchnorm` (the scales of BatchNormalization, by L1: network slimming,
            Liu et al. 2017).

    Returns:
        Trainable variables, each with its penalty.

    Raises:
        ValueError: If there is nothing it could act on; one sentence.
    """
    found: list[Penalized]
    if name == "batchnorm":
        norms = [x for x in flat_layers(model) if isinstance(x, keras.layers.BatchNormalization)]
        found = [Penalized(x.gamma, L1()) for x in norms if x.gamma is not None]
        where = "scale of a BatchNormalization"
    else:
        layouts = describe(model) if name == "group_lasso" else {}
        found = [
            Penalized(w.variable, GroupLasso(layouts[w.path]) if layouts else L1())
            for w in prunable_weights(model)
        ]
        where = "prunable weight"
    found = [entry for entry in found if entry.variable.trainable]
    if not found:
        raise ValueError(
            f"The penalty {name} has nothing to act on: '{model.name}' has no trainable {where}; "
            "use another penalty."
        )
    return found


def keep_largest(weights: list[tf.Tensor], kept: int) -> list[tf.Tensor]:
    """The weights with all but the `kept` largest of all of them at zero.

    The projection of iterative hard thresholding (Blumensath & Davies 2009). Exact: of equal
    magnitudes the first go. The threshold is found by halving, so that no memory is needed beside
    that of the weights.

    Args:
        weights: Float tensors of any shapes.
        kept: How many stay, at least 1.
    """
    # As integers, the bits of floats that are not negative have the same order.
    bits = [tf.bitcast(tf.abs(tf.cast(w, tf.float32)), tf.int32) for w in weights]

    def count(threshold: tf.Tensor) -> tf.Tensor:
        return tf.add_n([tf.math.count_nonzero(b >= threshold) for b in bits])

    def narrowed(bit: tf.Tensor, threshold: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        higher = tf.bitwise.bitwise_or(threshold, tf.bitwise.left_shift(1, bit))
        return bit - 1, tf.where(count(higher) >= kept, higher, threshold)

    start = (tf.constant(30), tf.constant(0))
    _, threshold = tf.while_loop(lambda bit, _: bit >= 0, narrowed, start)
    room = kept - count(threshold + 1)
    results = []
    for weight, b in zip(reversed(weights), reversed(bits), strict=True):
        equal = tf.reshape(tf.cast(b == threshold, tf.int64), [-1])
        rank = tf.reshape(tf.cumsum(equal, reverse=True), tf.shape(b))
        stays = (b > threshold) | ((b == threshold) & (rank <= room))
        room = tf.maximum(room - tf.reduce_sum(equal), 0)
        results.append(tf.where(stays, weight, tf.zeros_like(weight)))
    return results[::-1]
