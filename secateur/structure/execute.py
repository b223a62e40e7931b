"""Running a Functional graph operation by operation: to look inside it, or to leave parts out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from secateur.evaluation.flops import graph_of, nodes_in_order

Values = dict[int, Any]


class Execution:
    """Runs the operations of a model one by one, in inference mode.

    Args:
        model: A Functional or Sequential model.
        bypass: id of a node -> index of the input that stands for its output: it does not run.
            Nodes of nested models can be among them.
        watch: ids of symbolic tensors whose values are kept in `seen`, one for each call.
        training: Types of layers that run in training mode.
    """

    def __init__(
        self,
        model: keras.Model,
        bypass: Mapping[int, int] | None = None,
        watch: frozenset[int] = frozenset(),
        training: tuple[type, ...] = (),
    ):
        self.model, self.bypass, self.watch = model, bypass or {}, watch
        self.training = training
        self.seen: dict[int, list[Any]] = {}

    def __call__(self, x: Any) -> Any:
        """The outputs of the model, in their structure, for a batch of its inputs."""
        graph: Any = graph_of(self.model)
        values = self.run(graph, x)
        return keras.tree.map_structure(lambda y: values[id(y)], graph._outputs_struct)

    def run(self, graph: Any, x: Any, known: Values | None = None) -> Values:
        """The values of all tensors of a graph: id of the symbolic tensor -> value.

        Args:
            graph: A Functional graph (`graph_of`).
            x: Its inputs, in any structure of theirs.
            known: Values that need not be computed again.
        """
        values = dict(known or {})
        given = graph._standardize_inputs(x)
        values.update({id(t): v for t, v in zip(graph.inputs, given, strict=True)})
        for t in graph.inputs:
            self._note(t, values[id(t)])
        for node in nodes_in_order(graph):
            if id(node) in self.bypass:
                passed = values[id(node.input_tensors[self.bypass[id(node)]])]
                values[id(node.outputs[0])] = passed
                self._note(node.outputs[0], passed)
                continue
            if all(id(y) in values for y in node.outputs):
                continue
            if any(id(t) not in values for t in node.input_tensors):
                continue  # a part that leads to no output
            args, kwargs = node.arguments.fill_in(values)
            made = keras.tree.flatten(self._call(node.operation, args, kwargs))
            for t, v in zip(node.outputs, made, strict=True):
                values[id(t)] = v
                self._note(t, v)
        return values

    def _call(self, op: Any, args: Any, kwargs: Any) -> Any:
        graph: Any = graph_of(op) if isinstance(op, keras.Model) else None
        if isinstance(op, self.training):
            kwargs = {**kwargs, "training": True}
        if graph is None or not (self.bypass or self.watch or self.training):
            return op(*args, **kwargs)
        values = self.run(graph, args[0] if args else kwargs["inputs"])
        return keras.tree.map_structure(lambda y: values[id(y)], graph._outputs_struct)

    def _note(self, tensor: Any, value: Any) -> None:
        if id(tensor) in self.watch:
            self.seen.setdefault(id(tensor), []).append(value)
