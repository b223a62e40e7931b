"""How many weights a model has, and how many of them are zero."""

from __future__ import annotations

import keras

from secateur.evaluation.schema import LayerCount
from secateur.models.weights import prunable_weights


def count_layers(model: keras.Model) -> list[LayerCount]:
    """Counts the prunable weights of each layer that has any, in the model's order."""
    counts: dict[str, tuple[str, int, int]] = {}
    for weight in prunable_weights(model):
        value = keras.ops.convert_to_numpy(weight.variable.value)
        _, size, nonzero = counts.get(weight.layer_path, ("", 0, 0))
        counts[weight.layer_path] = (
            type(weight.layer).__name__,
            size + value.size,
            nonzero + int((value != 0).sum()),
        )
    return [
        LayerCount(
            name=name, kind=kind, parameters=size, nonzero=nonzero, sparsity=1 - nonzero / size
        )
        for name, (kind, size, nonzero) in counts.items()
    ]


def sparsity(model: keras.Model) -> float:
    """Zeros / prunable weights; 0 if there are none."""
    layers = count_layers(model)
    size = sum(layer.parameters for layer in layers)
    return 1 - sum(layer.nonzero for layer in layers) / size if size else 0.0
