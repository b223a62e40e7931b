from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from secateur.importance.movement import Movement
from secateur.importance.run import Run

_BATCH = 32


def movement(run: Run) -> dict[str, np.ndarray]:
    """S = −Σ_t w ∂L/∂w over one epoch of training on the examples, which is undone afterwards.

    The optimizer is a fresh one of the kind and learning rate the model was compiled with, or
    Adam; the batch size 32 unless it is given. To gather the scores during a fine-tuning of
    your own use `secateur.importance.movement.Movement`.

    Source: Sanh et al. 2020, "Movement pruning: adaptive sparsity by fine-tuning", eq. 3.
    """
    model, gathered = run.model, Movement(run.model)
    variables = list(model.trainable_variables)
    optimizer = _optimizer(model)
    optimizer.build(variables)

    @tf.function(reduce_retracing=True)
    def step(x: Any, y: Any, weights: Any) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(run.losses(y, model(x, training=True), weights))
        gradients = tape.gradient(loss, [v.value for v in variables])
        gathered.observe(gradients, variables)
        pairs = [(g, v) for g, v in zip(gradients, variables, strict=True) if g is not None]
        optimizer.apply_gradients(pairs)

    before = [keras.ops.convert_to_numpy(v.value) for v in model.variables]
    try:
        for batch in run.batches(run.batch_size or _BATCH, shuffled=True):
            step(batch.x, batch.y, batch.weights)
        scores = gathered.finish()
    finally:
        for variable, value in zip(model.variables, before, strict=True):
            variable.assign(value)
    for notice in scores.notices:
        if notice not in run.notices:
            run.note(notice)
    return dict(scores)


def _optimizer(model: keras.Model) -> keras.optimizers.Optimizer:
    given = getattr(model, "optimizer", None)
    given = getattr(given, "inner_optimizer", given)
    if given is None:
        return keras.optimizers.Adam()
    return type(given).from_config(given.get_config())
