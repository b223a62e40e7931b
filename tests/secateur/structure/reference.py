"""The definition of a cut: the original model with what reads the removed channels at zero."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from secateur import structure
from secateur.evaluation.flops import graph_of, total_flops
from secateur.models.weights import weight_paths
from secateur.structure.labels import MAKES, READS


def randomize(model: Any, seed: int = 0) -> Any:
    """Random values for all that starts at 0 or 1, so that mistakes cannot hide.

    The statistics of BatchNorm are near those of random data, so that the output of a deep network
    still depends on its input.
    """
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if "float" not in keras.backend.standardize_dtype(variable.dtype):
            continue
        value = keras.ops.convert_to_numpy(variable.value)
        if variable.name in ("gamma", "scale") or variable.name in ("variance", "moving_variance"):
            variable.assign(rng.uniform(0.7, 1.5, variable.shape))
        elif np.ptp(value) == 0:
            variable.assign(rng.normal(0, 0.2, variable.shape))
        elif value.ndim > 1:
            variable.assign(value * 1.4)  # what ReLU takes away
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
    norms = [x for x in model._flatten_layers() if isinstance(x, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    if norms:
        model(batch(model, 8, seed), training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
        mean, variance = (np.array(v) for v in (layer.moving_mean, layer.moving_variance))
        spread = np.sqrt(variance)
        layer.moving_mean.assign(mean + spread * rng.normal(0, 0.2, mean.shape))
        layer.moving_variance.assign(variance * rng.uniform(0.7, 1.3, mean.shape) + 1e-3)
    return model


def batch(model: Any, size: int = 3, seed: int = 1) -> Any:
    """Random inputs in the structure of the model's inputs."""
    rng = np.random.default_rng(seed)

    def one(x: Any) -> np.ndarray:
        shape = tuple(n or 5 for n in x.shape[1:])
        if "int" in x.dtype:
            return rng.integers(0, 7, (size, *shape)).astype(x.dtype)
        return rng.normal(size=(size, *shape)).astype(x.dtype)

    return keras.tree.map_structure(one, graph_of(model)._inputs_struct)


def outputs(model: Any, x: Any) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(y) for y in keras.tree.flatten(model(x, training=False))]


def zeroed_outputs(graph: Any, removed: np.ndarray, x: Any) -> list[np.ndarray]:
    """Outputs of the original with the weights that read a removed channel set to zero.

    Nothing but the product of queries and keys reads the widths of keys: there the queries' own
    weights are zero.
    """
    model, keep = graph.model, graph.keeping(removed)
    saved = [keras.ops.convert_to_numpy(v.value) for v in model.weights]
    width = np.zeros(graph.trace.size, bool)
    for block in graph.trace.blocks:
        width[block.start : block.stop] = block.kind == "width"
    for bound in graph.trace.bound.values():
        if bound.labels is None:
            continue
        gone = ~keep[bound.labels]
        if bound.role == MAKES:
            gone = gone & width[bound.labels]
        if bound.role in (READS, MAKES) and gone.any():
            value = keras.ops.convert_to_numpy(bound.variable.value).copy()
            np.moveaxis(value, bound.axis, 0)[gone] = 0
            bound.variable.assign(value)
    result = outputs(model, x)
    for variable, value in zip(model.weights, saved, strict=True):
        variable.assign(value)
    return result


def magnitude(model: Any) -> dict[str, np.ndarray]:
    return {p: np.abs(keras.ops.convert_to_numpy(v.value)) for p, v in weight_paths(model)}


def random_removal(graph: Any, share: float, seed: int) -> np.ndarray:
    """A random share of each group, but never all of it."""
    rng = np.random.default_rng(seed)
    removed = np.zeros(graph.units, bool)
    for group in graph.groups:
        number = min(round(share * group.channels), group.channels - 1)
        removed[rng.permutation(group.units)[:number]] = True
    return removed


def error_of(graph: Any, removed: np.ndarray, small: Any, x: Any) -> float:
    """Largest difference of the cut model to its definition, relative to the largest output."""
    pairs = zip(zeroed_outputs(graph, removed, x), outputs(small, x), strict=True)
    return max(float(np.abs(a - b).max() / np.abs(a).max()) for a, b in pairs)


def check_cut(
    graph: Any, removed: np.ndarray, x: Any = None, tolerance: float = 1e-5, flops: bool = True
) -> Any:
    """Cuts, and proves output, names, parameters and FLOPs; returns the cut model."""
    model = graph.model
    before = {path: keras.ops.convert_to_numpy(v.value) for path, v in weight_paths(model)}
    small = structure.remove(model, structure.Removal(graph, removed))
    assert error_of(graph, removed, small, batch(model) if x is None else x) <= tolerance
    assert [p for p, _ in weight_paths(small)] == list(before)
    assert [o.name for o in small.operations] == [o.name for o in model.operations]
    assert small.count_params() == graph.parameters(removed)
    if flops:
        assert total_flops(small) == graph.flops(removed)
    for path, variable in weight_paths(model):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable.value), before[path])
    return small
