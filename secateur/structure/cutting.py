"""Building the smaller model: the same graph, layers with fewer channels, sliced weights."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from secateur.graph.attributes import own_steps
from secateur.graph.building import Builder, constructor
from secateur.graph.compiling import copy_compilation
from secateur.graph.pairing import Pairs, UnlikeError
from secateur.graph.state import move_state
from secateur.structure.dependency import Graph
from secateur.structure.removal import Removal

if TYPE_CHECKING:
    from secateur.structure.layers import LayerRemoval

logger = logging.getLogger(__name__)


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
    for (op, key), (made, _, _) in graph.trace.configs.items():
        changes.setdefault(op, {})[key] = made(count)
    arguments: dict[int, dict[Any, Any]] = {}
    for (node, key), (made, _, _) in graph.trace.arguments.items():
        arguments.setdefault(node, {})[key] = made(count)
    inputs = {
        key: [_left(axes, count) for axes in seen] for key, seen in graph.trace.model_inputs.items()
    }
    builder = Builder(changes, arguments, inputs)
    slices: dict[int, Callable[[np.ndarray], np.ndarray]] = {}

    def value(old: Any) -> np.ndarray:
        value = keras.ops.convert_to_numpy(old.value)
        if id(old) not in graph.paths:  # a seed
            return value
        slices[id(old)] = slicer(graph, old, keep)
        if additions and id(old) in additions:
            value = (value + additions[id(old)]).astype(value.dtype)
        value = slices[id(old)](value)
        if id(old) in graph.trace.factors:
            value = value * np.asarray(graph.trace.factors[id(old)](count), value.dtype)
        return value

    model = builder.model(graph.model)
    settle(graph.model, model, builder, value, slices)
    return model


def settle(
    old: keras.Model,
    new: keras.Model,
    builder: Builder,
    value: Callable[[Any], np.ndarray],
    slices: Mapping[int, Callable[[np.ndarray], np.ndarray]],
    *,
    fewer: bool = False,
) -> None:
    """Gives a model that a builder made its state and its compile settings.

    Args:
        old: The original.
        new: What was built.
        builder: What built it.
        value: What the partner of an old variable is to hold.
        slices: Filled by `value`: how the optimizer's state is cut.
        fewer: Whether layers of the original are gone.

    Raises:
        ValueError: One sentence: a way to train, or something that the model holds, would be lost.
    """
    lost = own_steps(type(old)) if constructor(old) is not type(old) else []
    if lost:
        raise ValueError(
            f"'{old.name}' is a {type(old).__name__} with a {lost[0]} of its own, which a model "
            "of another structure cannot keep: let its constructor take the arguments of "
            "keras.Model or keras.Sequential, or prune its weights (pattern 'weight') instead."
        )
    pairs = Pairs()
    try:
        pairs.add_made(builder.made.values(), builder.graphs)
        pairs.check(old, new, fewer=fewer)
        move_state(pairs, lambda old: _fitting(pairs, old, value(old)), changed=builder.changes)
        new._trainable = old._trainable
        copy_compilation(old, new, pairs, slices)
    except UnlikeError as error:
        raise ValueError(f"'{old.name}' cannot be cut, because {error}.") from error


def _fitting(pairs: Pairs, variable: Any, value: np.ndarray) -> np.ndarray:
    new = pairs.variables[id(variable)][1]
    if tuple(value.shape) != tuple(new.shape):
        raise RuntimeError(
            f"'{variable.path}' was built with the shape {tuple(new.shape)}, but its weight was "
            f"cut to {tuple(value.shape)}: the rule of this layer is wrong."
        )
    return value


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
