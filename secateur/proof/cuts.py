"""A smaller model computes what the model computes with what was removed silenced in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from secateur.models.weights import weight_paths
from secateur.proof.comparing import difference, first_layer, rounding
from secateur.proof.examples import examples_for, outputs
from secateur.proof.record import Check, ProofError

Kept = Mapping[str, Mapping[int, np.ndarray]]
"""Weight path -> axis -> positions that are left of it; axes that are not named are whole."""


def prove_cut(original: keras.Model, small: keras.Model, kept: Kept, data: Any = None) -> Check:
    """Silences in the original what is not among `kept`, by zeros, and compares the outputs.

    Removing a channel equals a zero in all that reads it, whatever the channel itself gives.

    Args:
        original: The model that was cut; it is left as it is.
        small: What it was cut to.
        kept: What the cut says it has left.
        data: Real examples (see `examples_for`); None for generated ones.

    Raises:
        ProofError: One sentence with the layer.
    """
    start = time.perf_counter()
    weights = dict(weight_paths(original))
    values: dict[int, Any] = {}
    for path, axes in kept.items():
        value = keras.ops.convert_to_numpy(weights[path].value).copy()
        for axis, positions in axes.items():
            gone = np.setdiff1d(np.arange(value.shape[axis]), positions)
            np.moveaxis(value, axis, 0)[gone] = 0
        values[id(weights[path])] = keras.ops.convert_to_tensor(value, weights[path].dtype)
    said = "with the removed channels silenced" if kept else "as it came"
    return _check(original, small, lambda x: outputs(original, x, values)[0], said, data, start)


def prove_layers(
    original: keras.Model, small: keras.Model, bypass: Mapping[int, int], data: Any = None
) -> Check:
    """Runs the original with the input of each removed layer handed on as its output.

    Args:
        original: The model that was cut; it is left as it is.
        small: What it was cut to.
        bypass: id of a node of the original's graph -> number of the input that is handed on.
        data: As in `prove_cut`.

    Raises:
        ProofError: One sentence with the layer.
    """

    def run(x: Any) -> Any:
        return _handed_on(original, x, bypass)

    said = "with the removed layers handing on their inputs"
    return _check(original, small, run, said, data, time.perf_counter())


def _check(
    original: Any,
    small: Any,
    run: Callable[[Any], Any],
    said: str,
    data: Any,
    start: float,
) -> Check:
    given, worst, tolerance = examples_for(original, data), 0.0, rounding(original)
    if given is None:
        raise ProofError(
            f"It cannot be shown that '{small.name}' without what was removed computes what it "
            "should, because no example could be made for its inputs; pass some data."
        )
    theirs = run(given.x)
    ours = outputs(small, given.x)[0]
    worst = difference(ours, theirs)
    if worst > tolerance:
        layer = first_layer(
            original, small, lambda: run(given.x), lambda: outputs(small, given.x), tolerance
        )
        where = f"from the layer '{layer}' on" if layer else "in its outputs"
        raise ProofError(
            f"'{small.name}' does not compute what the model computes {said}, {where} (by "
            f"{worst:.3g} of the largest value); exclude the layers around it "
            "(target.exclude), or use pattern weight, and please report it."
        )
    how = "" if given.real else ", on generated examples"
    return Check(
        subject="cut",
        statement=f"The cut '{small.name}' computes what the model computes {said}{how}.",
        examples=given.count,
        difference=worst,
        tolerance=tolerance,
        seconds=round(time.perf_counter() - start, 3),
    )


def _handed_on(model: Any, x: Any, bypass: Mapping[int, int]) -> Any:
    """Outputs of a graph, node by node, some of which hand on one of their inputs."""
    graph = model._functional if isinstance(model, keras.Sequential) else model
    given = keras.tree.flatten(x)
    tensors = {id(t): v for t, v in zip(graph.inputs, given, strict=True)}
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if node.is_input:
                continue
            if id(node) in bypass:
                made: Any = tensors[id(node.input_tensors[bypass[id(node)]])]
            else:
                args, kwargs = node.arguments.fill_in(tensors)
                inner = node.operation
                if isinstance(inner, keras.Sequential) or hasattr(inner, "_nodes_by_depth"):
                    made = _handed_on(inner, args, bypass)
                else:
                    made = inner(*args, **kwargs)
            for tensor, value in zip(node.outputs, keras.tree.flatten(made), strict=True):
                tensors[id(tensor)] = value
    return keras.tree.map_structure(lambda t: tensors[id(t)], graph._outputs_struct)
