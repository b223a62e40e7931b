"""Which channels are the same number for every input, and which number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from secateur.evaluation.flops import graph_of
from secateur.structure.dependency import Graph, components
from secateur.structure.execute import Execution
from secateur.structure.labels import Bound

_OPEN = 64
"""Size that stands for an open one in the inputs of a probe."""


def constant_labels(
    graph: Graph, makers: Sequence[Bound], live: Mapping[int, np.ndarray]
) -> np.ndarray:
    """For each label whether its channel cannot depend on the input.

    Args:
        graph: The dependency graph.
        makers: Kernels' axes that make channels.
        live: id of a weight -> for each position whether it is not zero.
    """
    trace = graph.trace
    gated = {(id(old), id(new)) for old, new, _ in trace.gates}
    ties = [pair for pair in trace.ties if (id(pair[0]), id(pair[1])) not in gated]
    same = components(trace.size, ties)
    varies = np.zeros(int(same.max(initial=-1)) + 1, bool)
    for labels in trace.varying:
        varies[same[np.ravel(labels)]] = True
    for bound in makers:
        assert bound.labels is not None
        varies[same[bound.labels[along(live[id(bound.variable)], bound.axis)]]] = True
    changed = True
    while changed:  # a gate of zero stops what varies
        changed = False
        for old, new, op in trace.gates:
            kernel = live[id(op.kernel)]
            open_ = kernel.reshape(-1, kernel.shape[-2] * kernel.shape[-1]).any(0)
            through = same[new[varies[same[old]] & open_]]
            changed = changed or not varies[through].all()
            varies[through] = True
    return ~varies[same]


def along(live: np.ndarray, axis: int) -> np.ndarray:
    """For each position of an axis whether anything there is true."""
    return np.asarray(live.any(tuple(i for i in range(live.ndim) if i != axis)))


def constant_values(graph: Graph) -> dict[int, np.ndarray]:
    """The numbers that readers of channels see, found by running the model on random inputs.

    Returns:
        id of the bound axis that reads -> for each of its positions the number, or NaN where it
        differs between examples, places or calls, or is not known.
    """
    watch = frozenset(id(r.tensor) for r in graph.trace.readings if r.tensor is not None)
    execution = Execution(graph.model, watch=watch)
    execution(_probe(graph_of(graph.model)))
    found: dict[int, np.ndarray] = {}
    for reading in graph.trace.readings:
        seen = execution.seen.get(id(reading.tensor), []) if reading.tensor is not None else []
        size = reading.bound.variable.shape[reading.bound.axis]
        values = np.full(size, np.nan)
        if seen:
            arrays = [np.moveaxis(np.asarray(x, np.float64), reading.axis, -1) for x in seen]
            rows = np.concatenate([x.reshape(-1, size) for x in arrays])
            spread = np.ptp(rows, axis=0) <= 1e-6 * np.abs(rows).max(0)
            values = np.where(spread, rows.mean(0), np.nan)
        key = id(reading.bound)
        if key in found:
            equal = np.isclose(found[key], values, rtol=1e-6, atol=0)
            values = np.where(equal, values, np.nan)
        found[key] = values
    return found


def _probe(graph: Any) -> Any:
    rng = np.random.default_rng(0)

    def one(x: Any) -> np.ndarray:
        shape = (x.shape[0] or 2, *(size or _OPEN for size in x.shape[1:]))
        if "float" in x.dtype:
            return rng.normal(size=shape).astype(x.dtype)
        return np.zeros(shape, object if x.dtype == "string" else x.dtype)

    return keras.tree.map_structure(one, graph._inputs_struct)
