"""Which layer, variable and seed of a model is which in another model of the same make."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

import keras
import tensorflow as tf

from secateur.evaluation.flops import graph_of, nodes_in_order

_NOT_PARTS = frozenset({"_inbound_nodes", "_outbound_nodes", "_compile_metrics", "_compile_loss"})
_IN_ORDER = frozenset(
    {"_trainable_variables", "_non_trainable_variables", "_layers", "_seed_generators", "_metrics"}
)
"""Where Keras keeps what a layer was given, in an order that depends on how it was made."""


class UnlikeError(ValueError):
    """Two models are not of the same make; one clause that says where."""


class Pairs:
    """Layers and variables of two models of the same make, found by where they are held.

    A part belongs to the part of the other model that has the same attribute of the same layer, or
    the same place in a list or dictionary there; never to the one that has the same place in
    `weights`, whose order depends on how a model was made.

    Attributes:
        layers: id of a layer or seed generator of the old model -> it and its partner.
        variables: The same for variables, those of tables and seeds too.
    """

    def __init__(self) -> None:
        self.layers: dict[int, tuple[Any, Any]] = {}
        self.variables: dict[int, tuple[Any, Any]] = {}

    def add_made(self, made: Iterable[tuple[Any, Any]], graphs: Container[int]) -> None:
        """Takes what a builder made of what; see `Builder`.

        Raises:
            UnlikeError: As in `add`.
        """
        for old, new in made:
            if id(old) in graphs:  # its operations are among those made
                self.layers[id(old)] = (old, new)
            elif old is not new or len(getattr(old, "variables", [])):
                self.add(old, new)

    def add(self, old: Any, new: Any) -> None:
        """Takes two layers, or models, and all that they hold.

        Raises:
            UnlikeError: They are of different types, or hold different things.
        """
        if id(old) in self.layers:
            return
        if old is new and len(getattr(old, "variables", [])):
            raise UnlikeError(f"{_called(old)} would be shared by both")
        self.layers[id(old)] = (old, new)
        if isinstance(old, keras.Model):
            self._add_graph(old, new)
        mine, theirs = vars(old), vars(new)
        # A layer's own names first: what has one is not found by its place in a list.
        for name in sorted(mine, key=lambda n: (n in _IN_ORDER, n.startswith("_"))):
            if name not in _NOT_PARTS and name in theirs:
                self._add_value(mine[name], theirs[name])

    def check(self, old: Any, new: Any, *, fewer: bool = False) -> None:
        """Refuses partners that leave out a variable of one of the models.

        Args:
            old: The old model.
            new: The new one.
            fewer: Whether the new model may be without some of the old one's variables.

        Raises:
            UnlikeError: One clause.
        """
        lost = [v for v in state_of(old) if id(v) not in self.variables]
        if lost and not fewer:
            raise UnlikeError(f"{lost[0].path} has no partner in it")
        found = {id(new) for _, new in self.variables.values()}
        more = [v for v in state_of(new) if id(v) not in found]
        if more:
            raise UnlikeError(f"it has {more[0].path}, which the original has not")

    def _add_graph(self, old: Any, new: Any) -> None:
        """Operations of two graphs that are gone through in the same order."""
        first = graph_of(old) if old.built else None
        second = graph_of(new) if new.built else None
        if first is None or second is None:
            return
        mine, theirs = (
            [node.operation for node in nodes_in_order(graph)] for graph in (first, second)
        )
        if [type(op) for op in mine] == [type(op) for op in theirs]:
            for a, b in zip(mine, theirs, strict=True):
                if isinstance(a, keras.Layer):
                    self.add(a, b)

    def _add_value(self, old: Any, new: Any) -> None:
        if isinstance(old, keras.Variable):
            if isinstance(new, keras.Variable):
                self.variables.setdefault(id(old), (old, new))
        elif isinstance(old, tf.Variable):
            if isinstance(new, tf.Variable) and old.shape == new.shape:
                self.variables.setdefault(id(old), (old, new))
        elif isinstance(old, keras.Layer | keras.random.SeedGenerator):
            if type(old) is type(new):
                self.add(old, new)
        elif isinstance(old, list | tuple) and isinstance(new, list | tuple):
            if len(old) == len(new):
                for a, b in zip(old, new, strict=True):
                    self._add_value(a, b)
        elif isinstance(old, Mapping) and isinstance(new, Mapping):
            for key in old:
                if key in new:
                    self._add_value(old[key], new[key])


def state_of(model: Any) -> Iterator[Any]:
    """Every variable that is the model's own: weights, buffers and seeds, not metrics."""
    metrics = {id(v) for m in getattr(model, "metrics", ()) for v in m.variables}
    seen: set[int] = set()
    for variable in model.variables:
        if id(variable) not in metrics and id(variable) not in seen:
            seen.add(id(variable))
            yield variable


def _called(layer: Any) -> str:
    return f"{getattr(layer, 'name', layer)!r} ({type(layer).__name__})"
