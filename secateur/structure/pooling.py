"""Scores of weights, pooled to scores of channels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from secateur.structure.dependency import Graph

POOLINGS = ("mean", "l1", "l2", "max")


def pooled(
    graph: Graph, scores: Mapping[str, np.ndarray], pooling: str = "mean"
) -> tuple[np.ndarray, np.ndarray]:
    """Pools the scores of all weights that a channel runs through, on all their axes.

    Args:
        graph: The dependency graph.
        scores: Weight path -> array of the weight's shape. Weights without scores do not count.
        pooling: "mean", "l1" (the sum, as scores are not negative), "max" or "l2" over the single
            weights of a channel.

    Returns:
        For each unit of the graph its score, and whether it has any.

    Raises:
        ValueError: If a path is not in the model, a shape does not fit, or a score is not a number.
    """
    variables = {path: v for v in graph.model.weights for path in [graph.paths[id(v)]]}
    total = np.zeros(graph.units)
    number = np.zeros(graph.units)
    for path, values in scores.items():
        if path not in variables:
            raise ValueError(f"The scores name '{path}', which is no weight of the model.")
        variable = variables[path]
        array = np.asarray(values, np.float64)
        if array.shape != tuple(variable.shape):
            raise ValueError(
                f"The scores of '{path}' have the shape {array.shape}; the weight has "
                f"{tuple(variable.shape)}."
            )
        if not np.isfinite(array).all():
            raise ValueError(f"The scores of '{path}' are not all finite.")
        for bound in graph.bounds.get(id(variable), ()):
            if bound.labels is None:
                continue
            others = tuple(axis for axis in range(array.ndim) if axis != bound.axis)
            units = graph.unit_of[bound.labels]
            if pooling == "max":
                np.maximum.at(total, units, array.max(others))
            else:
                values = array**2 if pooling == "l2" else array
                total += np.bincount(units, values.sum(others), graph.units)
            number += np.bincount(units, np.full(len(units), array.size / len(units)), graph.units)
    if pooling == "mean":
        total = total / np.maximum(number, 1)
    elif pooling == "l2":
        total = np.sqrt(total)
    return total, number > 0
