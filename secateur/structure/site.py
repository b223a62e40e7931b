"""What a rule sees of one call of one operation, and all it can say about the channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from secateur.evaluation.flops import Call, Shape
from secateur.structure.labels import MAKES, READS, SCALES, Axes, Bound, Labels, Reading, Unknown

if TYPE_CHECKING:
    from secateur.structure.trace import Trace


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
        """Which tensor is read; not said where two of them carry these labels."""
        found: dict[int, tuple[Any, int]] = {}
        if self.node is not None:
            for x, axes in zip(self.node.input_tensors, self.inputs, strict=True):
                for axis, mine in enumerate(axes):
                    if mine is labels:
                        found[id(x)] = (x, axis)
        tensor, where = found.popitem()[1] if len(found) == 1 else (None, -1)
        self.trace.readings.append(Reading(tensor, where, bound))

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
