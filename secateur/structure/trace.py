"""One walk through a model: which channels of which tensors and weights are the same channel.

Every axis of every tensor carries labels: an array of integers, one a position, or None where the
width is fixed (inputs, positions in space and time). A layer with weights makes new labels for
its output; the rules of the operations pass them on, tie some together, and pin those that have to
stay. Labels that are tied, directly or over others, are one unit: removed together or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from secateur.evaluation.flops import Call, Shape, graph_calls, graph_of

Labels = np.ndarray
Axes = tuple["Labels | None", ...]

READS, MAKES, SCALES = "reads", "makes", "scales"


class Unknown(Exception):  # noqa: N818 - a signal, not an error
    """Raised by a rule that does not understand this call; the message says what."""


@dataclass
class Block:
    """Labels made by one axis of one weight: the channels of a layer's output.

    Attributes:
        layer: Path of the layer in the model, `nested/layer`.
        kind: "channel", "head" (of attention) or "width" (of keys and values in a head).
        start: Its first label; the labels run to `stop`.
    """

    layer: str
    kind: str
    start: int
    stop: int


@dataclass
class Bound:
    """An axis of a weight and the labels of its positions."""

    variable: Any
    axis: int
    labels: Labels | None
    role: str
    layer: str


@dataclass
class Record:
    """A call as FLOPs see it: shapes with labels, and how often it runs."""

    call: Call
    inputs: list[Axes]
    outputs: list[Axes]
    times: int


@dataclass
class Reading:
    """A weight's axis that reads a tensor of the graph: where constants can be folded."""

    operation: Any
    tensor: Any
    axis: int
    graph: Any
    bound: Bound


class Site:
    """What a rule sees: one call of one operation.

    Attributes:
        op: The layer or operation.
        inputs: Axes of each tensor that comes in: labels or None for each axis, batch included.
        in_shapes: Their shapes.
        out_shapes: Shapes of the tensors that come out.
        path: Path of the operation in the model.
    """

    def __init__(
        self,
        trace: Trace,
        op: Any,
        path: str,
        inputs: Sequence[Axes],
        in_shapes: Sequence[Shape],
        out_shapes: Sequence[Shape],
        node: Any = None,
        call: Call | None = None,
    ):
        self.trace, self.op, self.path, self.node, self.call = trace, op, path, node, call
        self.inputs, self.in_shapes, self.out_shapes = list(inputs), in_shapes, out_shapes
        self.counts = True

    # What comes out and goes in.

    def makes(self, variable: Any, axis: int, kind: str = "channel") -> Labels | None:
        """New labels for an axis of a weight, or the ones it has from an earlier call."""
        key = (id(variable), axis)
        if key not in self.trace.bound:
            labels = self.trace.new(variable.shape[axis], kind, self.path)
            self.trace.bound[key] = Bound(variable, axis, labels, MAKES, self.path)
        return self.trace.bound[key].labels

    def made_by(self, variable: Any, axis: int, labels: Labels | None) -> None:
        """Says that this axis of a weight makes these channels too (a bias, a second kernel)."""
        self._bind(variable, axis, labels, MAKES)

    def reads(self, variable: Any, axis: int, labels: Labels | None) -> None:
        """Says that this axis of a weight reads these channels: it is sliced with them."""
        self._bind(variable, axis, labels, READS)

    def scales(self, variable: Any, axis: int, labels: Labels | None) -> None:
        """Says that this axis of a weight has an entry for each channel (BatchNorm's gamma)."""
        self._bind(variable, axis, labels, SCALES)

    def tie(self, first: Labels | None, second: Labels | None) -> None:
        """These channels are the same, position by position; None: the width is fixed."""
        if first is None or second is None:
            self.pin(first, f"meets a fixed width at '{self.path}'")
            self.pin(second, f"meets a fixed width at '{self.path}'")
        elif first is not second:
            self.trace.ties.append((first, second))

    def pin(self, labels: Labels | None, reason: str) -> None:
        """These channels stay."""
        if labels is not None and len(labels):
            self.trace.pins.append((labels, reason))

    def varies(self, labels: Labels | None) -> None:
        """These channels vary even if all that makes them is zero (multiplied by something)."""
        if labels is not None:
            self.trace.varying.append(labels)

    def fixed(self, size: int) -> Labels:
        """Labels for channels that stay, to stand beside others in one axis."""
        labels = self.trace.new(size, "fixed", self.path)
        self.pin(labels, f"comes from a fixed width at '{self.path}'")
        self.varies(labels)
        return labels

    def fresh(self, labels: Labels) -> Labels:
        """New labels, removed together with `labels`, whose values do not follow from theirs."""
        new = self.trace.new(len(labels), "", self.path)
        self.trace.ties.append((labels, new))
        self.trace.gates.append((labels, new, self.op))
        return new

    def configure(
        self, key: str, value: Callable[[Callable[[Labels | None, int], int]], Any], *labels: Any
    ) -> None:
        """Sets an argument of the layer's constructor from the widths that are left.

        Args:
            key: Name in the layer's `get_config()`.
            value: Function of `count(labels, size)`: positions left, or `size` for fixed axes.
            *labels: The labels that `value` depends on.
        """
        self._set(self.trace.configs, (id(self.op), key), value, labels)

    def width(self, key: str, labels: Labels | None) -> None:
        """Sets an argument of the layer's constructor to the number of channels left."""
        if labels is not None:
            size = len(labels)
            self.configure(key, lambda count: count(labels, size), labels)

    def argument(self, position: int | str, value: Any, *labels: Any) -> None:
        """Sets an argument of this call from the widths that are left, as `configure` does."""
        self._set(self.trace.arguments, (id(self.node), position), value, labels)

    def rescale(self, variable: Any, factor: Any, *labels: Any) -> None:
        """Multiplies a weight after the cut by a function of the widths that are left."""
        self.trace.factors[id(variable)] = factor

    def unknown(self, what: str) -> None:
        """Stops here: the channels that come in stay, and the notice says why."""
        raise Unknown(what)

    # Helpers of the rules.

    @property
    def x(self) -> Axes:
        """Axes of the first input."""
        return self.inputs[0]

    @property
    def rank(self) -> int:
        """Rank of the first input, batch included."""
        return len(self.x)

    def channel_axis(self) -> int:
        """Where the channels are, by the layer's `data_format`; never negative."""
        first = getattr(self.op, "data_format", None) == "channels_first"
        return 1 if first else self.rank - 1

    def only(self, axes: Axes, *kept: int) -> None:
        """Pins the labels of all axes but these: the operation mixes the positions there."""
        for axis, labels in enumerate(axes):
            if axis not in kept:
                self.pin(labels, f"'{self.path}' works along this axis")

    def replaced(self, axes: Axes, axis: int, labels: Labels | None) -> Axes:
        """The axes with one of them changed."""
        return (*axes[:axis], labels, *axes[axis + 1 :]) if axis >= 0 else NotImplemented

    def visit(
        self,
        op: Any,
        inputs: Sequence[Axes],
        in_shapes: Sequence[Shape],
        out_shapes: Sequence[Shape],
        times: int = 0,
    ) -> list[Axes]:
        """Runs the rule of an inner operation; `times` > 0 counts its FLOPs."""
        call = Call(op, tuple(in_shapes), tuple(out_shapes), {0: 0})
        outer, self.counts = self.trace.repeat, self.counts and times == 0
        self.trace.repeat *= max(times, 1)
        outputs = self.trace.operation(op, f"{self.path}/{op.name}", list(inputs), call, times > 0)
        self.trace.repeat = outer
        return outputs

    def _bind(self, variable: Any, axis: int, labels: Labels | None, role: str) -> None:
        if variable is None:
            return
        if labels is not None and len(labels) != variable.shape[axis]:
            raise Unknown(f"its weight '{variable.name}' does not have the width of its input")
        key = (id(variable), axis)
        if key in self.trace.bound:
            self.tie(self.trace.bound[key].labels, labels)
        else:
            self.trace.bound[key] = Bound(variable, axis, labels, role, self.path)
        if role == READS and labels is not None:
            self._note_reading(labels, self.trace.bound[key])

    def _note_reading(self, labels: Labels, bound: Bound) -> None:
        tensor, where = None, -1
        if self.node is not None:
            for x, axes in zip(self.node.input_tensors, self.inputs, strict=True):
                for axis, mine in enumerate(axes):
                    if mine is labels:
                        tensor, where = x, axis
        self.trace.readings.append(
            Reading(self.op, tensor, where, self.trace.graph if tensor is not None else None, bound)
        )

    def _set(self, table: dict, key: Any, value: Any, labels: tuple) -> None:
        if key in table:
            for old, new in zip(table[key][1], labels, strict=True):
                if (old is None) != (new is None) or (old is not None and len(old) != len(new)):
                    self.pin(old, f"'{self.path}' is called with several widths")
                    self.pin(new, f"'{self.path}' is called with several widths")
                elif old is not None:
                    self.tie(old, new)
        else:
            table[key] = (value, labels, self.op if table is self.trace.configs else self.node)


