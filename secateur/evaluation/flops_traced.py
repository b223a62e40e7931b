"""FLOPs of code that Keras's graph does not show: traced, and counted in TensorFlow's graph."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from secateur.evaluation.flop_rules import _einsum, size
from secateur.evaluation.flops import Call, UnknownFlops

_KERNEL_TIMES_OUTPUT = {"Conv2D", "Conv3D", "DepthwiseConv2dNative"}
_KERNEL_TIMES_GRADIENT = {"Conv2DBackpropInput", "Conv3DBackpropInputV2"}
_MATMUL = {"MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"}
_LOOPS = {"While", "StatelessWhile", "If", "StatelessIf", "Case", "StatelessCase"}


def traced_model_flops(model: keras.Model) -> int:
    """FLOPs of a subclassed model on one example.

    Raises:
        UnknownFlops: If the shapes of the inputs are not known, or the model computes in a loop.
    """
    shapes = getattr(model, "_build_shapes_dict", None)
    if not shapes or len(shapes) != 1:
        raise UnknownFlops(
            f"The FLOPs of the subclassed model '{model.name}' cannot be counted: the shape of its "
            "input is not known; call it on data once, or use a Functional model."
        )
    (shape,) = shapes.values()
    specs = keras.tree.map_shape_structure(
        lambda x: tf.TensorSpec((1, *x[1:]), keras.backend.floatx()), shape
    )
    return _count(lambda x: model(x, training=False), [specs], model.name)


def traced_call_flops(call: Call) -> int:
    """FLOPs of one call of a layer that has no rule.

    Raises:
        UnknownFlops: If it cannot be traced, or computes in a loop.
    """
    inputs = call.tensors[0]
    specs = [tf.TensorSpec(s, x.dtype) for s, x in zip(call.inputs, inputs, strict=True)]

    def run(*tensors: Any) -> Any:
        args, kwargs = call.node.arguments.fill_in(
            {id(x): y for x, y in zip(inputs, tensors, strict=True)}
        )
        return call.operation(*args, **kwargs)

    return _count(run, specs, call.operation.name)


def _count(function: Any, specs: list[Any], name: str) -> int:
    try:
        graph = tf.function(function, autograph=False).get_concrete_function(*specs).graph
        return _graph_flops(graph)
    except UnknownFlops as error:
        raise UnknownFlops(f"The FLOPs of '{name}' cannot be counted: {error}") from None
    except Exception as error:
        raise UnknownFlops(
            f"The FLOPs of '{name}' cannot be counted: tracing it failed ({error})."
        ) from error


def _graph_flops(graph: Any) -> int:
    return sum(_op_flops(op, graph) for op in graph.get_operations())


def _op_flops(op: Any, graph: Any) -> int:
    kind = op.type
    shapes = [tuple(x.shape) if x.shape.rank is not None else (None,) for x in op.inputs]
    if kind in _MATMUL:
        transposed = op.get_attr("transpose_a" if kind == "MatMul" else "adj_x")
        return 2 * size(op.outputs[0].shape) * size((shapes[0][-2 if transposed else -1],))
    if kind == "Einsum":
        return _einsum(op.get_attr("equation").decode(), shapes)
    if kind in _KERNEL_TIMES_OUTPUT or kind in _KERNEL_TIMES_GRADIENT:
        seen = tuple(op.outputs[0].shape) if kind in _KERNEL_TIMES_OUTPUT else shapes[2]
        first = op.get_attr("data_format").decode().startswith("NC")
        positions = (seen[0], *seen[2:]) if first else seen[:-1]
        return 2 * size(shapes[1]) * size(positions)
    inner = [
        _graph_flops(graph._get_function(value.name).graph)
        for value in (
            op.get_attr(key)
            for key in ("f", "body", "then_branch", "else_branch")
            if key in op.node_def.attr
        )
        if graph._get_function(value.name) is not None
    ]
    if any(inner) and kind in _LOOPS:
        raise UnknownFlops("it computes in a loop or a branch.")
    return sum(inner)
