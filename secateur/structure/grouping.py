"""Groups of channels: found, named, priced and printed."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from secateur.evaluation.flops import UnknownFlops
from secateur.structure.dependency import Graph, Group, analyse


def make_groups(graph: Graph) -> list[Group]:
    """Units with the same set of blocks are one group; see `Graph.groups`."""
    blocks = graph.trace.blocks
    block_of = np.repeat(np.arange(len(blocks)), [b.stop - b.start for b in blocks])
    made = np.array([b.kind not in ("", "fixed") for b in blocks], bool)
    pairs = np.unique(np.stack([graph.unit_of, block_of], 1), axis=0)
    pairs = pairs[made[pairs[:, 1]]]
    pairs = pairs[graph.removable[pairs[:, 0]]]
    if not len(pairs):
        return []
    # The set of blocks of a unit is told by the sum of their random numbers.
    keys = np.random.default_rng(0).integers(1, 2**62, len(blocks), dtype=np.uint64)
    signature = np.zeros(graph.units, np.uint64)
    np.add.at(signature, pairs[:, 0], keys[pairs[:, 1]])
    units = np.unique(pairs[:, 0])
    _, start, inverse = np.unique(signature[units], return_index=True, return_inverse=True)
    by_group = np.split(units[np.argsort(inverse, kind="stable")], np.cumsum(np.bincount(inverse)))
    of_unit: dict[int, list[int]] = {}
    leaders = set(units[start].tolist())
    for unit, block in pairs.tolist():
        if unit in leaders:
            of_unit.setdefault(unit, []).append(block)
    found = [
        (units[start[i]], members, [blocks[b] for b in of_unit[int(units[start[i]])]])
        for i, members in enumerate(by_group[: len(start)])
    ]
    found.sort(key=lambda item: int(item[0]))
    return _priced(graph, [(members, made_by) for _, members, made_by in found])


def _priced(graph: Graph, found: list[tuple[np.ndarray, list[Any]]]) -> list[Group]:
    group_of = np.full(graph.units, -1)
    for number, (units, _) in enumerate(found):
        group_of[units] = number
    of_label = group_of[graph.unit_of]
    members: list[list[tuple[Any, int]]] = [[] for _ in found]
    touched: list[dict[int, Any]] = [{} for _ in found]
    seen: dict[int, tuple[Any, list[int]]] = {}

    def groups_in(labels: Any) -> list[int]:
        if labels is None:
            return []
        if id(labels) not in seen:
            seen[id(labels)] = (labels, [g for g in np.unique(of_label[labels]).tolist() if g >= 0])
        return seen[id(labels)][1]

    for bound in graph.trace.bound.values():
        for number in groups_in(bound.labels):
            members[number].append((bound.variable, bound.axis))
    for record in graph.trace.records:
        axes = [x for tensor in (*record.inputs, *record.outputs) for x in tensor]
        bounds = [
            b.labels
            for v in getattr(record.call.operation, "weights", ())
            for b in graph.bounds.get(id(v), ())
        ]
        for number in {g for x in (*axes, *bounds) for g in groups_in(x)}:
            touched[number][id(record)] = record
    groups = []
    everything = graph.counter(np.ones(graph.trace.size, bool))
    for number, (units, made_by) in enumerate(found):
        without = graph.counter(of_label != number)
        weights = {id(v): v for v, _ in members[number]}.values()
        parameters = sum(
            math.prod(v.shape) - math.prod(graph.weight_shape(v, without)) for v in weights
        )
        layers = tuple(dict.fromkeys(block.layer for block in made_by))
        kinds = [block.kind for block in made_by]
        groups.append(
            Group(
                name=_name(layers),
                kind=next((k for k in ("head", "width") if k in kinds), "channel"),
                layers=layers,
                members=tuple((graph.paths[id(v)], axis) for v, axis in members[number]),
                units=units,
                parameters=parameters,
                flops=_flops(graph, touched[number].values(), everything, without),
            )
        )
    return groups


def _flops(graph: Graph, records: Any, everything: Any, without: Any) -> int | None:
    if graph.trace.uncounted:
        return None
    try:
        return sum(
            graph.record_flops(record, everything) - graph.record_flops(record, without)
            for record in records
        )
    except UnknownFlops:
        return None


def _name(layers: tuple[str, ...]) -> str:
    shown = "+".join(layers[:3])
    return shown if len(layers) <= 3 else f"{shown}+{len(layers) - 3} more"


def groups(model: keras.Model, *, through_normalization: bool = False) -> list[Group]:
    """The groups of channels of a model: what can be cut, and what it costs.

    Args:
        model: A built Functional or Sequential model.
        through_normalization: See `analyse`.

    Returns:
        The groups in the order of the model.
    """
    return analyse(model, through_normalization=through_normalization).groups
