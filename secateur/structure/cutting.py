"""Building the smaller model: the same graph, layers with fewer channels, sliced weights."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from secateur.evaluation.flops import graph_of, nodes_in_order
from secateur.models.weights import flat_layers
from secateur.structure.dependency import Graph
from secateur.structure.optimizer import copy_compilation
from secateur.structure.removal import Removal

if TYPE_CHECKING:
    from secateur.structure.layers import LayerRemoval

logger = logging.getLogger(__name__)

_PARTS = (
    ("layer", "layer"),
    ("layer", "forward_layer"),
    ("backward_layer", "backward_layer"),
    ("cell", "cell"),
)


def remove(model: keras.Model, removal: Removal | LayerRemoval) -> keras.Model:
    """Removes channels from every tensor and weight they run through, or whole layers.

    Args:
        model: The model that the removal was chosen for.
        removal: What goes (`choose`, `choose_layers`).

    Returns:
        A new, ordinary Keras model; the old one is untouched. See `cut`.

    Raises:
        ValueError: If the removal was chosen for another model.
    """
    chosen_for = removal.graph.model if isinstance(removal, Removal) else removal.model
    if chosen_for is not model:
        raise ValueError(
            f"The removal was chosen for another model than '{model.name}': call "
            "structure.analyse and structure.choose (or structure.choose_layers) on this one."
        )
    if not isinstance(removal, Removal):
        from secateur.structure.layers import cut_layers

        return cut_layers(removal)
    return cut(removal.graph, removal.removed, removal.additions)


def cut(
    graph: Graph, removed: np.ndarray, additions: Mapping[int, np.ndarray] | None = None
) -> keras.Model:
    """The model of a graph without the removed units.

    Args:
        graph: What `analyse` found.
        removed: For each unit whether it goes.
        additions: id of a weight -> what is added to it before it is cut.

    Returns:
        A new model; the old one is untouched. Layers keep their names, and the compile settings
        are kept: see `copy_compilation` for the optimizer's state.
    """
    keep = graph.keeping(removed)
    count = graph.counter(keep)
    changes: dict[int, dict[str, Any]] = {}
    for (op, key), (value, _, _) in graph.trace.configs.items():
        changes.setdefault(op, {})[key] = value(count)
    arguments: dict[int, dict[Any, Any]] = {}
    for (node, key), (value, _, _) in graph.trace.arguments.items():
        arguments.setdefault(node, {})[key] = value(count)
    inputs = {
        key: [_left(axes, count) for axes in seen] for key, seen in graph.trace.model_inputs.items()
    }
    model = Builder(changes, arguments, inputs).model(graph.model)
    slices: dict[int, Callable[[np.ndarray], np.ndarray]] = {}
    for old, new in zip(graph.model.weights, model.weights, strict=True):
        slices[id(old)] = slicer(graph, old, keep)
        value = keras.ops.convert_to_numpy(old.value)
        if additions and id(old) in additions:
            value = (value + additions[id(old)]).astype(value.dtype)
        value = slices[id(old)](value)
        if id(old) in graph.trace.factors:
            value = value * np.asarray(graph.trace.factors[id(old)](count), value.dtype)
        if tuple(value.shape) != tuple(new.shape):
            raise RuntimeError(
                f"'{new.path}' was built with the shape {tuple(new.shape)}, but its weight was cut "
                f"to {tuple(value.shape)}: the rule of this layer is wrong."
            )
        new.assign(value)
        # Keras names a weight after the scopes it was made in, and numbers those without a name.
        new._path, new._name = old.path, old.name
    finalize(model)
    copy_compilation(graph.model, model, slices)
    return model


def finalize(model: keras.Model) -> None:
    """Lets layers that compute something from their weights (Normalization) do it again."""
    for layer in flat_layers(model):
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def slicer(graph: Graph, variable: Any, keep: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Function that takes the positions that are left out of an array of a weight's shape."""
    indices = []
    for bound in graph.bounds.get(id(variable), ()):
        if bound.labels is not None:
            kept = keep[bound.labels]
            if not kept.all():
                indices.append((bound.axis, np.flatnonzero(kept)))

    def take(value: np.ndarray) -> np.ndarray:
        for axis, index in indices:
            value = np.take(value, index, axis)
        return value

    return take


def _left(axes: Any, count: Callable) -> list[int | None]:
    return [None if labels is None else count(labels, 0) for labels in axes]


class Builder:
    """Rebuilds a model with changed arguments of its layers and calls.

    Args:
        changes: id of an operation -> arguments of its constructor that change.
        arguments: id of a node -> arguments of that call that change.
        inputs: id of a nested model -> for each input its new widths, None where unchanged.
        bypass: id of a node -> index of the input that stands for its output: the operation goes.
        living: ids of the nodes that are left; None for all.
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

    def model(self, model: Any) -> Any:
        """A new model for a Functional or Sequential one, with new weights."""
        graph = graph_of(model)
        widths = self.inputs.get(id(model))
        tensors: dict[int, Any] = {}
        for number, x in enumerate(graph.inputs):  # type: ignore[union-attr]
            tensors[id(x)] = _input(x, widths[number] if widths else None)
        if isinstance(model, keras.Sequential):
            # Its layers are called in their order by Keras itself.
            first = [tensors[id(graph.inputs[0])]]  # type: ignore[union-attr]
            gone = {id(n.operation) for n in nodes_in_order(graph) if id(n) in self.bypass}
            layers = [self.operation(layer) for layer in model.layers if id(layer) not in gone]
            new: Any = keras.Sequential([*first, *layers], name=model.name)
            new.trainable = model.trainable
            return new
        self._run(graph, tensors)
        structs = [
            keras.tree.map_structure(lambda x: tensors[id(x)], struct)
            for struct in (graph._inputs_struct, graph._outputs_struct)  # type: ignore[union-attr]
        ]
        new = _constructor(model)(*structs, name=model.name)
        new.trainable = model.trainable
        return new

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
            outputs = keras.tree.flatten(self.operation(node.operation)(*args, **kwargs))
            for old, new in zip(node.outputs, outputs, strict=True):
                tensors[id(old)] = new

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
            return type(op)(self._part(op.layer), **config)
        for key, attribute in _PARTS:
            part = getattr(op, attribute, None)
            if isinstance(config.get(key), dict) and isinstance(part, keras.Layer):
                config[key] = keras.saving.serialize_keras_object(self._part(part))
        if isinstance(op, keras.layers.StackedRNNCells):
            config["cells"] = [keras.saving.serialize_keras_object(self._new(c)) for c in op.cells]
        config.update(self.changes.get(id(op), {}))
        new = type(op).from_config(config)
        new.name = op.name
        return new

    def _part(self, part: Any) -> Any:
        if isinstance(part, keras.Model) and graph_of(part) is not None:
            return Builder(self.changes, self.arguments, self.inputs).model(part)
        return self._new(part)


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


def _constructor(model: Any) -> Any:
    """The model's own class if it is built like a Functional model: it may have a train_step."""
    from keras.src.models.functional import functional_like_constructor

    if isinstance(model, keras.Sequential) or not functional_like_constructor(type(model)):
        return keras.Model
    return type(model)
