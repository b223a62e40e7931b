"""How many FLOPs one call of a layer or operation needs: one short rule a family."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import keras
from keras.src.ops import nn as nn_ops
from keras.src.ops import numpy as numpy_ops

from secateur.evaluation.flops import Call, Shape, UnknownFlops, graph_calls, graph_of

WeightShape = Callable[[Any], Shape]
Rule = Callable[[Call, WeightShape], int]

_rules: dict[type, Rule] = {}


def flop_rule(*types: type) -> Callable[[Rule], Rule]:
    """Registers the FLOPs of an operation, also for layers of your own.

    The function gets the call (the operation, the shapes of its inputs and outputs, batch
    included) and `shape(variable)`, the shape of a weight; it returns FLOPs. Reading the shapes of
    weights in this way, and not from the variable, lets a cut model be counted before it is built.
    """

    def register(rule: Rule) -> Rule:
        for kind in types:
            _rules[kind] = rule
        return rule

    return register


def own_shape(variable: Any) -> Shape:
    """The shape that a weight has now."""
    return tuple(variable.shape)


def call_flops(call: Call, shape: WeightShape = own_shape) -> int:
    """FLOPs of one call, for the whole batch that its shapes name.

    Args:
        call: The operation and the shapes it sees.
        shape: Weight -> its shape; another function than the default counts a cut model.

    Raises:
        UnknownFlops: If a size is open, or the operation cannot be counted.
    """
    for kind in type(call.operation).__mro__:
        if kind in _rules:
            try:
                return _rules[kind](call, shape)
            except UnknownFlops as error:
                raise UnknownFlops(
                    f"The FLOPs of '{call.operation.name}' cannot be counted: {error}"
                ) from None
    if type(call.operation).__module__.split(".")[0] == "keras":
        return 0  # element-wise, normalisation, pooling, resizing: see the convention
    from secateur.evaluation.flops_traced import traced_call_flops

    return traced_call_flops(call)


def size(dimensions: Iterable[int | None]) -> int:
    """Product of sizes, all of which must be known."""
    dimensions = tuple(dimensions)
    if None in dimensions:
        raise UnknownFlops(
            f"a size in {dimensions} is open (None); build the model with a fixed input shape."
        )
    return math.prod(dimensions)  # type: ignore[arg-type]


def _spatial(shape: Shape, layer: Any) -> Shape:
    """Batch and positions of a feature map, without its channels."""
    channels_first = getattr(layer, "data_format", None) == "channels_first"
    return (shape[0], *shape[2:]) if channels_first else shape[:-1]


layers = keras.layers


@flop_rule(layers.Dense)
def _dense(call: Call, shape: WeightShape) -> int:
    return 2 * size(shape(call.operation._kernel)) * size(call.inputs[0][:-1])


@flop_rule(layers.EinsumDense)
def _einsum_dense(call: Call, shape: WeightShape) -> int:
    layer = call.operation
    return _einsum(layer.equation, [call.inputs[0], shape(layer._kernel)])


@flop_rule(layers.Conv1D, layers.Conv2D, layers.Conv3D)
def _conv(call: Call, shape: WeightShape) -> int:
    layer = call.operation
    return 2 * size(shape(layer._kernel)) * size(_spatial(call.outputs[0], layer))


@flop_rule(layers.DepthwiseConv1D, layers.DepthwiseConv2D)
def _depthwise(call: Call, shape: WeightShape) -> int:
    layer = call.operation
    return 2 * size(shape(layer.kernel)) * size(_spatial(call.outputs[0], layer))


@flop_rule(layers.SeparableConv1D, layers.SeparableConv2D)
def _separable(call: Call, shape: WeightShape) -> int:
    layer = call.operation
    kernels = size(shape(layer.depthwise_kernel)) + size(shape(layer.pointwise_kernel))
    return 2 * kernels * size(_spatial(call.outputs[0], layer))


@flop_rule(layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
def _transposed(call: Call, shape: WeightShape) -> int:
    """Each position of the input is spread by the whole kernel."""
    layer = call.operation
    return 2 * size(shape(layer.kernel)) * size(_spatial(call.inputs[0], layer))


@flop_rule(layers.RNN)
def _rnn(call: Call, shape: WeightShape) -> int:
    steps = call.inputs[0][:2]  # batch and time
    return 2 * size(steps) * _cell(call.operation.cell, shape)


def _cell(cell: Any, shape: WeightShape) -> int:
    if isinstance(cell, layers.StackedRNNCells):
        return sum(_cell(inner, shape) for inner in cell.cells)
    if isinstance(cell, (layers.SimpleRNNCell, layers.LSTMCell, layers.GRUCell)):
        return size(shape(cell.kernel)) + size(shape(cell.recurrent_kernel))
    raise UnknownFlops(f"the cell {type(cell).__name__} is not known.")


@flop_rule(layers.ConvLSTM1D, layers.ConvLSTM2D, layers.ConvLSTM3D)
def _conv_lstm(call: Call, shape: WeightShape) -> int:
    cell, (batch, steps) = call.operation.cell, call.inputs[0][:2]
    rank = len(shape(cell.kernel)) - 2
    state = call.outputs[0]
    first = call.operation.data_format == "channels_first"
    positions = state[-rank:] if first else state[-rank - 1 : -1]
    kernels = size(shape(cell.kernel)) + size(shape(cell.recurrent_kernel))
    return 2 * kernels * size((batch, steps, *positions))


@flop_rule(layers.Bidirectional)
def _bidirectional(call: Call, shape: WeightShape) -> int:
    both = (call.operation.forward_layer, call.operation.backward_layer)
    return sum(call_flops(replace(call, operation=layer), shape) for layer in both)


@flop_rule(layers.TimeDistributed)
def _time_distributed(call: Call, shape: WeightShape) -> int:
    def fold(sizes: Shape) -> Shape:
        return (size(sizes[:2]), *sizes[2:])

    inner = replace(
        call,
        operation=call.operation.layer,
        inputs=(fold(call.inputs[0]),),
        outputs=tuple(map(fold, call.outputs)),
    )
    return _inner_flops(inner, shape)


@flop_rule(layers.Wrapper)
def _wrapper(call: Call, shape: WeightShape) -> int:
    if not type(call.operation).__module__.startswith("keras."):
        from secateur.evaluation.flops_traced import traced_call_flops

        return traced_call_flops(call)
    return _inner_flops(replace(call, operation=call.operation.layer), shape)


def _inner_flops(call: Call, shape: WeightShape) -> int:
    graph = graph_of(call.operation) if isinstance(call.operation, keras.Model) else None
    if graph is None:
        return call_flops(call, shape)
    return sum(_inner_flops(inner, shape) for inner in graph_calls(graph, list(call.inputs)))


@flop_rule(layers.MultiHeadAttention)
def _multi_head(call: Call, shape: WeightShape) -> int:
    return _heads(call, shape, call.operation._query_dense)


@flop_rule(layers.GroupQueryAttention)
def _group_query(call: Call, shape: WeightShape) -> int:
    return _heads(call, shape, call.operation._query_dense)


def _heads(call: Call, shape: WeightShape, query_dense: Any) -> int:
    """Four (or five) projections, queries times keys, and scores times values.

    Every query meets every key; a causal mask or a window saves nothing here, as it does not in
    Keras's implementation. `attention_axes` restrict which positions meet.
    """
    layer = call.operation
    query = call.argument(0, "query")
    value = call.argument(1, "value")
    key = call.argument(2, "key") or value
    if query is None or key is None or value is None:
        raise UnknownFlops("query and value are not tensors of the graph.")
    _, heads, key_dim = shape(query_dense._kernel)
    value_dim = shape(layer._value_dense._kernel)[-1]
    targets, sources = size(query[:-1]), size(value[:-1])
    projections = (
        targets * size(shape(query_dense._kernel))
        + sources * size(shape(layer._key_dense._kernel))
        + sources * size(shape(layer._value_dense._kernel))
        + targets * size(shape(layer._output_dense._kernel))
    )
    if getattr(layer, "use_gate", getattr(layer, "_use_gate", False)):
        projections += targets * size(shape(layer._gate_dense._kernel))
    axes = getattr(layer, "_attention_axes", None) or range(1, len(value) - 1)
    met = size(value[axis] for axis in axes)
    return 2 * (projections + targets * met * size((heads, key_dim))) + (
        2 * targets * met * size((heads, value_dim))
    )


@flop_rule(layers.Attention, layers.AdditiveAttention)
def _attention(call: Call, shape: WeightShape) -> int:
    """Scores (or, additive, the product with the scale), and scores times values."""
    query, value = call.inputs[0], call.inputs[1]
    key = call.inputs[2] if len(call.inputs) > 2 else value
    pairs = size(query[:-1]) * size(value[1:-1])
    additive = isinstance(call.operation, layers.AdditiveAttention)
    scores = 0 if additive and not call.operation.use_scale else size(key[-1:])
    return 2 * pairs * (scores + size(value[-1:]))


@flop_rule(layers.Dot)
def _dot(call: Call, shape: WeightShape) -> int:
    axes = call.operation.axes
    axis = axes if isinstance(axes, int) else axes[0]
    return 2 * size(call.outputs[0]) * size((call.inputs[0][axis],))


@flop_rule(numpy_ops.Matmul, numpy_ops.Dot, numpy_ops.Inner, numpy_ops.Vdot)
def _matmul(call: Call, shape: WeightShape) -> int:
    """Sizes of the product, times the last axis of the left side that is summed."""
    if len(call.inputs) != 2:
        raise UnknownFlops("one side is a constant.")
    return 2 * size(call.outputs[0]) * size(call.inputs[0][-1:])


@flop_rule(numpy_ops.Einsum)
def _einsum_op(call: Call, shape: WeightShape) -> int:
    return _einsum(call.operation.subscripts, list(call.inputs))


@flop_rule(numpy_ops.Tensordot)
def _tensordot(call: Call, shape: WeightShape) -> int:
    axes = call.operation.axes
    left = call.inputs[0]
    if isinstance(axes, int):
        summed = left[len(left) - axes :]
    else:
        first = axes[0] if isinstance(axes[0], (list, tuple)) else [axes[0]]
        summed = tuple(left[axis] for axis in first)
    return 2 * size(call.outputs[0]) * size(summed)


@flop_rule(nn_ops.Conv, nn_ops.DepthwiseConv, nn_ops.ConvTranspose, nn_ops.SeparableConv)
def _raw_conv(call: Call, shape: WeightShape) -> int:
    if len(call.inputs) != 2 or isinstance(call.operation, nn_ops.SeparableConv):
        raise UnknownFlops("its kernel is not a tensor of the graph.")
    transposed = isinstance(call.operation, nn_ops.ConvTranspose)
    seen = call.inputs[0] if transposed else call.outputs[0]
    return 2 * size(call.inputs[1]) * size(_spatial(seen, call.operation))


@flop_rule(nn_ops.DotProductAttention)
def _dot_product_attention(call: Call, shape: WeightShape) -> int:
    query, key, value = call.inputs[:3]  # (batch, length, heads, size)
    return 2 * size(query[:3]) * size(key[1:2]) * (size(query[3:]) + size(value[3:]))


def _einsum(equation: str, shapes: list[Shape]) -> int:
    """Two FLOPs for each combination of all labels; an ellipsis stands for its own axes."""
    terms = equation.replace(" ", "").split("->")[0].split(",")
    if len(terms) != len(shapes):
        raise UnknownFlops("one side is a constant.")
    sizes: dict[Any, int | None] = {}
    for term, dims in zip(terms, shapes, strict=True):
        labels: list[Any] = list(term)
        if "..." in term:
            before, after = term.split("...")
            dots = len(dims) - len(before) - len(after)
            labels = [*before, *((".", dots - i) for i in range(dots)), *after]
        for label, dim in zip(labels, dims, strict=True):
            if sizes.get(label, 1) == 1:
                sizes[label] = dim
    return (2 if len(terms) > 1 else 0) * size(sizes.values())
