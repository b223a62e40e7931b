"""One walk through a model: which channels of which tensors and weights are the same channel.

Every axis of every tensor carries labels: an array of integers, one a position, or None where the
width is fixed (inputs, positions in space and time). A layer with weights makes new labels for
its output; the rules of the operations pass them on, tie some together, and pin those that have to
stay. Labels that are tied, directly or over others, are one unit: removed together or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from secateur.evaluation.flops import Call, Shape, graph_calls, graph_of
from secateur.structure.labels import MAKES, Axes, Block, Bound, Labels, Reading, Record, Unknown
from secateur.structure.site import Site


@dataclass
class Trace:
    """All that the walk finds out; `dependency.analyse` makes groups of it."""

    through_normalization: bool = False
    size: int = 0
    kinds: dict[str, str] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    ties: list[tuple[Labels, Labels]] = field(default_factory=list)
    pins: list[tuple[Labels, str]] = field(default_factory=list)
    varying: list[Labels] = field(default_factory=list)
    gates: list[tuple[Labels, Labels, Any]] = field(default_factory=list)
    bound: dict[tuple[int, int], Bound] = field(default_factory=dict)
    configs: dict[tuple[int, str], tuple] = field(default_factory=dict)
    arguments: dict[tuple[int, Any], tuple] = field(default_factory=dict)
    factors: dict[int, Any] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    model_inputs: dict[int, list[Axes]] = field(default_factory=dict)
    cells: dict[int, Labels] = field(default_factory=dict)
    splits: dict[str, Labels] = field(default_factory=dict)
    last_splits: frozenset[str] = frozenset()
    notices: list[str] = field(default_factory=list)
    repeat: int = 1
    uncounted: str | None = None

    def new(self, size: int, kind: str, layer: str) -> Labels:
        """New labels, a block of their own."""
        start = self.size
        self.size += int(size)
        self.blocks.append(Block(layer, kind, start, self.size))
        return np.arange(start, self.size)

    def walk(self, graph: Any, inputs: list[Axes], shapes: list[Shape], prefix: str) -> list[Axes]:
        """Follows a Functional graph from these inputs; returns the axes of its outputs."""
        tensors = {id(x): axes for x, axes in zip(graph.inputs, inputs, strict=True)}
        for call in graph_calls(graph, shapes):
            seen = [tensors[id(x)] for x in call.tensors[0]]
            made = self.operation(call.operation, prefix + call.operation.name, seen, call)
            for x, axes in zip(call.tensors[1], made, strict=True):
                tensors[id(x)] = axes
        return [tensors[id(x)] for x in graph.outputs]

    def operation(
        self, op: Any, path: str, inputs: list[Axes], call: Call, counts: bool = True
    ) -> list[Axes]:
        """Runs the rule of one call; what is unknown pins what it touches."""
        from secateur.structure.rules import rule_for

        self.kinds[path] = type(op).__name__
        site = Site(self, op, path, inputs, call.inputs, call.outputs, call.node, call)
        if isinstance(op, keras.Model) and graph_of(op) is not None:
            return self._nested(site)
        try:
            rule = rule_for(op)
            if rule is None:
                raise Unknown("there is no rule for it")
            outputs = list(rule(site))
            if len(outputs) != len(call.outputs):
                raise Unknown(f"its rule gave {len(outputs)} outputs for {len(call.outputs)}")
        except Unknown as reason:
            outputs = self._stop(site, str(reason))
        except (LookupError, TypeError) as error:  # such as of a layer that tells a wrong shape
            outputs = self._stop(site, f"its rule fails ({type(error).__name__}: {error})")
        outputs = [
            _checked(axes, shape, site) for axes, shape in zip(outputs, call.outputs, strict=True)
        ]
        if counts and site.counts:
            self.records.append(Record(call, inputs, outputs, self.repeat))
        return outputs

    def _nested(self, site: Site) -> list[Axes]:
        graph, key = graph_of(site.op), id(site.op)
        number = len(graph.inputs)  # type: ignore[union-attr]
        inputs, shapes = site.inputs[:number], list(site.in_shapes[:number])  # a mask may follow
        if key in self.model_inputs:  # its inputs have one width in all calls
            for old, new in zip(self.model_inputs[key], inputs, strict=True):
                for a, b in zip(old, new, strict=True):
                    if a is not None or b is not None:
                        site.tie(a, b)
        else:
            self.model_inputs[key] = inputs
        return self.walk(graph, inputs, shapes, site.path + "/")

    def _stop(self, site: Site, reason: str) -> list[Axes]:
        kind = type(site.op).__name__
        touched = [labels for axes in site.inputs for labels in axes if labels is not None]
        weights = list(getattr(site.op, "weights", ()))
        for labels in touched:
            site.pin(labels, f"goes into '{site.path}' ({kind}), which is not known")
        for variable in weights:
            for axis in range(len(variable.shape)):
                known = self.bound.get((id(variable), axis))
                if known is not None:
                    site.pin(known.labels, f"belongs to '{site.path}' ({kind}), which is not known")
                self.bound[id(variable), axis] = Bound(variable, axis, None, MAKES, site.path)
        if touched or weights:
            self.notices.append(
                f"'{site.path}' ({kind}) is not cut, and the channels it touches stay: {reason}."
            )
        return [(None,) * len(shape) for shape in site.out_shapes]


def _checked(axes: Axes, shape: Shape, site: Site) -> Axes:
    """The axes that a rule returned, as long as they fit the output's shape."""
    if len(axes) != len(shape):
        raise ValueError(f"The rule of '{site.path}' gave {len(axes)} axes for the shape {shape}.")
    for labels, size in zip(axes, shape, strict=True):
        if labels is not None and len(labels) != size:
            raise ValueError(
                f"The rule of '{site.path}' gave {len(labels)} labels for an axis of {size}."
            )
    return tuple(axes)
