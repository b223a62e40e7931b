"""Rules of attention and of raw matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers
from keras.src.ops import nn as nn_ops
from keras.src.ops import numpy as numpy_ops

from secateur.structure.labels import Axes, Labels
from secateur.structure.rules import rule
from secateur.structure.rules_dense import plain
from secateur.structure.site import Site


def _inputs(site: Site) -> tuple[Axes, Axes, Axes]:
    """Axes of query, value and key, however they were given."""
    call = site.call
    assert call is not None

    def index(position: int, name: str) -> int | None:
        return call.slots.get(name, call.slots.get(position))

    query, value, key = index(0, "query"), index(1, "value"), index(2, "key")
    if query is None or value is None:
        site.unknown("query and value have to be tensors of the graph")
    assert query is not None
    assert value is not None
    for name, position in call.slots.items():
        labels = site.inputs[position][1] if len(site.inputs[position]) == 4 else None
        if name == "attention_mask" and labels is not None:
            site.unknown("its mask has channels that can be cut")
    key = value if key is None else key
    return site.inputs[query], site.inputs[value], site.inputs[key]


def _mask_of_heads(site: Site, heads: Labels | None) -> None:
    """A mask with an axis for the heads has a number for each of them."""
    for shape in site.in_shapes[2:]:
        if heads is not None and len(shape) == 4 and shape[1] == len(heads) > 1 and site.rank == 3:
            site.pin(heads, f"the mask of '{site.path}' has an axis for the heads")


def _project(site: Site, dense: Any, x: Any, heads: Any, width: Any) -> None:
    plain(Site(site.trace, dense, site.path, [], [], []))
    site.reads(dense._kernel, 0, x)
    site.made_by(dense._kernel, 1, heads)
    site.made_by(dense._kernel, 2, width)
    if dense.bias is not None:
        site.made_by(dense.bias, 0, heads)
        site.made_by(dense.bias, 1, width)


def _narrower(site: Site, dense: Any, width: Labels | None) -> None:
    """Keras divides the scores by the root of the width; the queries make up for a new one."""
    if width is None:
        return
    size = len(width)

    def factor(count: Any) -> float:
        return float(np.sqrt(count(width, size) / size))

    for variable in (dense._kernel, dense.bias):
        if variable is not None:
            site.rescale(variable, factor, width)


@rule(layers.MultiHeadAttention)
def multi_head_attention(site: Site) -> list[Axes]:
    layer: Any = site.op
    query, value, key = _inputs(site)
    heads = site.makes(layer._query_dense._kernel, 1, "head")
    width = site.makes(layer._query_dense._kernel, 2, "width")
    depth = site.makes(layer._value_dense._kernel, 2, "width")
    _project(site, layer._query_dense, query[-1], heads, width)
    _project(site, layer._key_dense, key[-1], heads, width)
    _project(site, layer._value_dense, value[-1], heads, depth)
    if layer._use_gate:
        _project(site, layer._gate_dense, query[-1], heads, depth)
    _narrower(site, layer._query_dense, width)
    _mask_of_heads(site, heads)
    kernel, bias = layer._output_dense._kernel, layer._output_dense.bias
    site.reads(kernel, 0, heads)
    site.reads(kernel, 1, depth)
    made = [site.makes(kernel, axis) for axis in range(2, len(kernel.shape))]
    if bias is not None:
        for axis, labels in enumerate(made):
            site.made_by(bias, axis, labels)
    site.width("num_heads", heads)
    site.width("key_dim", width)
    site.width("value_dim", depth)
    sizes = kernel.shape[2:]
    site.configure(
        "output_shape",
        lambda count: tuple(map(count, made, sizes)),
        *made,
    )
    output = (*query[: len(query) - 1], *made)
    return [output, *_scores(site, heads)]


@rule(layers.GroupQueryAttention)
def group_query_attention(site: Site) -> list[Axes]:
    """Heads of keys go with all their queries, or one query of each: whatever gives more choice."""
    layer: Any = site.op
    query, value, key = _inputs(site)
    q, k, v = layer._query_dense._kernel, layer._key_dense._kernel, layer._value_dense._kernel
    out = layer._output_dense
    pairs, repeats = layer.num_key_value_heads, layer.num_repeats
    width = site.makes(q, 2, "width")
    heads = site.makes(q, 1, "head")
    if heads is None or width is None:
        site.unknown("it is called in several ways")
    assert heads is not None
    grid = heads.reshape(pairs, repeats)
    if pairs >= repeats:
        site.tie(grid, np.broadcast_to(grid[:, :1], grid.shape))
        shared: Labels | None = np.ascontiguousarray(grid[:, 0])
        site.width("num_key_value_heads", shared)
    else:
        site.tie(grid, np.broadcast_to(grid[:1], grid.shape))
        shared = None
    _project(site, layer._query_dense, query[-1], heads, width)
    _project(site, layer._key_dense, key[-1], shared, width)
    _project(site, layer._value_dense, value[-1], shared, width)
    if layer.use_gate:
        _project(site, layer._gate_dense, query[-1], heads, width)
    assert k is not v
    _narrower(site, layer._query_dense, width)
    _mask_of_heads(site, heads)
    site.reads(out._kernel, 0, heads)
    site.reads(out._kernel, 1, width)
    made = site.makes(out._kernel, 2)
    site.made_by(out.bias, 0, made)
    site.tie(made, query[-1])  # Keras gives the output the width of the query
    site.width("num_query_heads", heads)
    site.width("head_dim", width)
    return [
        (*query[:-1], None if query[-1] is None else made),
        *_scores(site, heads),
    ]


def _scores(site: Site, heads: Labels | None) -> list[Axes]:
    return [
        (None, heads, *(None,) * (len(shape) - 2)) if len(shape) > 2 else (None,) * len(shape)
        for shape in site.out_shapes[1:]
    ]


@rule(layers.Attention, layers.AdditiveAttention)
def attention(site: Site) -> list[Axes]:
    """Queries meet keys channel by channel; the values pass."""
    layer: Any = site.op
    query, value = site.inputs[0], site.inputs[1]
    key = site.inputs[2] if len(site.inputs) > 2 else value
    additive = isinstance(layer, layers.AdditiveAttention)
    if additive and layer.use_scale:
        if query[-1] is not None or key[-1] is not None:
            site.tie(query[-1], key[-1])
        site.reads(layer.scale, 0, query[-1] if key[-1] is not None else None)
    else:
        for labels in (query[-1], key[-1]):
            site.pin(labels, f"'{site.path}' multiplies queries by keys along this axis")
    scores = [(None,) * len(shape) for shape in site.out_shapes[1:]]
    return [(*query[:-1], value[-1]), *scores]


@rule(layers.Dot)
def dot(site: Site) -> list[Axes]:
    axes = site.op.axes
    pair = (axes, axes) if isinstance(axes, int) else tuple(axes)
    kept: list = [None]
    for x, axis in zip(site.inputs, pair, strict=True):
        site.pin(x[axis], f"'{site.path}' sums over this axis")
        kept += [y for i, y in enumerate(x) if i not in (0, axis % len(x))]
    for labels in kept[1:]:
        site.varies(labels)
    rank = len(site.out_shapes[0])
    return [tuple(kept)] if len(kept) == rank else [(None,) * rank]


@rule(numpy_ops.Matmul)
def matmul(site: Site) -> list[Axes]:
    if len(site.inputs) != 2 or min(map(len, site.inputs)) < 2:
        site.unknown("one side is a constant or a vector")
    rank = max(map(len, site.inputs))
    letters = [chr(97 + i) for i in range(rank - 2)]
    left = "".join(letters[rank - len(site.inputs[0]) :]) + "yz"
    right = "".join(letters[rank - len(site.inputs[1]) :]) + "zx"
    return _einsum(site, [left, right], "".join(letters) + "yx")


@rule(numpy_ops.Einsum)
def einsum(site: Site) -> list[Axes]:
    left, _, right = site.op.subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    if "." in left or len(terms) != len(site.inputs) or not right:
        site.unknown("its equation has an ellipsis, no output, or a constant")
    return _einsum(site, terms, right)


def _einsum(site: Site, terms: list[str], right: str) -> list[Axes]:
    """Axes that are summed have to stay: no weight stands between the two sides."""
    found: dict[str, list[tuple[Any, Any]]] = {}
    for term, axes, shape in zip(terms, site.inputs, site.in_shapes, strict=True):
        for letter, labels, size in zip(term, axes, shape, strict=True):
            found.setdefault(letter, []).append((labels, size))
    merged: dict[str, Any] = {}
    for letter, pairs in found.items():
        wide = [labels for labels, size in pairs if size != 1] or [pairs[0][0]]
        if letter not in right:
            for labels in wide:
                site.pin(labels, f"'{site.path}' sums over this axis")
        for labels in wide[1:]:
            if labels is not None or wide[0] is not None:
                site.tie(wide[0], labels)
        merged[letter] = None if any(x is None for x in wide) else wide[0]
        site.varies(merged[letter])
    return [tuple(merged[letter] for letter in right)]


@rule(nn_ops.DotProductAttention)
def dot_product_attention(site: Site) -> list[Axes]:
    query, key, value = site.inputs[:3]
    for x in (query, key):
        site.pin(x[3], f"'{site.path}' multiplies queries by keys along this axis")
    if len(site.inputs) > 3 or query[2] is None:
        for x in (query, key, value):
            site.pin(x[2], f"'{site.path}' has a fixed number of heads")
        return [(*query[:2], None, value[3])]
    site.tie(query[2], key[2])
    site.tie(query[2], value[2])
    return [(*query[:3], value[3])]
