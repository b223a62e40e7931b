"""The dependency graph of a model: which channels go together, and what is left without them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import keras
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from secateur.evaluation.flop_rules import call_flops
from secateur.evaluation.flops import UnknownFlops, graph_of
from secateur.structure.labels import Axes, Block, Labels
from secateur.structure.trace import Trace


@dataclass(frozen=True)
class Group:
    """Channels that are alike: each of them runs through the same axes of the same weights.

    Attributes:
        name: Layers that make the channels, joined by "+"; long lists are cut short.
        kind: "channel", "head" (of attention) or "width" (of keys and values inside each head).
        layers: Paths of the layers that make the channels, in the order of the model.
        members: Pairs of a weight's path and the axis that the channels run along.
        units: Numbers of the units, one a removable channel, in the order of the channels.
        channels: How many of them there are.
        parameters: Parameters of the model that belong to these channels: how many fewer there
            would be without them all.
        flops: The same in FLOPs of one example, or None if FLOPs cannot be counted.
    """

    name: str
    kind: str
    layers: tuple[str, ...]
    members: tuple[tuple[str, int], ...]
    units: np.ndarray
    parameters: int
    flops: int | None

    @property
    def channels(self) -> int:
        """How many channels (heads, widths) the group has."""
        return len(self.units)


class Graph:
    """What `analyse` finds out about a model.

    Attributes:
        model: The model.
        unit_of: For each label its unit: an integer array.
        removable: For each unit whether it may go.
        notices: One sentence for each operation that is not known.
    """

    def __init__(self, model: keras.Model, trace: Trace):
        from secateur.models.weights import weight_paths

        self.model, self.trace = model, trace
        self.notices = list(dict.fromkeys(trace.notices))
        self.paths = {id(variable): path for path, variable in weight_paths(model)}
        self.unit_of = components(trace.size, trace.ties)
        self.units = int(self.unit_of.max(initial=-1)) + 1
        self.removable = np.ones(self.units, bool)
        for labels, _ in trace.pins:
            self.removable[self.unit_of[np.ravel(labels)]] = False
        self.bounds: dict[int, list[Any]] = {}
        for bound in trace.bound.values():
            self.bounds.setdefault(id(bound.variable), []).append(bound)

    # What is left.

    def keeping(self, removed: np.ndarray) -> np.ndarray:
        """For each label whether it stays, given for each unit whether it goes."""
        return ~removed[self.unit_of]

    def counter(self, keep: np.ndarray) -> Callable[[Labels | None, int], int]:
        """Function that counts the positions left of an axis; a fixed axis keeps its size."""
        known: dict[int, tuple[Labels, int]] = {}

        def count(labels: Labels | None, size: int) -> int:
            if labels is None:
                return size
            if id(labels) not in known:
                known[id(labels)] = (labels, int(np.count_nonzero(keep[labels])))
            return known[id(labels)][1]

        return count

    def weight_shape(self, variable: Any, count: Callable) -> tuple[int, ...]:
        """Shape of a weight after the cut."""
        shape = list(variable.shape)
        for bound in self.bounds.get(id(variable), ()):
            shape[bound.axis] = count(bound.labels, shape[bound.axis])
        return tuple(shape)

    def parameters(self, removed: np.ndarray | None = None) -> int:
        """Number of parameters, all weights counted, without the removed units."""
        count = self.counter(self._keep(removed))
        return sum(math.prod(self.weight_shape(v, count)) for v in self.model.weights)

    def flops(self, removed: np.ndarray | None = None) -> int:
        """FLOPs of one example without the removed units, from the graph alone.

        Raises:
            UnknownFlops: As in `evaluation.flops.flops`.
        """
        if self.trace.uncounted:
            raise UnknownFlops(f"The FLOPs cannot be counted: {self.trace.uncounted}.")
        count = self.counter(self._keep(removed))
        return sum(self.record_flops(record, count) for record in self.trace.records) // self._batch

    def record_flops(self, record: Any, count: Callable) -> int:
        """FLOPs of one recorded call with the widths that `count` gives."""

        def left(axes: Axes, shape: tuple) -> tuple:
            return tuple(
                size if labels is None else count(labels, size)
                for labels, size in zip(axes, shape, strict=True)
            )

        call = replace(
            record.call,
            inputs=tuple(map(left, record.inputs, record.call.inputs)),
            outputs=tuple(map(left, record.outputs, record.call.outputs)),
        )
        return record.times * call_flops(call, lambda v: self.weight_shape(v, count))

    @cached_property
    def _batch(self) -> int:
        return next(iter(x.shape[0] for x in graph_of(self.model).inputs)) or 1  # type: ignore[union-attr]

    def _keep(self, removed: np.ndarray | None) -> np.ndarray:
        return self.keeping(np.zeros(self.units, bool) if removed is None else removed)

    # Groups.

    @cached_property
    def groups(self) -> list[Group]:
        """The groups that can be cut, in the order of the model."""
        from secateur.structure.grouping import make_groups

        return make_groups(self)

    @cached_property
    def kept(self) -> list[tuple[Block, list[str]]]:
        """Blocks of channels that have to stay, in whole or in part, and why."""
        reasons: dict[int, list[str]] = {}
        for labels, reason in self.trace.pins:
            for unit in np.unique(self.unit_of[np.ravel(labels)]).tolist():
                reasons.setdefault(unit, []).append(reason)
        kept = []
        for block in self.trace.blocks:
            units = np.unique(self.unit_of[block.start : block.stop])
            pinned = units[~self.removable[units]].tolist()
            if pinned and block.kind not in ("", "fixed"):
                why = dict.fromkeys(reason for unit in pinned for reason in reasons[unit])
                kept.append((block, list(why)))
        return kept


def components(size: int, ties: list[tuple[Any, Any]]) -> np.ndarray:
    """Numbers of the connected components, in the order of their first labels."""
    if not ties:
        return np.arange(size)
    first = np.concatenate([np.ravel(a) for a, _ in ties])
    second = np.concatenate([np.ravel(b) for _, b in ties])
    edges = coo_array((np.ones(len(first), bool), (first, second)), shape=(size, size))
    _, found = connected_components(edges, directed=False)
    _, start, number = np.unique(found, return_index=True, return_inverse=True)
    rank = np.empty(len(start), np.int64)
    rank[np.argsort(start)] = np.arange(len(start))
    return rank[number]


def analyse(model: keras.Model, *, through_normalization: bool = False) -> Graph:
    """Finds out which channels, heads and units of a model depend on each other.

    Nothing is computed and nothing changes: the graph of the model is read. The time grows
    linearly with the number of layers and channels.

    Args:
        model: A built Functional or Sequential model.
        through_normalization: Also cut channels that a LayerNormalization or RMSNormalization
            takes its statistics over (the residual stream of a Transformer). The statistics are
            then those of the channels that are left, so the cut model is no longer equal to the
            original without the channels, and needs fine-tuning.

    Returns:
        The dependency graph.

    Raises:
        ValueError: If the model is subclassed or not built.
    """
    graph = graph_of(model) if isinstance(model, keras.Model) else None
    if graph is None:
        raise ValueError(
            f"The structure of '{getattr(model, 'name', model)}' cannot be cut: it is not a "
            "Functional or Sequential model, so its graph is not known. Build it from "
            "keras.Input and layers, or prune its weights (pattern 'weight') instead."
        )
    first = _traced(model, graph, through_normalization, frozenset())
    blocked = _blocked(first, first.trace.splits)
    if not blocked:
        return first
    second = _traced(model, graph, through_normalization, frozenset(blocked))
    still = _blocked(
        second, {name: second.trace.splits[name] for name in blocked if name in second.trace.splits}
    )
    if len(still) == len(blocked):
        return first
    if not still:
        return second
    return _traced(model, graph, through_normalization, frozenset(blocked - still))


def _blocked(graph: Graph, splits: dict[str, Labels]) -> set[str]:
    return {name for name, x in splits.items() if not graph.removable[graph.unit_of[x]].any()}


def _traced(model: Any, graph: Any, through: bool, last_splits: frozenset[str]) -> Graph:
    trace = Trace(through_normalization=through, last_splits=last_splits)
    shapes = [
        tuple(1 if i == 0 and n is None else n for i, n in enumerate(x.shape)) for x in graph.inputs
    ]
    inputs: list[Axes] = [(None,) * len(shape) for shape in shapes]
    outputs = trace.walk(graph, inputs, shapes, "")
    for axes in outputs:
        for labels in axes:
            if labels is not None:
                trace.pins.append((labels, "is an output of the model"))
    return Graph(model, trace)
