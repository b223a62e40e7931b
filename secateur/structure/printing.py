"""A model's layers, groups and blocks as text for people."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from secateur.evaluation.flops import UnknownFlops, flops, graph_of, nodes_in_order
from secateur.structure.blocks import Part, parts
from secateur.structure.dependency import Graph, Group, analyse
from secateur.structure.wiring import inner_graph

_WIDTH, _NAME = 100, 48


@dataclass(frozen=True)
class Inspected:
    """What a model is made of, and what of it can be removed; as text, three tables.

    Attributes:
        graph: The dependency graph: its groups are the channels and heads that can go.
        parts: Blocks and layers that can go whole.
        tables: The layers, the groups, and the parts.
    """

    graph: Graph
    parts: list[Part]
    tables: tuple[str, str, str]

    def __str__(self) -> str:
        return "\n\n".join(self.tables)


def inspect(
    model: keras.Model, *, axes: bool = False, through_normalization: bool = False
) -> Inspected:
    """Looks at what can be removed of a model: `print(secateur.inspect(model))`.

    Args:
        model: A built Functional or Sequential model.
        axes: Also list the weights that each group runs through, with the axis.
        through_normalization: Also cut channels that a LayerNormalization takes its statistics
            over.

    Raises:
        ValueError: If the model is subclassed.
    """
    graph = analyse(model, through_normalization=through_normalization)
    tables = (describe_layers(model), describe(graph, axes=axes), describe_parts(model))
    return Inspected(graph, parts(model), tables)


def describe(graph: Graph, *, axes: bool = False) -> str:
    """The groups of channels and what stays.

    Args:
        graph: The dependency graph (`analyse`).
        axes: Also list, for each group, the weights that its channels run through, with the axis.

    Returns:
        A table with one line a group: the layers that make its channels, how many there are, and
        what they cost together; then the channels that stay with their reasons, then notices.
    """
    rows = [("#", "group", "kind", "channels", "parameters", "FLOPs")]
    rows += [
        (
            str(number),
            group.name if len(group.name) <= _NAME else f"{group.name[: _NAME - 1]}…",
            group.kind,
            f"{group.channels:,}",
            f"{group.parameters:,}",
            _number(group.flops),
        )
        for number, group in enumerate(graph.groups, start=1)
    ]
    lines = _table(rows, 3)
    if axes:
        for number, group in reversed(list(enumerate(graph.groups, start=1))):
            lines[number + 1 : number + 1] = _axes(group)
    if not graph.groups:
        lines = ["No channel can be removed."]
    if graph.kept:
        lines += ["", "Channels that stay:"]
        for block, why in graph.kept:
            more = f" (and {len(why) - 1} more reasons)" if len(why) > 1 else ""
            lines.append(f"  {block.layer}: {why[0]}{more}")
    if graph.notices:
        lines += ["", *graph.notices]
    return "\n".join(lines)


def describe_layers(model: keras.Model) -> str:
    """The layers and operations of a model, those of nested models indented.

    Returns:
        A table with name, type, shape of the (first) output, parameters and FLOPs of each, and the
        totals.
    """
    try:
        counts: dict[str, int] | None = flops(model)
    except UnknownFlops:
        counts = None
    rows = [("layer", "type", "output", "parameters", "FLOPs")]
    seen: set[int] = set()

    def walk(graph: Any, prefix: str, indent: str) -> None:
        for node in nodes_in_order(graph):
            op = node.operation
            if id(op) in seen:
                continue
            seen.add(id(op))
            inner = inner_graph(op)
            path = prefix + op.name
            size = sum(math.prod(v.shape) for v in getattr(op, "weights", ()))
            cost = None if counts is None else _cost(counts, path)
            shape = " × ".join("?" if n is None else str(n) for n in node.outputs[0].shape[1:])
            kind = type(op).__name__
            rows.append((indent + op.name, kind, shape, f"{size:,}", _number(cost)))
            if inner is not None:
                walk(inner, f"{path}/", indent + "  ")

    walk(graph_of(model), "", "")
    total = None if counts is None else sum(counts.values())
    rows.append(("total", "", "", f"{model.count_params():,}", _number(total)))
    return "\n".join(_table(rows, 3))


def describe_parts(model: keras.Model) -> str:
    """The blocks and layers that can go whole, with their parameters; see `parts`."""
    found = parts(model)
    if not found:
        return "No block or layer can be removed whole."
    rows = [("block or layer", "kind", "parameters", "layers with weights")]
    for part in found:
        shown = textwrap.shorten(", ".join(part.layers), _WIDTH // 2, placeholder=" …")
        rows.append((part.name, part.kind, f"{part.parameters:,}", shown))
    return "\n".join(_table(rows, 2, last_left=True))


def _cost(counts: dict[str, int], path: str) -> int:
    return sum(n for name, n in counts.items() if name == path or name.startswith(f"{path}/"))


def _axes(group: Group) -> list[str]:
    shown = "  ".join(f"{path}[{axis}]" for path, axis in group.members)
    return textwrap.wrap(
        shown, _WIDTH, initial_indent="    ", subsequent_indent="    ", break_long_words=False
    )


def _number(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def _table(rows: Sequence[tuple[str, ...]], left: int, last_left: bool = False) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width)
            if i < left or (last_left and i == len(row) - 1)
            else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
