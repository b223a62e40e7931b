"""Rules of operations that work along an axis: sums, sorting, padding, gates of halves."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras.src.ops import linalg as linalg_ops
from keras.src.ops import math as math_ops
from keras.src.ops import nn as nn_ops
from keras.src.ops import numpy as numpy_ops

from secateur.structure.labels import Axes
from secateur.structure.rules import operations, rule
from secateur.structure.site import Site


@rule(nn_ops.Glu)
def glu(site: Site) -> list[Axes]:
    """The first half of the channels, multiplied by the sigmoid of the second."""
    axis = site.op.axis % site.rank
    labels = site.x[axis]
    if labels is None:
        return [site.x]
    first, second = np.split(labels, 2)
    site.tie(first, second)
    site.varies(first)
    return [site.replaced(site.x, axis, first)]


@rule(*operations(math_ops, "TopK"))
def top_k(site: Site) -> list[Axes]:
    site.pin(site.x[-1], f"'{site.path}' looks for the highest of these channels")
    return [(*site.x[:-1], None)] * 2


@rule(
    *operations(
        numpy_ops,
        "Mean Sum Max Min Prod Var Std Any All Amax Amin Median Argmax Argmin CountNonzero Average",
    ),
    *operations(math_ops, "Logsumexp"),
    *operations(linalg_ops, "Norm"),
)
def reduce(site: Site) -> list[Axes]:
    op: Any = site.op
    axes = op.axis
    axes = list(range(site.rank)) if axes is None else np.atleast_1d(axes).tolist()
    axes = {axis % site.rank for axis in axes}
    for axis in axes:
        site.pin(site.x[axis], f"'{site.path}' sums over these channels")
    if getattr(op, "keepdims", False):
        return [tuple(None if axis in axes else x for axis, x in enumerate(site.x))]
    return [tuple(x for axis, x in enumerate(site.x) if axis not in axes)]


@rule(*operations(numpy_ops, "Flip Roll Cumsum Cumprod Sort Argsort"))
def along(site: Site) -> list[Axes]:
    axes = site.op.axis
    axes = list(range(site.rank)) if axes is None else np.atleast_1d(axes).tolist()
    for axis in axes:
        site.pin(site.x[axis], f"'{site.path}' works along this axis")
    return [site.x]


@rule(*operations(numpy_ops, "Pad"))
def pad(site: Site) -> list[Axes]:
    output = []
    for labels, before, after in zip(site.x, site.in_shapes[0], site.out_shapes[0], strict=True):
        if labels is not None and before != after:
            site.pin(labels, f"'{site.path}' pads the channels")
        output.append(labels if before == after else None)
    return [tuple(output)]
