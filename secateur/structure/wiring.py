"""Who reads whom in the graphs of a model, and what leads to an output if nodes are left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from secateur.evaluation.flops import graph_of, nodes_in_order


@dataclass(frozen=True)
class Living:
    """What still leads to an output: nodes and symbolic tensors of all graphs, by id."""

    nodes: frozenset[int]
    tensors: frozenset[int]


def living(model: keras.Model, bypass: Mapping[int, int]) -> Living:
    """What still leads to an output where some nodes are bypassed."""
    nodes: set[int] = set()
    tensors: set[int] = set()

    def walk(graph: Any) -> None:
        tensors.update(id(x) for x in graph.outputs)
        for node in reversed(list(nodes_in_order(graph))):
            if not any(id(x) in tensors for x in node.outputs):
                continue
            if id(node) in bypass:
                tensors.add(id(node.input_tensors[bypass[id(node)]]))
                continue
            nodes.add(id(node))
            tensors.update(id(x) for x in node.input_tensors)
            inner = inner_graph(node.operation)
            if inner is not None:
                walk(inner)

    walk(graph_of(model))
    return Living(frozenset(nodes), frozenset(tensors))


def inner_graph(operation: Any) -> Any:
    """The Functional graph of a nested model, or None."""
    return graph_of(operation) if isinstance(operation, keras.Model) else None


def graphs(model: keras.Model) -> Iterator[tuple[Any, str]]:
    """The Functional graphs of a model and of all models nested in it, each once, with prefixes."""
    seen: set[int] = set()

    def walk(graph: Any, prefix: str) -> Iterator[tuple[Any, str]]:
        if id(graph) in seen:
            return
        seen.add(id(graph))
        yield graph, prefix
        for node in nodes_in_order(graph):
            inner = inner_graph(node.operation)
            if inner is not None:
                yield from walk(inner, f"{prefix}{node.operation.name}/")

    yield from walk(graph_of(model), "")


def calls_of(model: keras.Model) -> dict[int, int]:
    """id of an operation -> how often it is called, in all graphs together."""
    calls: dict[int, int] = {}
    for graph, _ in graphs(model):
        for node in nodes_in_order(graph):
            calls[id(node.operation)] = calls.get(id(node.operation), 0) + 1
    return calls


def order_of(model: keras.Model) -> list[int]:
    order: list[int] = []

    def walk(graph: Any) -> None:
        for node in nodes_in_order(graph):
            inner = inner_graph(node.operation)
            if inner is not None:
                walk(inner)
            order.append(id(node))

    walk(graph_of(model))
    return list(dict.fromkeys(order))


class Wiring:
    """Who makes and who reads the tensors of one graph."""

    def __init__(self, graph: Any):
        self.nodes = list(nodes_in_order(graph))
        self.ends = {id(x) for x in graph.outputs}
        self.starts = {id(x) for x in graph.inputs}
        self.maker: dict[int, Any] = {}
        self.readers: dict[int, list[Any]] = {}
        for node in self.nodes:
            self.maker.update({id(x): node for x in node.outputs})
            for x in {id(x): x for x in node.input_tensors}.values():
                self.readers.setdefault(id(x), []).append(node)

    def without(self, bypass: Mapping[int, int]) -> list[Any] | None:
        """The nodes that lead nowhere with these bypassed; None if an input leads nowhere then."""
        gone = {id(node): node for node in self.nodes if id(node) in bypass}
        kept = {id(node.input_tensors[bypass[key]]) for key, node in gone.items()}
        waiting = list(gone.values())
        while waiting:
            for x in waiting.pop().input_tensors:
                used = id(x) in self.ends or id(x) in kept
                if used or any(id(node) not in gone for node in self.readers[id(x)]):
                    continue
                if id(x) in self.starts:
                    return None
                maker = self.maker[id(x)]
                outputs = [id(y) for y in maker.outputs]
                if id(maker) not in gone and not any(
                    y in self.ends or any(id(n) not in gone for n in self.readers.get(y, ()))
                    for y in outputs
                ):
                    gone[id(maker)] = maker
                    waiting.append(maker)
        return [node for node in self.nodes if id(node) in gone]

    def comes_from(self, tensor: Any, source: Any) -> bool:
        """Whether a tensor is computed from another one."""
        seen: set[int] = set()
        waiting = [tensor]
        while waiting:
            x = waiting.pop()
            if x is source:
                return True
            if id(x) not in seen and id(x) in self.maker:
                seen.add(id(x))
                waiting += self.maker[id(x)].input_tensors
        return False
