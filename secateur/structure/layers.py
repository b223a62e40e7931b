"""Removing whole layers: which ones, one by one to a target, and the model without them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import keras
import numpy as np

from secateur.evaluation.flop_rules import call_flops
from secateur.evaluation.flops import graph_calls, graph_of, nodes_in_order
from secateur.graph.building import Builder
from secateur.structure.blocks import Part, parts
from secateur.structure.cutting import settle
from secateur.structure.ranking import Ranking, part_scores, ranking
from secateur.structure.removal import selected
from secateur.structure.wiring import graphs, inner_graph, living

MEASURES = ("units", "parameters", "flops", "latency")


@dataclass(frozen=True, eq=False)
class LayerRemoval:
    """Blocks and layers that go.

    Attributes:
        model: The model they were chosen for.
        parts: They, in the order in which they were chosen.
        notices: What was not reached, and why.
    """

    model: keras.Model
    parts: tuple[Part, ...]
    notices: list[str] = field(default_factory=list)

    @cached_property
    def bypass(self) -> dict[int, int]:
        """id of a node -> index of the input that stands for its output."""
        return {node: index for part in self.parts for node, index in part.bypass.items()}

    @property
    def layers(self) -> tuple[str, ...]:
        """Paths of the layers with weights that go."""
        return tuple(dict.fromkeys(layer for part in self.parts for layer in part.layers))

    @property
    def layer_widths(self) -> dict[str, tuple[int, int]]:
        """For each layer with a kernel its number of output channels before and after: 0 if gone.

        The number is the size of the last axis of the layer's output.
        """
        nodes = living(self.model, self.bypass).nodes
        return {
            path: (width, width if kept & nodes else 0)
            for path, (width, kept) in _widths(self.model).items()
        }

    @property
    def parameters(self) -> int:
        """Parameters of the model without them, without building it."""
        return Costs(self.model).parameters(self.bypass)

    @property
    def flops(self) -> int:
        """FLOPs of one example in the model without them, without building it."""
        return Costs(self.model).flops(self.bypass)


def choose_layers(
    model: keras.Model,
    *,
    ratio: float = 0.5,
    measure: str = "units",
    criterion: str = "loss",
    data: Any = None,
    loss: Any = None,
    scores: Mapping[str, np.ndarray] | None = None,
    examples: int | None = 256,
    batch_size: int = 64,
    seed: int = 0,
    include: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
    latency: Callable[[keras.Model], float] | None = None,
) -> LayerRemoval:
    """Chooses blocks and layers one by one, each time the one that matters least in what is left.

    Args:
        model: A built Functional or Sequential model. `parts(model)` tells what can go.
        ratio: Share to remove of what `measure` names, from 0 up to but not including 1.
        measure: "units": of the parts that can go; "parameters" or "flops": of the whole model's;
            "latency": of the time that `latency` measures.
        criterion: "loss": the mean loss on `data` without the part (the change of it, as all are
            compared with one model); "similarity": one minus the mean cosine of a part's input and
            output on `data`, the block influence of ShortGPT (Men et al. 2024, equation 1);
            "scores": the mean of the part's `scores`. The first two are measured anew after each
            removal.
        data: Calibration data, as for `importance.score`; training data, not test data.
        loss: A Keras loss; None takes the one that the model was compiled with.
        scores: Weight path -> array of the weight's shape.
        examples: How many examples to look at, at most; None for all.
        batch_size: Examples that go through the model at a time.
        seed: Seed of the draw of the examples.
        include: Globs on paths, names or types of layers: parts with one of these layers can go.
            None: all parts.
        exclude: Globs of the same kind: parts with one of these layers stay.
        latency: Model -> time, for `measure="latency"`.

    Returns:
        The removal, as close to the target as one part allows.

    Raises:
        ValueError: If an argument is not one of those above, or nothing can go.
    """
    _check(ratio, measure, latency)
    free = [p for p in parts(model) if selected(part_names(model, p), include, exclude)]
    if not free:
        raise ValueError(
            f"No layer of '{model.name}' can be removed: no residual block, and no layer with one "
            "shape of input and output, is among those that include and exclude leave. Use the "
            "pattern 'channel' instead."
        )
    notices = []
    if criterion == "scores":
        without = [p.name for p in free if not part_scores(model, p, scores or {})]
        if without:
            notices.append(f"Not removed, because they have no scores: {', '.join(without)}.")
            free = [part for part in free if part.name not in without]
    rank = ranking(
        criterion,
        model,
        data=data,
        loss=loss,
        scores=scores,
        examples=examples,
        batch_size=batch_size,
        seed=seed,
    )
    measured = _measured(model, measure, len(free), latency)
    removal = _one_by_one(model, free, rank, ratio, measured)
    return replace(removal, notices=[*notices, *removal.notices])


Measure = Callable[[LayerRemoval], float]


def _one_by_one(
    model: keras.Model, free: list[Part], rank: Ranking, ratio: float, measured: Measure
) -> LayerRemoval:
    removal = LayerRemoval(model, ())
    whole = value = measured(removal)
    goal = whole * (1 - ratio)
    while value > goal:
        free = [part for part in free if _is_possible(removal, part)]
        if not free:
            notice = (
                f"A ratio of {ratio:g} cannot be reached: without all layers that may go, it is "
                f"{1 - value / whole:.4f}."
            )
            return LayerRemoval(model, removal.parts, [notice])
        worth = rank(removal.bypass, free)
        if not np.isfinite(worth).all():
            raise ValueError("Layers cannot be ranked: their loss or similarity is not finite.")
        least = free.pop(int(np.argmin(worth)))
        following = LayerRemoval(model, (*removal.parts, least))
        reached = measured(following)
        if abs(reached - goal) > abs(value - goal):
            break
        removal, value = following, reached
    return removal


def _is_possible(removal: LayerRemoval, part: Part) -> bool:
    """Whether a part is still there, and no input of the model loses its way to an output."""
    before = living(removal.model, removal.bypass)
    if not part.bypass.keys() <= before.nodes:
        return False
    after = living(removal.model, {**removal.bypass, **part.bypass})
    return all(
        id(x) in after.tensors or id(x) not in before.tensors
        for graph, _ in graphs(removal.model)
        for x in graph.inputs
        if any(id(y) in after.tensors for y in graph.outputs)
    )


def _measured(model: keras.Model, measure: str, total: int, latency: Any) -> Measure:
    costs = Costs(model)
    if measure == "units":
        return lambda removal: float(total - len(removal.parts))
    if measure == "parameters":
        return lambda removal: float(costs.parameters(removal.bypass))
    if measure == "flops":
        return lambda removal: float(costs.flops(removal.bypass))
    return lambda removal: float(latency(cut_layers(removal) if removal.parts else model))


class Costs:
    """Parameters and FLOPs of a model without some of its nodes, without building it."""

    def __init__(self, model: keras.Model):
        self.model = model

    @cached_property
    def _calls(self) -> list[tuple[tuple[int, ...], int]]:
        """For each call the ids of its node and of those it is nested in, and its FLOPs."""
        found: list[tuple[tuple[int, ...], int]] = []

        def walk(graph: Any, shapes: Any, outer: tuple[int, ...]) -> None:
            for call in graph_calls(graph, shapes):
                nodes = (*outer, id(call.node))
                inner = inner_graph(call.operation)
                if inner is None:
                    found.append((nodes, call_flops(call)))
                else:
                    walk(inner, call.inputs_of(inner), nodes)

        walk(graph_of(self.model), None, ())
        return found

    def flops(self, bypass: Mapping[int, int]) -> int:
        """FLOPs of one example."""
        nodes = living(self.model, bypass).nodes
        graph: Any = graph_of(self.model)
        batch = next(iter(x.shape[0] for x in graph.inputs)) or 1
        return sum(flops for call, flops in self._calls if nodes.issuperset(call)) // batch

    def parameters(self, bypass: Mapping[int, int]) -> int:
        """Number of weights, all counted."""
        nodes = living(self.model, bypass).nodes
        used = {
            id(variable): variable
            for graph, _ in graphs(self.model)
            for node in nodes_in_order(graph)
            if id(node) in nodes and inner_graph(node.operation) is None
            for variable in getattr(node.operation, "weights", ())
        }
        return sum(math.prod(variable.shape) for variable in used.values())


def cut_layers(removal: LayerRemoval) -> keras.Model:
    """The model without the blocks and layers of a removal.

    Returns:
        A new model; the old one is untouched. Names, compile settings and the state of the
        optimizer are kept as in `cut`.
    """
    model = removal.model
    builder = Builder({}, {}, {}, removal.bypass, living(model, removal.bypass).nodes)
    small = builder.model(model)
    slices: dict[int, Callable[[np.ndarray], np.ndarray]] = {}

    def value(old: Any) -> np.ndarray:
        slices[id(old)] = lambda value: value
        return keras.ops.convert_to_numpy(old.value)

    settle(model, small, builder, value, slices, fewer=True)
    return small


def _widths(model: keras.Model) -> dict[str, tuple[int, set[int]]]:
    """Path of each layer with a matrix of weights -> width of its output, and its nodes."""
    found: dict[str, tuple[int, set[int]]] = {}
    for graph, prefix in graphs(model):
        for node in nodes_in_order(graph):
            op = node.operation
            if inner_graph(op) is None and any(
                len(v.shape) > 1 for v in getattr(op, "weights", ())
            ):
                width = int(node.outputs[0].shape[-1])
                found.setdefault(prefix + op.name, (width, set()))[1].add(id(node))
    return found


def part_names(model: keras.Model, part: Part) -> set[str]:
    """What globs can call a part: its name, and the paths, names and types of its layers."""
    names = {part.name, *part.layers, *(x.rpartition("/")[2] for x in part.layers)}
    for graph, prefix in graphs(model):
        for node in nodes_in_order(graph):
            if prefix + node.operation.name in part.layers:
                names.add(type(node.operation).__name__)
    return names


def _check(ratio: float, measure: str, latency: Any) -> None:
    if not 0 <= ratio < 1:
        raise ValueError(f"A ratio has to be at least 0 and below 1; it is {ratio}.")
    if measure not in MEASURES:
        raise ValueError(f"`measure` has to be one of {', '.join(MEASURES)}; it is {measure!r}.")
    if measure == "latency" and latency is None:
        raise ValueError("`measure='latency'` needs `latency`, a function of a model.")
