"""The output units of a weight (neurons, channels, filters, heads) and pooling over them."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import keras
import numpy as np

from secateur.importance.gradients.forms import TRANSPOSED, einsum_axes
from secateur.models.weights import PrunableWeight, flat_layers

Pool = Literal["l1", "l2", "mean", "max"]

_L = keras.layers
_DEPTHWISE = (_L.DepthwiseConv1D, _L.DepthwiseConv2D)
_SEPARABLE = (_L.SeparableConv1D, _L.SeparableConv2D)
_GATES: list[tuple[Any, int]] = [(_L.LSTMCell, 4), (_L.GRUCell, 3)]
_ATTENTION = (_L.MultiHeadAttention, _L.GroupQueryAttention)


class Units(NamedTuple):
    """How the elements of a weight belong to the units that the weight makes.

    Attributes:
        shape: The weight's shape with finer axes where one axis holds more than units.
        axes: The axes of `shape` that number the units, the last one running fastest.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of units."""
        return math.prod(self.shape[axis] for axis in self.axes)

    def rows(self, weight: np.ndarray) -> np.ndarray:
        """The weights of each unit: shape (units, weights of a unit)."""
        rest = [axis for axis in range(len(self.shape)) if axis not in self.axes]
        finer = weight.reshape(self.shape).transpose(*self.axes, *rest)
        return finer.reshape(self.size, -1)

    def pool(self, scores: np.ndarray, how: Pool) -> np.ndarray:
        """One score for each unit from those of its weights: shape (units,).

        Args:
            scores: An array of the weight's shape.
            how: `l1` Σ|s|, `l2` √Σs², `mean` of |s|, or `max` of |s|.
        """
        rest = tuple(axis for axis in range(len(self.shape)) if axis not in self.axes)
        finer = np.abs(scores.reshape(self.shape))
        if how == "l1":
            pooled = finer.sum(rest, dtype=np.float64)
        elif how == "l2":
            pooled = np.sqrt(np.square(finer, dtype=np.float64).sum(rest))
        elif how == "mean":
            pooled = finer.mean(rest, dtype=np.float64)
        elif how == "max":
            pooled = finer.max(rest)
        else:
            raise ValueError(f"pool must be l1, l2, mean or max, not {how!r}.")
        return pooled.reshape(-1)

    def spread(self, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Gives each weight the value of its unit: an array of `shape`, the weight's."""
        ones = [size if axis in self.axes else 1 for axis, size in enumerate(self.shape)]
        return np.broadcast_to(values.reshape(ones), self.shape).reshape(shape)


def unit_map(model: keras.Model, weights: list[PrunableWeight]) -> dict[str, Units]:
    """The units of each weight, by weight path.

    A unit is what the layer puts out: a neuron of Dense, a channel of a convolution (input channel
    times multiplier for depthwise kernels), a unit of a recurrent cell with all its gates, a
    feature of an Embedding. The query, key and value kernels of attention layers count in heads.
    In a layer that is not known, the last axis numbers the units.
    """
    heads = head_layers(model)
    return {weight.path: _units(weight, id(weight.layer) in heads) for weight in weights}


def head_layers(model: keras.Model) -> set[int]:
    """Ids of the layers inside attention layers whose units are heads."""
    return {
        id(getattr(layer, name))
        for layer in flat_layers(model)
        if isinstance(layer, _ATTENTION)
        for name in ("_query_dense", "_key_dense", "_value_dense")
    }


def _units(weight: PrunableWeight, heads: bool) -> Units:
    shape, layer = tuple(weight.variable.shape), weight.layer
    last = len(shape) - 1
    if isinstance(layer, TRANSPOSED):
        return Units(shape, (last - 1,))
    if isinstance(layer, _DEPTHWISE) or (
        isinstance(layer, _SEPARABLE) and weight.variable is layer.depthwise_kernel
    ):
        return Units(shape, (last - 1, last))
    if isinstance(layer, _L.EinsumDense):
        axes = einsum_axes(layer.equation)[1]
        outputs = tuple(axes.index(a) for a in axes if a in einsum_axes(layer.equation)[2])
        return Units(shape, outputs[:1] if heads else outputs or (last,))
    for kind, gates in _GATES:
        if isinstance(layer, kind):
            return Units((shape[0], gates, shape[1] // gates), (2,))
    return Units(shape, (last,))
