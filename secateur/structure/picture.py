"""A picture of a model's graph, coloured by the groups of its channels.

NetworkX puts the operations in rows and Matplotlib draws them. Both come as wheels, where Graphviz
needs a program of the system.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import networkx as nx
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from secateur.evaluation.flops import graph_of, nodes_in_order
from secateur.structure.dependency import Graph
from secateur.structure.wiring import inner_graph

FORMATS = (".svg", ".png", ".pdf")
_ROW, _COLUMN = 0.45, 3.2
"""Inches between two rows and two columns."""


class Picture(NamedTuple):
    """What is drawn: a graph of operations (name, type, group), and the figure."""

    graph: nx.DiGraph
    figure: Figure


def check_format(path: Path) -> None:
    """Refuses a file whose name ends in no format of pictures.

    Raises:
        ValueError: One sentence.
    """
    if path.suffix not in FORMATS:
        raise ValueError(
            f"A picture cannot be written to '{path}': its name has to end in one of "
            f"{', '.join(FORMATS)}."
        )


def draw(graph: Graph, path: str | Path) -> Picture:
    """Draws the operations of a model from top to bottom and writes the picture.

    Operations that make channels have the colour of the first group that these are in, and its
    number in `graph.groups`, counted from 1; what makes channels that stay, or none, is white.

    Args:
        graph: The dependency graph (`analyse`).
        path: A file that ends in .svg, .png or .pdf.

    Raises:
        ValueError: If the file has another ending.
    """
    path = Path(path)
    check_format(path)
    operations = _operations(graph)
    for row, members in enumerate(nx.topological_generations(operations)):
        for node in members:
            operations.nodes[node]["row"] = row
    figure = _figure(operations)
    with mpl.rc_context({"svg.hashsalt": "secateur"}):  # equal graphs, equal files
        # A creation date would make the files differ.
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, format=path.suffix[1:], metadata=metadata)
    return Picture(operations, figure)


def _operations(graph: Graph) -> nx.DiGraph:
    """The operations as a graph; those of nested models once for each call."""
    group_of = {
        layer: number
        for number, group in reversed(list(enumerate(graph.groups, start=1)))
        for layer in group.layers
    }
    found = nx.DiGraph()

    def walk(functional: Any, sources: list[int], prefix: str) -> list[int]:
        made = {id(x): source for x, source in zip(functional.inputs, sources, strict=True)}
        for node in nodes_in_order(functional):
            before = [made[id(x)] for x in node.input_tensors]
            op, path = node.operation, prefix + node.operation.name
            inner = inner_graph(op)
            if inner is not None:
                after = walk(inner, before, f"{path}/")
            else:
                number = found.number_of_nodes()
                found.add_node(number, name=path, type=type(op).__name__, group=group_of.get(path))
                found.add_edges_from((source, number) for source in before)
                after = [number] * len(node.outputs)
            made.update({id(x): source for x, source in zip(node.outputs, after, strict=True)})
        return [made[id(x)] for x in functional.outputs]

    outer: Any = graph_of(graph.model)
    sources = []
    for x in outer.inputs:
        sources.append(found.number_of_nodes())
        found.add_node(sources[-1], name=x.name, type="Input", group=None)
    walk(outer, sources, "")
    return found


def _figure(operations: nx.DiGraph) -> Figure:
    rows: dict[int, list[int]] = {}
    for node, row in operations.nodes(data="row"):
        rows.setdefault(row, []).append(node)
    places = {
        node: ((column - (len(members) - 1) / 2) * _COLUMN, -row * _ROW)
        for row, members in rows.items()
        for column, node in enumerate(members)
    }
    widest = max(len(members) for members in rows.values())
    figure = Figure(figsize=(widest * _COLUMN + 1.5, len(rows) * _ROW + 0.6))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    axes.set_xlim(-widest * _COLUMN / 2 - 0.75, widest * _COLUMN / 2 + 0.75)
    axes.set_ylim(-(len(rows) - 1) * _ROW - 0.4, 0.4)
    near = [(a, b) for a, b in operations.edges if _rows_apart(operations, a, b) == 1]
    far = [(a, b) for a, b in operations.edges if _rows_apart(operations, a, b) > 1]
    for edges, style in ((near, "arc3"), (far, "arc3,rad=-0.35")):
        nx.draw_networkx_edges(
            operations,
            places,
            edges,
            ax=axes,
            arrowsize=6,
            width=0.6,
            edge_color="0.45",
            node_size=250,
            connectionstyle=style,
        )
    colours = mpl.colormaps["tab20"].colors  # type: ignore[attr-defined]
    for node, data in operations.nodes(data=True):
        group = data["group"]
        text = f"{data['name']} · {data['type']}" + (f" · {group}" if group else "")
        colour = colours[(2 * group - 1) % len(colours)] if group else "white"
        x, y = places[node]
        axes.text(
            x,
            y,
            text,
            ha="center",
            va="center",
            fontsize=6,
            bbox={"boxstyle": "round,pad=0.3", "fc": colour, "ec": "0.45", "lw": 0.6},
        )
    return figure


def _rows_apart(operations: nx.DiGraph, first: int, second: int) -> int:
    return operations.nodes[second]["row"] - operations.nodes[first]["row"]
