"""The group `regularizer` of the parameters as an optimizer that acts by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from secateur.models.weights import prunable_weights
from secateur.training.penalties import penalized
from secateur.training.regularizer_config import RegularizerConfig
from secateur.training.sparse_optimizer import Strength, hard_thresholded, proximal, regularized


def sparse(
    model: keras.Model,
    config: RegularizerConfig,
    steps: int,
    optimizer: Callable[..., keras.optimizers.Optimizer] = keras.optimizers.Adam,
) -> Callable[..., keras.optimizers.Optimizer]:
    """What gives an optimizer from a learning rate, with what `config` adds to it.

    Args:
        model: A built model.
        config: Penalty, strength and the way it acts.
        steps: Training steps in all, over a share of which the strength grows.
        optimizer: Gives the optimizer itself, called with a learning rate or a schedule.

    Raises:
        ValueError: If the model has nothing that the penalty could act on; one sentence.
    """
    if config.penalty == "none":
        return optimizer
    if config.penalty == "hard":
        assert config.ratio is not None
        chosen = [w.variable for w in prunable_weights(model) if w.variable.trainable]
        size = sum(int(keras.ops.size(v)) for v in chosen)
        kept = max(1, size - round(config.ratio * size))
        return lambda rate: hard_thresholded(optimizer(rate), chosen, kept)
    on = penalized(model, config.penalty)
    strength = Strength(config.strength, round(config.growth * steps))
    add: Any = proximal if config.step == "proximal" else regularized
    return lambda rate: add(optimizer(rate), on, strength)
