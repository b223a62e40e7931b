"""Rules of operations that move, join, cut or sum axes: reshaping, concatenation, slices."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers
from keras.src.ops import core as core_ops
from keras.src.ops import numpy as numpy_ops

from secateur.evaluation.flops import Shape
from secateur.structure.labels import Axes, Labels
from secateur.structure.rules import operations, rule
from secateur.structure.site import Site

_OPEN = 1_000_003  # stands for an open size: a prime that no real size contains


@rule(layers.Flatten, layers.Reshape, *operations(numpy_ops, "Reshape ExpandDims Squeeze Ravel"))
def reshape(site: Site) -> list[Axes]:
    (shape,) = site.out_shapes
    axes, before = site.x, site.in_shapes[0]
    if isinstance(site.op, layers.Flatten) and site.op.data_format == "channels_first":
        axes, before = ((*x[:1], *x[2:], *x[1:2]) for x in (axes, before))  # as Keras does
    output = _reshaped(site, axes, before, shape)
    if isinstance(site.op, layers.Reshape):
        _target(site, "target_shape", site.op.target_shape, output, 1)
    elif isinstance(site.op, numpy_ops.Reshape):
        _target(site, "newshape", site.op.newshape, output, 0)
    return [output]


def _target(site: Site, key: str, given: Any, output: Axes, first: int) -> None:
    axes = output[first:]
    given = (given,) if isinstance(given, int) else tuple(given)
    if all(labels is None for labels in axes):
        return
    site.configure(
        key,
        lambda count: tuple(
            size if size in (-1, None) else count(labels, size)
            for size, labels in zip(given, axes, strict=True)
        ),
        *axes,
    )


def _reshaped(site: Site, axes: Axes, before: Shape, after: Shape) -> Axes:
    """Axes of a reshaped tensor: both shapes are cut into pieces of equal product."""
    old = [_OPEN if size is None else size for size in before]
    new = [_OPEN if size is None else size for size in after]
    output: list[Labels | None] = []
    i = j = 0
    while i < len(old) or j < len(new):
        i0, j0 = i, j
        left, i = (old[i], i + 1) if i < len(old) else (1, i)
        right, j = (new[j], j + 1) if j < len(new) else (1, j)
        while left != right and (i < len(old) or j < len(new)):
            if left < right and i < len(old):
                left, i = left * old[i], i + 1
            elif j < len(new):
                right, j = right * new[j], j + 1
            else:
                left, i = left * old[i], i + 1
        if left != right:
            site.unknown("its sizes do not add up")
        output += _piece(site, list(axes[i0:i]), old[i0:i], new[j0:j])
    return tuple(output)


def _piece(site: Site, axes: list, old: list[int], new: list[int]) -> list[Labels | None]:
    tracked = [axis for axis, labels in enumerate(axes) if labels is not None]
    if not tracked:
        return [None] * len(new)
    wide = [axis for axis, size in enumerate(new) if size > 1]
    if len(tracked) == 1 and len(axes[tracked[0]]) == 1 and not wide:
        if new:
            return [axes[tracked[0]], *[None] * (len(new) - 1)]
        site.pin(axes[tracked[0]], f"'{site.path}' drops this axis")
        return []
    for axis in tracked[1:]:
        site.pin(axes[axis], f"'{site.path}' folds two axes of channels into one")
    kept = tracked[0]
    if _OPEN in old:  # the width is beside an open size: do not guess
        site.pin(axes[kept], f"'{site.path}' folds an open size into the channels")
        return [None] * len(new)
    grid = axes[kept].reshape([-1 if axis == kept else 1 for axis in range(len(old))])
    flat = np.broadcast_to(grid, old).reshape(-1)
    return _split(site, flat, new, wide)


def _split(site: Site, flat: Labels, new: list[int], wide: list[int]) -> list[Labels | None]:
    """Gives the labels to one axis; along the others they have to be the same."""
    grid = flat.reshape(new)
    choices = [(axis, np.moveaxis(grid, axis, 0).reshape(new[axis], -1)) for axis in wide]
    same = [choice for choice in choices if (choice[1] == choice[1][:, :1]).all()]
    if same:
        axis, rows = same[0]
    else:
        # Attention wants the first axis (heads), a generator the last one (channels of an image):
        # `analyse` comes back with the other choice where this one leaves nothing to cut.
        axis, rows = choices[-1 if site.path in site.trace.last_splits else 0]
        site.trace.splits[site.path] = flat
        site.tie(rows, np.broadcast_to(rows[:, :1], rows.shape))
    output: list[Labels | None] = [None] * len(new)
    output[axis] = np.ascontiguousarray(rows[:, 0])
    return output


@rule(layers.Permute, *operations(numpy_ops, "Transpose Moveaxis Swapaxes"))
def permute(site: Site) -> list[Axes]:
    op: Any = site.op
    order = list(range(site.rank))
    if isinstance(op, layers.Permute):
        order = [0, *op.dims]
    elif isinstance(op, numpy_ops.Transpose):
        order = [a % site.rank for a in op.axes] if op.axes else order[::-1]
    elif isinstance(op, numpy_ops.Swapaxes):
        a, b = op.axis1 % site.rank, op.axis2 % site.rank
        order[a], order[b] = order[b], order[a]
    else:
        source, target = np.atleast_1d(op.source), np.atleast_1d(op.destination)
        source, target = source % site.rank, target % site.rank
        rest = iter([axis for axis in order if axis not in source])
        moved = dict(zip(target.tolist(), source.tolist(), strict=True))
        order = [moved[axis] if axis in moved else next(rest) for axis in range(site.rank)]
    return [tuple(site.x[axis] for axis in order)]


@rule(*operations(numpy_ops, "Repeat Tile"))
def repeated(site: Site) -> list[Axes]:
    """Every copy of a channel is that channel."""
    op: Any = site.op
    times = [1] * site.rank
    if isinstance(op, numpy_ops.Tile):
        given = np.atleast_1d(op.repeats).tolist()
        if len(given) > site.rank:
            site.unknown("it adds axes")
        times[site.rank - len(given) :] = given
    else:
        if op.axis is None or np.size(op.repeats) != 1:
            site.unknown("it repeats the channels by different numbers, or all axes as one")
        times[op.axis] = int(np.ravel(op.repeats)[0])
    copy: Any = np.tile if isinstance(op, numpy_ops.Tile) else np.repeat
    return [
        tuple(x if x is None or n == 1 else copy(x, n) for x, n in zip(site.x, times, strict=True))
    ]


@rule(layers.RepeatVector)
def repeat_vector(site: Site) -> list[Axes]:
    return [(site.x[0], None, site.x[1])]


@rule(layers.Concatenate, numpy_ops.Concatenate)
def concatenate(site: Site) -> list[Axes]:
    rank = site.rank
    along = site.op.axis % rank
    output: list[Labels | None] = []
    for axis in range(rank):
        columns = [axes[axis] for axes in site.inputs]
        if all(labels is None for labels in columns):
            output.append(None)
        elif axis == along:
            output.append(
                np.concatenate(
                    [
                        site.fixed(shape[axis] or 0) if labels is None else labels
                        for labels, shape in zip(columns, site.in_shapes, strict=True)
                    ]
                )
            )
        else:
            for labels in columns[1:]:
                site.tie(columns[0], labels)
            output.append(None if any(x is None for x in columns) else columns[0])
    return [tuple(output)]


@rule(*operations(numpy_ops, "Stack"))
def stack(site: Site) -> list[Axes]:
    merged: list[Labels | None] = []
    for columns in zip(*site.inputs, strict=True):
        for labels in columns[1:]:
            if labels is not None or columns[0] is not None:
                site.tie(columns[0], labels)
        merged.append(None if any(x is None for x in columns) else columns[0])
    merged.insert(site.op.axis % (site.rank + 1), None)
    return [tuple(merged)]


@rule(*operations(core_ops, "Unstack"))
def unstack(site: Site) -> list[Axes]:
    axis = site.op.axis % site.rank
    site.pin(site.x[axis], f"'{site.path}' takes the channels apart")
    return [(*site.x[:axis], *site.x[axis + 1 :])] * len(site.out_shapes)


@rule(*operations(numpy_ops, "Split ArraySplit"))
def split(site: Site) -> list[Axes]:
    op: Any = site.op
    axis = op.axis % site.rank
    labels = site.x[axis]
    if labels is None:
        return [site.x] * len(site.out_shapes)
    ends = np.cumsum([shape[axis] for shape in site.out_shapes])[:-1].tolist()
    parts = np.split(labels, ends)
    site.configure(
        "indices_or_sections",
        lambda count: tuple(count(labels[:end], end) for end in ends),
        labels,
    )
    return [site.replaced(site.x, axis, part) for part in parts]


@rule(numpy_ops.GetItem)
def get_item(site: Site) -> list[Axes]:
    """Slices of the channels move with them; an index keeps its channel."""
    key = site.node.arguments.args[1]
    keys = list(key) if isinstance(key, (tuple, list)) else [key]
    named = sum(item is not None and item is not Ellipsis for item in keys)
    if Ellipsis not in [k for k in keys if k is Ellipsis]:
        keys.append(Ellipsis)
    where = next(i for i, item in enumerate(keys) if item is Ellipsis)
    keys[where : where + 1] = [slice(None)] * (site.rank - named)
    output: list[Labels | None] = []
    axis, moved = 0, False
    for position, item in enumerate(keys):
        if item is None:
            output.append(None)
            continue
        labels = site.x[axis]
        axis += 1
        if isinstance(item, int):
            site.pin(labels, f"'{site.path}' takes one channel by its number")
        elif not isinstance(item, slice):
            site.unknown("it is indexed by a tensor")
        elif labels is None or item == slice(None):
            output.append(labels)
        elif item.step not in (None, 1):
            site.pin(labels, f"'{site.path}' takes every {item.step}th channel")
            output.append(None)
        else:
            start, stop, _ = item.indices(len(labels))
            output.append(labels[start:stop])
            keys[position] = (labels, start, stop)
            moved = True
    if moved:
        tracked = [item[0] for item in keys if isinstance(item, tuple)]
        site.argument(
            1,
            lambda count: tuple(
                slice(count(item[0][: item[1]], 0), count(item[0][: item[2]], 0))
                if isinstance(item, tuple)
                else item
                for item in keys
            ),
            *tracked,
        )
    return [tuple(output)]
