"""Patterns: which weights of a kernel go together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from secateur.sparsity.layout import Layout

_ROWS = 1 << 20  # weights that N:M works on at a time


def view(array: np.ndarray, layout: Layout) -> np.ndarray:
    """A weight-shaped array as `(rest, inputs, outputs)`; see `Layout`."""
    axes = (layout.rest_axes, layout.input_axes, layout.output_axes)
    sizes = [math.prod(array.shape[axis] for axis in some) for some in axes]
    return array.transpose([axis for some in axes for axis in some]).reshape(sizes)


def unview(array: np.ndarray, layout: Layout) -> np.ndarray:
    """The inverse of `view`."""
    order = (*layout.rest_axes, *layout.input_axes, *layout.output_axes)
    moved = array.reshape([layout.shape[axis] for axis in order])
    return moved.transpose(np.argsort(order))


def n_of_m_mask(scores: np.ndarray, n: int, m: int) -> np.ndarray:
    """Keeps the `n` highest of each `m` consecutive inputs.

    The last group of a number of inputs that `m` does not divide is short, as if it was padded with
    zeros: it keeps `n` as well, or all it has. Of equal scores the first goes.

    Args:
        scores: Array of shape `(rest, inputs, outputs)`.
        n: Weights kept in each group.
        m: Weights in a group.

    Returns:
        Boolean array of the same shape, True = kept.
    """
    rest, inputs, outputs = scores.shape
    mask = np.empty(scores.shape, np.bool_)
    whole = inputs - inputs % m
    step = m * max(1, _ROWS // max(1, rest * outputs * m))
    for start in range(0, whole, step):
        part = scores[:, start : min(start + step, whole)]
        groups = part.reshape(rest, -1, m, outputs)
        mask[:, start : start + part.shape[1]] = _highest(groups, n).reshape(part.shape)
    if whole < inputs:
        mask[:, whole:] = _highest(scores[:, None, whole:], n)[:, 0]
    return mask


def _highest(groups: np.ndarray, n: int) -> np.ndarray:
    """Marks the `n` highest along axis 2; of equal ones the later."""
    m = groups.shape[2]
    if n >= m:
        return np.ones(groups.shape, np.bool_)
    if m > 16:
        order = np.argsort(groups, axis=2, kind="stable")
        mask = np.zeros(groups.shape, np.bool_)
        np.put_along_axis(mask, order[:, :, m - n :], True, axis=2)
        return mask
    wins = np.zeros(groups.shape, np.uint8)  # how many of its group a weight beats
    for i in range(m):
        for j in range(i + 1, m):
            earlier = groups[:, :, i] > groups[:, :, j]
            wins[:, :, i] += earlier
            wins[:, :, j] += ~earlier
    return wins >= m - n


class Units(NamedTuple):
    """What is removed as a whole in one or more weights of the same output units.

    Attributes:
        name: Path of the (first) weight.
        scores: Score of each unit, float64, 1-D.
        sizes: Weights of each unit that can still be removed, int64, 1-D.
        total: Number of weights, removed or not.
    """

    name: str
    scores: np.ndarray
    sizes: np.ndarray
    total: int


def pool(
    scores: Sequence[np.ndarray],
    free: Sequence[np.ndarray | None],
    layouts: Sequence[Layout],
    block: tuple[int, int] | None,
    pooling: str,
    name: str = "",
) -> Units:
    """Scores and sizes of the units of weights that share them.

    Args:
        scores: One weight's scores, or several weights' if they share their channels.
        free: Which of the weights can still be removed; None: all.
        layouts: Their layouts.
        block: (inputs, outputs) of a block; None for channels.
        pooling: `mean`, `l1`, `l2` or `max` of the scores of a unit's weights.
        name: Name of the units.
    """
    total = sum(layout.size for layout in layouts)
    combine = np.maximum if pooling == "max" else np.add
    pooled: np.ndarray | None = None
    sizes = free_sizes = np.zeros(0, np.int64)
    for array, some, layout in zip(scores, free, layouts, strict=True):
        values = _reduce(array, layout, block, combine, square=pooling == "l2")
        count = _sizes(layout, block)
        left = count
        if some is not None:
            left = _reduce(some, layout, block, np.add).astype(np.int64)
        pooled = values if pooled is None else combine(pooled, values)
        sizes = sizes + count if sizes.size else count
        free_sizes = free_sizes + left if free_sizes.size else left
    assert pooled is not None, "no weights"
    if pooling == "mean":
        pooled = pooled / sizes
    elif pooling == "l2":
        pooled = np.sqrt(pooled)
    return Units(name, pooled, free_sizes, total)


def _reduce(
    array: np.ndarray,
    layout: Layout,
    block: tuple[int, int] | None,
    combine: np.ufunc,
    square: bool = False,
) -> np.ndarray:
    seen = view(array, layout).astype(np.float64)
    if square:
        seen *= seen
    if block is None:
        rest, inputs, outputs = seen.shape
        units = seen.reshape(rest, inputs, layout.gates, outputs // layout.gates)
        return combine.reduce(units, axis=(0, 1, 2))
    for axis, size in ((1, block[0]), (2, block[1])):
        seen = combine.reduceat(seen, range(0, seen.shape[axis], size), axis=axis)
    return seen.reshape(-1)


def _sizes(layout: Layout, block: tuple[int, int] | None) -> np.ndarray:
    rest, inputs, outputs = view_shape(layout)
    if block is None:
        units = outputs // layout.gates
        return np.full(units, layout.size // max(1, units), np.int64)
    rows, columns = (_edges(inputs, block[0]), _edges(outputs, block[1]))
    return np.tile(np.outer(rows, columns).reshape(-1), rest)


def view_shape(layout: Layout) -> tuple[int, ...]:
    """Shape of the `view` of a weight."""
    axes = (layout.rest_axes, layout.input_axes, layout.output_axes)
    return tuple(math.prod(layout.shape[axis] for axis in some) for some in axes)


def _edges(length: int, size: int) -> np.ndarray:
    """Lengths of consecutive parts of `size`; the last takes what remains."""
    return np.minimum(size, length - np.arange(0, length, size))


def spread(kept: np.ndarray, layout: Layout, block: tuple[int, int] | None) -> np.ndarray:
    """The mask of a weight from its units' mask: the inverse of `pool`."""
    rest, inputs, outputs = view_shape(layout)
    if block is None:
        row = np.tile(kept, layout.gates)
        return unview(np.broadcast_to(row, (rest, inputs, outputs)), layout)
    rows, columns = (_edges(inputs, block[0]), _edges(outputs, block[1]))
    grid = kept.reshape(rest, rows.size, columns.size)
    return unview(np.repeat(np.repeat(grid, rows, axis=1), columns, axis=2), layout)
