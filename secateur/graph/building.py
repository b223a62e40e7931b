"""Building a model again from its graph: the same layers and calls, some of them changed."""

from __future__ import annotations

import contextlib
import copy
import inspect
import types
from collections.abc import Iterator, Mapping
from typing import Any

import keras
from keras.src.saving.serialization_lib import SafeModeScope

from secateur.evaluation.flops import graph_of, nodes_in_order
from secateur.graph.attributes import from_keras, move_attributes
from secateur.models.weights import flat_layers

_PARTS = (
    ("layer", "layer"),
    ("layer", "forward_layer"),
    ("backward_layer", "backward_layer"),
    ("cell", "cell"),
)


class Builder:
    """Rebuilds a model with changed arguments of its layers and calls.

    Args:
        changes: id of an operation -> arguments of its constructor that change.
        arguments: id of a node -> arguments of that call that change.
        inputs: id of a nested model -> for each input its new widths, None where unchanged.
        bypass: id of a node -> index of the input that stands for its output: the operation goes.
        living: ids of the nodes that are left; None for all.

    Attributes:
        made: id of an operation -> it and the new one.
        graphs: ids of the models that were built from their graphs, their operations one by one.
    """

    def __init__(
        self,
        changes: Mapping[int, dict[str, Any]],
        arguments: Mapping[int, dict[Any, Any]],
        inputs: Mapping[int, list[list[int | None]]],
        bypass: Mapping[int, int] | None = None,
        living: frozenset[int] | None = None,
    ):
        self.changes, self.arguments, self.inputs = changes, arguments, inputs
        self.bypass, self.living = bypass or {}, living
        self.made: dict[int, tuple[Any, Any]] = {}
        self.graphs: set[int] = set()

    def model(self, model: Any) -> Any:
        """A new model for a Functional or Sequential one, with new weights."""
        self.graphs.add(id(model))
        graph = graph_of(model)
        widths = self.inputs.get(id(model))
        tensors: dict[int, Any] = {}
        for number, x in enumerate(graph.inputs):  # type: ignore[union-attr]
            tensors[id(x)] = _input(x, widths[number] if widths else None)
        if isinstance(model, keras.Sequential):
            # Its layers are called in their order by Keras itself.
            first = [tensors[id(graph.inputs[0])]]  # type: ignore[union-attr]
            return constructor(model)([*first, *self.layers(model)], name=model.name)
        self._run(graph, tensors)
        structs = [
            keras.tree.map_structure(lambda x: tensors[id(x)], struct)
            for struct in (graph._inputs_struct, graph._outputs_struct)  # type: ignore[union-attr]
        ]
        return constructor(model)(*structs, name=model.name)

    def _run(self, graph: Any, tensors: dict[int, Any]) -> None:
        for node in nodes_in_order(graph):
            if id(node) in self.bypass:
                tensors[id(node.outputs[0])] = tensors[
                    id(node.input_tensors[self.bypass[id(node)]])
                ]
                continue
            dead = self.living is not None and id(node) not in self.living
            if dead or any(id(x) not in tensors for x in node.input_tensors):
                continue
            args, kwargs = node.arguments.fill_in(tensors)
            args = list(args)
            for key, value in self.arguments.get(id(node), {}).items():
                if isinstance(key, int):
                    args[key] = value
                else:
                    kwargs[key] = value
            outputs = keras.tree.flatten(self.call(node.operation, args, kwargs))
            for old, new in zip(node.outputs, outputs, strict=True):
                tensors[id(old)] = new

    def layers(self, model: keras.Sequential) -> list[Any]:
        """The new layers of a Sequential model."""
        nodes = nodes_in_order(graph_of(model))
        gone = {id(node.operation) for node in nodes if id(node) in self.bypass}
        return [self.operation(layer) for layer in model.layers if id(layer) not in gone]

    def call(self, op: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """What the new operation for an old one gives for these arguments."""
        return self.operation(op)(*args, **kwargs)

    def operation(self, op: Any) -> Any:
        """The new operation for an old one; shared operations stay shared."""
        if id(op) not in self.made:
            nested = isinstance(op, keras.Model) and graph_of(op) is not None
            self.made[id(op)] = (op, self.model(op) if nested else self._new(op))
        return self.made[id(op)][1]

    def _new(self, op: Any) -> Any:
        if type(op) is keras.layers.Lambda:
            return _same_lambda(op)
        try:
            config = op.get_config()
        except NotImplementedError as error:
            if not isinstance(op, keras.Layer) and not self.changes.get(id(op)):
                return op  # an operation without weights or state serves both models
            raise ValueError(
                f"'{op.name}' ({type(op).__name__}) cannot be built again: give it a get_config()."
            ) from error
        if type(op) in (keras.layers.TimeDistributed, keras.layers.SpectralNormalization):
            config.pop("layer")  # given as it is, its weights keep their names
            return type(op)(self._inside().operation(op.layer), **config)
        for key, attribute in _PARTS:
            part = getattr(op, attribute, None)
            if isinstance(config.get(key), dict) and isinstance(part, keras.Layer):
                config[key] = self._described(part)
        if isinstance(op, keras.layers.StackedRNNCells):
            config["cells"] = [self._described(cell) for cell in op.cells]
        if not from_keras(op):  # its config may hold layers as they are, which would be shared
            config = keras.tree.map_structure(self._unshared, config)
        else:  # functions as they are: of a lambda Keras describes more than it can read
            functions = {key: getattr(op, key, None) for key in config}
            config |= {k: f for k, f in functions.items() if isinstance(f, types.FunctionType)}
        config.update(self.changes.get(id(op), {}))
        with own_code(op):
            new = type(op).from_config(config)
        new.name = op.name
        if id(op) not in self.changes:
            move_attributes(op, new, arrays=True)  # it may need them to be called
        return new

    def _unshared(self, value: Any) -> Any:
        return self._inside().operation(value) if isinstance(value, keras.Layer) else value

    def _inside(self) -> Builder:
        """The same for what a layer holds: no operation in there is left out."""
        inside = copy.copy(self)
        inside.bypass, inside.living = {}, None
        return inside

    def _described(self, part: Any) -> Any:
        """The config of a layer inside another one, which makes a layer of its own from it."""
        other = self._inside()
        other.made, other.graphs = {}, set()
        return keras.saving.serialize_keras_object(other.operation(part))


def _same_lambda(op: Any) -> Any:
    """A Lambda around the same function: from its config Keras would refuse to build it."""
    config = op.get_config()
    return keras.layers.Lambda(
        op.function,
        output_shape=op._output_shape,
        mask=op.mask,
        arguments=op.arguments,
        name=op.name,
        trainable=config["trainable"],
        dtype=op.dtype_policy,
    )


def _input(x: Any, widths: list[int | None] | None) -> Any:
    layer = x._keras_history.operation
    shape = list(x.shape)
    if widths:
        shape = [old if new is None else new for old, new in zip(shape, widths, strict=True)]
    return keras.Input(
        batch_shape=shape,
        dtype=x.dtype,
        name=getattr(layer, "name", x.name),
        sparse=getattr(layer, "sparse", None),
        optional=getattr(layer, "optional", False),
    )


def constructor(model: Any) -> Any:
    """The model's own class if it is built like the Keras class under it, else that one."""
    from keras.src.models.functional import Functional, functional_like_constructor

    if isinstance(model, keras.Sequential):
        return type(model) if _takes_layers(type(model)) else keras.Sequential
    if type(model) is Functional or not functional_like_constructor(type(model)):
        return keras.Model
    return type(model)


def _takes_layers(cls: type) -> bool:
    taken = inspect.getfullargspec(cls.__init__)  # type: ignore[misc]
    own = inspect.getfullargspec(keras.Sequential.__init__).args[1:]
    return taken.args[1:] == own or bool(taken.varargs and taken.varkw)


@contextlib.contextmanager
def own_code(layer: Any) -> Iterator[None]:
    """Finds classes and functions that a model's configuration names in the model itself.

    They are in this process already, so that they need no registration, and lambdas are safe.
    """
    known: dict[str, Any] = {}
    for part in (layer, *(flat_layers(layer) if isinstance(layer, keras.Layer) else ())):
        if not from_keras(part):
            known.setdefault(type(part).__name__, type(part))
        for value in vars(part).values():
            if isinstance(value, types.FunctionType) and not from_keras(value):
                known.setdefault(value.__name__, value)
    with keras.saving.custom_object_scope(known), SafeModeScope(False):
        yield