@dataclass
class Trace:
    """All that the walk finds out; `dependency.analyse` makes groups of it."""

    through_normalization: bool = False
    size: int = 0
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
    graph: Any = None

    def new(self, size: int, kind: str, layer: str) -> Labels:
        """New labels, a block of their own."""
        start = self.size
        self.size += int(size)
        self.blocks.append(Block(layer, kind, start, self.size))
        return np.arange(start, self.size)

    def walk(self, graph: Any, inputs: list[Axes], shapes: list[Shape], prefix: str) -> list[Axes]:
        """Follows a Functional graph from these inputs; returns the axes of its outputs."""
        outer, self.graph = self.graph, graph
        tensors = {id(x): axes for x, axes in zip(graph.inputs, inputs, strict=True)}
        for call in graph_calls(graph, shapes):
            seen = [tensors[id(x)] for x in call.tensors[0]]
            made = self.operation(call.operation, prefix + call.operation.name, seen, call)
            for x, axes in zip(call.tensors[1], made, strict=True):
                tensors[id(x)] = axes
        self.graph = outer
        return [tensors[id(x)] for x in graph.outputs]

    def operation(
        self, op: Any, path: str, inputs: list[Axes], call: Call, counts: bool = True
    ) -> list[Axes]:
        """Runs the rule of one call; what is unknown pins what it touches."""
        from secateur.structure.rules import rule_for

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
        outputs = [
            _checked(axes, shape, site) for axes, shape in zip(outputs, call.outputs, strict=True)
        ]
        if counts and site.counts:
            self.records.append(Record(call, inputs, outputs, self.repeat))
        return outputs

    def _nested(self, site: Site) -> list[Axes]:
        graph, key = graph_of(site.op), id(site.op)
        if key in self.model_inputs:  # its inputs have one width in all calls
            for old, new in zip(self.model_inputs[key], site.inputs, strict=True):
                for a, b in zip(old, new, strict=True):
                    if a is not None or b is not None:
                        site.tie(a, b)
        else:
            self.model_inputs[key] = site.inputs
        return self.walk(graph, site.inputs, list(site.in_shapes), site.path + "/")

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
