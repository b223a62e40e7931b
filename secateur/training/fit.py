"""Fitting a model: the loop that `train` and `fine_tune` share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from secateur.datasets.dataset import Split
from secateur.training import companion
from secateur.training.batches import ordered, shuffled
from secateur.training.checkpoint import Checkpoint
from secateur.training.fit_config import FitConfig
from secateur.training.objective import compile_for
from secateur.training.regularizer import sparse

Progress = Callable[[float, dict[str, float]], None]
"""Called as training goes on, with the epochs done (a fraction inside one) and the metrics."""

_WORK_PER_EXECUTION = 1e9  # weights x examples: about half a second on one core


class DivergedError(ArithmeticError):
    """The loss is no longer a finite number; trying again gives the same."""


def fit(
    model: keras.Model,
    train: Split,
    validation: Split,
    config: FitConfig,
    *,
    seed: int,
    companions: Sequence[keras.callbacks.Callback] = (),
    optimizer: Callable[..., keras.optimizers.Optimizer] = keras.optimizers.Adam,
    checkpoints: Path | None = None,
    progress: Progress | None = None,
    group: str = "fit",
) -> dict[str, list[float]]:
    """Trains `model` in place, and goes on from a checkpoint if there is one.

    The result depends on the arguments and the machine alone: batches are ordered by `seed` and
    the epoch, and a training that was killed and goes on ends at the same bits.

    Ways to train compose: what acts between steps is a companion; what changes the step itself is
    an optimizer, or a regularizer or constraint of single weights (`weight.regularizer`,
    `weight.constraint`) that is set before and put back after, as `secateur.sparsity.hold` does.
    Several steps may run between two calls of a companion (`steps_per_execution`).

    Args:
        model: A built model; it is compiled anew.
        train: Training examples, not empty.
        validation: Watched after each epoch; can be empty.
        config: How: with 0 epochs the model is only compiled.
        seed: Orders the batches.
        companions: Callbacks, called in this order; those that are `Companion`s are kept in the
            checkpoint and restored from it. They are the same, in the same order, at each call.
        optimizer: Gives an optimizer, called with a learning rate or a schedule of one.
        checkpoints: A folder that survives a kill; None to keep no checkpoints.
        progress: Told how far training is, every half a second or so.
        group: What the user calls the group of `config`, for messages.

    Returns:
        History: `loss`, `accuracy`, `val_loss` …, one value for each epoch.

    Raises:
        ValueError: The model has nothing that `config.regularizer` could act on; one sentence.
        DivergedError: The loss is NaN or infinite; one sentence with the epoch and what to change.
    """
    epochs = config.epochs or 0
    steps = math.ceil(len(train) / config.batch_size)
    per_execution = int(_WORK_PER_EXECUTION // (model.count_params() * config.batch_size + 1))
    optimizer = sparse(model, config.regularizer, epochs * steps, optimizer)
    compile_for(model, optimizer(config.learning_rate), max(1, min(64, steps, per_execution)))
    model.optimizer.build(model.trainable_variables)
    checkpoint = Checkpoint(checkpoints) if checkpoints else None
    done, history, beside = checkpoint.restore(model) if checkpoint else (0, {}, {})
    if done:
        companion.restore(companions, beside)
    epoch = tf.Variable(done, dtype=tf.int32)
    said = f"{group}.learning_rate ({config.learning_rate:g})"
    watch = _Watch(epoch, steps, history, checkpoint, companions, progress, said)
    if done < epochs:
        model.fit(
            shuffled(train, config.batch_size, seed, epoch),
            validation_data=ordered(validation, 1024) if len(validation) else None,
            initial_epoch=done,
            epochs=epochs,
            shuffle=False,  # `shuffled` does it
            verbose=0,
            callbacks=[*companions, watch],
        )
    return history


class _Watch(keras.callbacks.Callback):
    """Sets the epoch that orders the batches, keeps the history, and saves after each epoch."""

    def __init__(self, epoch, steps, history, checkpoint, companions, progress, setting):
        super().__init__()
        self._epoch, self._steps, self._setting = epoch, steps, setting
        self._history, self._checkpoint, self._companions = history, checkpoint, companions
        self._progress = progress or (lambda *_: None)
        self._number = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._number = epoch
        self._epoch.assign(epoch)

    def on_train_batch_end(self, batch, logs=None):
        self._refuse_nan(logs or {})
        self._progress(self._number + min(1.0, (batch + 1) / self._steps), dict(logs or {}))

    def on_epoch_end(self, epoch, logs=None):
        values = {name: float(value) for name, value in (logs or {}).items()}
        self._refuse_nan(values)
        for name, value in values.items():
            self._history.setdefault(name, []).append(value)
        if self._checkpoint:
            beside = companion.states(self._companions)
            self._checkpoint.save(self.model, epoch + 1, self._history, beside)
        self._progress(epoch + 1.0, values)

    def _refuse_nan(self, logs):
        for name, shown in (("loss", "loss"), ("val_loss", "validation loss")):
            loss = float(logs.get(name, 0.0))
            if not math.isfinite(loss):
                raise DivergedError(
                    f"The {shown} became {loss} in epoch {self._number + 1}; lower "
                    f"{self._setting}, or look for values that are not finite in the data."
                )
