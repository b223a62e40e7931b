"""Measuring a table of latencies, and the operations of a model that it is applied to."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from secateur.evaluation.flops import total_flops
from secateur.evaluation.litert_latency import litert_latency
from secateur.searching.latency_table import LatencyTable
from secateur.structure.dependency import Graph

_WIDTHS = (8, 32, 128)
_LEAST = 1e-6  # milliseconds: below what a clock tells


def _model(make: Callable[[int], keras.layers.Layer], shape: tuple[int, ...], width: int):
    inputs = keras.Input((*shape, width), batch_size=1)
    return keras.Model(inputs, make(width)(inputs))


_KINDS: dict[str, Callable[[int], keras.Model]] = {
    "dense": lambda n: _model(lambda w: keras.layers.Dense(w), (), 8 * n),
    "convolution": lambda n: _model(
        lambda w: keras.layers.Conv2D(w, 3, padding="same"), (14, 14), n
    ),
    "pointwise": lambda n: _model(lambda w: keras.layers.Conv2D(w, 1), (14, 14), n),
    "depthwise": lambda n: _model(
        lambda w: keras.layers.DepthwiseConv2D(3, padding="same"), (14, 14), n
    ),
}


def measure_table(seconds: float | None = None) -> LatencyTable:
    """Times single operations of several sizes in LiteRT, by turns.

    Args:
        seconds: How long to go on; see `evaluation.latency.compare`.

    Raises:
        MissingRuntimeError: `ai-edge-litert` is not installed.
    """
    models = {(kind, n): make(n) for kind, make in _KINDS.items() for n in _WIDTHS}
    empty = _model(lambda w: keras.layers.ReLU(), (), 4)
    times = litert_latency({("", 0): empty, **models}, seconds=seconds)
    call = times["", 0].median
    kinds: dict[str, list[tuple[float, float]]] = {}
    for (kind, width), model in models.items():
        own = max(_LEAST, times[kind, width].median - call)
        points = kinds.setdefault(kind, [])
        if points:  # noise aside, more work takes longer
            own = max(own, points[-1][1])
        points.append((float(total_flops(model)), own))
    return LatencyTable(call=call, kinds=kinds)


def operations(graph: Graph, removed: np.ndarray | None = None) -> list[tuple[str, float]]:
    """Kind and FLOPs of each operation of a model without some units, without building it."""
    gone = np.zeros(graph.units, bool) if removed is None else removed
    count = graph.counter(graph.keeping(gone))
    return [
        (kind_of(record.call.operation), float(graph.record_flops(record, count)))
        for record in graph.trace.records
    ]


def kind_of(operation: object) -> str:
    """The kind of the table that an operation belongs to."""
    layers = keras.layers
    if isinstance(operation, layers.DepthwiseConv1D | layers.DepthwiseConv2D):
        return "depthwise"
    if isinstance(operation, layers.Conv1D | layers.Conv2D | layers.Conv3D):
        return "pointwise" if set(operation.kernel_size) == {1} else "convolution"
    return "dense"
