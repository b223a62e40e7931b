"""What can be removed whole: residual blocks, and layers whose input and output have one shape.

A part is removed by letting its input stand for its output; what then leads to no output is gone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
from keras import layers
from keras.src.applications import inception_resnet_v2
from keras.src.ops import nn as nn_ops
from keras.src.ops import numpy as numpy_ops

from secateur.evaluation.flops import graph_of, nodes_in_order
from secateur.structure.wiring import Wiring, calls_of, graphs, inner_graph, order_of

_ADDING = (layers.Add, numpy_ops.Add, inception_resnet_v2.CustomScaleLayer)
_COMPUTING = (
    layers.Dense,
    layers.EinsumDense,
    layers.Conv1D,
    layers.Conv2D,
    layers.Conv3D,
    layers.Conv1DTranspose,
    layers.Conv2DTranspose,
    layers.Conv3DTranspose,
    layers.DepthwiseConv1D,
    layers.DepthwiseConv2D,
    layers.SeparableConv1D,
    layers.SeparableConv2D,
    layers.ConvLSTM1D,
    layers.ConvLSTM2D,
    layers.ConvLSTM3D,
    layers.RNN,
    layers.Bidirectional,
    layers.TimeDistributed,
    layers.MultiHeadAttention,
    layers.GroupQueryAttention,
    keras.Model,
)
_FOLLOWING = (
    layers.BatchNormalization,
    layers.GroupNormalization,
    layers.LayerNormalization,
    layers.RMSNormalization,
    layers.Activation,
    layers.ReLU,
    layers.LeakyReLU,
    layers.PReLU,
    layers.ELU,
    layers.Dropout,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.SpatialDropout3D,
    nn_ops.Relu,
    nn_ops.Relu6,
    nn_ops.Gelu,
    nn_ops.Silu,
)


@dataclass(frozen=True, eq=False)
class Part:
    """A residual block, a nested model, or a layer with the norm and activation that follow it.

    Attributes:
        name: Path of the addition that ends the block, or of the layer.
        kind: "block", "layer", or "nested" for a nested model.
        layers: Paths of the layers with weights that go with it.
        bypass: id of a node -> index of the input that stands for its output.
        source: The symbolic tensor that comes in.
        result: The symbolic tensor that comes out.
        graph: The Functional graph that it is in: the model's own, or a nested model's.
        parameters: How many weights go with it alone.
    """

    name: str
    kind: str
    layers: tuple[str, ...] = field(repr=False)
    bypass: Mapping[int, int] = field(repr=False)
    source: Any = field(repr=False)
    result: Any = field(repr=False)
    graph: Any = field(repr=False)
    parameters: int = 0


def parts(model: keras.Model) -> list[Part]:
    """The parts of a model that can be removed, in its order.

    A block is an addition of a tensor and something computed from it: removed, the tensor passes by
    itself. A layer or a nested model counts by itself only outside of such blocks, and if it is
    called once; the normalisation and activation that directly follow it go with it. Blocks whose
    shortcut changes the shape stay.

    Args:
        model: A built Functional or Sequential model.

    Raises:
        ValueError: If the model is subclassed or not built.
    """
    graph = graph_of(model) if isinstance(model, keras.Model) else None
    if graph is None:
        raise ValueError(
            f"No layer of '{getattr(model, 'name', model)}' can be removed: it is not a "
            "Functional or Sequential model, so its graph is not known. Build it from "
            "keras.Input and layers, or prune its weights (pattern 'weight') instead."
        )
    calls = calls_of(model)
    found: list[Part] = []
    for own, prefix in graphs(model):
        wiring = Wiring(own)
        inside: set[int] = set()
        candidates = [(x, "block") for x in _blocks(wiring)]
        candidates += _layers(wiring, calls)
        for (name, bypass, source, result), kind in candidates:
            if kind != "block" and inside & bypass.keys():
                continue
            gone = wiring.without(bypass)
            went = _layers_in(gone or [], prefix, calls)
            weights = {id(v): v for layer in went.values() for v in layer.weights}
            if not weights:
                continue
            if kind == "block":
                inside |= {id(node) for node in gone or ()}
            size = sum(math.prod(v.shape) for v in weights.values())
            found.append(Part(prefix + name, kind, tuple(went), bypass, source, result, own, size))
    place = {node: i for i, node in enumerate(order_of(model))}
    return sorted(found, key=lambda part: min(place[node] for node in part.bypass))


Candidate = tuple[str, dict[int, int], Any, Any]


def _blocks(wiring: Wiring) -> Iterator[Candidate]:
    for node in wiring.nodes:
        if not isinstance(node.operation, _ADDING) or len(node.input_tensors) < 2:
            continue
        (result,) = node.outputs
        first_only = isinstance(node.operation, inception_resnet_v2.CustomScaleLayer)
        for index, x in enumerate(node.input_tensors[: 1 if first_only else None]):
            others = [y for y in node.input_tensors if y is not x]
            if others and _same(x, result) and all(wiring.comes_from(y, x) for y in others):
                yield node.operation.name, {id(node): index}, x, result
                break


def _layers(wiring: Wiring, calls: Mapping[int, int]) -> Iterator[tuple[Candidate, str]]:
    for node in wiring.nodes:
        source = _through(node)
        if source is None or not isinstance(node.operation, _COMPUTING):
            continue
        if calls[id(node.operation)] > 1:
            continue
        bypass, result = {id(node): 0}, node.outputs[0]
        while id(result) not in wiring.ends and len(wiring.readers[id(result)]) == 1:
            (reader,) = wiring.readers[id(result)]
            follows = isinstance(reader.operation, _FOLLOWING) and _through(reader) is not None
            if not follows or calls[id(reader.operation)] > 1:
                break
            bypass[id(reader)], result = 0, reader.outputs[0]
        kind = "layer" if inner_graph(node.operation) is None else "nested"
        yield (node.operation.name, bypass, source, result), kind


def _through(node: Any) -> Any:
    """The one tensor that a call maps to one of the same shape, or None."""
    inputs = {id(x): x for x in node.input_tensors}
    if len(inputs) != 1 or len(node.outputs) != 1:
        return None
    (x,) = inputs.values()
    return x if _same(x, node.outputs[0]) else None


def _same(x: Any, y: Any) -> bool:
    return tuple(x.shape) == tuple(y.shape) and x.dtype == y.dtype


def _layers_in(nodes: list[Any], prefix: str, calls: Mapping[int, int]) -> dict[str, Any]:
    """Path -> layer with weights, of all layers whose every call is among these nodes."""
    inside: dict[int, int] = {}
    for node in nodes:
        inside[id(node.operation)] = inside.get(id(node.operation), 0) + 1
    found: dict[str, Any] = {}
    for node in nodes:
        op = node.operation
        if inside[id(op)] < calls[id(op)] or not getattr(op, "weights", None):
            continue
        inner = inner_graph(op)
        if inner is None:
            found[prefix + op.name] = op
        else:
            within = list(nodes_in_order(inner))
            found.update(_layers_in(within, f"{prefix}{op.name}/", calls))
    return found
