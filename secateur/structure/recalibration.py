"""Statistics of BatchNorm, measured anew on what is left of a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from secateur.evaluation.flops import graph_of
from secateur.importance.data import Examples
from secateur.models.weights import flat_layers
from secateur.structure.execute import Execution


def remeasure(
    model: keras.Model, data: Callable[[], Any], *, examples: int | None, seed: int
) -> list[str]:
    """`recalibrate` where a model has BatchNormalization; what it refuses is told, not raised.

    Args:
        model: Any model; it is changed in place.
        data: Gives the data, and is called only if there is something to measure.
        examples: As for `recalibrate`.
        seed: As for `recalibrate`.

    Returns:
        What was left as it was, and why.
    """
    if not any(isinstance(x, keras.layers.BatchNormalization) for x in flat_layers(model)):
        return []
    try:
        recalibrate(model, data(), examples=examples, seed=seed)
    except ValueError as error:
        return [str(error)]
    return []


def recalibrate(
    model: keras.Model,
    data: Any,
    *,
    examples: int | None = 2048,
    batch_size: int = 256,
    seed: int = 0,
) -> int:
    """Sets mean and variance of every BatchNormalization to their averages over batches of data.

    Each batch passes with the statistics of its own batch (Wu & Johnson 2021, "precise" batch
    statistics); dropout and noise stay off, and nothing else of the model changes. Frozen layers
    (`trainable=False`) keep their statistics, as they do in training.

    Args:
        model: A Functional or Sequential model; it is changed in place.
        data: Training data, as for `importance.score`; labels are not read.
        examples: How many examples to look at, at most; None for all.
        batch_size: Examples in a batch.
        seed: Seed of the draw of the examples.

    Returns:
        How many layers were measured; 0 if there is no BatchNormalization, or none in training.

    Raises:
        ValueError: If the model is subclassed or the data hold nothing.
    """
    graph = graph_of(model) if isinstance(model, keras.Model) else None
    if graph is None:
        raise ValueError(
            f"BatchNorm in '{getattr(model, 'name', model)}' cannot be measured anew: it is not a "
            "Functional or Sequential model. Fine-tune it for an epoch instead."
        )
    norms = [
        layer
        for layer in flat_layers(model)
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    ]
    if not norms:
        return 0
    momenta = [layer.momentum for layer in norms]
    execution = Execution(model, training=(keras.layers.BatchNormalization,))
    try:
        batches = Examples(data, limit=examples, seed=seed).batches(batch_size, shuffled=True)
        for number, batch in enumerate(batches):
            for layer in norms:
                layer.momentum = number / (number + 1)  # the mean of all batches so far
            execution(batch.x)
    finally:
        for layer, momentum in zip(norms, momenta, strict=True):
            layer.momentum = momentum
    return len(norms)
